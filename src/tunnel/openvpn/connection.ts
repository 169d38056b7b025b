/**
 * One connection to one address of one remote, from the first reset to its end. It never comes back:
 * the tunnel makes a new one for the next attempt.
 */
import { base64 } from '../../core/base64.js'
import { u8 } from '../../core/bytes.js'
import type { PvpnError } from '../../core/errors.js'
import type { OpenvpnOptions } from '../../core/options.js'
import { ADDRESS_SIZE, type PacketBatch } from '../../core/packet-batch.js'
import { hasSocketAddress, sameSocketAddress } from '../../core/socket-address.js'
import type { TlsEngineFactory } from '../../core/tls-engine.js'
import type { Bytes, Millis, Random } from '../../core/types.js'
import { Agreement } from './agreement.js'
import type { PendingLogin } from './challenge.js'
import { ControlChannel } from './control-channel.js'
import type { Counters } from './counters.js'
import type { Credentials } from './credentials.js'
import { DataChannel } from './data-channel.js'
import {
  type Failure,
  handshakeTimeout,
  protocolBroken,
  retry,
  serverLeft,
  silent,
} from './failure.js'
import { OVPN_TLS_EVENTS } from './limits.js'
import { Negotiation, type TlsEvent } from './negotiation.js'
import { isData, opcodeOf } from './opcode.js'
import { Phases } from './phases.js'
import type { PushedOptions } from './push-options.js'
import { RekeySchedule } from './rekey-schedule.js'
import { newKeySource } from './session-keys.js'
import { TRANSITION_WINDOW } from './timing.js'

export interface ConnectionOptions {
  readonly options: OpenvpnOptions
  readonly credentials: Credentials
  readonly counters: Counters
  readonly random: Random
  /** Milliseconds since 1970. */
  readonly wallClock: () => number
  readonly tls: TlsEngineFactory
  /** Something has come outside of a turn. */
  readonly wake: () => void
  readonly transport: 'udp' | 'tcp'
  /** core/socket-address. */
  readonly to: Bytes
  /** For people. */
  readonly remote: string
  /** The remote's name or address alone. */
  readonly host: string
  /** The server waits for a person. */
  readonly onLogin: (wanted: PendingLogin) => void
  readonly mostMtu: number
}

const NEVER = Number.POSITIVE_INFINITY
const SECOND = 1000

export class Connection {
  readonly #o: ConnectionOptions
  readonly #control: ControlChannel
  readonly #data: DataChannel
  readonly #tlsEvents: { readonly negotiation: Negotiation; readonly event: TlsEvent }[] = []
  readonly #agreement: Agreement
  readonly #phases: Phases
  readonly #rekey: RekeySchedule
  #to: Bytes
  /** Where the server was told that we leave. */
  #leaving: Negotiation | undefined
  /** What tells it has come out of TLS. */
  #exitSealed = false
  /** Set once; the connection is over then. */
  failure: Failure | undefined

