/** ICMP and ICMPv6: echo both ways, errors sent and errors received. */
import { set16, set32, u8, u16 } from '../core/bytes.js'
import { PvpnError } from '../core/errors.js'
import { formatIp } from '../core/ip.js'
import type { Bytes, Millis, Random } from '../core/types.js'
import {
  finishIcmp,
  finishIcmpv6,
  ICMP_ECHO,
  ICMP_ECHO_REPLY,
  ICMP_HEADER,
  ICMP_UNREACHABLE,
  ICMP_UNREACHABLE_PORT,
  ICMPV6_ECHO,
  ICMPV6_ECHO_REPLY,
  ICMPV6_UNREACHABLE,
  ICMPV6_UNREACHABLE_PORT,
  icmpIdentifier,
  icmpSequence,
  icmpType,
} from '../wire/icmp.js'
import { IPV6_MINIMUM_MTU, PROTOCOL_ICMP, PROTOCOL_ICMPV6 } from '../wire/ip.js'
import type { Addresses } from './addresses.js'
import { ECHO_REPLIES, ICMP_ERRORS, ICMP_SEND_BYTES, ICMP_SEND_PACKETS, PINGS } from './limits.js'
import { PacketQueue } from './packet-queue.js'
import type { Layout, PacketWriter } from './packet-writer.js'
import { TokenBucket } from './token-bucket.js'

export interface IcmpHost {
  readonly addresses: Addresses
  readonly writer: PacketWriter
  readonly random: Random
  ready(): void
  drop(reason: string): void
}

/** ICMP over IPv4 quotes as much as fits here (RFC 1812 section 4.3.2.3), over IPv6 in the minimum MTU. */
const QUOTE_4 = 576
/** Bytes of data in a ping of ours. */
const PING_DATA = 32

interface Ping {
  readonly to: Bytes
  readonly sent: Millis
  readonly until: Millis
  readonly done: (result: number | PvpnError) => void
}

export class IcmpMessages {
  readonly queue = new PacketQueue(ICMP_SEND_PACKETS, ICMP_SEND_BYTES)
  readonly #host: IcmpHost
  readonly #echoes = new TokenBucket(ECHO_REPLIES)
  readonly #errors = new TokenBucket(ICMP_ERRORS)
  readonly #identifier: number
  readonly #pings = new Map<number, Ping>()
  /** Answers of pings, to be told by `notify`. */
  #answers: (() => void)[] = []
  #sequence = 0

  constructor(host: IcmpHost) {
    this.#host = host
    const draw = new Uint8Array(2)
    host.random(draw)
    this.#identifier = u16(draw, 0)
  }

