/** The tunnel whose server the installed openconnect speaks with: packets pass as they are. */
import { formatHostPort, parseIp } from '../../core/ip.js'
import type { OpenconnectOptions } from '../../core/options.js'
import type { PacketBatch } from '../../core/packet-batch.js'
import type { PacketTunnel, TunnelCounters, TunnelEvent } from '../../core/tunnel.js'
import type { ProgramEnd, TunnelProgram } from '../../core/tunnel-program.js'
import type { Bytes, LinkInfo, Millis } from '../../core/types.js'
import { Counters } from './counters.js'
import { engineArguments } from './engine-arguments.js'
import { engineSettings } from './engine-variables.js'
import { engineError, engineGivesUp, mayHaveGiven } from './engine-words.js'
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
  /** What the program said, until the next turn. */
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

  open(_now: Millis): void {
    this.#open = true
    this.#begin()
  }

  close(_now: Millis): void {
    this.#open = false
    this.#events = []
    this.#reachable = undefined
    this.#retryAt = NEVER
    this.#program.stop()
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
    return this.#variables !== undefined || this.#end !== undefined ? AT_ONCE : this.#retryAt
  }

  tick(now: Millis): void {
    if (!this.#open) return
    if (this.#variables !== undefined) this.#up(this.#variables, now)
    if (this.#end !== undefined) this.#ended(this.#end, now)
    if (now < this.#retryAt) return
    this.#retryAt = NEVER
    this.#begin()
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

  #begin(): void {
    const { password } = this.#o
    const input = password === undefined ? '' : `${password}\n`
    this.#program.start(engineArguments(this.#o), input, {
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

  #up(variables: ReadonlyMap<string, string>, now: Millis): void {
    this.#variables = undefined
    const settings = engineSettings(variables)
    if (settings === undefined) {
      this.#program.stop()
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
    this.#events.push({ kind: 'up', link: this.link })
  }

  #ended(end: ProgramEnd, now: Millis): void {
    this.#end = undefined
    const wasUp = this.#reachable !== undefined
    this.#reachable = undefined
    if (wasUp && now - (this.lastHandshake ?? now) >= SETTLED) this.#retryWait = RETRY_FIRST
    const { place, username, password } = this.#o
    const words = engineError(end, { host: place.host, username, password })
    const inVain = !wasUp && password !== undefined && mayHaveGiven(end)
    if (inVain) this.#secretTries++
    const error =
      this.#secretTries < OC_SECRET_TRIES ? words : engineGivesUp(OC_SECRET_TRIES, words)
    if (needsPerson(error)) {
      this.#secretTries = 0
      this.#events.push({ kind: 'failed', error })
      return
    }
    this.#events.push({ kind: wasUp ? 'down' : 'trying', error })
    this.#pause(now)
  }

  #pause(now: Millis): void {
    this.#retryAt = now + this.#retryWait
    this.#retryWait = Math.min(2 * this.#retryWait, RETRY_LONGEST)
  }
}
