/**
 * Whether flows that carry little are under way beside ones that carry much. What a light flow sends or is
 * sent waits until the turn that is under way ends, and a long turn is worth its wait only to those
 * that carry much: so whoever drives the stack makes short turns while there are both (docs/performance.md).
 */
import type { Millis } from '../core/types.js'
import { FLOW_HEAVY_TIME, FLOW_LIGHT_PACKETS, FLOW_MIX_TIME, FLOW_SPAN } from './limits.js'

/** What one connection or port carries, in both directions. */
export class FlowUse {
  /** Packets since `from`. */
  packets = 0
  from: Millis = Number.NEGATIVE_INFINITY
  /** It counts as heavy until then: transfers pause, and come in bursts. */
  heavyUntil: Millis = Number.NEGATIVE_INFINITY
}

export class FlowMix {
  /** When a light flow and when a heavy one carried something last. */
  #light: Millis = Number.NEGATIVE_INFINITY
  #heavy: Millis = Number.NEGATIVE_INFINITY

  /** The flow has sent or was sent so many packets. */
  count(use: FlowUse, packets: number, now: Millis): void {
    if (now - use.from >= FLOW_SPAN) {
      use.from = now
      use.packets = 0
    }
    use.packets += packets
    if (use.packets > FLOW_LIGHT_PACKETS) {
      use.heavyUntil = now + FLOW_HEAVY_TIME
      this.#heavy = now
    } else if (now >= use.heavyUntil) this.#light = now
  }

  /** Both kinds have carried something lately. */
  mixed(now: Millis): boolean {
    return now - Math.min(this.#light, this.#heavy) < FLOW_MIX_TIME
  }
}
