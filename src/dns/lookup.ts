/**
 * One look-up of a name's addresses, or of an address's names: the search list, the configured
 * hosts, `localhost`, both families side by side, CNAMEs. Answers come family by family, as they
 * arrive.
 */
import { PvpnError } from '../core/errors.js'
import type { Millis } from '../core/types.js'
import { interpret } from './answer.js'
import { DNS_INQUIRY_TIME, DNS_LOOKUP_TIME } from './limits.js'
import { CLASS_IN, DNS_HEADER } from './message.js'
import { candidates, isLocalhost, validName } from './name.js'
import { encodeQuery, type LookupType, TYPE_NUMBER } from './query.js'
import { type AskResult, answerOf, type Questions, type Waiter } from './questions.js'

export type LookupOutput =
  /** Addresses (A, AAAA) or names (PTR), never empty; at most once per type. */
  | {
      readonly kind: 'values'
      readonly lookup: number
      readonly type: LookupType
      readonly values: readonly string[]
    }
  /** The look-up is over. `error` is absent when there were values. */
  | { readonly kind: 'settled'; readonly lookup: number; readonly error: PvpnError | undefined }

interface Part extends Waiter {
  readonly type: LookupType
  /** What is asked for now: the candidate, or where its CNAMEs have led. */
  name: string
  hops: number
  state: 'idle' | 'waiting' | 'found' | 'nodata' | 'nxdomain' | 'failed'
  /** What the servers did, when `failed`. */
  reason: string
}

export interface LookupSpec {
  readonly id: number
  /** Canonical. */
  readonly name: string
  readonly absolute: boolean
  readonly types: readonly LookupType[]
  /** For messages: what was asked for, as it was written. */
  readonly text: string
}

export class Lookup {
  readonly deadline: Millis
  readonly #spec: LookupSpec
  readonly #questions: Questions
  readonly #emit: (output: LookupOutput) => void
  readonly #names: readonly string[]
  readonly #parts: readonly Part[]
  #candidate = 0
  #answeredOnce = false
  #failure: string | undefined
  #settled = false

  constructor(
    spec: LookupSpec,
    questions: Questions,
    emit: (output: LookupOutput) => void,
    now: Millis,
  ) {
    this.deadline = now + DNS_LOOKUP_TIME
    this.#spec = spec
    this.#questions = questions
    this.#emit = emit
    // The configured hosts know the name as it is before the search list is tried, as /etc/hosts does.
    const known = spec.types.some((type) => this.#local(spec.name, type) !== undefined)
    const absolute = spec.absolute || known || spec.types.includes('PTR')
    this.#names = candidates(spec.name, absolute, questions.view.search)
    this.#parts = spec.types.map((type) => {
      const part: Part = {
        type,
        name: '',
        hops: 0,
        state: 'idle',
        reason: '',
        answered: (result, when) => {
          if (this.#settled) return
          this.#take(part, result, when)
          this.#evaluate(when)
        },
      }
      return part
    })
  }

  start(now: Millis): void {
    this.#startCandidate(now)
    this.#evaluate(now)
  }

