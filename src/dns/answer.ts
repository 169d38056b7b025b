/**
 * What an answer says about the question that was asked, and nothing else: records are used only
 * when a chain of CNAMEs leads to them from the question's name (RFC 1034 section 4.3.2), so that
 * records slipped in for other names have no effect.
 */
import { u32 } from '../core/bytes.js'
import { formatIp } from '../core/ip.js'
import { DNS_CHAIN, DNS_NEGATIVE_TTL, DNS_RECORDS, DNS_TTL, DNS_VALUES } from './limits.js'
import {
  CLASS_IN,
  type DnsMessage,
  RCODE_NOERROR,
  RCODE_NXDOMAIN,
  readName,
  TYPE_CNAME,
  TYPE_SOA,
} from './message.js'
import { inZone } from './name.js'
import { type LookupType, TYPE_NUMBER } from './query.js'

export type Interpretation =
  | { readonly kind: 'found'; readonly values: readonly string[] }
  /** The chain leaves the message at `name`: to be asked for, `hops` CNAMEs from the start. */
  | { readonly kind: 'alias'; readonly name: string; readonly hops: number }
  /** The name exists without such a record. */
  | { readonly kind: 'nodata' }
  | { readonly kind: 'nxdomain' }
  /** More than DNS_CHAIN CNAMEs, a loop included. */
  | { readonly kind: 'endless' }

/** Reads the answer to (`name`, `type`, IN); `hops` is how many CNAMEs led to `name` already. */
export function interpret(
  message: DnsMessage,
  name: string,
  type: LookupType,
  hops: number,
): Interpretation {
  const chain = followChain(message, name, TYPE_NUMBER[type], hops)
  if (chain === undefined) return { kind: 'endless' }
  if (chain.values.length > 0) return { kind: 'found', values: chain.values }
  if (message.rcode === RCODE_NXDOMAIN) return { kind: 'nxdomain' }
  if (chain.hops > hops && negativeTtl(message, chain.name) === undefined) {
    return { kind: 'alias', name: chain.name, hops: chain.hops }
  }
  return { kind: 'nodata' }
}

interface Chain {
  /** Where it ends. */
  readonly name: string
  readonly hops: number
  readonly values: readonly string[]
}

function followChain(
  message: DnsMessage,
  name: string,
  type: number,
  hops: number,
): Chain | undefined {
  const answers = message.records
    .slice(0, DNS_RECORDS)
    .filter((r) => r.section === 'answer' && r.klass === CLASS_IN)
  const owners = answers.map((record) => readName(message.bytes, record.at))
  let current = name
  for (let hop = hops; hop <= DNS_CHAIN; hop++) {
    const values: string[] = []
    let alias: string | undefined
    for (const [i, record] of answers.entries()) {
      if (owners[i] !== current) continue
      if (record.type === type && values.length < DNS_VALUES) {
        const value = readValue(message, record.dataAt, record.dataLength, type)
        if (value !== undefined && !values.includes(value)) values.push(value)
      } else if (record.type === TYPE_CNAME) {
        alias ??= readName(message.bytes, record.dataAt)
      }
    }
    if (values.length > 0 || alias === undefined) return { name: current, hops: hop, values }
    current = alias
  }
  return undefined
}

function readValue(
  message: DnsMessage,
  at: number,
  length: number,
  type: number,
): string | undefined {
  if (type === TYPE_NUMBER.PTR) return readName(message.bytes, at)
  return formatIp(message.bytes.subarray(at, at + length))
}

/** Seconds that "not there" holds (RFC 2308 section 5), by the SOA of a zone that `name` is in; undefined without one. */
function negativeTtl(message: DnsMessage, name: string): number | undefined {
  for (const record of message.records) {
    if (record.section !== 'authority' || record.type !== TYPE_SOA) continue
    const zone = readName(message.bytes, record.at)
    if (record.klass !== CLASS_IN || zone === undefined || !inZone(name, zone)) continue
    // The data ends with five 32-bit numbers, the last of which is MINIMUM; two names come before.
    if (record.dataLength < 22) continue
    const minimum = u32(message.bytes, record.dataAt + record.dataLength - 4)
    return Math.min(record.ttl, minimum)
  }
  return undefined
}

/**
 * Seconds that an answer may be kept: the smallest TTL of its answer section, or for "not there" what
 * its SOA grants; both capped. 0: not at all.
 */
export function lifetime(message: DnsMessage): number {
  const { question, rcode } = message
  if (question === undefined || (rcode !== RCODE_NOERROR && rcode !== RCODE_NXDOMAIN)) return 0
  let ttl = DNS_TTL
  let positive = false
  for (const record of message.records) {
    if (record.section !== 'answer') continue
    ttl = Math.min(ttl, record.ttl)
    if (record.type === question.type) positive = true
  }
  if (positive) return ttl
  const chain = followChain(message, question.name, question.type, 0)
  const negative = chain && negativeTtl(message, chain.name)
  if (negative !== undefined) return Math.min(ttl, negative, DNS_NEGATIVE_TTL)
  // A chain that goes on elsewhere is itself an answer; a plain "nothing" without SOA is not kept.
  return rcode === RCODE_NOERROR && chain !== undefined && chain.hops > 0 ? ttl : 0
}
