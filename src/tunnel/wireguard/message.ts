/**
 * Layout of the four messages (paper section 5.4). Numbers are little-endian; the type fills one byte
 * and three reserved zeros, so it is read as 32 bits.
 *
 *   1 initiation    4 sender  8 ephemeral  40 static+tag  88 timestamp+tag  116 mac1  132 mac2      148
 *   2 response      4 sender  8 receiver   12 ephemeral   44 empty+tag       60 mac1   76 mac2       92
 *   3 cookie reply  4 receiver  8 nonce    32 cookie+tag                                             64
 *   4 data          4 receiver  8 counter  16 packet, padded  … tag                                32 +
 */
import { set32le, u32le } from '../../core/bytes.js'
import type { Bytes } from '../../core/types.js'

export const INITIATION = 1
export const RESPONSE = 2
export const COOKIE_REPLY = 3
export const DATA = 4

export const INITIATION_SIZE = 148
export const RESPONSE_SIZE = 92
export const COOKIE_REPLY_SIZE = 64
export const DATA_HEADER = 16
/** Header and tag: a keepalive. */
export const DATA_MINIMUM = 32
/** Data is padded to a multiple of this. */
export const PADDING = 16
/** mac1 and mac2 are the last 32 bytes of a handshake message. */
export const MACS_SIZE = 32

/** Could a datagram of this size be anything but data? */
export function isHandshakeSize(length: number): boolean {
  return length === INITIATION_SIZE || length === RESPONSE_SIZE || length === COOKIE_REPLY_SIZE
}

export function messageType(bytes: Bytes, at: number): number {
  return u32le(bytes, at)
}

/** An index as a signed integer: the form in which it is a key of our table. */
export function messageIndex(bytes: Bytes, at: number): number {
  return u32le(bytes, at) | 0
}

/** A message of this size with its type written. */
export function newMessage(type: number, size: number): Bytes {
  const message = new Uint8Array(size)
  set32le(message, 0, type)
  return message
}