  tick(now: Millis): void {
    if (this.#settled || now < this.deadline) return
    this.#settle(this.#failed())
  }

  /** Gives up without a word, or with this error. */
  cancel(error?: PvpnError): void {
    if (this.#settled) return
    if (error !== undefined) this.#settle(error)
    else this.#stop()
  }

  #startCandidate(now: Millis): void {
    for (const part of this.#parts) {
      part.name = this.#names[this.#candidate] as string
      part.hops = 0
      this.#ask(part, now)
    }
  }

  #ask(part: Part, now: Millis): void {
    const local = this.#local(part.name, part.type)
    if (local !== undefined) {
      part.state = local.length > 0 ? 'found' : 'nodata'
      if (local.length > 0) this.#found(part, local)
      return
    }
    part.state = 'waiting'
    const type = TYPE_NUMBER[part.type]
    const query = encodeQuery(part.name, part.type, true)
    const result = this.#questions.ask(
      {
        asked: { name: part.name, type, klass: CLASS_IN, end: DNS_HEADER + part.name.length + 6 },
        query,
        plain: encodeQuery(part.name, part.type, false),
        transport: 'udp',
        time: DNS_INQUIRY_TIME,
        variant: 'R',
        shared: true,
      },
      part,
      now,
    )
    if (result !== undefined) this.#take(part, result, now)
  }

  /** Answers that need no server: the configured hosts, and localhost (RFC 6761 section 6.3). */
  #local(name: string, type: LookupType): readonly string[] | undefined {
    const hosts = this.#questions.view.hosts(name, type)
    if (hosts !== undefined || !isLocalhost(name)) return hosts
    return type === 'A' ? ['127.0.0.1'] : type === 'AAAA' ? ['::1'] : []
  }

  #take(part: Part, result: AskResult, now: Millis): void {
    const message = answerOf(result)
    if (message === undefined) {
      if (result.kind === 'failed') this.#partFailed(part, result.reason, !result.silent)
      else if (result.kind === 'no-server') this.#settle(noServer(this.#spec.text))
      else this.#settle(new PvpnError('ERR_LIMIT', 'too many DNS questions under way'))
      return
    }
    this.#answeredOnce = true
    const meaning = interpret(message, part.name, part.type, part.hops)
    switch (meaning.kind) {
      case 'found':
        part.state = 'found'
        this.#found(part, meaning.values)
        return
      case 'nodata':
      case 'nxdomain':
        part.state = meaning.kind
        return
      case 'endless':
        this.#partFailed(part, `too many CNAMEs from ${part.name}`, true)
        return
      case 'alias':
        if (!validName(meaning.name)) {
          this.#partFailed(part, `CNAME to an unusable name from ${part.name}`, true)
          return
        }
        part.name = meaning.name
        part.hops = meaning.hops
        this.#ask(part, now)
    }
  }

  #found(part: Part, values: readonly string[]): void {
    if (this.#settled) return
    this.#emit({ kind: 'values', lookup: this.#spec.id, type: part.type, values })
  }

  #partFailed(part: Part, reason: string, heard: boolean): void {
    part.state = 'failed'
    part.reason = reason
    if (heard) this.#answeredOnce = true
  }

  /** After each change: is this candidate decided, and what follows? */
  #evaluate(now: Millis): void {
    while (!this.#settled) {
      const parts = this.#parts
      const waiting = parts.some((part) => part.state === 'waiting')
      const found = parts.some((part) => part.state === 'found')
      // "No such name" holds for every type (RFC 8020), but servers that say so to AAAA alone exist.
      const nowhere = parts[0]?.state === 'nxdomain' && !found
      if (waiting && !nowhere) return
      if (found) {
        this.#settle(undefined)
        return
      }
      for (const part of parts) this.#questions.leave(part)
      if (!nowhere) this.#noteFailure()
      // Total silence now would be silence for the next name too.
      if (this.#failure !== undefined && !this.#answeredOnce) this.#settle(this.#failed())
      else if (++this.#candidate >= this.#names.length) this.#settle(this.#notFound())
      else this.#startCandidate(now)
    }
  }

  /** A candidate of which it can't be said that it does not exist. */
  #noteFailure(): void {
    const part = this.#parts.find(({ state }) => state === 'failed')
    if (part === undefined) return
    // A name without a dot hardly exists at the top: when the search list has said no such name,
    // a server that refuses to look there takes nothing from that.
    const bare = this.#candidate > 0 && !(this.#names[this.#candidate] ?? '').includes('.')
    if (!bare || !this.#answeredOnce) this.#failure = part.reason
  }

  #notFound(): PvpnError {
    if (this.#failure !== undefined) return this.#failed()
    const { text, types } = this.#spec
    if (types.includes('PTR')) return new PvpnError('ERR_NAME', `no name for ${text} inside`)
    const exists = this.#parts.some((part) => part.state === 'nodata')
    if (exists && this.#names.length === 1) {
      const family =
        types.length > 1 ? 'address' : types[0] === 'A' ? 'IPv4 address' : 'IPv6 address'
      return new PvpnError('ERR_NAME', `${text} has no ${family} inside`)
    }
    const tried = this.#names.length > 1 ? ` (tried ${this.#names.join(', ')})` : ''
    return new PvpnError('ERR_NAME', `no such name inside: ${text}${tried}`)
  }

  #failed(): PvpnError {
    const reason = this.#failure ?? 'no answer in time'
    return new PvpnError('ERR_RESOLVER', `${this.#spec.text} could not be resolved: ${reason}`)
  }

  #settle(error: PvpnError | undefined): void {
    if (this.#settled) return
    this.#stop()
    const found = this.#parts.some((part) => part.state === 'found')
    this.#emit({ kind: 'settled', lookup: this.#spec.id, error: found ? undefined : error })
  }

  #stop(): void {
    this.#settled = true
    for (const part of this.#parts) this.#questions.leave(part)
  }
}

export function noServer(name: string): PvpnError {
  return new PvpnError('ERR_NAME', `${name} can't be resolved: no DNS server`, {
    hint: 'The tunnel brings no DNS server: set dns.servers.',
  })
}