  constructor(options: ConnectionOptions, now: Millis) {
    this.#o = options
    this.#to = options.to
    this.#data = new DataChannel(options.counters)
    this.#rekey = new RekeySchedule(options.options)
    this.#phases = new Phases(options.options, options.remote, now)
    this.#control = new ControlChannel({
      protection: options.options.protection,
      random: options.random,
      time: Math.floor(options.wallClock() / SECOND),
      counters: options.counters,
      negotiate: (keyId, opening, at) => this.#negotiate(keyId, opening, at),
      now,
    })
    this.#agreement = new Agreement(options, {
      control: this.#control,
      data: this.#data,
      phases: this.#phases,
      rekey: this.#rekey,
      over: () => this.failure !== undefined,
      end: (failure) => this.#end(failure),
      broken: (what) => this.#broken(what),
    })
  }

  get up(): boolean {
    return this.#phases.current === 'up'
  }

  get pushed(): PushedOptions {
    return this.#agreement.pushed
  }

  /** When keys were last agreed. */
  get lastKeys(): Millis | undefined {
    return this.#agreement.lastKeys
  }

  get overhead(): number {
    return this.#data.overhead
  }

  /** Each datagram of the batch becomes, in place, its IP packet, or empty. */
  receive(batch: PacketBatch, now: Millis): void {
    const { float } = this.#o.options
    let i = 0
    while (i < batch.count) {
      if ((batch.length[i] as number) <= 0) i++
      else if (!this.#isKnown(batch, i) && !float) {
        this.#o.counters.drops.address++
        batch.length[i++] = 0
      } else if (isData(opcodeOf(u8(batch.bytes, batch.offset[i] as number)))) {
        i = this.#receiveData(batch, i, now)
      } else {
        if (this.#control.receive(batch.view(i), now)) this.#heard(batch.length[i] as number, now)
        batch.length[i++] = 0
      }
      if (this.failure !== undefined) batch.length.fill(0, i, batch.count)
    }
  }

  /** Seals the IP packets in slots `from` … `to`-1. */
  transmit(batch: PacketBatch, from: number, to: number, now: Millis): void {
    // Without a key the data channel counts them as dropped.
    this.#data.transmit(batch, from, to, this.#to, now)
  }

  /** Appends control datagrams and pings until none is due or the batch is full. */
  poll(batch: PacketBatch, now: Millis): void {
    this.#takeTlsEvents(now)
    const { counters } = this.#o
    while (!batch.full && this.failure === undefined) {
      const datagram = this.#control.take(now)
      if (datagram === undefined) break
      const slot = batch.count
      if (!batch.push(datagram)) {
        counters.drops.outgoing++
        continue
      }
      batch.address.set(this.#to, slot * ADDRESS_SIZE)
      counters.bytesOut += datagram.length
    }
    if (this.#agreement.liveness.pingAt() <= now && !batch.full)
      this.#data.ping(batch, this.#to, now)
  }

  /**
   * Tells the server by the control channel that we leave, where it takes that (`cc-exit`); `left` is when
   * it has it. False: it takes no such thing, or sees the end of the stream (TCP).
   */
  leave(): boolean {
    const { farewellByControl } = this.pushed
    if (!this.up || this.#o.transport !== 'udp' || !farewellByControl) return false
    this.#leaving = this.#control.current
    this.#leaving.writeLast(new TextEncoder().encode('EXIT\0'))
    return true
  }

  get left(): boolean {
    return this.failure !== undefined || (this.#exitSealed && this.#leaving?.quiet === true)
  }

  /** Appends the farewell of the data channel, when the server wants one. */
  farewell(batch: PacketBatch, now: Millis): void {
    const wanted = this.up && this.pushed.explicitExitNotify
    if (wanted && this.#o.transport === 'udp') this.#data.farewell(batch, this.#to, now)
  }

  deadline(): Millis {
    if (this.failure !== undefined) return NEVER
    if (this.#tlsEvents.length > 0) return 0
    return Math.min(
      this.#phases.ends,
      this.#agreement.askAt,
      this.#rekey.deadline,
      this.#control.deadline(),
      this.#data.deadline(),
      this.#agreement.liveness.pingAt(),
      this.#agreement.liveness.silentAt(),
    )
  }

  tick(now: Millis): void {
    this.#takeTlsEvents(now)
    if (this.failure !== undefined) return
    this.#data.tick(now)
    if (this.#phases.ends <= now) this.#end(this.#phases.tooLate())
    else if (this.#agreement.liveness.silentAt() <= now) {
      this.#end(retry(silent(this.#o.remote, this.#agreement.liveness.patience)))
    } else if (this.#data.peerLeft) {
      this.#end(retry(serverLeft(this.#o.remote, 'has ended the connection'), SECOND))
    }
    if (this.#agreement.askAt <= now) this.#agreement.askForPush(now)
    if (this.#rekey.late(now)) this.#negotiationFailed(now)
    const wanted = this.#rekey.due(now) || this.#data.exhausted
    if (this.up && wanted) this.#control.renegotiate(now)
  }

  /** The answer to a question that the server waits for (`CR_TEXT`). */
  respond(text: string): void {
    const words = `CR_RESPONSE,${base64(text)}\0`
    this.#control.current.write(new TextEncoder().encode(words))
  }

  close(): void {
    this.#control.close()
    this.#data.clear()
    this.#tlsEvents.length = 0
  }

  #end(failure: Failure): void {
    if (this.failure !== undefined) return
    this.failure = failure
    this.close()
  }

  #negotiate(keyId: number, opening: number, now: Millis): Negotiation {
    if (keyId !== 0) this.#rekey.begun(now)
    const negotiation: Negotiation = new Negotiation({
      keyId,
      opening,
      source: newKeySource(this.#o.random),
      tls: this.#o.tls,
      onTls: (event) => this.#noteTls(negotiation, event),
      now,
    })
    return negotiation
  }

  #noteTls(negotiation: Negotiation, event: TlsEvent): void {
    if (this.failure !== undefined) return
    this.#tlsEvents.push({ negotiation, event })
    if (this.#tlsEvents.length > OVPN_TLS_EVENTS) this.#broken('it makes too much work')
    this.#o.wake()
  }

  #takeTlsEvents(now: Millis): void {
    for (const { negotiation, event } of this.#tlsEvents.splice(0)) {
      if (this.failure !== undefined) return
      if (event.kind === 'output' && negotiation === this.#leaving) this.#exitSealed = true
      if (event.kind === 'error') this.#tlsFailed(negotiation, event.error)
      else if (!negotiation.tlsEvent(event)) this.#broken('it sends too much')
      else if (event.kind === 'secure') this.#agreement.sendKeyMessage(negotiation)
      else if (event.kind === 'plaintext') this.#agreement.items(negotiation, now)
    }
  }

  #tlsFailed(negotiation: Negotiation, error: PvpnError): void {
    if (negotiation === this.#control.next) this.#rekey.brokenOff()
    else if (negotiation !== this.#control.current) return
    else if (this.up) this.#end(retry(error))
    else this.#end({ error, kind: error.code === 'ERR_AUTH' ? 'refused' : 'retry' })
  }

  /** The keys there are go on, but not for ever. */
  #negotiationFailed(now: Millis): void {
    this.#control.abandon()
    this.#o.counters.handshakes.failed++
    if (this.#rekey.failed(now)) return
    this.#end(retry(handshakeTimeout(this.#o.remote, TRANSITION_WINDOW)))
  }

  #broken(what: string): void {
    this.#end(retry(protocolBroken(this.#o.remote, what)))
  }

  #heard(size: number, now: Millis): void {
    this.#o.counters.bytesIn += size
    this.#data.lastReceived = now
    const answered = this.#control.current.answered
    if (this.#phases.current === 'reset' && answered) this.#phases.enter('handshake', now)
  }

  /** Does it come from the server's address? Taken for granted where no source is known: what follows checks more. */
  #isKnown(batch: PacketBatch, i: number): boolean {
    if (!hasSocketAddress(batch.address, i * ADDRESS_SIZE)) return true
    return sameSocketAddress(batch.address, i * ADDRESS_SIZE, this.#to, 0)
  }

  /** Takes the run of data packets from one address that begins at slot `from`; returns where it ends. */
  #receiveData(batch: PacketBatch, from: number, now: Millis): number {
    const { address } = batch
    let limit = from + 1
    while (
      limit < batch.count &&
      sameSocketAddress(address, limit * ADDRESS_SIZE, address, from * ADDRESS_SIZE)
    ) {
      limit++
    }
    const { counters } = this.#o
    const before = counters.packetsIn
    const end = this.#data.receive(batch, from, limit, now)
    // The server has moved: what is authentic shows it.
    if (counters.packetsIn > before && !this.#isKnown(batch, from)) {
      this.#to = address.slice(from * ADDRESS_SIZE, (from + 1) * ADDRESS_SIZE)
    }
    return end
  }
}
