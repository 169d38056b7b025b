/**
 * An OpenVPN client (release 2.6's protocol, `dev tun`) as a machine without I/O. TLS is an engine
 * beside it, TCP a carrier; both report later, and the machine takes that up in its own turn.
 */

import { u8 } from '../../core/bytes.js'
import { type PvpnError, toPvpnError } from '../../core/errors.js'
import type { OpenvpnOptions } from '../../core/options.js'
import type { PacketBatch } from '../../core/packet-batch.js'
import { type Answers, askFor, type Question, question } from '../../core/question.js'
import { socketAddressIp } from '../../core/socket-address.js'
import type { StreamCarrier } from '../../core/stream-carrier.js'
import type { PacketTunnel, TunnelCounters, TunnelEvent } from '../../core/tunnel.js'
import type { Bytes, LinkInfo, Millis, Random } from '../../core/types.js'
import type { PendingLogin } from './challenge.js'
import { Connection } from './connection.js'
import { Counters } from './counters.js'
import { Course } from './course.js'
import { Credentials } from './credentials.js'
import { type Failure, loginWanted, retry, serverLeft, unreachable, unresolved } from './failure.js'
import { OVPN_EVENTS } from './limits.js'
import { dnsAddresses, linkOf, Reachable } from './link.js'
import { connectTime } from './phases.js'
import { Prerequisites, type TlsOpener } from './prerequisites.js'
import { EXIT_TIMEOUT, RESOLVE_TIMEOUT } from './timing.js'

export interface OpenvpnDependencies {
  readonly random: Random
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  readonly tls: TlsOpener
  /** Undefined: no remote may be TCP. */
  readonly carrier: StreamCarrier | undefined
}

/** Largest packet inside; servers that push more get told so by IV_MTU. */
const MOST_MTU = 1500
const NEVER = Number.POSITIVE_INFINITY

/** The options must have been validated: at least one remote, keys of 256 bytes. */
export function createOpenvpn(
  options: OpenvpnOptions,
  dependencies: OpenvpnDependencies,
): PacketTunnel {
  return new OpenvpnTunnel(options, dependencies)
}

class OpenvpnTunnel implements PacketTunnel {
  onReady: () => void = () => undefined
  link: LinkInfo = { addresses: [], dns: [], search: [], mtu: MOST_MTU }
  readonly #options: OpenvpnOptions
  readonly #d: OpenvpnDependencies
  readonly #counters = new Counters()
  readonly #credentials: Credentials
  readonly #prerequisites: Prerequisites
  readonly #course: Course
  readonly #events: TunnelEvent[] = []
  readonly #carrierEvents: ('open' | PvpnError)[] = []
  #reachable: Reachable | undefined
  #connection: Connection | undefined
  /** The server waits, on the present connection, for an answer to this. */
  #pending: Question | undefined
  /** When the present wait (for an answer, or before the next attempt) ends. */
  #waitEnds: Millis = NEVER
  #waitFor: 'nothing' | 'name' | 'stream' | 'retry' = 'nothing'
  #open = false
  #isUp = false
  #farewell = false
  /** The server is being told that we leave, until this. */
  #leavesUntil: Millis | undefined
  /** Attempts of this round that ended in anything but a refusal. */
  #hope = false
  #lastHandshake: Millis | undefined

