/**
 * The control channel's packets inside their wrap (ssl_pkt.h of the reference implementation):
 *
 *   first byte | session id 8 | wrap … | acks: count 1, ids 4 each, peer's session id 8 if any |
 *   message id 4 (not in P_ACK_V1) | payload
 *
 * What stands behind the wrap is the *body*: the part that tls-crypt encrypts.
 */
import { set32, u8, u32 } from '../../core/bytes.js'
import type { Bytes } from '../../core/types.js'
import { P_ACK_V1 } from './opcode.js'

export const SESSION_ID_SIZE = 8
/** First byte and session id. */
export const CONTROL_HEADER_SIZE = 1 + SESSION_ID_SIZE
/** What one packet may acknowledge: OpenVPN 2.6 takes eight. */
export const MAX_ACKS = 8

export interface ControlBody {
  readonly acks: readonly number[]
  /** The receiver's session id as the sender knows it; there when something is acknowledged. */
  readonly peerSessionId: Bytes | undefined
  /** Undefined in P_ACK_V1. */
  readonly messageId: number | undefined
  readonly payload: Bytes
}

/** Bytes of the body before the payload. */
export function bodyOverhead(acks: number): number {
  return 1 + (acks > 0 ? 4 * acks + SESSION_ID_SIZE : 0) + 4
}

/** `peerSessionId` must be there when `acks` are. */
export function encodeBody(body: ControlBody): Bytes {
  const { acks, peerSessionId, messageId, payload } = body
  const withPeer = acks.length > 0 && peerSessionId !== undefined
  const size = 1 + (withPeer ? 4 * acks.length + SESSION_ID_SIZE : 0)
  const out = new Uint8Array(size + (messageId === undefined ? 0 : 4) + payload.length)
  let at = 1
  if (withPeer) {
    out[0] = acks.length
    for (const ack of acks) {
      set32(out, at, ack)
      at += 4
    }
    out.set(peerSessionId, at)
    at += SESSION_ID_SIZE
  }
  if (messageId !== undefined) {
    set32(out, at, messageId)
    at += 4
  }
  out.set(payload, at)
  return out
}

/** Undefined when it is cut short or acknowledges more than a packet may. The parts are views. */
export function decodeBody(opcode: number, body: Bytes): ControlBody | undefined {
  if (body.length < 1) return undefined
  const count = u8(body, 0)
  let at = 1
  if (count > MAX_ACKS) return undefined
  const acks: number[] = []
  let peerSessionId: Bytes | undefined
  if (count > 0) {
    if (body.length < at + 4 * count + SESSION_ID_SIZE) return undefined
    for (let i = 0; i < count; i++, at += 4) acks.push(u32(body, at))
    peerSessionId = body.subarray(at, at + SESSION_ID_SIZE)
    at += SESSION_ID_SIZE
  }
  if (opcode === P_ACK_V1) return { acks, peerSessionId, messageId: undefined, payload: EMPTY }
  if (body.length < at + 4) return undefined
  const messageId = u32(body, at)
  return { acks, peerSessionId, messageId, payload: body.subarray(at + 4) }
}

const EMPTY = new Uint8Array(0)
