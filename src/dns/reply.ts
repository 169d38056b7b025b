/** Answers to a client's raw query, made here or made fit to be passed on. */
import { encode } from 'dns-packet'
import { set8, set16, set32, u8, u16 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'
import type { CacheHit } from './cache.js'
import { DNS_CLIENT_UDP_PAYLOAD, DNS_UDP_PAYLOAD } from './limits.js'
import {
  DNS_HEADER,
  type DnsMessage,
  FLAG_AA,
  FLAG_CD,
  FLAG_QR,
  FLAG_RA,
  FLAG_RD,
  FLAG_TC,
  optRecord,
  TYPE_OPT,
} from './message.js'
import type { LookupType } from './query.js'

/** Largest UDP answer to a client that has no EDNS (RFC 1035 section 2.3.4). */
const PLAIN_UDP_PAYLOAD = 512
const OPT_LENGTH = 11
/** Opcode, RD and CD are the client's (RFC 1035 section 4.1.1, RFC 4035 section 3.1.6). */
const KEPT_FLAGS = 0x7800 | FLAG_RD | FLAG_CD
/** The DNSSEC OK bit in the third byte of OPT's "TTL" (RFC 6891 section 6.1.4). */
const DO_BIT = 0x80

/** An answer without records: an error, or the truncated form of a larger one. */
export function emptyReply(query: DnsMessage, rcode: number, flags = 0): Bytes {
  const end = query.question?.end ?? DNS_HEADER
  const opt = optRecord(query)
  const out = new Uint8Array(end + (opt === undefined ? 0 : OPT_LENGTH))
  out.set(query.bytes.subarray(0, end))
  set16(out, 2, FLAG_QR | (query.flags & KEPT_FLAGS) | FLAG_RA | flags | rcode)
  out.fill(0, 6, DNS_HEADER)
  if (opt !== undefined) {
    set16(out, 10, 1)
    writeOpt(out, end, dnssecOk(query))
  }
  return out
}

/** The answer to a message too broken to be parsed: FORMERR (or another) with the client's id, without question. */
export function bareReply(query: Bytes, rcode: number): Bytes {
  const out = new Uint8Array(DNS_HEADER)
  out.set(query.subarray(0, 2))
  const flags = query.length >= 4 ? u16(query, 2) & KEPT_FLAGS : 0
  set16(out, 2, FLAG_QR | flags | FLAG_RA | rcode)
  return out
}

/** An answer from the configured hosts. TTL 0: a reload may change them at any time. */
export function hostsReply(query: DnsMessage, type: LookupType, values: readonly string[]): Bytes {
  const { question } = query
  if (question === undefined || values.length === 0) return emptyReply(query, 0)
  const { name } = question
  const answers = values.map((data) => ({ name, type, class: 'IN' as const, ttl: 0, data }))
  const body = encode({ type: 'response', questions: [{ name, type, class: 'IN' }], answers })
  // The library writes names as given: same length, and the client's letter case goes back.
  const out = joinOpt(body, query)
  out.set(query.bytes.subarray(0, question.end))
  set16(out, 2, FLAG_QR | (query.flags & KEPT_FLAGS) | FLAG_RA | FLAG_AA)
  set16(out, 4, 1)
  set16(out, 6, answers.length)
  set16(out, 8, 0)
  set16(out, 10, out.length > body.length ? 1 : 0)
  return out
}

/** A cached answer for this client: its id, its spelling of the question, its OPT, TTLs lowered by the age. */
export function cachedReply(query: DnsMessage, hit: CacheHit): Bytes {
  const { message, age } = hit
  const out = joinOpt(message.bytes, query)
  for (const record of message.records) {
    if (record.type !== TYPE_OPT) set32(out, record.ttlAt, Math.max(0, record.ttl - age))
  }
  out.set(query.bytes.subarray(0, 2))
  out.set(query.bytes.subarray(DNS_HEADER, query.question?.end), DNS_HEADER)
  const flags = message.flags & ~(KEPT_FLAGS | FLAG_AA)
  set16(out, 2, flags | (query.flags & KEPT_FLAGS))
  if (out.length > message.bytes.length) set16(out, 10, u16(out, 10) + 1)
  return out
}

/** A server's answer as it came, with the client's id. */
export function forwardedReply(query: DnsMessage, answer: DnsMessage): Bytes {
  const out = new Uint8Array(answer.bytes)
  set16(out, 0, query.id)
  return out
}

/** The answer, or its truncated form (TC) when it is larger than this client takes by UDP. */
export function fitReply(query: DnsMessage, reply: Bytes, transport: 'udp' | 'tcp'): Bytes {
  if (transport === 'tcp' || reply.length <= clientPayload(query)) return reply
  return emptyReply(query, u8(reply, 3) & 15, FLAG_TC)
}

/** A copy of the message without its OPT record; undefined unless that is the last record. */
export function withoutOpt(message: DnsMessage): Bytes | undefined {
  const opt = optRecord(message)
  // Cutting one out of the middle would shift what compression pointers lead to.
  if (opt === undefined || opt !== message.records.at(-1)) return undefined
  const out = new Uint8Array(message.bytes.subarray(0, opt.at))
  set16(out, 10, u16(out, 10) - 1)
  return out
}

export function dnssecOk(query: DnsMessage): boolean {
  const opt = optRecord(query)
  return opt !== undefined && (u8(query.bytes, opt.ttlAt + 2) & DO_BIT) !== 0
}

function clientPayload(query: DnsMessage): number {
  const opt = optRecord(query)
  if (opt === undefined) return PLAIN_UDP_PAYLOAD
  return Math.min(Math.max(opt.klass, PLAIN_UDP_PAYLOAD), DNS_CLIENT_UDP_PAYLOAD)
}

/** A copy of the message with room for, and filled with, an OPT record when the client sent one. */
function joinOpt(message: Bytes, query: DnsMessage): Uint8Array {
  const opt = optRecord(query)
  const out = new Uint8Array(message.length + (opt === undefined ? 0 : OPT_LENGTH))
  out.set(message)
  if (opt !== undefined) writeOpt(out, message.length, dnssecOk(query))
  return out
}

function writeOpt(out: Bytes, at: number, ok: boolean): void {
  out.fill(0, at, at + OPT_LENGTH)
  set16(out, at + 1, TYPE_OPT)
  set16(out, at + 3, DNS_UDP_PAYLOAD)
  if (ok) set8(out, at + 7, DO_BIT)
}
