/**
 * DNS messages (RFC 1035 section 4.1) read in place. `parseMessage` walks a hostile message once and
 * in linear time: counts that cannot fit, records that overrun, names with pointer loops are refused
 * before anything is allocated for them. See docs/decisions/0060 for why answers are not decoded
 * with dns-packet.
 *
 *    0 id   2 QR opcode(4) AA TC RD | RA Z AD CD rcode(4)   4 QDCOUNT   6 ANCOUNT   8 NSCOUNT
 *   10 ARCOUNT   12 question: name, type, class   then records: name, type, class, ttl, length, data
 */
import { u8, u16, u32 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'
import { DNS_POINTERS } from './limits.js'
import { nameByte } from './name.js'

export const TYPE_A = 1
export const TYPE_CNAME = 5
export const TYPE_SOA = 6
export const TYPE_PTR = 12
export const TYPE_AAAA = 28
export const TYPE_OPT = 41
export const TYPE_TSIG = 250
export const TYPE_IXFR = 251
export const TYPE_AXFR = 252
export const TYPE_ANY = 255
export const CLASS_IN = 1

export const RCODE_NOERROR = 0
export const RCODE_FORMERR = 1
export const RCODE_SERVFAIL = 2
export const RCODE_NXDOMAIN = 3
export const RCODE_NOTIMP = 4
export const RCODE_REFUSED = 5

export const FLAG_QR = 0x8000
export const FLAG_AA = 0x0400
export const FLAG_TC = 0x0200
export const FLAG_RD = 0x0100
export const FLAG_RA = 0x0080
export const FLAG_AD = 0x0020
export const FLAG_CD = 0x0010

export const DNS_HEADER = 12

export type Section = 'answer' | 'authority' | 'additional'

export interface DnsRecord {
  readonly section: Section
  /** Where the owner's name starts in the message. */
  readonly at: number
  readonly type: number
  readonly klass: number
  /** Seconds; where the 32 bits stand is `ttlAt`. A TTL with the top bit set is 0 (RFC 2181 section 8). */
  readonly ttl: number
  readonly ttlAt: number
  readonly dataAt: number
  readonly dataLength: number
}

export interface DnsQuestion {
  /** Canonical (see name.ts). */
  readonly name: string
  readonly type: number
  readonly klass: number
  /** Where the question ends in the message. */
  readonly end: number
}

export interface DnsMessage {
  /** Cut to the message's own length: bytes behind its last record are dropped. */
  readonly bytes: Bytes
  readonly id: number
  readonly flags: number
  readonly opcode: number
  readonly rcode: number
  /** Undefined when the message has none (QDCOUNT 0). */
  readonly question: DnsQuestion | undefined
  readonly records: readonly DnsRecord[]
}

/** The message, or undefined when it is malformed or has more than one question. Keeps a reference to `bytes`. */
export function parseMessage(bytes: Bytes): DnsMessage | undefined {
  if (bytes.length < DNS_HEADER) return undefined
  const questions = u16(bytes, 4)
  const counts = [u16(bytes, 6), u16(bytes, 8), u16(bytes, 10)] as const
  const total = counts[0] + counts[1] + counts[2]
  // The smallest question takes 5 bytes, the smallest record 11.
  if (questions > 1 || questions * 5 + total * 11 > bytes.length - DNS_HEADER) return undefined
  let question: DnsQuestion | undefined
  let at = DNS_HEADER
  if (questions === 1) {
    question = readQuestion(bytes)
    if (question === undefined) return undefined
    at = question.end
  }
  const records: DnsRecord[] = []
  for (let i = 0; i < total; i++) {
    const section =
      i < counts[0] ? 'answer' : i < counts[0] + counts[1] ? 'authority' : 'additional'
    const record = readRecord(bytes, at, section)
    if (record === undefined) return undefined
    records.push(record)
    at = record.dataAt + record.dataLength
  }
  const flags = u16(bytes, 2)
  return {
    bytes: at < bytes.length ? bytes.subarray(0, at) : bytes,
    id: u16(bytes, 0),
    flags,
    opcode: (flags >>> 11) & 15,
    rcode: flags & 15,
    question,
    records,
  }
}

function readQuestion(bytes: Bytes): DnsQuestion | undefined {
  const end = skipName(bytes, DNS_HEADER)
  if (end === undefined || end + 4 > bytes.length) return undefined
  const name = readName(bytes, DNS_HEADER)
  if (name === undefined) return undefined
  return { name, type: u16(bytes, end), klass: u16(bytes, end + 2), end: end + 4 }
}

function readRecord(bytes: Bytes, at: number, section: Section): DnsRecord | undefined {
  const end = skipName(bytes, at)
  if (end === undefined || end + 10 > bytes.length) return undefined
  const ttl = u32(bytes, end + 4)
  const record = {
    section,
    at,
    type: u16(bytes, end),
    klass: u16(bytes, end + 2),
    ttl: ttl > 0x7fffffff ? 0 : ttl,
    ttlAt: end + 4,
    dataAt: end + 10,
    dataLength: u16(bytes, end + 8),
  }
  return record.dataAt + record.dataLength <= bytes.length && dataFits(bytes, record)
    ? record
    : undefined
}

/** Does the data have the form of its type? Only for the types that are looked into. */
function dataFits(bytes: Bytes, record: DnsRecord): boolean {
  if (record.section !== 'answer' || record.klass !== CLASS_IN) return true
  if (record.type === TYPE_A) return record.dataLength === 4
  if (record.type === TYPE_AAAA) return record.dataLength === 16
  if (record.type !== TYPE_CNAME && record.type !== TYPE_PTR) return true
  return (
    skipName(bytes, record.dataAt) === record.dataAt + record.dataLength &&
    readName(bytes, record.dataAt) !== undefined
  )
}

/** Where the name at `at` ends, pointers not followed; undefined when it overruns the message. */
function skipName(bytes: Bytes, at: number): number | undefined {
  for (let i = at; i < bytes.length; ) {
    const length = u8(bytes, i)
    if (length === 0) return i + 1
    if (length >= 0xc0) return i + 2 <= bytes.length ? i + 2 : undefined
    // 0x40 and 0x80 were never standardised (RFC 6891 section 5).
    if (length > 63) return undefined
    i += length + 1
  }
  return undefined
}

/**
 * The name at `at` in canonical form, pointers followed. Undefined when it is malformed: it overruns,
 * is longer than 255 bytes, or a pointer does not lead backwards (RFC 1035 section 4.1.4), which
 * rules out loops, or there are more than DNS_POINTERS of them.
 */
export function readName(bytes: Bytes, at: number): string | undefined {
  let text = ''
  let wire = 1
  let segment = at
  let pointers = 0
  for (let i = at; i < bytes.length; ) {
    const length = u8(bytes, i)
    if (length === 0) return text
    if (length >= 0xc0) {
      if (i + 2 > bytes.length || ++pointers > DNS_POINTERS) return undefined
      const to = u16(bytes, i) & 0x3fff
      if (to >= segment || to < DNS_HEADER) return undefined
      segment = to
      i = to
      continue
    }
    wire += length + 1
    if (length > 63 || wire > 255 || i + 1 + length > bytes.length) return undefined
    if (text !== '') text += '.'
    for (let k = i + 1; k <= i + length; k++) text += nameByte(u8(bytes, k))
    i += length + 1
  }
  return undefined
}

/** The message's OPT record (RFC 6891), when it has exactly one, with the root as its name. */
export function optRecord(message: DnsMessage): DnsRecord | undefined {
  const all = message.records.filter((r) => r.type === TYPE_OPT && r.section === 'additional')
  const [opt] = all
  if (opt === undefined || all.length > 1) return undefined
  return u8(message.bytes, opt.at) === 0 ? opt : undefined
}
