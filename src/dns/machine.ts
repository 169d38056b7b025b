/**
 * The resolver of one environment as a machine: look-ups and raw queries in, datagrams and
 * connections to servers out; no clock, socket or random source of its own.
 *
 * The driver's cycle: call one method with the time, then `poll()` until undefined, then wait for
 * `deadline()` (and call `tick`) or for an answer.
 */
import { PvpnError } from '../core/errors.js'
import { formatIp, parseIp } from '../core/ip.js'
import type { Bytes, Endpoint, Millis, Random } from '../core/types.js'
import { Exchange, type ExchangeOutput, parseQuery } from './exchange.js'
import { Inquirer, type InquirerOutput } from './inquirer.js'
import { DNS_WAITERS } from './limits.js'
import { Lookup, type LookupOutput } from './lookup.js'
import { RCODE_SERVFAIL } from './message.js'
import { parseName, reverseName } from './name.js'
import type { LookupType } from './query.js'
import { Questions } from './questions.js'
import { ServerTable } from './servers.js'
import { Counters, type ResolverStats } from './stats.js'
import { type ResolverConfig, View } from './view.js'

export type ResolverOutput = InquirerOutput | LookupOutput | ExchangeOutput

const NOTHING: ResolverConfig = { servers: [], search: [], zones: {}, hosts: {} }

export class ResolverMachine {
  readonly #servers = new ServerTable()
  readonly #counters = new Counters()
  readonly #inquirer: Inquirer
  readonly #questions: Questions
  readonly #lookups = new Map<number, Lookup>()
  readonly #exchanges = new Map<number, Exchange>()
  readonly #outputs: ResolverOutput[] = []
  readonly #emit = (output: ResolverOutput) => {
    if (output.kind === 'settled') this.#lookups.delete(output.lookup)
    else if (output.kind === 'reply') this.#exchanges.delete(output.exchange)
    this.#outputs.push(output)
  }
  #nextId = 1
  #up = false

  constructor(random: Random) {
    this.#inquirer = new Inquirer(this.#servers, this.#counters, random, this.#emit)
    const view = new View(NOTHING, this.#servers)
    this.#questions = new Questions(view, this.#inquirer, this.#counters)
  }

  /**
   * New servers, search list, zones and hosts; undefined: the environment is down. What is under way
   * goes on with the servers it began with, or, when down, fails with ERR_DOWN. Forgets all answers
   * and what was known of servers.
   */
  configure(config: ResolverConfig | undefined): void {
    this.#servers.clear()
    this.#inquirer.reset()
    this.#questions.configure(new View(config ?? NOTHING, this.#servers))
    this.#up = config !== undefined
    if (config !== undefined) return
    for (const lookup of this.#lookups.values()) lookup.cancel(down())
    for (const exchange of this.#exchanges.values()) exchange.cancel(RCODE_SERVFAIL)
  }

  /** Forgets all cached answers. */
  flush(): void {
    this.#questions.forget()
  }

  /**
   * Starts a look-up of addresses (types A, AAAA; A first when both) and returns its id for
   * the outputs `values` and `settled`. Throws PvpnError: ERR_NAME for what can't be a name,
   * ERR_DOWN, ERR_LIMIT.
   */
  lookup(text: string, types: readonly LookupType[], now: Millis): number {
    const parsed = parseName(text)
    if (parsed === undefined) throw new PvpnError('ERR_NAME', `not a name: ${quote(text)}`)
    return this.#start({ ...parsed, types, text }, now)
  }

  /** Starts a look-up of an address's names (PTR). Throws as `lookup` does. */
  reverse(address: string, now: Millis): number {
    const ip = parseIp(address)
    if (ip === undefined) throw new PvpnError('ERR_NAME', `not an address: ${quote(address)}`)
    const text = formatIp(ip)
    return this.#start({ name: reverseName(ip), absolute: true, types: ['PTR'], text }, now)
  }

  /**
   * Starts on a client's raw query and returns its id for the output `reply`, which always comes.
   * Throws PvpnError ERR_PROTOCOL for what must not be answered: an answer, or fewer than 4 bytes.
   */
  exchange(bytes: Bytes, transport: 'udp' | 'tcp', now: Millis): number {
    const query = parseQuery(bytes)
    const id = this.#nextId++
    if (query instanceof Uint8Array) {
      this.#outputs.push({ kind: 'reply', exchange: id, bytes: query })
      return id
    }
    const exchange = new Exchange(id, query, transport, this.#questions, this.#emit)
    if (!this.#up || this.#full()) exchange.cancel(RCODE_SERVFAIL)
    else {
      this.#exchanges.set(id, exchange)
      exchange.start(now)
    }
    return id
  }

  /** Nobody waits for this look-up or raw query any more: no output of it follows. */
  cancel(id: number): void {
    this.#lookups.get(id)?.cancel()
    this.#lookups.delete(id)
    this.#exchanges.get(id)?.cancel()
    this.#exchanges.delete(id)
  }

  /** See Inquirer: what came of an attempt. */
  datagram(attempt: number, from: Endpoint, bytes: Bytes, now: Millis): void {
    this.#inquirer.datagram(attempt, from, bytes, now)
  }

  message(attempt: number, bytes: Bytes, now: Millis): void {
    this.#inquirer.message(attempt, bytes, now)
  }

  failed(attempt: number, text: string, now: Millis): void {
    this.#inquirer.failed(attempt, text, now)
  }

  udpUnsupported(attempt: number, now: Millis): void {
    this.#inquirer.udpUnsupported(attempt, now)
  }

  poll(): ResolverOutput | undefined {
    return this.#outputs.shift()
  }

  deadline(): Millis {
    let first = this.#inquirer.deadline()
    for (const lookup of this.#lookups.values()) first = Math.min(first, lookup.deadline)
    return first
  }

  tick(now: Millis): void {
    this.#inquirer.tick(now)
    for (const lookup of this.#lookups.values()) lookup.tick(now)
  }

  stats(): ResolverStats {
    const { queries, drops, latency, ...rest } = this.#counters
    const { entries, bytes } = this.#questions.cache
    const servers = [...this.#servers.all()].map((s) => ({ server: s.endpoint, dead: s.dead }))
    return {
      ...rest,
      queries: { ...queries },
      drops: { ...drops },
      latency: [...latency],
      cacheEntries: entries,
      cacheBytes: bytes,
      servers,
    }
  }

  #start(
    spec: { name: string; absolute: boolean; types: readonly LookupType[]; text: string },
    now: Millis,
  ): number {
    if (!this.#up) throw down()
    if (this.#full()) throw new PvpnError('ERR_LIMIT', 'too many names are being resolved')
    const id = this.#nextId++
    const lookup = new Lookup({ ...spec, id }, this.#questions, this.#emit, now)
    this.#lookups.set(id, lookup)
    lookup.start(now)
    return id
  }

  #full(): boolean {
    if (this.#lookups.size + this.#exchanges.size < DNS_WAITERS) return false
    this.#counters.refused++
    return true
  }
}

function down(): PvpnError {
  return new PvpnError('ERR_DOWN', 'the environment is down: names do not resolve')
}

/** A hostile name is not copied into messages at length, nor with control bytes. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}
