/** Builds whole packets of our own (UDP, ICMP) in a queue's memory, cut to the path where they must be. */

import type { Bytes } from '../core/types.js'
import { IPV4_DONT_FRAGMENT, IPV4_HEADER, writeIpv4 } from '../wire/ipv4.js'
import { IPV6_HEADER, writeIpv6 } from '../wire/ipv6.js'
import { fragment } from './fragmentation.js'
import type { PacketQueue } from './packet-queue.js'
import type { PathMtu } from './path-mtu.js'

/** Where in a packet that this module wrote the addresses and the payload stand. */
export interface Layout {
  readonly header: number
  readonly source: number
  readonly destination: number
  /** Bytes of an address. */
  readonly size: number
}

export const LAYOUT_4: Layout = { header: IPV4_HEADER, source: 12, destination: 16, size: 4 }
export const LAYOUT_6: Layout = { header: IPV6_HEADER, source: 8, destination: 24, size: 16 }

/** Largest payload of any packet built here. */
const MOST_PAYLOAD = 65_535

export class PacketWriter {
  readonly #paths: PathMtu
  readonly #identification: () => number
  /** For packets that are too big for their path: built here, then cut. */
  #whole: Bytes | undefined

  constructor(paths: PathMtu, identification: () => number) {
    this.#paths = paths
    this.#identification = identification
  }

  /**
   * Writes an IP packet with `length` bytes of payload, which `fill` writes behind the header. False:
   * the queue is full, or the packet can't be that large.
   */
  write(
    queue: PacketQueue,
    source: Bytes,
    destination: Bytes,
    protocol: number,
    length: number,
    fill: (packet: Bytes, at: number, layout: Layout) => void,
  ): boolean {
    const layout = destination.length === 4 ? LAYOUT_4 : LAYOUT_6
    const total = layout.header + length
    if (length > MOST_PAYLOAD || (layout === LAYOUT_4 && total > MOST_PAYLOAD)) return false
    const mtu = this.#paths.get(destination)
    const fits = total <= mtu
    const packet = fits ? queue.place(total) : this.#scratch(total)
    if (packet === undefined) return false
    if (layout === LAYOUT_4) {
      // A packet that fits asks to be told of smaller links; fragments of ours may be cut again.
      const flags = fits ? IPV4_DONT_FRAGMENT : 0
      writeIpv4(packet, 0, source, destination, protocol, total, this.#identification(), flags)
    } else writeIpv6(packet, 0, source, destination, protocol, length)
    fill(packet, layout.header, layout)
    if (fits) return true
    const cut = packet.subarray(0, total)
    return fragment(cut, mtu, this.#identification(), (size) => queue.place(size))
  }

  #scratch(total: number): Bytes {
    if (this.#whole === undefined || this.#whole.length < total) this.#whole = new Uint8Array(total)
    return this.#whole
  }
}
