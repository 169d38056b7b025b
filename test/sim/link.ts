/** One direction of a seeded link in virtual time: rate, queue, delay, loss, duplication, reordering, corruption. */
import type { SeededRandom } from './random.js'

export interface LinkOptions {
  /** One way, in milliseconds. */
  readonly delay: number
  /** Probabilities per packet. */
  readonly loss?: number
  readonly duplicate?: number
  readonly reorder?: number
  readonly corrupt?: number
  /** Bytes per millisecond; absent: unlimited. */
  readonly rate?: number
  /** Bytes that wait for the rate before packets are dropped. */
  readonly queue?: number
  /** A reordered packet comes later by up to this, in milliseconds. */
  readonly jitter?: number
}

interface InFlight {
  readonly at: number
  readonly order: number
  readonly packet: Uint8Array
}

export class Link {
  readonly #options: LinkOptions
  readonly #random: SeededRandom
  /** A binary heap by time, then order of sending. */
  readonly #heap: InFlight[] = []
  #order = 0
  #busyUntil = 0
  dropped = 0
  /** While true everything is lost. */
  cut = false
  /** Nothing arrives before this time: the path stands still. */
  heldUntil = 0
  /** Says that this packet (by its number, from 0) is lost, for tests that want one loss. */
  lose: (packet: Uint8Array, index: number) => boolean = () => false
  #index = 0

  constructor(options: LinkOptions, random: SeededRandom) {
    this.#options = options
    this.#random = random
  }

  /** Bytes that wait for the rate. */
  waiting(now: number): number {
    return Math.max(0, this.#busyUntil - now) * (this.#options.rate ?? 0)
  }

  send(packet: Uint8Array, now: number): void {
    const o = this.#options
    const r = this.#random
    const index = this.#index++
    if (this.cut || this.lose(packet, index) || r.chance(o.loss ?? 0)) {
      this.dropped++
      return
    }
    let leaves = now
    if (o.rate !== undefined) {
      const start = Math.max(now, this.#busyUntil)
      if ((start - now) * o.rate > (o.queue ?? Number.POSITIVE_INFINITY)) {
        this.dropped++
        return
      }
      leaves = start + packet.length / o.rate
      this.#busyUntil = leaves
    }
    const copies = r.chance(o.duplicate ?? 0) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const late = r.chance(o.reorder ?? 0) ? r.fraction() * (o.jitter ?? o.delay) : 0
      const copy = packet.slice()
      if (r.chance(o.corrupt ?? 0)) {
        const at = r.between(20, copy.length - 1)
        copy[at] = (copy[at] as number) ^ (1 << r.between(0, 7))
      }
      this.#push({ at: leaves + o.delay + late, order: this.#order++, packet: copy })
    }
  }

  /** Milliseconds that a packet sent now would stand in the queue. */
  waits(now: number): number {
    return Math.max(0, this.#busyUntil - now)
  }

  get next(): number {
    return Math.max(this.heldUntil, this.#heap[0]?.at ?? Number.POSITIVE_INFINITY)
  }

  receive(now: number): Uint8Array | undefined {
    const first = this.#heap[0]
    if (first === undefined || first.at > now || now < this.heldUntil) return undefined
    const last = this.#heap.pop() as InFlight
    if (last !== first) {
      let at = 0
      for (;;) {
        let child = 2 * at + 1
        if (child >= this.#heap.length) break
        const right = this.#heap[child + 1]
        if (right !== undefined && sooner(right, this.#heap[child] as InFlight)) child++
        if (!sooner(this.#heap[child] as InFlight, last)) break
        this.#heap[at] = this.#heap[child] as InFlight
        at = child
      }
      this.#heap[at] = last
    }
    return first.packet
  }

  #push(item: InFlight): void {
    let at = this.#heap.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!sooner(item, this.#heap[parent] as InFlight)) break
      this.#heap[at] = this.#heap[parent] as InFlight
      at = parent
    }
    this.#heap[at] = item
  }
}

function sooner(a: InFlight, b: InFlight): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
