/**
 * All questions under way and the attempts at servers that they cost. Here an answer is checked
 * before it means anything (RFC 5452 section 9.1): source address and port, id, question.
 */
import { set16, u16 } from '../core/bytes.js'
import type { Bytes, Endpoint, Millis, Random } from '../core/types.js'
import {
  type Attempt,
  type AttemptTable,
  Inquiry,
  type InquiryResult,
  type Question,
} from './inquiry.js'
import { DNS_INQUIRIES, DNS_MISMATCHES, DNS_WAIT_MAX } from './limits.js'
import { DNS_HEADER, type DnsMessage, FLAG_QR, parseMessage, RCODE_NOERROR } from './message.js'
import type { Server, ServerTable } from './servers.js'
import type { Counters, DropReason } from './stats.js'

/** What is to be sent. Each attempt has a port, or connection, of its own. */
export type InquirerOutput =
  /** From a fresh, randomly chosen local port; answers go to `datagram`. */
  | {
      readonly kind: 'udp'
      readonly attempt: number
      readonly server: Endpoint
      readonly bytes: Bytes
    }
  /** Over a connection, behind its length in two bytes (RFC 1035 section 4.2.2); the answer, without its length, goes to `message`. */
  | {
      readonly kind: 'tcp'
      readonly attempt: number
      readonly server: Endpoint
      readonly bytes: Bytes
    }
  /** The port or connection is not needed any more. */
  | { readonly kind: 'close'; readonly attempt: number }

type Done = (result: InquiryResult, now: Millis) => void

export class Inquirer implements AttemptTable {
  readonly servers: ServerTable
  readonly counters: Counters
  readonly #random: Random
  readonly #emit: (output: InquirerOutput) => void
  readonly #inquiries = new Map<Inquiry, Done>()
  readonly #attempts = new Map<number, Attempt>()
  readonly #idBytes = new Uint8Array(2)
  #nextAttempt = 1
  /** The tunnel carries no datagrams: everything goes by TCP. */
  #tcpOnly = false

  constructor(
    servers: ServerTable,
    counters: Counters,
    random: Random,
    emit: (output: InquirerOutput) => void,
  ) {
    this.servers = servers
    this.counters = counters
    this.#random = random
    this.#emit = emit
  }