  constructor(options: OpenvpnOptions, dependencies: OpenvpnDependencies) {
    this.#options = options
    this.#d = dependencies
    this.#credentials = new Credentials(options)
    this.#prerequisites = new Prerequisites(
      dependencies.tls,
      options.tls.keyPassword,
      this.#credentials,
    )
    this.#course = new Course(options, dependencies.random)
    const { carrier } = dependencies
    if (carrier === undefined) return
    carrier.onConnect = () => this.#noteCarrier('open')
    carrier.onClose = (error) => this.#noteCarrier(error)
  }

  open(now: Millis): void {
    this.#open = true
    this.#attempt(now)
  }

  answer(answers: Answers, now: Millis): void {
    if (!this.#open) return
    const own = (field: string) => (Object.hasOwn(answers, field) ? answers[field] : undefined)
    const response = this.#pending === undefined ? undefined : own(this.#pending.field)
    this.#pending = undefined
    if (this.#connection !== undefined) {
      if (response !== undefined) this.#connection.respond(response)
      return
    }
    this.#prerequisites.answer(answers)
    if (this.#waitFor === 'nothing') this.#attempt(now)
  }

  close(now: Millis): void {
    this.#open = false
    this.#wait('nothing', NEVER)
    this.#events.length = 0
    if (this.#connection?.leave() === true) this.#leavesUntil = now + EXIT_TIMEOUT
    // Another farewell goes out with the turn that follows.
    else this.#farewell = this.#connection !== undefined
    if (this.#connection === undefined) this.#d.carrier?.disconnect()
  }

  get leaving(): boolean {
    return this.#leavesUntil !== undefined
  }

  receive(batch: PacketBatch, now: Millis): void {
    const connection = this.#connection
    if (this.leaving) {
      connection?.receive(batch, now)
      batch.length.fill(0, 0, batch.count)
      this.#lookLeft(now)
      return
    }
    if (connection !== undefined && this.#open) {
      connection.receive(batch, now)
      this.#look(now)
      return
    }
    for (let i = 0; i < batch.count; i++)
      if ((batch.length[i] as number) > 0) this.#drop(batch, i, 'session')
  }

  transmit(batch: PacketBatch, now: Millis): void {
    const connection = this.#connection
    const up = connection?.up === true && this.#open
    for (let i = 0; i < batch.count; i++) {
      if ((batch.length[i] as number) <= 0) continue
      if (!up) this.#drop(batch, i, 'down')
      else if (!this.#leadsIn(batch, i)) this.#drop(batch, i, 'route')
    }
    if (up) connection.transmit(batch, 0, batch.count, now)
  }

  poll(batch: PacketBatch, now: Millis): void {
    if (this.#farewell) {
      this.#farewell = false
      if (!batch.full) this.#connection?.farewell(batch, now)
      this.#gone()
    } else {
      if (this.#open || this.leaving) this.#connection?.poll(batch, now)
      this.#look(now)
      this.#lookLeft(now)
    }
  }

  deadline(): Millis {
    if (this.#carrierEvents.length > 0) return 0
    const ends = this.#leavesUntil ?? this.#waitEnds
    if (!this.#open && !this.leaving) return ends
    return Math.min(ends, this.#connection?.deadline() ?? NEVER)
  }

  tick(now: Millis): void {
    for (const event of this.#carrierEvents.splice(0)) this.#carrierEvent(event, now)
    if (this.#open || this.leaving) this.#connection?.tick(now)
    this.#lookLeft(now)
    if (!this.#open) return
    this.#look(now)
    if (this.#waitEnds > now) return
    const waited = this.#waitFor
    this.#wait('nothing', NEVER)
    if (waited === 'retry') this.#attempt(now)
    else if (waited === 'name') this.#failed(retry(unresolved(this.#course.remote.host)), now)
    else if (waited === 'stream') {
      this.#failed(retry(unreachable(this.#course.words, connectTime(this.#options))), now)
    }
  }

  takeEvent(): TunnelEvent | undefined {
    return this.#events.shift()
  }

  resolved(id: number, addresses: readonly Bytes[], now: Millis): void {
    if (!this.#open || this.#waitFor !== 'name' || !this.#course.isCurrent(id)) return
    this.#wait('nothing', NEVER)
    if (this.#course.resolved(addresses)) this.#next(now)
    else this.#failed(retry(unresolved(this.#course.remote.host)), now)
  }

  routes(address: Bytes): boolean {
    return this.#reachable?.has(address) ?? false
  }

  get counters(): TunnelCounters {
    return this.#counters
  }

  get lastHandshake(): Millis | undefined {
    return this.#connection?.lastKeys ?? this.#lastHandshake
  }

  get endpoint(): string {
    return this.#course.endpoint
  }

  #wait(what: 'nothing' | 'name' | 'stream' | 'retry', until: Millis): void {
    this.#waitFor = what
    this.#waitEnds = until
  }

  /** The next connection, or a question when something is missing for it. */
  #attempt(now: Millis): void {
    try {
      const asks = this.#prerequisites.missing()
      if (asks.length === 0) this.#next(now)
      else this.#report({ kind: 'failed', error: askFor(this.#course.remote.host, asks) })
    } catch (thrown) {
      this.#report({ kind: 'failed', error: toPvpnError(thrown) })
    }
  }

  #next(now: Millis): void {
    const to = this.#course.next()
    if (to === undefined) {
      this.#wait('name', now + RESOLVE_TIMEOUT)
      this.#report({ kind: 'resolve', ...this.#course.lookUp() })
      return
    }
    const { carrier } = this.#d
    if (this.#course.remote.transport === 'udp') {
      carrier?.disconnect()
      this.#connect(to, now)
    } else {
      this.#carrierEvents.length = 0
      carrier?.connect(to)
      this.#wait('stream', now + connectTime(this.#options))
    }
  }

  #connect(to: Bytes, now: Millis): void {
    const { random, wallClock } = this.#d
    const { tls } = this.#prerequisites
    const { host, transport } = this.#course.remote
    if (tls === undefined) return
    this.#connection = new Connection(
      {
        options: this.#options,
        credentials: this.#credentials,
        counters: this.#counters,
        random,
        wallClock,
        tls,
        wake: () => this.onReady(),
        transport,
        to,
        remote: this.#course.words,
        host,
        onLogin: (wanted) => this.#login(wanted),
        mostMtu: MOST_MTU,
      },
      now,
    )
  }

  /** The server waits for a person; so does the connection, as long as the server says. */
  #login(wanted: PendingLogin): void {
    const { host } = this.#course.remote
    if (wanted.kind === 'open') {
      this.#report({ kind: 'trying', error: loginWanted(host, wanted.url) })
      return
    }
    const options = { secret: !wanted.echo, once: true }
    this.#pending = question('response', wanted.text, options)
    this.#report({ kind: 'failed', error: askFor(host, [this.#pending]) })
  }

  #noteCarrier(event: 'open' | PvpnError): void {
    this.#carrierEvents.push(event)
    this.onReady()
  }

  #carrierEvent(event: 'open' | PvpnError, now: Millis): void {
    if (!this.#open || this.#course.remote.transport !== 'tcp') return
    if (event !== 'open') {
      const lost = this.#connection === undefined ? event : this.#streamClosed(event)
      if (this.#waitFor === 'stream' || this.#connection !== undefined)
        this.#failed(retry(lost), now)
    } else if (this.#waitFor === 'stream' && this.#course.to !== undefined) {
      this.#wait('nothing', NEVER)
      this.#connect(this.#course.to, now)
    }
  }

  #streamClosed(error: PvpnError): PvpnError {
    return serverLeft(this.#course.words, `has closed the connection: ${error.message}`)
  }

  /** Does the server know, or is it too late? */
  #lookLeft(now: Millis): void {
    if (this.#leavesUntil === undefined) return
    if (this.#connection?.left === false && now < this.#leavesUntil) return
    this.#leavesUntil = undefined
    this.#gone()
  }

  #gone(): void {
    this.#connection?.close()
    this.#connection = undefined
    this.#isUp = false
    this.#d.carrier?.disconnect()
  }

  /** Has the connection come up, or ended? */
  #look(now: Millis): void {
    const connection = this.#connection
    if (connection === undefined || !this.#open) return
    if (connection.failure !== undefined) this.#failed(connection.failure, now)
    else if (connection.up && !this.#isUp) this.#cameUp(connection)
  }

  #cameUp(connection: Connection): void {
    const { pushed } = connection
    const to = this.#course.to as Bytes
    this.#isUp = true
    this.#hope = false
    this.#pending = undefined
    this.#course.worked()
    this.link = linkOf(pushed, {
      mostMtu: MOST_MTU,
      overhead: connection.overhead,
      transport: this.#course.remote.transport,
      outerFamily: socketAddressIp(to).length === 4 ? 4 : 6,
    })
    this.#reachable = new Reachable(pushed, dnsAddresses(this.link))
    this.#report({ kind: 'up', link: this.link })
  }

  #failed(failure: Failure, now: Millis): void {
    const { error, kind, wait } = failure
    const wasUp = this.#isUp
    const unanswered = this.#pending !== undefined
    this.#pending = undefined
    if (!wasUp && !unanswered) this.#counters.handshakes.failed++
    this.#lastHandshake = this.lastHandshake
    this.#connection?.close()
    this.#connection = undefined
    this.#isUp = false
    this.#hope ||= kind === 'retry'
    if (unanswered || error.asks.length > 0) {
      // An answer is for the server that asked.
      this.#course.stay()
      this.#d.carrier?.disconnect()
      this.#wait('nothing', NEVER)
      // A question that stands stays: the answer makes the next connection.
      if (!unanswered) this.#report({ kind: 'failed', error })
      return
    }
    const next = this.#course.advance(wasUp, failure.advance)
    if (kind === 'credentials' || (next.roundEnded && !this.#hope)) {
      this.#d.carrier?.disconnect()
      this.#wait('nothing', NEVER)
      this.#report({ kind: 'failed', error })
      return
    }
    if (next.roundEnded) this.#hope = false
    this.#report({ kind: wasUp ? 'down' : 'trying', error })
    this.#wait('retry', now + Math.max(next.wait, wait ?? 0))
  }

  #leadsIn(batch: PacketBatch, i: number): boolean {
    const at = batch.offset[i] as number
    const v6 = u8(batch.bytes, at) >>> 4 === 6
    return this.#reachable?.hasAt(v6 ? 6 : 4, batch.bytes, at + (v6 ? 24 : 16)) ?? false
  }

  #drop(batch: PacketBatch, i: number, why: 'down' | 'route' | 'session'): void {
    this.#counters.drops[why]++
    batch.length[i] = 0
  }

  #report(event: TunnelEvent): void {
    const last = this.#events.at(-1)
    if (event.kind === 'trying' && last?.kind === 'trying') this.#events.pop()
    if (this.#events.length >= OVPN_EVENTS) this.#events.shift()
    this.#events.push(event)
  }
}
