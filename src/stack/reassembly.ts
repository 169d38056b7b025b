/**
 * Puts fragments together (RFC 815, RFC 8200 section 4.5). Overlapping fragments end the whole
 * datagram (RFC 5722; over IPv4 likewise: nobody honest sends them), an exact repeat does not.
 */
import { set8, set16, u8, u16 } from '../core/bytes.js'
import type { Bytes, Millis } from '../core/types.js'
import { checksum } from '../wire/checksum.js'
import {
  ipv4FragmentOffset,
  ipv4HeaderLength,
  ipv4Identification,
  ipv4MoreFragments,
  ipv4Protocol,
  ipv4TotalLength,
} from '../wire/ipv4.js'
import { IPV6_HEADER } from '../wire/ipv6.js'
import {
  fragmentIdentification,
  fragmentMore,
  fragmentNextHeader,
  fragmentOffset,
  IPV6_FRAGMENT_HEADER,
  type Ipv6Payload,
} from '../wire/ipv6-extension.js'
import {
  REASSEMBLY_BYTES,
  REASSEMBLY_DATAGRAMS,
  REASSEMBLY_FRAGMENTS,
  REASSEMBLY_TIME,
} from './limits.js'

/** Largest IP packet. */
const MOST = 65_535

interface Range {
  readonly from: number
  readonly to: number
}

interface Datagram {
  readonly key: string
  readonly until: Millis
  /** Header of the first fragment, once it is here. */
  header: Bytes | undefined
  payload: Bytes
  /** What has arrived, in order, without overlap. */
  readonly ranges: Range[]
  /** Length of the payload, known from the last fragment. */
  length: number | undefined
}

export class Reassembly {
  /** By source, destination, protocol and identification; oldest first. */
  readonly #datagrams = new Map<string, Datagram>()
  /** Keys whose remaining fragments are dropped: an overlap was seen. */
  readonly #broken = new Map<string, Millis>()
  #bytes = 0

  /** A valid IPv4 fragment; the whole packet (header without fragment fields) when it was the last one missing. */
  ipv4(b: Bytes, ip: number, now: Millis): Bytes | undefined {
    const header = ipv4HeaderLength(b, ip)
    const key = keyOf(b, ip + 12, 8, ipv4Protocol(b, ip), ipv4Identification(b, ip))
    const from = ipv4FragmentOffset(b, ip)
    const length = ipv4TotalLength(b, ip) - header
    const datagram = this.#add(key, b, ip + header, from, length, ipv4MoreFragments(b, ip), now)
    if (datagram === undefined) return undefined
    if (from === 0) datagram.header = b.slice(ip, ip + header)
    return this.#finish(datagram, finishIpv4)
  }

  /** A valid IPv6 packet whose fragment header is at `walked.at`; as `ipv4`. */
  ipv6(b: Bytes, ip: number, walked: Ipv6Payload, now: Millis): Bytes | undefined {
    const { at } = walked
    const from = fragmentOffset(b, at)
    const length = walked.length - IPV6_FRAGMENT_HEADER
    const payload = at + IPV6_FRAGMENT_HEADER
    if (from === 0 && !fragmentMore(b, at)) {
      // An atomic fragment stands for itself, whatever else has its identification (RFC 6946 section 4).
      return finishIpv6(header6(b, ip, at), b.subarray(payload, payload + length))
    }
    const key = keyOf(b, ip + 8, 32, 0, fragmentIdentification(b, at))
    const datagram = this.#add(key, b, payload, from, length, fragmentMore(b, at), now)
    if (datagram === undefined) return undefined
    if (from === 0) datagram.header = header6(b, ip, at)
    return this.#finish(datagram, finishIpv6)
  }

  deadline(): Millis {
    let first = Number.POSITIVE_INFINITY
    for (const { until } of this.#datagrams.values()) {
      first = until
      break
    }
    for (const until of this.#broken.values()) return Math.min(first, until)
    return first
  }

  tick(now: Millis): void {
    for (const datagram of this.#datagrams.values()) {
      if (datagram.until > now) break
      this.#forget(datagram)
    }
    for (const [key, until] of this.#broken) {
      if (until > now) break
      this.#broken.delete(key)
    }
  }

  #add(
    key: string,
    b: Bytes,
    at: number,
    from: number,
    length: number,
    more: boolean,
    now: Millis,
  ): Datagram | undefined {
    const to = from + length
    // Only the last fragment may have a length that is no multiple of 8.
    if (length <= 0 || to > MOST || (more && length % 8 !== 0) || this.#broken.has(key)) {
      return undefined
    }
    const datagram = this.#datagrams.get(key) ?? this.#open(key, now)
    const wrong =
      !this.#insert(datagram, from, to) ||
      (!more && datagram.length !== undefined && datagram.length !== to)
    if (!more) datagram.length = to
    const end = datagram.ranges.at(-1)?.to ?? 0
    if (wrong || end > (datagram.length ?? MOST) || datagram.ranges.length > REASSEMBLY_FRAGMENTS) {
      this.#break(datagram, now)
      return undefined
    }
    this.#room(datagram, to)
    datagram.payload.set(b.subarray(at, at + length), from)
    return this.#datagrams.has(key) ? datagram : undefined
  }