  /** An echo request or reply to us, already checked. */
  echo(b: Bytes, ip: number, at: number, length: number, layout: Layout, now: Millis): void {
    const v4 = layout.size === 4
    const type = icmpType(b, at)
    if (type === (v4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY)) {
      this.#answered(b, ip, at, layout, now)
      return
    }
    if (type !== (v4 ? ICMP_ECHO : ICMPV6_ECHO)) return
    if (!this.#echoes.take(now)) {
      this.#host.drop('icmp-rate')
      return
    }
    const to = b.subarray(ip + layout.source, ip + layout.source + layout.size)
    const from = b.subarray(ip + layout.destination, ip + layout.destination + layout.size)
    this.#send(from, to, length, v4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY, 0, (packet, start) => {
      packet.set(b.subarray(at, at + length), start)
    })
  }

  /** Tells the sender of a datagram to us that nobody has its port (RFC 1122 section 4.1.3.1). */
  portUnreachable(b: Bytes, ip: number, total: number, layout: Layout, now: Millis): void {
    if (!this.#errors.take(now)) {
      this.#host.drop('icmp-rate')
      return
    }
    const v4 = layout.size === 4
    const room = v4 ? QUOTE_4 - 20 - ICMP_HEADER : IPV6_MINIMUM_MTU - 40 - ICMP_HEADER
    const quoted = Math.min(total, room)
    const to = b.subarray(ip + layout.source, ip + layout.source + layout.size)
    const from = b.subarray(ip + layout.destination, ip + layout.destination + layout.size)
    const type = v4 ? ICMP_UNREACHABLE : ICMPV6_UNREACHABLE
    const code = v4 ? ICMP_UNREACHABLE_PORT : ICMPV6_UNREACHABLE_PORT
    this.#send(from, to, ICMP_HEADER + quoted, type, code, (packet, start) => {
      set32(packet, start + 4, 0)
      packet.set(b.subarray(ip, ip + quoted), start + ICMP_HEADER)
    })
  }

  ping(to: Bytes, timeout: Millis, now: Millis, done: (result: number | PvpnError) => void): void {
    const source = this.#host.addresses.sourceFor(to)
    const refuse = (code: 'ERR_LIMIT' | 'ERR_NET_UNREACHABLE', words: string) => {
      this.#answers.push(() => done(new PvpnError(code, words)))
      this.#host.ready()
    }
    if (source === undefined) {
      refuse('ERR_NET_UNREACHABLE', `the environment has no address to reach ${formatIp(to)}`)
      return
    }
    if (this.#pings.size >= PINGS) {
      refuse('ERR_LIMIT', 'too many pings are under way')
      return
    }
    do this.#sequence = (this.#sequence + 1) & 0xffff
    while (this.#pings.has(this.#sequence))
    const sequence = this.#sequence
    this.#pings.set(sequence, { to: to.slice(), sent: now, until: now + timeout, done })
    const type = to.length === 4 ? ICMP_ECHO : ICMPV6_ECHO
    this.#send(source, to, ICMP_HEADER + PING_DATA, type, 0, (packet, at) => {
      packet.fill(0, at, at + ICMP_HEADER + PING_DATA)
      set16(packet, at + 4, this.#identifier)
      set16(packet, at + 6, sequence)
    })
    this.#host.ready()
  }

  /** An ICMP error quotes an echo request of ours. */
  pingError(identifier: number, sequence: number, to: Bytes, error: PvpnError): void {
    if (identifier === this.#identifier) this.#settle(sequence, to, () => error)
  }

  isOurPing(identifier: number): boolean {
    return identifier === this.#identifier
  }

  notify(): void {
    if (this.#answers.length === 0) return
    const answers = this.#answers
    this.#answers = []
    for (const answer of answers) answer()
  }

  deadline(): Millis {
    let first = Number.POSITIVE_INFINITY
    for (const { until } of this.#pings.values()) first = Math.min(first, until)
    return first
  }

  tick(now: Millis): void {
    for (const [sequence, ping] of this.#pings) {
      if (ping.until > now) continue
      const words = `no echo reply from ${formatIp(ping.to)}`
      this.#settle(sequence, ping.to, () => new PvpnError('ERR_TIMEOUT', words))
    }
  }

  #answered(b: Bytes, ip: number, at: number, layout: Layout, now: Millis): void {
    if (icmpIdentifier(b, at) !== this.#identifier) return
    const from = b.subarray(ip + layout.source, ip + layout.source + layout.size)
    this.#settle(icmpSequence(b, at), from, (ping) => now - ping.sent)
  }

  #settle(sequence: number, peer: Bytes, result: (ping: Ping) => number | PvpnError): void {
    const ping = this.#pings.get(sequence)
    if (ping === undefined || formatIp(ping.to) !== formatIp(peer)) return
    this.#pings.delete(sequence)
    const value = result(ping)
    this.#answers.push(() => ping.done(value))
  }

  #send(
    source: Bytes,
    destination: Bytes,
    length: number,
    type: number,
    code: number,
    body: (packet: Bytes, at: number) => void,
  ): void {
    const v4 = destination.length === 4
    const protocol = v4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6
    const sent = this.#host.writer.write(
      this.queue,
      source,
      destination,
      protocol,
      length,
      (packet, at, layout) => {
        body(packet, at)
        if (v4) finishIcmp(packet, at, length, type, code)
        else finishIcmpv6(packet, at, length, type, code, layout.source, layout.destination)
      },
    )
    if (!sent) this.#host.drop('icmp-queue')
  }
}

/** May an ICMP error be sent about this packet (RFC 1122 section 3.2.2)? Not about ICMP errors themselves. */
export function isIcmpError(b: Bytes, at: number, v4: boolean): boolean {
  const type = u8(b, at)
  return v4 ? type === 3 || type === 4 || type === 5 || type === 11 || type === 12 : type < 128
}
