/**
 * Answers kept for as long as their TTL allows, per environment, bounded in number and bytes; the
 * least recently used goes first. Whole messages are kept, so that look-ups and raw queries share
 * them; each is found only by the question that it answered.
 */
import type { Bytes, Millis } from '../core/types.js'
import { lifetime } from './answer.js'
import { DNS_CACHE_BYTES, DNS_CACHE_ENTRIES, DNS_CACHE_MESSAGE } from './limits.js'
import { type DnsMessage, FLAG_TC, optRecord, parseMessage } from './message.js'
import { withoutOpt } from './reply.js'

/** Memory of an entry beside its message and key, in bytes: an estimate. */
const ENTRY_OVERHEAD = 256

interface Entry {
  readonly bytes: Bytes
  readonly size: number
  readonly storedAt: Millis
  readonly expires: Millis
}

export interface CacheHit {
  readonly message: DnsMessage
  /** Whole seconds since it was stored, to be taken off its TTLs. */
  readonly age: number
}

export class Cache {
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  get entries(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get(key: string, now: Millis): CacheHit | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#remove(key, entry)
    if (now >= entry.expires) return undefined
    const message = parseMessage(entry.bytes)
    if (message === undefined) return undefined
    // Put back last: the order of the map is the order of use.
    this.#add(key, entry)
    return { message, age: Math.floor((now - entry.storedAt) / 1000) }
  }

  /** Keeps an answer without its OPT record, unless it is truncated, too large, or not to be kept. */
  put(key: string, message: DnsMessage, now: Millis): void {
    const seconds = lifetime(message)
    if (seconds <= 0 || (message.flags & FLAG_TC) !== 0) return
    if (message.bytes.length > DNS_CACHE_MESSAGE) return
    // The OPT record belongs to one hop (RFC 6891 section 6.2.1); its upper bits of rcode too.
    const bytes =
      optRecord(message) === undefined ? new Uint8Array(message.bytes) : withoutOpt(message)
    if (bytes === undefined) return
    const old = this.#entries.get(key)
    if (old !== undefined) this.#remove(key, old)
    this.#add(key, {
      bytes,
      size: bytes.length + 2 * key.length + ENTRY_OVERHEAD,
      storedAt: now,
      expires: now + seconds * 1000,
    })
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= DNS_CACHE_ENTRIES && this.#bytes <= DNS_CACHE_BYTES) break
      this.#remove(oldest, entry)
    }
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }

  #add(key: string, entry: Entry): void {
    this.#entries.set(key, entry)
    this.#bytes += entry.size
  }

  #remove(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#bytes -= entry.size
  }
}