  /** Notes that a range has arrived. False: it overlaps another (a repeat of one is fine). */
  #insert(datagram: Datagram, from: number, to: number): boolean {
    const { ranges } = datagram
    let i = ranges.length
    while (i > 0 && (ranges[i - 1] as Range).from > from) i--
    const [before, after] = [ranges[i - 1], ranges[i]]
    if (before !== undefined && before.from === from && before.to === to) return true
    if (before !== undefined && before.to > from) return false
    if (after !== undefined && after.from < to) return false
    ranges.splice(i, 0, { from, to })
    return true
  }

  #open(key: string, now: Millis): Datagram {
    if (this.#datagrams.size >= REASSEMBLY_DATAGRAMS) this.#forgetOldest()
    const datagram: Datagram = {
      key,
      until: now + REASSEMBLY_TIME,
      header: undefined,
      payload: new Uint8Array(0),
      ranges: [],
      length: undefined,
    }
    this.#datagrams.set(key, datagram)
    return datagram
  }

  #room(datagram: Datagram, to: number): void {
    if (datagram.payload.length >= to) return
    const grown = new Uint8Array(Math.min(MOST, Math.max(to, datagram.payload.length * 2)))
    grown.set(datagram.payload)
    this.#bytes += grown.length - datagram.payload.length
    datagram.payload = grown
    while (this.#bytes > REASSEMBLY_BYTES) this.#forgetOldest()
  }

  #finish(datagram: Datagram, make: (header: Bytes, payload: Bytes) => Bytes | undefined) {
    const { header, length, ranges } = datagram
    if (header === undefined || length === undefined) return undefined
    let at = 0
    for (const range of ranges) {
      if (range.from !== at) return undefined
      at = range.to
    }
    if (at !== length) return undefined
    this.#forget(datagram)
    return make(header, datagram.payload.subarray(0, length))
  }

  #break(datagram: Datagram, now: Millis): void {
    this.#forget(datagram)
    if (this.#broken.size >= REASSEMBLY_DATAGRAMS) {
      for (const key of this.#broken.keys()) {
        this.#broken.delete(key)
        break
      }
    }
    this.#broken.set(datagram.key, now + REASSEMBLY_TIME)
  }

  #forget(datagram: Datagram): void {
    if (this.#datagrams.delete(datagram.key)) this.#bytes -= datagram.payload.length
  }

  #forgetOldest(): void {
    for (const datagram of this.#datagrams.values()) {
      this.#forget(datagram)
      return
    }
  }
}

function keyOf(
  b: Bytes,
  at: number,
  size: number,
  protocol: number,
  identification: number,
): string {
  let key = `${protocol}/${identification}/`
  for (let i = 0; i < size; i += 2) key += String.fromCharCode(u16(b, at + i))
  return key
}

/** The header in front of a fragment header; extension headers between them have done their work: they are left out. */
function header6(b: Bytes, ip: number, at: number): Bytes {
  const header = b.slice(ip, ip + IPV6_HEADER)
  set8(header, 6, fragmentNextHeader(b, at))
  return header
}

function finishIpv4(header: Bytes, payload: Bytes): Bytes | undefined {
  const total = header.length + payload.length
  if (total > MOST) return undefined
  const packet = new Uint8Array(total)
  packet.set(header)
  packet.set(payload, header.length)
  set16(packet, 2, total)
  set16(packet, 6, 0)
  set16(packet, 10, 0)
  set16(packet, 10, checksum(packet, 0, header.length))
  return packet
}

function finishIpv6(header: Bytes, payload: Bytes): Bytes | undefined {
  const packet = new Uint8Array(IPV6_HEADER + payload.length)
  packet.set(header)
  packet.set(payload, IPV6_HEADER)
  set16(packet, 4, payload.length)
  return u8(packet, 0) >>> 4 === 6 ? packet : undefined
}
