/**
 * A client for AnyConnect servers (Cisco's, ocserv) as a machine without I/O: packets in frames over
 * TLS (draft-mavrogiannopoulos-openconnect). TLS and TCP are a carrier beside it, which reports later;
 * the machine takes that up in its own turn.
 */
import { u8 } from '../../core/bytes.js'
import { type PvpnError, toPvpnError } from '../../core/errors.js'
import { formatHostPort } from '../../core/ip.js'
import type { OpenconnectOptions } from '../../core/options.js'
import type { PacketBatch } from '../../core/packet-batch.js'
import type { Answers } from '../../core/question.js'
import type { SecureCarrier } from '../../core/secure-carrier.js'
import { formatSocketAddress } from '../../core/socket-address.js'
import type { PacketTunnel, TunnelCounters, TunnelEvent } from '../../core/tunnel.js'
import type { Bytes, LinkInfo, Millis } from '../../core/types.js'
import { Counters, type DropReason } from './counters.js'
import { keyLocked, needsPerson, secretUnanswered } from './failure.js'
import { FRAME, FRAME_HEADER_SIZE, frame, writeFrameHeader } from './frame.js'
import { OC_COOKIE_TRIES, OC_EVENTS, OC_OUTGOING, OC_SECRET_TRIES } from './limits.js'
import type { Line } from './line.js'
import { isIpPacket, linkOf, MOST_MTU, Reachable } from './link.js'
import type { LoginOptions, Session } from './login.js'
import { formatOrigin } from './origin.js'
import { Service } from './service.js'
import { Setup, type TunnelReady } from './setup.js'
import {
  CHANGE_TIME,
  DRAIN_TIME,
  REKEY_RETRY,
  RETRY_FIRST,
  RETRY_LONGEST,
  SETTLED,
} from './timing.js'

export interface OpenconnectDependencies {
  readonly carrier: SecureCarrier
  /**
   * Opens the private key; the carrier is of use then. False: its password is missing, or this is not
   * it. Throws what is wrong otherwise. Absent: there is nothing to open.
   */
  readonly unlock?: (keyPassword: string | undefined) => boolean
}

const NEVER = Number.POSITIVE_INFINITY
/** What a client says when it leaves of its own will. */
const FAREWELL = [0xb0, ...new TextEncoder().encode('pvpn ends')]

export function createOpenconnect(
  options: OpenconnectOptions,
  dependencies: OpenconnectDependencies,
): PacketTunnel {
  return new OpenconnectTunnel(options, dependencies)
}

class OpenconnectTunnel implements PacketTunnel {
  onReady: () => void = () => undefined
  link: LinkInfo = { addresses: [], dns: [], search: [], mtu: MOST_MTU }
  readonly #login: LoginOptions
  readonly #carrier: SecureCarrier
  readonly #unlock: OpenconnectDependencies['unlock']
  /** Of the configuration, or as a person typed it. */
  #keyPassword: string | undefined
  readonly #keyConfigured: boolean
  #keyOpen: boolean
  readonly #counters = new Counters()
  readonly #events: TunnelEvent[] = []
  readonly #outgoing: Bytes[] = []
  #setup: Setup | undefined
  /** One that waits for a person. */
  #asking: Setup | undefined
  #service: Service | undefined
  /** A connection that was replaced, and until when it may go on. */
  #draining: { readonly line: Line; readonly until: Millis } | undefined
  #reachable: Reachable | undefined
  #session: Session | undefined
  #to: Bytes | undefined
  #lastHandshake: Millis | undefined
  /** The connection has ended while its successor is on its way: why, and how long that may take. */
  #changing: { readonly error: PvpnError; readonly until: Millis } | undefined
  /** A new tunnel can't be had without a person; the present one goes on as long as the server lets it. */
  #refused: { readonly error: PvpnError; readonly setup: Setup | undefined } | undefined
  /** Times in a row that the cookie was shown in vain. */
  #cookieTries = 0
  /** Times in a row that a secret was given and nothing came back. */
  #secretTries = 0
  #open = false
  #isUp = false
  #resolveId = 0
  /** The next attempt, and the wait before the one behind it. */
  #retryAt: Millis = NEVER
  #retryWait: Millis = RETRY_FIRST

