/**
 * One question on its way: which server is asked when, and what its answers mean. The rules:
 * an answer (NOERROR, NXDOMAIN) ends it; SERVFAIL, REFUSED, nonsense and unreachability move on to
 * the next server at once, silence after a short wait, while late answers still count; TC means the
 * same server by TCP.
 */
import { u8 } from '../core/bytes.js'
import { formatHostPort } from '../core/ip.js'
import type { Bytes, Millis } from '../core/types.js'
import { DNS_ATTEMPTS, DNS_ROUNDS } from './limits.js'
import {
  type DnsMessage,
  type DnsQuestion,
  FLAG_AA,
  FLAG_RA,
  FLAG_TC,
  optRecord,
  RCODE_FORMERR,
  RCODE_NOERROR,
  RCODE_NOTIMP,
  RCODE_NXDOMAIN,
  RCODE_REFUSED,
  RCODE_SERVFAIL,
} from './message.js'
import type { Server, ServerTable } from './servers.js'
import type { Counters, QueryResult } from './stats.js'

export interface Question {
  readonly asked: DnsQuestion
  /** The query; its id is set anew for each attempt. */
  readonly query: Bytes
  /** The same without EDNS, for servers that know none. Undefined for a client's raw query, which goes as it is. */
  readonly plain: Bytes | undefined
  readonly servers: readonly Server[]
  readonly transport: 'udp' | 'tcp'
  /** Milliseconds until it has failed. */
  readonly time: Millis
}

export type InquiryResult =
  | { readonly kind: 'answer'; readonly message: DnsMessage }
  | {
      readonly kind: 'failed'
      /** Nothing at all came from any server. */
      readonly silent: boolean
      /** For people: what each server did. */
      readonly reason: string
      /** The last answer that was an error, when there was one. */
      readonly message: DnsMessage | undefined
    }

export interface Attempt {
  readonly id: number
  readonly inquiry: Inquiry
  readonly server: Server
  readonly transport: 'udp' | 'tcp'
  /** Sent without EDNS. */
  readonly plain: boolean
  readonly queryId: number
  readonly sentAt: Millis
  mismatches: number
}

/** What an inquiry needs from the table of attempts. */
export interface AttemptTable {
  readonly servers: ServerTable
  readonly counters: Counters
  open(
    inquiry: Inquiry,
    server: Server,
    transport: 'udp' | 'tcp',
    plain: boolean,
    now: Millis,
  ): Attempt
  close(attempt: Attempt): void
  finished(inquiry: Inquiry, result: InquiryResult, now: Millis): void
}

export class Inquiry {
  readonly question: Question
  readonly #table: AttemptTable
  readonly #open = new Set<Attempt>()
  /** Those of the latest step: when all have failed, or their time is over, the next step is taken. */
  readonly #awaited = new Set<Attempt>()
  readonly #failures = new Map<Server, string>()
  readonly #endsAt: Millis
  #queue: Server[] = []
  #round = 0
  #tries = 0
  #waitUntil: Millis
  #heard = false
  #lastError: DnsMessage | undefined
  #done = false

  constructor(question: Question, table: AttemptTable, now: Millis) {
    this.question = question
    this.#table = table
    this.#endsAt = now + question.time
    this.#waitUntil = this.#endsAt
  }

  /** Asks the first servers. Their number must not be zero. */
  start(first: readonly Server[], rest: readonly Server[], now: Millis): void {
    this.#queue = [...rest]
    for (const server of first) this.#ask(server, this.question.transport, false, now)
  }

  get deadline(): Millis {
    return this.#done ? Number.POSITIVE_INFINITY : Math.min(this.#waitUntil, this.#endsAt)
  }

