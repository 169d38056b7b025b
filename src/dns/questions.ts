/** Questions as look-ups and raw queries put them: from the cache, joined to one under way, or to the zone's servers. */
import type { Bytes, Millis } from '../core/types.js'
import { Cache, type CacheHit } from './cache.js'
import type { Inquirer } from './inquirer.js'
import type { Inquiry, InquiryResult } from './inquiry.js'
import type { DnsMessage, DnsQuestion } from './message.js'
import type { Counters } from './stats.js'
import type { View } from './view.js'

export type AskResult =
  | InquiryResult
  | { readonly kind: 'cached'; readonly hit: CacheHit }
  /** Nobody to ask: no DNS server is configured for this name. */
  | { readonly kind: 'no-server' }
  /** Too many questions under way. */
  | { readonly kind: 'limit' }

export interface AskSpec {
  readonly asked: DnsQuestion
  readonly query: Bytes
  readonly plain: Bytes | undefined
  readonly transport: 'udp' | 'tcp'
  readonly time: Millis
  /** What of the query besides its question changes the answer (flags, DO bit); part of the cache's key. */
  readonly variant: string
  /** False: neither from the cache nor into it, and never joined with another. */
  readonly shared: boolean
}

/** Somebody who waits for an answer; one question each at a time. */
export interface Waiter {
  answered(result: AskResult, now: Millis): void
}

interface Pending {
  readonly key: string
  readonly inquiry: Inquiry
  readonly waiters: Set<Waiter>
}

export class Questions {
  readonly cache = new Cache()
  #view: View
  readonly #inquirer: Inquirer
  readonly #counters: Counters
  readonly #pending = new Map<string, Pending>()
  readonly #byWaiter = new Map<Waiter, Pending>()
  /** Grows with each `forget`: what was asked before is not joined any more, and its answer not kept. */
  #generation = 0
  #unshared = 0

  constructor(view: View, inquirer: Inquirer, counters: Counters) {
    this.#view = view
    this.#inquirer = inquirer
    this.#counters = counters
  }

  get view(): View {
    return this.#view
  }

  /** Other servers, zones and hosts: what the old ones said, or have yet to say, is not kept. */
  configure(view: View): void {
    this.#view = view
    this.forget()
  }

  /** Forgets all answers, those under way included: who waits for them gets them, nobody else. */
  forget(): void {
    this.cache.clear()
    this.#generation++
  }

  /** The answer when it is known at once; else undefined, and `waiter.answered` is called later. */
  ask(spec: AskSpec, waiter: Waiter, now: Millis): AskResult | undefined {
    const { name, type, klass } = spec.asked
    const cacheKey = `${name} ${type} ${klass} ${spec.variant}`
    if (spec.shared) {
      const hit = this.cache.get(cacheKey, now)
      if (hit !== undefined) {
        this.#counters.cacheHits++
        return { kind: 'cached', hit }
      }
      this.#counters.cacheMisses++
    }
    const servers = this.#view.serversFor(name)
    if (servers.length === 0) return { kind: 'no-server' }
    const kind = spec.plain === undefined ? spec.transport : 'lookup'
    const key = spec.shared
      ? `${this.#generation} ${kind} ${cacheKey}`
      : `unshared ${this.#unshared++}`
    const pending = this.#pending.get(key)
    if (pending !== undefined) {
      this.#counters.coalesced++
      this.#join(pending, waiter)
      return undefined
    }
    const generation = this.#generation
    const inquiry = this.#inquirer.ask(
      { ...spec, servers },
      (result, when) => {
        const current = spec.shared && generation === this.#generation
        this.#answered(key, current ? cacheKey : undefined, result, when)
      },
      now,
    )
    if (inquiry === undefined) return { kind: 'limit' }
    const made = { key, inquiry, waiters: new Set<Waiter>() }
    this.#pending.set(key, made)
    this.#join(made, waiter)
    return undefined
  }

  /** The waiter has no interest any more. A question that nobody waits for is given up. */
  leave(waiter: Waiter): void {
    const pending = this.#byWaiter.get(waiter)
    if (pending === undefined) return
    this.#byWaiter.delete(waiter)
    pending.waiters.delete(waiter)
    if (pending.waiters.size > 0) return
    this.#pending.delete(pending.key)
    this.#inquirer.cancel(pending.inquiry)
  }

  #join(pending: Pending, waiter: Waiter): void {
    pending.waiters.add(waiter)
    this.#byWaiter.set(waiter, pending)
  }

  #answered(key: string, cacheKey: string | undefined, result: InquiryResult, now: Millis): void {
    const pending = this.#pending.get(key)
    if (pending === undefined) return
    this.#pending.delete(key)
    if (cacheKey !== undefined && result.kind === 'answer') {
      this.cache.put(cacheKey, result.message, now)
    }
    for (const waiter of pending.waiters) this.#byWaiter.delete(waiter)
    for (const waiter of pending.waiters) waiter.answered(result, now)
  }
}

/** The message that a result brought, when it is an answer. */
export function answerOf(result: AskResult): DnsMessage | undefined {
  if (result.kind === 'answer') return result.message
  return result.kind === 'cached' ? result.hit.message : undefined
}