  constructor(options: OpenconnectOptions, { carrier, unlock }: OpenconnectDependencies) {
    const { place, username, password, form, authgroup, tls } = options
    this.#carrier = carrier
    this.#unlock = unlock
    this.#keyOpen = unlock === undefined
    this.#keyPassword = tls.keyPassword
    this.#keyConfigured = tls.keyPassword !== undefined
    this.#login = {
      place,
      form,
      hasCertificate: tls.certificate !== undefined || tls.pkcs12 !== undefined,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(authgroup === undefined ? {} : { authgroup }),
    }
  }

  open(now: Millis): void {
    this.#open = true
    this.#begin(now)
  }

  close(_now: Millis): void {
    this.#open = false
    this.#events.length = 0
    this.#outgoing.length = 0
    this.#retryAt = NEVER
    this.#setup?.close()
    this.#setup = undefined
    this.#draining?.line.close()
    this.#draining = undefined
    // The farewell goes out with the turn that follows; the carrier ends the connection after it.
    if (this.#service !== undefined) this.#queue(frame(FRAME.disconnect, Uint8Array.from(FAREWELL)))
    this.#service = undefined
    this.#changing = undefined
    this.#refused = undefined
    this.#isUp = false
  }

  receive(batch: PacketBatch, now: Millis): void {
    const service = this.#service
    let heard = false
    for (let i = 0; i < batch.count; i++) {
      const length = (batch.length[i] as number) - FRAME_HEADER_SIZE
      if (length < 0) continue
      const at = (batch.offset[i] as number) + FRAME_HEADER_SIZE
      const type = u8(batch.bytes, at - 2)
      heard = true
      this.#counters.bytesIn += length + FRAME_HEADER_SIZE
      batch.length[i] = 0
      if (type === FRAME.data && service !== undefined) {
        if (!isIpPacket(batch.bytes, at, length)) {
          this.#counters.drops.packet++
          continue
        }
        batch.offset[i] = at
        batch.length[i] = length
        this.#counters.packetsIn++
      } else if (type === FRAME.compressed) this.#counters.drops.compressed++
      else if (type > FRAME.terminate) this.#counters.drops.malformed++
      else {
        const answer = service?.control(type, batch.bytes.slice(at, at + length))
        if (answer !== undefined) this.#queue(answer)
      }
    }
    if (heard) service?.heard(now)
    if (service?.failure !== undefined) this.#look(now)
  }

  transmit(batch: PacketBatch, now: Millis): void {
    const service = this.#service
    let spoke = false
    for (let i = 0; i < batch.count; i++) {
      const length = batch.length[i] as number
      if (length <= 0) continue
      const at = batch.offset[i] as number
      if (service === undefined) this.#drop(batch, i, 'down')
      else if (length > this.link.mtu) this.#drop(batch, i, 'size')
      else if (this.#reachable?.hasDestination(batch.bytes, at) !== true)
        this.#drop(batch, i, 'route')
      else {
        writeFrameHeader(batch.bytes, at - FRAME_HEADER_SIZE, length, FRAME.data)
        batch.offset[i] = at - FRAME_HEADER_SIZE
        batch.length[i] = length + FRAME_HEADER_SIZE
        this.#counters.packetsOut++
        this.#counters.bytesOut += length + FRAME_HEADER_SIZE
        spoke = true
      }
    }
    if (spoke) service?.spoke(now)
  }

  poll(batch: PacketBatch, _now: Millis): void {
    for (
      let next = this.#outgoing[0];
      next !== undefined && !batch.full;
      next = this.#outgoing[0]
    ) {
      this.#outgoing.shift()
      if (batch.push(next)) this.#counters.bytesOut += next.length
      else this.#counters.drops.outgoing++
    }
  }

  deadline(): Millis {
    const { rekeyAt = NEVER } = this.#setup === undefined ? (this.#service ?? {}) : {}
    return Math.min(
      this.#retryAt,
      this.#setup?.deadline() ?? NEVER,
      this.#service?.deadline() ?? NEVER,
      this.#draining?.until ?? NEVER,
      this.#changing?.until ?? NEVER,
      rekeyAt,
    )
  }

  tick(now: Millis): void {
    if (!this.#open) return
    if (this.#draining !== undefined && now >= this.#draining.until) {
      this.#draining.line.close()
      this.#draining = undefined
    }
    const service = this.#service
    const frames = service?.tick(now)
    if (frames !== undefined) this.#queue(frames)
    this.#setup?.tick(now)
    this.#look(now)
    if (this.#changing !== undefined && now >= this.#changing.until)
      this.#down(this.#changing.error)
    if (now >= this.#retryAt) {
      this.#retryAt = NEVER
      this.#begin(now)
    } else if (
      this.#service !== undefined &&
      this.#setup === undefined &&
      now >= this.#service.rekeyAt
    ) {
      this.#begin(now)
    }
  }

  takeEvent(): TunnelEvent | undefined {
    return this.#events.shift()
  }

  resolved(id: number, addresses: readonly Bytes[], now: Millis): void {
    if (id !== this.#resolveId || this.#setup === undefined) return
    this.#setup.resolved(addresses, now)
    this.#look(now)
  }

  routes(address: Bytes): boolean {
    return this.#reachable?.has(address) ?? false
  }

  answer(said: Answers, now: Millis): void {
    const asking = this.#asking
    if (!this.#open) return
    if (!this.#keyOpen && Object.hasOwn(said, 'key_password')) {
      this.#keyPassword = said.key_password
      this.#begin(now)
      return
    }
    if (asking === undefined) return
    this.#asking = undefined
    this.#setup = asking
    asking.hear(said, now)
    this.#look(now)
  }

  get counters(): TunnelCounters {
    return this.#counters
  }

  get lastHandshake(): Millis | undefined {
    return this.#lastHandshake
  }

  get endpoint(): string {
    const to = this.#setup?.address ?? this.#to
    const { host, port } = this.#login.place
    return to === undefined ? formatHostPort(host, port) : formatSocketAddress(to)
  }

  /** Begins a connection: the first, one after a loss, or one that takes the place of the present one. */
  #begin(now: Millis): void {
    if (!this.#openKey()) return
    this.#setup = new Setup(
      {
        carrier: this.#carrier,
        login: this.#login,
        session: this.#session,
        preferred: this.#to,
        wake: () => this.onReady(),
      },
      now,
    )
    this.#look(now)
  }

  /** Before the first connection; false: it has failed. */
  #openKey(): boolean {
    if (this.#keyOpen) return true
    try {
      this.#keyOpen = this.#unlock?.(this.#keyPassword) ?? true
      if (!this.#keyOpen) {
        const refused = this.#keyPassword !== undefined
        this.#fail(keyLocked(refused, this.#keyConfigured), undefined)
      }
    } catch (thrown) {
      this.#fail(toPvpnError(thrown), undefined)
    }
    // The key is open, or this was not its password.
    if (!this.#keyConfigured) this.#keyPassword = undefined
    return this.#keyOpen
  }

  /** What has become of the connection, and of the one that is being made? */
  #look(now: Millis): void {
    this.#ask()
    const { outcome } = this.#setup ?? {}
    if (outcome?.kind === 'ready') this.#ready(outcome, now)
    const service = this.#service
    if (service?.failure !== undefined) this.#lost(service, service.failure, now)
    if (outcome?.kind === 'failed') this.#notReady(outcome.error, now)
  }

  #ask(): void {
    const { question } = this.#setup ?? {}
    if (this.#setup === undefined || question === undefined) return
    this.#setup.question = undefined
    this.#report({ kind: 'resolve', ...question, id: ++this.#resolveId })
  }

  #ready(ready: TunnelReady, now: Millis): void {
    const { line, rest, settings, session } = ready
    const before = this.#service
    const link = linkOf(settings)
    this.#setup = undefined
    this.#draining?.line.close()
    this.#draining =
      before === undefined ? undefined : { line: before.line, until: now + DRAIN_TIME }
    this.#session = session
    this.#to = line.address
    this.#lastHandshake = now
    this.#service = new Service(ready, formatOrigin(session.place), now)
    const changed = !this.#isUp || JSON.stringify(link) !== JSON.stringify(this.link)
    this.link = link
    this.#reachable = new Reachable(settings)
    this.#isUp = true
    this.#changing = undefined
    this.#cookieTries = 0
    this.#secretTries = 0
    const largest = FRAME_HEADER_SIZE + link.mtu
    line.carry(rest, largest)
    for (let event = line.take(); event !== undefined; event = line.take()) {
      if (event.kind === 'bytes') line.carry(event.bytes, largest)
      else if (event.kind === 'closed') this.#service.failure ??= event.error
    }
    if (changed) this.#report({ kind: 'up', link })
  }

  /** The connection has ended, by itself or as its successor came. */
  #lost(service: Service, error: PvpnError, now: Millis): void {
    service.line.close()
    this.#service = undefined
    this.#outgoing.length = 0
    if (now - service.since >= SETTLED) this.#retryWait = RETRY_FIRST
    const refused = this.#refused
    this.#refused = undefined
    // A successor that is on its way is as good as the next attempt.
    if (refused !== undefined) this.#fail(refused.error, refused.setup)
    else if (this.#setup === undefined) {
      this.#down(error)
      this.#pause(now)
    } else this.#changing ??= { error, until: now + CHANGE_TIME }
  }

  #down(error: PvpnError): void {
    this.#changing = undefined
    if (!this.#isUp) return
    this.#isUp = false
    this.#report({ kind: 'down', error })
  }

  #notReady(why: PvpnError, now: Millis): void {
    const setup = this.#setup
    const error = this.#givenInVain(setup) ?? why
    const inVain = setup?.showsCookie === true && ++this.#cookieTries >= OC_COOKIE_TRIES
    this.#session = inVain ? undefined : setup?.session
    if (inVain) this.#cookieTries = 0
    this.#setup = undefined
    if (this.#service !== undefined) {
      // What was refused is not tried again: a wrong password sent twice may lock the user out.
      if (needsPerson(error) && setup?.gaveOrAsks === true) this.#refused = { error, setup }
      this.#service.rekeyAt = this.#refused === undefined ? now + REKEY_RETRY : NEVER
      return
    }
    this.#changing = undefined
    if (needsPerson(error)) this.#fail(error, setup)
    else {
      if (this.#isUp) this.#down(error)
      else this.#report({ kind: 'trying', error })
      this.#pause(now)
    }
  }

  /** The error of a server that takes secrets and never answers; undefined: it may be tried again. */
  #givenInVain(setup: Setup | undefined): PvpnError | undefined {
    if (setup?.gaveInVain !== true) {
      if (setup?.gaveOrAsks === true) this.#secretTries = 0
      return undefined
    }
    if (++this.#secretTries < OC_SECRET_TRIES) return undefined
    this.#secretTries = 0
    return secretUnanswered(formatOrigin(this.#login.place), OC_SECRET_TRIES)
  }

  /** Nothing more happens until a person does something. */
  #fail(error: PvpnError, setup: Setup | undefined): void {
    this.#isUp = false
    this.#asking = error.asks.length > 0 ? setup : undefined
    this.#report({ kind: 'failed', error })
  }

  #pause(now: Millis): void {
    this.#retryAt = now + this.#retryWait
    this.#retryWait = Math.min(2 * this.#retryWait, RETRY_LONGEST)
  }

  #queue(bytes: Bytes): void {
    if (this.#outgoing.length >= OC_OUTGOING) {
      this.#outgoing.shift()
      this.#counters.drops.outgoing++
    }
    this.#outgoing.push(bytes)
  }

  #drop(batch: PacketBatch, i: number, why: DropReason): void {
    this.#counters.drops[why]++
    batch.length[i] = 0
  }

  #report(event: TunnelEvent): void {
    if (event.kind === 'trying' && this.#events.at(-1)?.kind === 'trying') this.#events.pop()
    if (this.#events.length >= OC_EVENTS) this.#events.shift()
    this.#events.push(event)
  }
}
