/**
 * The control channel of one connection: session ids, the wrap, and which negotiation a packet
 * belongs to. Two negotiations live at a time: the current one and, while keys change, the next.
 */
import { set8, u8 } from '../../core/bytes.js'
import type { OpenvpnProtection } from '../../core/options.js'
import type { Bytes, Millis, Random } from '../../core/types.js'
import { AuthWrap } from './control-auth.js'
import { CryptWrap, EARLY_NEGOTIATION_FIRST_ID } from './control-crypt.js'
import {
  bodyOverhead,
  CONTROL_HEADER_SIZE,
  decodeBody,
  encodeBody,
  MAX_ACKS,
  SESSION_ID_SIZE,
} from './control-packet.js'
import { type ControlWrap, LongPacketIds, PlainWrap } from './control-wrap.js'
import type { Counters } from './counters.js'
import { joined } from './key-material.js'
import { OVPN_CONTROL_DATAGRAM } from './limits.js'
import type { Negotiation } from './negotiation.js'
import {
  firstByte,
  isServerControl,
  keyIdOf,
  nextKeyId,
  opcodeOf,
  P_CONTROL_HARD_RESET_CLIENT_V2,
  P_CONTROL_HARD_RESET_CLIENT_V3,
  P_CONTROL_HARD_RESET_SERVER_V2,
  P_CONTROL_SOFT_RESET_V1,
  P_CONTROL_WKC_V1,
} from './opcode.js'

export interface ControlChannelOptions {
  readonly protection: OpenvpnProtection
  readonly random: Random
  /** Seconds since 1970. */
  readonly time: number
  readonly counters: Counters
  /** Begins a negotiation. */
  readonly negotiate: (keyId: number, opening: number, now: Millis) => Negotiation
  readonly now: Millis
}

/** Least payload of a packet that has the wrapped key behind it. */
const LEAST_PAYLOAD = 100

export class ControlChannel {
  readonly sessionId: Bytes
  peerSessionId: Bytes | undefined
  readonly #o: ControlChannelOptions
  readonly #wrap: ControlWrap
  /** Of negotiations behind the first, when the server does that (dyn-tls-crypt). */
  #laterWrap: ControlWrap | undefined
  /** What goes behind the packets that carry the wrapped client key. */
  readonly #wrappedKey: Bytes
  /** The negotiation that control messages go by. */
  current: Negotiation
  /** The one under way beside it. */
  next: Negotiation | undefined
  #old: Negotiation | undefined

  constructor(options: ControlChannelOptions) {
    const { protection, random, time } = options
    this.#o = options
    this.sessionId = new Uint8Array(SESSION_ID_SIZE)
    random(this.sessionId)
    this.#wrap = wrapOf(protection, time)
    this.#wrappedKey = protection.kind === 'tls-crypt-v2' ? protection.wrapped : new Uint8Array(0)
    const opening =
      protection.kind === 'tls-crypt-v2'
        ? P_CONTROL_HARD_RESET_CLIENT_V3
        : P_CONTROL_HARD_RESET_CLIENT_V2
    this.current = options.negotiate(0, opening, options.now)
  }

  /** A control packet of the server; the caller has checked where it is from. False: dropped. */
  receive(datagram: Bytes, now: Millis): boolean {
    const { counters } = this.#o
    const body = this.#unwrap(datagram)
    if (body === undefined) {
      counters.drops.control++
      return false
    }
    const opcode = opcodeOf(u8(datagram, 0))
    const negotiation = this.#negotiationOf(opcode, keyIdOf(u8(datagram, 0)), now)
    if (negotiation === undefined) {
      counters.drops.control++
      return false
    }
    negotiation.receive(opcode, body, now)
    return true
  }

  /**
   * Wraps later negotiations with tls-crypt under a key exported from the first one's TLS, mixed with
   * the configured one: who has recorded that, or has it too, can't disturb them.
   */
  wrapLater(exported: Bytes): void {
    const { protection, time } = this.#o
    const key = Uint8Array.from(exported)
    if (protection.kind !== 'none') {
      for (let i = 0; i < key.length; i++) key[i] = u8(key, i) ^ u8(protection.key, i)
    }
    this.#laterWrap = new CryptWrap(key, new LongPacketIds(time))
  }

  /** Begins new keys, unless that is under way. */
  renegotiate(now: Millis): void {
    const keyId = nextKeyId(this.current.keyId)
    this.next ??= this.#o.negotiate(keyId, P_CONTROL_SOFT_RESET_V1, now)
  }

