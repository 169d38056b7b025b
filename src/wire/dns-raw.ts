/**
 * The little of a DNS message that a forwarder looks at (RFC 1035 section 4.1, RFC 6891): everything
 * else passes through as it is. Nothing here trusts a count or length of the message.
 */
import { set16, u8, u16 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'

export const DNS_HEADER = 12
/** What a UDP client can take that says nothing of EDNS (RFC 1035 section 4.2.1). */
export const DNS_PLAIN_UDP = 512

export const RCODE_FORMERR = 1
export const RCODE_SERVFAIL = 2

const TYPE_OPT = 41
const FLAG_RESPONSE = 0x80
const FLAG_TRUNCATED = 0x02

/** A query that can be forwarded: a header that says query, with one question that is whole. */
export function isDnsQuery(message: Bytes): boolean {
  return (
    message.length > DNS_HEADER &&
    (u8(message, 2) & FLAG_RESPONSE) === 0 &&
    u16(message, 4) === 1 &&
    questionEnd(message) !== undefined
  )
}

/** Does this message answer that query: same id, a response, same question? */
export function answersQuery(answer: Bytes, query: Bytes): boolean {
  if (answer.length < DNS_HEADER || u16(answer, 0) !== u16(query, 0)) return false
  if ((u8(answer, 2) & FLAG_RESPONSE) === 0) return false
  // An answer that could not be made may leave the question out.
  if (u16(answer, 4) === 0) return (u8(answer, 3) & 15) !== 0
  const end = questionEnd(query)
  if (end === undefined || questionEnd(answer) !== end) return false
  for (let at = DNS_HEADER; at < end; at++) {
    // Servers may answer in other case (RFC 4343); types and classes have no letters.
    if (lower(u8(answer, at)) !== lower(u8(query, at))) return false
  }
  return true
}

/** An answer with this code and nothing but the question. */
export function dnsFailure(query: Bytes, rcode: number): Bytes {
  const end = questionEnd(query)
  const out = new Uint8Array(end ?? DNS_HEADER)
  out.set(query.subarray(0, out.length))
  set16(out, 4, end === undefined ? 0 : 1)
  set16(out, 6, 0)
  set16(out, 8, 0)
  set16(out, 10, 0)
  // Opcode and RD are the query's; RA is set: somebody would have recursed.
  out[2] = FLAG_RESPONSE | (u8(out, 2) & 0x79)
  out[3] = 0x80 | rcode
  return out
}

/** Largest UDP answer that the sender of this query takes, in bytes (RFC 6891 section 6.2.3). */
export function udpAnswerSize(query: Bytes): number {
  const at = optRecord(query)
  return at === undefined ? DNS_PLAIN_UDP : Math.max(DNS_PLAIN_UDP, u16(query, at + 3))
}

/** The answer when it fits, else its header and question with TC set, so that the client asks by TCP. */
export function fitUdpAnswer(answer: Bytes, size: number): Bytes {
  if (answer.length <= size) return answer
  const end = questionEnd(answer) ?? DNS_HEADER
  const opt = optRecord(answer)
  // The OPT record goes along (RFC 6891 section 7), where it has no options and so a known length.
  const extra =
    opt !== undefined && opt + 11 <= answer.length && u16(answer, opt + 9) === 0 ? 11 : 0
  const out = new Uint8Array(end + extra)
  out.set(answer.subarray(0, end))
  if (opt !== undefined && extra > 0) out.set(answer.subarray(opt, opt + extra), end)
  out[2] = u8(answer, 2) | FLAG_TRUNCATED
  set16(out, 4, end > DNS_HEADER ? 1 : 0)
  set16(out, 6, 0)
  set16(out, 8, 0)
  set16(out, 10, extra > 0 ? 1 : 0)
  return out
}

/** Where the one question ends; undefined when it is broken. */
function questionEnd(message: Bytes): number | undefined {
  if (message.length < DNS_HEADER || u16(message, 4) !== 1) return undefined
  const end = skipName(message, DNS_HEADER)
  return end === undefined || end + 4 > message.length ? undefined : end + 4
}

/** Where the OPT pseudo-record starts: its root name. */
function optRecord(message: Bytes): number | undefined {
  let at = questionEnd(message)
  if (at === undefined) return undefined
  const records = u16(message, 6) + u16(message, 8) + u16(message, 10)
  for (let i = 0; i < records; i++) {
    const name: number = at
    at = skipName(message, name)
    if (at === undefined || at + 10 > message.length) return undefined
    if (u16(message, at) === TYPE_OPT && u8(message, name) === 0) return name
    at += 10 + u16(message, at + 8)
  }
  return undefined
}

function skipName(message: Bytes, from: number): number | undefined {
  let at = from
  while (at < message.length) {
    const length = u8(message, at)
    if (length === 0) return at + 1
    if (length >= 0xc0) return at + 2
    if (length > 63) return undefined
    at += 1 + length
  }
  return undefined
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte
}
