/**
 * One connection to one address of one remote, from the first reset to its end. It never comes back:
 * the tunnel makes a new one for the next attempt.
 */
import { base64 } from '../../core/base64.js'
import { u8 } from '../../core/bytes.js'
import type { PvpnError } from '../../core/errors.js'
import type { OpenvpnOptions } from '../../core/options.js'
import { ADDRESS_SIZE, type PacketBatch } from '../../core/packet-batch.js'
import { sameSocketAddress } from '../../core/socket-address.js'
import type { TlsEngineFactory } from '../../core/tls-engine.js'
import type { Bytes, Millis, Random } from '../../core/types.js'
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
import { DYNAMIC_TLS_CRYPT_LABEL, KEY_MATERIAL_SIZE } from './key-material.js'
import { encodeKeyMessage, type ServerItem, type ServerKeyMessage } from './key-method.js'
import { OVPN_TLS_EVENTS } from './limits.js'
import { Liveness } from './liveness.js'
import { Negotiation, type TlsEvent } from './negotiation.js'
import { isData, opcodeOf } from './opcode.js'
import { optionsString, peerInfo } from './peer-info.js'
import { Phases } from './phases.js'
import { PushIntake } from './push-intake.js'
import type { PushedOptions } from './push-options.js'
import { RekeySchedule } from './rekey-schedule.js'
import { readControlMessage } from './server-message.js'
import { chooseCipher, deriveCipher, newKeySource } from './session-keys.js'
import { PUSH_REQUEST_FIRST, PUSH_REQUEST_INTERVAL, TRANSITION_WINDOW } from './timing.js'

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
  readonly #intake: PushIntake
  readonly #phases: Phases
  readonly #liveness: Liveness
  #askAt: Millis = NEVER
  readonly #rekey: RekeySchedule
  #cipher = ''
  #server: ServerKeyMessage | undefined
  /** What the first key message said; renegotiations say it again, unless there is a token. */
  #login: { readonly username: string; readonly password: string } | undefined
  #to: Bytes
  /** Set once; the connection is over then. */
  failure: Failure | undefined
  /** When keys were last agreed. */
  lastKeys: Millis | undefined

  constructor(options: ConnectionOptions, now: Millis) {
    this.#o = options
    this.#to = options.to
    this.#data = new DataChannel(options.counters)
    this.#intake = new PushIntake(options.options, options.credentials)
    this.#rekey = new RekeySchedule(options.options)
    this.#liveness = new Liveness(this.#data, this.pushed)
    this.#phases = new Phases(options.options, options.remote, now)
    this.#control = new ControlChannel({
      protection: options.options.protection,
      random: options.random,
      time: Math.floor(options.wallClock() / SECOND),
      counters: options.counters,
      negotiate: (keyId, opening, at) => this.#negotiate(keyId, opening, at),
      now,
    })
  }

  get up(): boolean {
    return this.#phases.current === 'up'
  }

  get pushed(): PushedOptions {
    return this.#intake.pushed
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
    if (this.#liveness.pingAt() <= now && !batch.full) this.#data.ping(batch, this.#to, now)
  }

  /** Appends the farewell, when the server wants one. */
  farewell(batch: PacketBatch, now: Millis): void {
    const wanted = this.up && this.pushed.explicitExitNotify
    if (wanted && this.#o.transport === 'udp') this.#data.farewell(batch, this.#to, now)
  }

  deadline(): Millis {
    if (this.failure !== undefined) return NEVER
    if (this.#tlsEvents.length > 0) return 0
    return Math.min(
      this.#phases.ends,
      this.#askAt,
      this.#rekey.deadline,
      this.#control.deadline(),
      this.#data.deadline(),
      this.#liveness.pingAt(),
      this.#liveness.silentAt(),
    )
  }

  tick(now: Millis): void {
    this.#takeTlsEvents(now)
    if (this.failure !== undefined) return
    this.#data.tick(now)
    if (this.#phases.ends <= now) this.#end(this.#phases.tooLate())
    else if (this.#liveness.silentAt() <= now) {
      this.#end(retry(silent(this.#o.remote, this.#liveness.patience)))
    } else if (this.#data.peerLeft) {
      this.#end(retry(serverLeft(this.#o.remote, 'has ended the connection'), SECOND))
    }
    if (this.#askAt <= now) this.#askForPush(now)
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
      if (event.kind === 'error') this.#tlsFailed(negotiation, event.error)
      else if (!negotiation.tlsEvent(event)) this.#broken('it sends too much')
      else if (event.kind === 'secure') this.#sendKeyMessage(negotiation)
      else if (event.kind === 'plaintext') this.#items(negotiation, now)
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

  #sendKeyMessage(negotiation: Negotiation): void {
    const { options, transport, credentials, mostMtu } = this.#o
    if (this.#login === undefined || credentials.hasToken) this.#login = credentials.take()
    negotiation.write(
      encodeKeyMessage({
        source: negotiation.source,
        options: optionsString(options, transport),
        ...this.#login,
        peerInfo: peerInfo(options, mostMtu),
      }),
    )
  }

  #items(negotiation: Negotiation, now: Millis): void {
    for (let item = negotiation.takeItem(); item; item = negotiation.takeItem()) {
      this.#item(negotiation, item, now)
      if (this.failure !== undefined) return
    }
    if (negotiation.broken) this.#broken('what it says inside TLS is not OpenVPN')
  }

  #item(negotiation: Negotiation, item: ServerItem, now: Millis): void {
    if (item.kind === 'message') {
      readControlMessage(item.text, this.#messageHandler(now))
      return
    }
    negotiation.keyedAt = now
    this.lastKeys = now
    this.#o.counters.handshakes.completed++
    if (negotiation === this.#control.next) {
      this.#install(negotiation, item.message, now)
      this.#control.promote()
      this.#rekey.agreed(now, this.pushed.renegotiate)
    } else if (!this.up) {
      this.#server = item.message
      this.#phases.enter('push', now)
      // Servers from 2.6 on push unasked.
      this.#askAt = now + PUSH_REQUEST_FIRST
    }
  }

  #messageHandler(now: Millis) {
    const { credentials, remote, host, options } = this.#o
    return {
      push: (text: string, more: boolean) => this.#push(text, more, now),
      pending: (time: Millis) => this.#phases.extend(now + time),
      login: (wanted: PendingLogin) => {
        if (this.up) return
        this.#phases.login = true
        this.#o.onLogin(wanted)
      },
      ended: (failure: Failure) => this.#end(failure),
      credentials,
      remote,
      host,
      up: this.up,
      ciphers: options.ciphers,
    }
  }

  #push(text: string, more: boolean, now: Millis): void {
    const outcome = this.#intake.take(text, more)
    if (outcome === 'done') this.#complete(now)
    else if (outcome === 'endless') this.#broken('it pushes too many options')
    else if (outcome !== 'more') this.#end(outcome)
  }

  /** Keys and push are there. */
  #complete(now: Millis): void {
    const server = this.#server
    const choice = chooseCipher(this.#o.options, this.pushed, server?.options ?? '')
    if ('failure' in choice) this.#end(choice.failure)
    else if (server === undefined) this.#broken('it pushes before there are keys')
    else {
      this.#cipher = choice.name
      this.#install(this.#control.current, server, now)
      if (this.pushed.dynamicTlsCrypt) this.#wrapLater()
      this.#phases.enter('up', now)
      this.#askAt = NEVER
      this.#liveness.begin(now)
      this.#rekey.agreed(now, this.pushed.renegotiate)
    }
  }

  #install(negotiation: Negotiation, server: ServerKeyMessage, now: Millis): void {
    const { options, random } = this.#o
    const peerSessionId = this.#control.peerSessionId
    const { pushed } = this
    if (peerSessionId === undefined) return
    const cipher = deriveCipher({
      options,
      cipher: this.#cipher,
      pushed,
      negotiation,
      server,
      sessionId: this.#control.sessionId,
      peerSessionId,
      random,
    })
    if (cipher === undefined) this.#broken('TLS has ended while keys were made')
    else {
      const { peerId, stub } = pushed
      this.#data.install({ keyId: negotiation.keyId, cipher, peerId, stub }, now)
    }
  }

  #wrapLater(): void {
    const { current } = this.#control
    const exported = current.exportKey(KEY_MATERIAL_SIZE, DYNAMIC_TLS_CRYPT_LABEL)
    if (exported !== undefined) this.#control.wrapLater(exported)
  }

  #askForPush(now: Millis): void {
    this.#control.current.write(new TextEncoder().encode('PUSH_REQUEST\0'))
    this.#askAt = now + PUSH_REQUEST_INTERVAL
  }

  #heard(size: number, now: Millis): void {
    this.#o.counters.bytesIn += size
    this.#data.lastReceived = now
    const answered = this.#control.current.answered
    if (this.#phases.current === 'reset' && answered) this.#phases.enter('handshake', now)
  }

  #isKnown(batch: PacketBatch, i: number): boolean {
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