  tick(now: Millis): void {
    if (this.#done || now < this.deadline) return
    for (const attempt of this.#awaited) this.#silent(attempt, now)
    this.#awaited.clear()
    if (now >= this.#endsAt) this.#fail(now)
    else this.#advance(now)
  }

  /** Gives up without a result. */
  cancel(): void {
    this.#done = true
    for (const attempt of this.#open) this.#table.close(attempt)
    this.#open.clear()
  }

  /** A well-formed answer to this question from the server that was asked. */
  answer(attempt: Attempt, message: DnsMessage, now: Millis): void {
    this.#heard = true
    const { rcode, flags } = message
    const opt = optRecord(message)
    const extended = opt === undefined ? 0 : u8(message.bytes, opt.ttlAt)
    if (extended === 0 && (rcode === RCODE_NOERROR || rcode === RCODE_NXDOMAIN)) {
      if ((flags & FLAG_TC) !== 0 && !this.#takesTruncated(attempt)) {
        this.#truncated(attempt, now)
      } else if (rcode === RCODE_NOERROR && isReferral(message)) {
        this.#lastError = message
        this.#failed(attempt, 'other', 'no recursion', now)
      } else {
        this.#table.counters.queries[rcode === RCODE_NOERROR ? 'answer' : 'nxdomain']++
        this.#finish({ kind: 'answer', message }, now)
      }
      return
    }
    // Servers older than EDNS say FORMERR or NOTIMP, those of another version BADVERS (RFC 6891 sections 6.1.3, 7).
    if (extended !== 0 || rcode === RCODE_FORMERR || rcode === RCODE_NOTIMP) {
      if (this.question.plain === undefined) {
        this.#table.counters.queries.other++
        this.#finish({ kind: 'answer', message }, now)
        return
      }
      if (!attempt.plain && this.#replace(attempt, attempt.transport, true, now)) return
    }
    this.#lastError = message
    this.#failed(attempt, RESULTS[rcode] ?? 'other', rcodeText(rcode), now)
  }

  /** The attempt has come to nothing. */
  broken(attempt: Attempt, result: 'malformed' | 'unreachable', text: string, now: Millis): void {
    if (result === 'malformed') this.#heard = true
    else this.#table.servers.silent(attempt.server, attempt.sentAt, now)
    this.#failed(attempt, result, text, now)
  }

  /** The same server once more by TCP; false when there were too many attempts. */
  byTcp(attempt: Attempt, now: Millis): boolean {
    return this.#replace(attempt, 'tcp', attempt.plain, now)
  }

  #ask(server: Server, transport: 'udp' | 'tcp', plain: boolean, now: Millis): void {
    this.#tries++
    const attempt = this.#table.open(this, server, transport, plain, now)
    this.#open.add(attempt)
    this.#awaited.add(attempt)
    this.#waitUntil = now + this.#table.servers.wait(server, attempt.transport, this.#round)
  }

  #replace(attempt: Attempt, transport: 'udp' | 'tcp', plain: boolean, now: Millis): boolean {
    if (this.#tries >= DNS_ATTEMPTS) return false
    this.#closeAttempt(attempt)
    this.#ask(attempt.server, transport, plain, now)
    return true
  }

  #advance(now: Millis): void {
    for (;;) {
      const server = this.#queue.shift()
      if (server === undefined) {
        this.#round++
        this.#queue = this.question.servers.filter((s) => !this.#failures.has(s))
        if (this.#queue.length > 0 && this.#round < DNS_ROUNDS && this.#tries < DNS_ATTEMPTS) {
          continue
        }
        this.#fail(now)
        return
      }
      if (this.#failures.has(server)) continue
      this.#ask(server, this.question.transport, false, now)
      return
    }
  }

  /** A client that asked by UDP gets the truncated answer and decides itself. */
  #takesTruncated(attempt: Attempt): boolean {
    return this.question.plain === undefined && attempt.transport === 'udp'
  }

  #truncated(attempt: Attempt, now: Millis): void {
    if (attempt.transport === 'udp' && this.byTcp(attempt, now)) return
    this.#failed(attempt, 'other', 'truncated over TCP', now)
  }

  #silent(attempt: Attempt, now: Millis): void {
    this.#table.counters.queries.silent++
    // After a truncated answer the server lives, even when its TCP does not.
    if (attempt.transport === this.question.transport) {
      this.#table.servers.silent(attempt.server, attempt.sentAt, now)
    }
  }

  #failed(attempt: Attempt, result: QueryResult, text: string, now: Millis): void {
    this.#table.counters.queries[result]++
    this.#failures.set(attempt.server, text)
    const awaited = this.#awaited.has(attempt)
    this.#closeAttempt(attempt)
    if (this.#failures.size === this.question.servers.length) this.#fail(now)
    else if (awaited && this.#awaited.size === 0) this.#advance(now)
  }

  #closeAttempt(attempt: Attempt): void {
    this.#awaited.delete(attempt)
    if (this.#open.delete(attempt)) this.#table.close(attempt)
  }

  #fail(now: Millis): void {
    const reasons = this.question.servers.map(
      (server) =>
        `${formatHostPort(server.endpoint.address, server.endpoint.port)} ${this.#failures.get(server) ?? 'silent'}`,
    )
    this.#finish(
      {
        kind: 'failed',
        silent: !this.#heard,
        reason: reasons.join(', '),
        message: this.#lastError,
      },
      now,
    )
  }

  #finish(result: InquiryResult, now: Millis): void {
    this.cancel()
    this.#table.finished(this, result, now)
  }
}

const RESULTS: Readonly<Record<number, QueryResult>> = {
  [RCODE_SERVFAIL]: 'servfail',
  [RCODE_REFUSED]: 'refused',
}

function rcodeText(rcode: number): string {
  const names: Readonly<Record<number, string>> = {
    [RCODE_FORMERR]: 'FORMERR',
    [RCODE_SERVFAIL]: 'SERVFAIL',
    [RCODE_NOTIMP]: 'NOTIMP',
    [RCODE_REFUSED]: 'REFUSED',
  }
  return names[rcode] ?? `rcode ${rcode}`
}

/** "Ask elsewhere", from a server that does not recurse: no answer for us (the test of glibc's res_send). */
function isReferral(message: DnsMessage): boolean {
  return (
    (message.flags & (FLAG_AA | FLAG_RA)) === 0 &&
    message.records.some((record) => record.section === 'authority') &&
    !message.records.some((record) => record.section === 'answer')
  )
}
