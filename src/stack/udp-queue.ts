/**
 * UDP packets that wait to be sent, of all ports: what ports with little to send have queued goes before
 * what the others have, and has places of its own. So a resolver's question is neither late nor lost
 * because a program floods. A port's own datagrams stay in order.
 */
import type { PacketBatch } from '../core/packet-batch.js'
import { FlowUse } from './flow-mix.js'
import {
  UDP_LIGHT_DATAGRAMS,
  UDP_LIGHT_PACKETS,
  UDP_SEND_BYTES,
  UDP_SEND_PACKETS,
} from './limits.js'
import { PacketQueue } from './packet-queue.js'

/** What a port has in the queues. */
export class UdpUse extends FlowUse {
  /** Rounds of the two lines in which it put something there. */
  light = 0
  heavy = 0
  /** Datagrams in the light line in that round. */
  count = 0
}

export class UdpQueue {
  readonly #light = new PacketQueue(UDP_LIGHT_PACKETS, UDP_SEND_BYTES)
  readonly #heavy = new PacketQueue(UDP_SEND_PACKETS, UDP_SEND_BYTES)
  /** A round of a line ends when nothing is left in it. */
  #lightRound = 1
  #heavyRound = 1

  get length(): number {
    return this.#light.length + this.#heavy.length
  }

  /** Where a port's next datagram goes. */
  line(use: UdpUse): PacketQueue {
    // What it has in the long line is older.
    if (use.heavy === this.#heavyRound) return this.#heavy
    if (use.light !== this.#lightRound) {
      use.light = this.#lightRound
      use.count = 0
    }
    if (use.count < UDP_LIGHT_DATAGRAMS) {
      use.count++
      return this.#light
    }
    use.heavy = this.#heavyRound
    return this.#heavy
  }

  /** As PacketQueue's. */
  drain(batch: PacketBatch, most: number): number {
    let moved = this.#light.drain(batch, most)
    if (this.#light.length === 0) this.#lightRound++
    moved += this.#heavy.drain(batch, most - moved)
    if (this.#heavy.length === 0) this.#heavyRound++
    return moved
  }
}
