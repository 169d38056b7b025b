/** The tunnel whose server the installed openconnect speaks with: packets pass as they are. */
import type { PvpnError } from '../../core/errors.js'
import { formatHostPort, parseIp } from '../../core/ip.js'
import type { OpenconnectOptions } from '../../core/options.js'
import type { PacketBatch } from '../../core/packet-batch.js'
import { type Answers, askFor, question } from '../../core/question.js'
import type { PacketTunnel, TunnelCounters, TunnelEvent } from '../../core/tunnel.js'
import type { ProgramEnd, TunnelProgram } from '../../core/tunnel-program.js'
import type { Bytes, LinkInfo, Millis } from '../../core/types.js'
import { Counters } from './counters.js'
import { engineArguments } from './engine-arguments.js'
import { EngineLogin, Remembered, type Step, unfit } from './engine-login.js'
import { engineSettings } from './engine-variables.js'
import { engineError, engineGivesUp, engineRefusal, isOutOfOrder } from './engine-words.js'
import { needsPerson, protocolBroken } from './failure.js'
import { OC_SECRET_TRIES } from './limits.js'
import { isIpPacket, linkOf, MOST_MTU, Reachable } from './link.js'
import { RETRY_FIRST, RETRY_LONGEST, SETTLED } from './timing.js'

const NEVER = Number.POSITIVE_INFINITY
const AT_ONCE = 0

export class EngineTunnel implements PacketTunnel {
  onReady: () => void = () => {}
  link: LinkInfo = { addresses: [], dns: [], search: [], mtu: MOST_MTU }
  endpoint: string
  lastHandshake: Millis | undefined
  readonly #o: OpenconnectOptions
  readonly #program: TunnelProgram
  readonly #counters = new Counters()
  #events: TunnelEvent[] = []
  #reachable: Reachable | undefined
  readonly #remembered = new Remembered()
  /** Of the program that runs, until it is up. */
  #login: EngineLogin | undefined
  /** A person was asked, and has not answered. */
  #asked = false
  #variables: ReadonlyMap<string, string> | undefined
  #end: ProgramEnd | undefined
  #open = false
  #retryAt: Millis = NEVER
  #retryWait: Millis = RETRY_FIRST
  /** Times in a row that the password may have been given and no tunnel came of it. */
  #secretTries = 0

  constructor(options: OpenconnectOptions, program: TunnelProgram) {
    this.#o = options
    this.endpoint = formatHostPort(options.place.host, options.place.port)
    this.#program = program
  }

