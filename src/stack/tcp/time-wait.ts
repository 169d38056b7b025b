/** TIME-WAIT (RFC 9293 section 3.6.1, RFC 6191): what is left of a closed connection, small, for two segment lifetimes. */
import type { Bytes, Millis } from '../../core/types.js'
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../wire/tcp.js'
import type { Connection } from './connection.js'
import { TIME_WAITS } from './limits.js'
import type { Reply } from './replies.js'
import type { Segment } from './segment.js'
import { before, sequenceDistance } from './sequence.js'
import { type AddressHash, AddressTable } from './table.js'
import { DeadlineHeap } from './timers.js'
import { timestampNow } from './timestamps.js'

/** Twice the segment lifetime, in milliseconds (as most stacks have it; RFC 9293 says 4 minutes). */
const DURATION = 60_000
/** An entry this old may give its port to a new connection of ours with timestamps (RFC 6191). */
const REUSE_AFTER = 1000

export class TimeWait {
  readonly localIp: Bytes
  readonly remoteIp: Bytes
  readonly localPort: number
  readonly remotePort: number
  hash = 0
  chain: TimeWait | undefined
  heapIndex = -1
  heapKey: Millis = 0
  readonly next: number
  readonly received: number
  /** As it goes into the header. */
  readonly window: number
  readonly timestampsUsed: boolean
  readonly timestampRecent: number
  /** What to add to the clock (whole milliseconds) for our timestamps. */
  readonly timestampOffset: number
  readonly since: Millis
  until: Millis

  constructor(c: Connection, now: Millis) {
    this.localIp = c.localIp
    this.remoteIp = c.remoteIp
    this.localPort = c.localPort
    this.remotePort = c.remotePort
    this.next = c.next
    this.received = c.received
    this.window = Math.max(0, sequenceDistance(c.received, c.edge)) >>> c.receiveShift
    this.timestampsUsed = c.timestampsUsed
    this.timestampRecent = c.timestampRecent
    this.timestampOffset = (timestampNow(c) - Math.floor(now)) | 0
    this.since = now
    this.until = now + DURATION
  }

  /** May a connection of ours take these addresses again now? */
  reusable(now: Millis): boolean {
    return this.timestampsUsed && now - this.since >= REUSE_AFTER
  }
}

/** What a segment does to an entry. */
export type TimeWaitVerdict = 'ignore' | 'forget' | 'reopen' | Reply

export class TimeWaitTable {
  readonly #table: AddressTable<TimeWait>
  readonly #deadlines = new DeadlineHeap<TimeWait>()

  constructor(hash: AddressHash) {
    this.#table = new AddressTable(hash)
  }

  get size(): number {
    return this.#table.size
  }

  add(c: Connection, now: Millis): void {
    if (this.#table.size >= TIME_WAITS) {
      const first = this.#deadlines.take(Number.POSITIVE_INFINITY)
      if (first !== undefined) this.#table.remove(first)
    }
    const entry = new TimeWait(c, now)
    this.#table.add(entry)
    this.#deadlines.wantBy(entry, entry.until)
  }

  remove(entry: TimeWait): void {
    this.#table.remove(entry)
    this.#deadlines.remove(entry)
  }

  /** Forgets those whose time is over. */
  expire(now: Millis): void {
    for (;;) {
      const first = this.#deadlines.take(now)
      if (first === undefined) return
      if (first.until > now) this.#deadlines.wantBy(first, first.until)
      else this.#table.remove(first)
    }
  }

  /** When `expire` is next wanted; Infinity: never. */
  deadline(): Millis {
    return this.#deadlines.earliest
  }

  find: AddressTable<TimeWait>['find'] = (...ends) => this.#table.find(...ends)

  all(): Generator<TimeWait> {
    return this.#table.all()
  }
}

/** A segment arrives for an entry (RFC 9293 section 3.10.7.4, TIME-WAIT; RFC 6191 section 2 for SYNs). */
export function timeWaitArrives(entry: TimeWait, s: Segment, now: Millis): TimeWaitVerdict {
  if ((s.flags & TCP_RST) !== 0) return s.sequence === entry.received ? 'forget' : 'ignore'
  const { options } = s
  if ((s.flags & TCP_SYN) !== 0 && (s.flags & TCP_ACK) === 0) {
    const newer =
      options.timestamps && entry.timestampsUsed
        ? before(entry.timestampRecent, options.timestampValue) ||
          (options.timestampValue === entry.timestampRecent && before(entry.received, s.sequence))
        : before(entry.received, s.sequence)
    if (newer) return 'reopen'
  }
  // Anything that takes no sequence space and fits is a plain ACK: nothing to say.
  if (s.length === 0 && sequenceDistance(entry.received, s.sequence) === 0) return 'ignore'
  if ((s.flags & TCP_FIN) !== 0) entry.until = now + DURATION
  const ends = {
    local: entry.localIp,
    remote: entry.remoteIp,
    localPort: entry.localPort,
    remotePort: entry.remotePort,
    sequence: entry.next,
    acknowledgment: entry.received,
    flags: TCP_ACK,
    window: entry.window,
  }
  if (!entry.timestampsUsed) return ends
  const value = (Math.floor(now) + entry.timestampOffset) | 0
  return { ...ends, timestamps: { value, echo: entry.timestampRecent } }
}