  /** The next negotiation has its keys: it is the current one now. */
  promote(): void {
    if (this.next === undefined) return
    this.current.retire()
    this.#old = this.current
    this.current = this.next
    this.next = undefined
  }

  /** Gives up the negotiation beside the current one. */
  abandon(): void {
    this.next?.retire()
    this.next = undefined
  }

  close(): void {
    for (const negotiation of [this.#old, this.current, this.next]) negotiation?.retire()
  }

  deadline(): Millis {
    let first = this.current.deadline()
    for (const other of [this.next, this.#old]) {
      if (other !== undefined) first = Math.min(first, other.deadline())
    }
    return first
  }

  /** The next datagram that is due. */
  take(now: Millis): Bytes | undefined {
    for (const negotiation of [this.current, this.next, this.#old]) {
      const out = negotiation?.take((opcode) => this.#room(opcode), this.peerSessionId, now)
      if (negotiation === undefined || out === undefined) continue
      const header = new Uint8Array(CONTROL_HEADER_SIZE)
      set8(header, 0, firstByte(out.opcode, negotiation.keyId))
      header.set(this.sessionId, 1)
      const datagram = this.#wrapOf(negotiation.keyId).wrap(header, encodeBody(out.body))
      return carriesKey(out.opcode) ? joined(datagram, this.#wrappedKey) : datagram
    }
    return undefined
  }

  #unwrap(datagram: Bytes): ReturnType<typeof decodeBody> {
    if (datagram.length < CONTROL_HEADER_SIZE) return undefined
    const opcode = opcodeOf(u8(datagram, 0))
    if (!isServerControl(opcode)) return undefined
    const from = datagram.subarray(1, CONTROL_HEADER_SIZE)
    if (this.peerSessionId !== undefined && !same(from, this.peerSessionId)) return undefined
    const unwrapped = this.#wrapOf(keyIdOf(u8(datagram, 0))).unwrap(datagram)
    if (typeof unwrapped === 'string') return undefined
    const body = decodeBody(opcode, unwrapped)
    if (body === undefined) return undefined
    if (body.peerSessionId !== undefined && !same(body.peerSessionId, this.sessionId)) {
      return undefined
    }
    if (this.peerSessionId === undefined) {
      // Only an answer to our own reset may name the peer's session.
      const answer = opcode === P_CONTROL_HARD_RESET_SERVER_V2 && body.acks.length > 0
      if (!answer) return undefined
      this.peerSessionId = Uint8Array.from(from)
    }
    return body
  }

  #negotiationOf(opcode: number, keyId: number, now: Millis): Negotiation | undefined {
    for (const negotiation of [this.current, this.next, this.#old]) {
      if (negotiation?.keyId === keyId) return negotiation
    }
    const { keyedAt } = this.current
    const wanted = opcode === P_CONTROL_SOFT_RESET_V1 && keyId === nextKeyId(this.current.keyId)
    if (!wanted || keyedAt === undefined) return undefined
    this.renegotiate(now)
    return this.next
  }

  #wrapOf(keyId: number): ControlWrap {
    return keyId === 0 ? this.#wrap : (this.#laterWrap ?? this.#wrap)
  }

  #room(opcode: number): number {
    const overhead = Math.max(this.#wrap.overhead, this.#laterWrap?.overhead ?? 0)
    const fixed = CONTROL_HEADER_SIZE + overhead + bodyOverhead(MAX_ACKS)
    const behind = opcode === P_CONTROL_WKC_V1 ? this.#wrappedKey.length : 0
    return Math.max(LEAST_PAYLOAD, OVPN_CONTROL_DATAGRAM - fixed - behind)
  }
}

function wrapOf(protection: OpenvpnProtection, time: number): ControlWrap {
  switch (protection.kind) {
    case 'none':
      return new PlainWrap()
    case 'tls-auth': {
      const { key, digest, direction } = protection
      return new AuthWrap({ key, digest, direction, ids: new LongPacketIds(time) })
    }
    case 'tls-crypt':
      return new CryptWrap(protection.key, new LongPacketIds(time))
    case 'tls-crypt-v2':
      return new CryptWrap(protection.key, new LongPacketIds(time, EARLY_NEGOTIATION_FIRST_ID))
    default:
      return protection satisfies never
  }
}

function carriesKey(opcode: number): boolean {
  return opcode === P_CONTROL_HARD_RESET_CLIENT_V3 || opcode === P_CONTROL_WKC_V1
}

function same(a: Bytes, b: Bytes): boolean {
  return a.every((byte, i) => byte === b[i])
}
