/** One raw query of a client, on its way to the servers of its zone and back. */
import { u16 } from '../core/bytes.js'
import { PvpnError } from '../core/errors.js'
import type { Bytes, Millis } from '../core/types.js'
import { DNS_EXCHANGE_TIME } from './limits.js'
import {
  CLASS_IN,
  type DnsMessage,
  type DnsQuestion,
  FLAG_CD,
  FLAG_QR,
  FLAG_RD,
  optRecord,
  parseMessage,
  RCODE_FORMERR,
  RCODE_NOTIMP,
  RCODE_SERVFAIL,
  TYPE_ANY,
  TYPE_AXFR,
  TYPE_IXFR,
  TYPE_TSIG,
} from './message.js'
import { type LookupType, TYPE_NUMBER } from './query.js'
import type { AskResult, AskSpec, Questions, Waiter } from './questions.js'
import {
  bareReply,
  cachedReply,
  dnssecOk,
  emptyReply,
  fitReply,
  forwardedReply,
  hostsReply,
} from './reply.js'

export interface ExchangeOutput {
  readonly kind: 'reply'
  readonly exchange: number
  readonly bytes: Bytes
}

/** EDNS options that change nothing about the answer: COOKIE (RFC 7873), PADDING (RFC 7830). */
const HARMLESS_OPTIONS = new Set([10, 12])

export class Exchange implements Waiter {
  readonly #id: number
  readonly #transport: 'udp' | 'tcp'
  readonly #query: DnsMessage
  readonly #questions: Questions
  readonly #emit: (output: ExchangeOutput) => void

  constructor(
    id: number,
    query: DnsMessage,
    transport: 'udp' | 'tcp',
    questions: Questions,
    emit: (output: ExchangeOutput) => void,
  ) {
    this.#id = id
    this.#transport = transport
    this.#query = query
    this.#questions = questions
    this.#emit = emit
  }

  start(now: Millis): void {
    const known = this.#withoutServers()
    if (known !== undefined) {
      this.#reply(known)
      return
    }
    const { question } = this.#query
    const result = question && this.#questions.ask(this.#spec(question), this, now)
    if (result !== undefined) this.answered(result)
  }

  /** Gives up; with `rcode` the client is told so. */
  cancel(rcode?: number): void {
    this.#questions.leave(this)
    if (rcode !== undefined) this.#reply(emptyReply(this.#query, rcode))
  }

  answered(result: AskResult): void {
    this.#reply(this.#answer(result))
  }

  #answer(result: AskResult): Bytes {
    const query = this.#query
    switch (result.kind) {
      case 'cached':
        return cachedReply(query, result.hit)
      case 'answer':
        return forwardedReply(query, result.message)
      case 'failed':
        // A server's own word (REFUSED, SERVFAIL with its reasons) says more than ours.
        return result.message?.question === undefined
          ? emptyReply(query, RCODE_SERVFAIL)
          : forwardedReply(query, result.message)
      case 'no-server':
      case 'limit':
        return emptyReply(query, RCODE_SERVFAIL)
    }
  }

  #withoutServers(): Bytes | undefined {
    const { question, opcode } = this.#query
    if (opcode !== 0) return emptyReply(this.#query, RCODE_NOTIMP)
    if (question === undefined) return emptyReply(this.#query, RCODE_FORMERR)
    // A zone transfer is a stream of messages, not one.
    if (question.type === TYPE_AXFR || question.type === TYPE_IXFR) {
      return emptyReply(this.#query, RCODE_NOTIMP)
    }
    return this.#fromHosts(question)
  }

  #reply(bytes: Bytes): void {
    const fitting = fitReply(this.#query, bytes, this.#transport)
    this.#emit({ kind: 'reply', exchange: this.#id, bytes: fitting })
  }

  #fromHosts(question: DnsQuestion): Bytes | undefined {
    if (question.klass !== CLASS_IN) return undefined
    const types = Object.keys(TYPE_NUMBER) as LookupType[]
    const type = types.find((name) => TYPE_NUMBER[name] === question.type)
    const values = type && this.#questions.view.hosts(question.name, type)
    return type && values && hostsReply(this.#query, type, values)
  }

  #spec(question: DnsQuestion): AskSpec {
    const { flags, bytes } = this.#query
    const bits = [
      (flags & FLAG_RD) !== 0 ? 'R' : '',
      (flags & FLAG_CD) !== 0 ? 'C' : '',
      dnssecOk(this.#query) ? 'D' : '',
    ]
    return {
      asked: question,
      query: bytes,
      plain: undefined,
      transport: this.#transport,
      time: DNS_EXCHANGE_TIME,
      variant: bits.join(''),
      shared: question.type !== TYPE_ANY && isCommon(this.#query),
    }
  }
}

/**
 * The query as a parsed message, or the answer that it gets at once. Throws PvpnError ERR_PROTOCOL
 * for what must not be answered at all: an answer, or a message too short to have an id.
 */
export function parseQuery(bytes: Bytes): DnsMessage | Bytes {
  if (bytes.length < 4 || (u16(bytes, 2) & FLAG_QR) !== 0) {
    throw new PvpnError('ERR_PROTOCOL', 'not a DNS query')
  }
  return parseMessage(new Uint8Array(bytes)) ?? bareReply(bytes, RCODE_FORMERR)
}

/** Would everybody who asks this question get the same answer? Not with a signature, a client subnet and the like. */
function isCommon(query: DnsMessage): boolean {
  if (query.records.some((r) => r.section !== 'additional' || r.type === TYPE_TSIG)) return false
  const opt = optRecord(query)
  if (opt === undefined) return query.records.length === 0
  if (query.records.length > 1) return false
  const end = opt.dataAt + opt.dataLength
  let at = opt.dataAt
  while (at + 4 <= end) {
    if (!HARMLESS_OPTIONS.has(u16(query.bytes, at))) return false
    at += 4 + u16(query.bytes, at + 2)
  }
  return at === end
}