  open(now: Millis): void {
    this.#open = true
    const error = unfit(this.#o)
    if (error === undefined) this.#begin(now)
    else this.#events.push({ kind: 'failed', error })
  }

  answer(said: Answers, now: Millis): void {
    if (!this.#open || !this.#asked) return
    this.#asked = false
    if (this.#login !== undefined) {
      this.#step(this.#login.answer(said, now), now)
      return
    }
    // The login that asked is over: a code was for that one alone.
    this.#remembered.hear(said)
    this.#begin(now)
  }

  close(_now: Millis): void {
    this.#open = false
    this.#events = []
    this.#reachable = undefined
    this.#retryAt = NEVER
    this.#stop()
  }

  receive(batch: PacketBatch, _now: Millis): void {
    for (let i = 0; i < batch.count; i++) {
      const length = batch.length[i] as number
      if (length <= 0) continue
      if (
        this.#reachable === undefined ||
        !isIpPacket(batch.bytes, batch.offset[i] as number, length)
      ) {
        this.#counters.drops.packet++
        batch.length[i] = 0
        continue
      }
      this.#counters.bytesIn += length
      this.#counters.packetsIn++
    }
  }

  transmit(batch: PacketBatch, _now: Millis): void {
    const { drops } = this.#counters
    for (let i = 0; i < batch.count; i++) {
      const length = batch.length[i] as number
      if (length <= 0) continue
      const why =
        this.#reachable === undefined
          ? 'down'
          : length > this.link.mtu
            ? 'size'
            : this.#reachable.hasDestination(batch.bytes, batch.offset[i] as number)
              ? undefined
              : 'route'
      if (why === undefined) {
        this.#counters.bytesOut += length
        this.#counters.packetsOut++
      } else {
        drops[why]++
        batch.length[i] = 0
      }
    }
  }

  poll(): void {}

  deadline(): Millis {
    if (this.#variables !== undefined || this.#end !== undefined) return AT_ONCE
    return Math.min(this.#retryAt, this.#login?.deadline() ?? NEVER)
  }

  tick(now: Millis): void {
    if (!this.#open) return
    if (this.#variables !== undefined) this.#up(this.#variables, now)
    if (this.#end !== undefined) this.#ended(this.#end, now)
    this.#step(this.#login?.next(now), now)
    if (now < this.#retryAt) return
    this.#retryAt = NEVER
    this.#begin(now)
  }

  takeEvent(): TunnelEvent | undefined {
    return this.#events.shift()
  }

  resolved(): void {}

  routes(address: Bytes): boolean {
    return this.#reachable?.has(address) ?? false
  }

  get counters(): TunnelCounters {
    return this.#counters
  }

  #begin(now: Millis): void {
    const login = new EngineLogin(this.#o, this.#remembered, now)
    this.#login = login
    const { password } = login.options
    const input = password === undefined ? '' : `${password}\n`
    this.#program.start(engineArguments(login.options), input, {
      onPrinted: (text, errors) => {
        login.hear(text, errors)
        this.onReady()
      },
      onLink: (variables) => {
        this.#variables = variables
        this.onReady()
      },
      onEnd: (end) => {
        this.#end = end
        this.onReady()
      },
    })
  }

  #step(step: Step | undefined, now: Millis): void {
    if (step === undefined) return
    if (step.kind === 'say') {
      this.#program.say(step.line)
    } else if (step.kind === 'ask') {
      this.#asked = true
      this.#events.push({ kind: 'failed', error: step.error })
    } else {
      const gave = this.#login?.gaveSecret === true
      this.#stop()
      this.#asked = step.error.asks.length > 0
      this.#missed(step.error, { gave, refused: false }, now)
    }
  }

  #stop(): void {
    this.#login = undefined
    this.#asked = false
    this.#variables = undefined
    this.#end = undefined
    this.#program.stop()
  }

  #up(variables: ReadonlyMap<string, string>, now: Millis): void {
    this.#variables = undefined
    const settings = engineSettings(variables)
    if (settings === undefined) {
      this.#stop()
      this.#events.push({ kind: 'trying', error: protocolBroken(this.#o.place.host, 'no address') })
      this.#pause(now)
      return
    }
    const gateway = variables.get('VPNGATEWAY') ?? ''
    const { host, port } = this.#o.place
    this.endpoint = formatHostPort(parseIp(gateway) === undefined ? host : gateway, port)
    this.link = linkOf(settings)
    this.#reachable = new Reachable(settings)
    this.lastHandshake = now
    this.#secretTries = 0
    this.#login = undefined
    this.#asked = false
    this.#events.push({ kind: 'up', link: this.link })
  }

  #ended(end: ProgramEnd, now: Millis): void {
    this.#end = undefined
    const login = this.#login
    this.#login = undefined
    const wasUp = this.#reachable !== undefined
    this.#reachable = undefined
    if (wasUp && now - (this.lastHandshake ?? now) >= SETTLED) this.#retryWait = RETRY_FIRST
    // A question that stands stays: the answer begins the next login.
    if (login?.asking === true) return
    const { host } = this.#o.place
    const { username, password } = this.#remembered.with(this.#o)
    const names = { host, username, password }
    const error = engineError(end, names)
    if (wasUp) {
      this.#events.push({ kind: 'down', error })
      this.#pause(now)
      return
    }
    const gave = login?.gaveSecret === true && !isOutOfOrder(end)
    const refused = engineRefusal(end, names) !== undefined
    this.#missed(error, { gave, refused }, now)
  }

  /** A login that came to nothing. `gave`: the server has a secret of it; `refused`: and said no. */
  #missed(
    words: PvpnError,
    { gave, refused }: { gave: boolean; refused: boolean },
    now: Millis,
  ): void {
    if (gave && !needsPerson(words)) this.#secretTries++
    const inVain = this.#secretTries >= OC_SECRET_TRIES
    const error = inVain ? engineGivesUp(OC_SECRET_TRIES, words) : words
    if (!needsPerson(error)) {
      this.#events.push({ kind: 'trying', error })
      this.#pause(now)
      return
    }
    this.#secretTries = 0
    this.#events.push({ kind: 'failed', error: refused || inVain ? this.#asksAgain(error) : error })
  }

  /** A password that was typed is asked for again, and forgotten; a configured one is the configuration's matter. */
  #asksAgain(error: PvpnError): PvpnError {
    if (this.#o.password !== undefined || this.#remembered.get('password') === undefined)
      return error
    this.#remembered.forget('password')
    this.#asked = true
    const again = question('password', 'Password', { refused: true, setting: 'password' })
    return askFor(this.#o.place.host, [again], error.message)
  }

  #pause(now: Millis): void {
    this.#retryAt = now + this.#retryWait
    this.#retryWait = Math.min(2 * this.#retryWait, RETRY_LONGEST)
  }
}