  /** Puts a question to its servers, at least one; `done` is called later, once, unless it is cancelled. Undefined at the bound. */
  ask(question: Question, done: Done, now: Millis): Inquiry | undefined {
    if (this.#inquiries.size >= DNS_INQUIRIES) return undefined
    const plan = this.servers.plan(question.servers, now)
    const inquiry = new Inquiry(question, this, now)
    this.#inquiries.set(inquiry, done)
    inquiry.start(plan.first, plan.rest, now)
    for (const server of plan.probes) this.#probe(question, server, now)
    return inquiry
  }

  cancel(inquiry: Inquiry): void {
    inquiry.cancel()
    this.#inquiries.delete(inquiry)
  }

  /** Forgets what it learned of the transport, for a new configuration. */
  reset(): void {
    this.#tcpOnly = false
  }

  /** A datagram arrived at the port of an attempt. Hostile: dropped and counted unless everything fits. */
  datagram(id: number, from: Endpoint, bytes: Bytes, now: Millis): void {
    const attempt = this.#attempts.get(id)
    if (attempt === undefined) {
      this.counters.drops.late++
      return
    }
    const { address, port } = attempt.server.endpoint
    if (from.address !== address || from.port !== port) this.#mismatch(attempt, 'source', now)
    else this.#receive(attempt, new Uint8Array(bytes), now)
  }

  /** A whole message arrived over the connection of an attempt. It becomes the resolver's. */
  message(id: number, bytes: Bytes, now: Millis): void {
    const attempt = this.#attempts.get(id)
    if (attempt === undefined) this.counters.drops.late++
    else this.#receive(attempt, bytes, now)
  }

  /** The datagram or connection could not be sent or broke, or the network reported an error (`text` for people). */
  failed(id: number, text: string, now: Millis): void {
    const attempt = this.#attempts.get(id)
    attempt?.inquiry.broken(attempt, 'unreachable', text, now)
  }

  /** No datagrams in this environment: this attempt and all later ones go by TCP. */
  udpUnsupported(id: number, now: Millis): void {
    this.#tcpOnly = true
    const attempt = this.#attempts.get(id)
    if (attempt === undefined || attempt.inquiry.byTcp(attempt, now)) return
    attempt.inquiry.broken(attempt, 'unreachable', 'no datagrams', now)
  }

  deadline(): Millis {
    let first = Number.POSITIVE_INFINITY
    for (const inquiry of this.#inquiries.keys()) first = Math.min(first, inquiry.deadline)
    return first
  }

  tick(now: Millis): void {
    for (const inquiry of this.#inquiries.keys()) inquiry.tick(now)
  }

  // AttemptTable, for inquiries.

  open(
    inquiry: Inquiry,
    server: Server,
    transport: 'udp' | 'tcp',
    plain: boolean,
    now: Millis,
  ): Attempt {
    this.#random(this.#idBytes)
    const attempt: Attempt = {
      id: this.#nextAttempt++,
      inquiry,
      server,
      transport: this.#tcpOnly ? 'tcp' : transport,
      plain,
      queryId: u16(this.#idBytes, 0),
      sentAt: now,
      mismatches: 0,
    }
    const { query, plain: without } = inquiry.question
    // Not slice(): on a Buffer, as dns-packet makes them, that is no copy.
    const bytes = new Uint8Array(plain && without ? without : query)
    set16(bytes, 0, attempt.queryId)
    this.#attempts.set(attempt.id, attempt)
    this.#emit({ kind: attempt.transport, attempt: attempt.id, server: server.endpoint, bytes })
    return attempt
  }

  close(attempt: Attempt): void {
    this.#attempts.delete(attempt.id)
    this.#emit({ kind: 'close', attempt: attempt.id })
  }

  finished(inquiry: Inquiry, result: InquiryResult, now: Millis): void {
    const done = this.#inquiries.get(inquiry)
    this.#inquiries.delete(inquiry)
    done?.(result, now)
  }

  /** Asks a dead server the same, for its own sake: whatever it answers says that it lives. */
  #probe(question: Question, server: Server, now: Millis): void {
    if (this.#inquiries.size >= DNS_INQUIRIES) return
    const probe = new Inquiry({ ...question, servers: [server], time: DNS_WAIT_MAX }, this, now)
    this.#inquiries.set(probe, () => {})
    probe.start([server], [], now)
  }

  #receive(attempt: Attempt, bytes: Bytes, now: Millis): void {
    const { inquiry } = attempt
    const strange = strangeHeader(attempt, bytes)
    const message = strange === undefined ? parseMessage(bytes) : undefined
    if (strange !== undefined) {
      this.#mismatch(attempt, strange, now)
    } else if (message === undefined) {
      inquiry.broken(attempt, 'malformed', 'malformed answer', now)
    } else if (!answersTo(message, inquiry)) {
      this.#mismatch(attempt, 'question', now)
    } else {
      const after = now - attempt.sentAt
      this.servers.answered(attempt.server, attempt.transport === 'udp' ? after : undefined, now)
      this.counters.answered(after)
      inquiry.answer(attempt, message, now)
    }
  }

  #mismatch(attempt: Attempt, reason: DropReason, now: Millis): void {
    this.counters.drops[reason]++
    if (attempt.transport === 'tcp') {
      // One answer per connection: there is nothing better to wait for.
      attempt.inquiry.broken(attempt, 'malformed', 'malformed answer', now)
      return
    }
    if (++attempt.mismatches >= DNS_MISMATCHES) attempt.inquiry.byTcp(attempt, now)
  }
}

function strangeHeader(attempt: Attempt, bytes: Bytes): DropReason | undefined {
  if (bytes.length < DNS_HEADER) return 'short'
  if (u16(bytes, 0) !== attempt.queryId) return 'id'
  return (u16(bytes, 2) & FLAG_QR) === 0 ? 'response' : undefined
}

/** The question came back; servers that could not even parse it may leave it out of an error. */
function answersTo(message: DnsMessage, inquiry: Inquiry): boolean {
  const { question } = message
  if (question === undefined) return message.rcode !== RCODE_NOERROR
  const { asked } = inquiry.question
  return (
    question.name === asked.name && question.type === asked.type && question.klass === asked.klass
  )
}
