/** The userspace stack of one environment: IPv4 and IPv6, with ICMP, UDP and TCP above. See contract.ts. */
import { u8, u16 } from '../core/bytes.js'
import type { PvpnError } from '../core/errors.js'
import type { PacketBatch } from '../core/packet-batch.js'
import type { DatagramPort, StreamListener } from '../core/stream.js'
import type { Bytes, Endpoint, LinkInfo, Millis } from '../core/types.js'
import {
  ICMP_ECHO,
  ICMP_ECHO_REPLY,
  ICMPV6_ECHO,
  ICMPV6_ECHO_REPLY,
  icmpType,
  icmpValid,
  icmpv6Valid,
} from '../wire/icmp.js'
import { PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ip.js'
import {
  ipv4FragmentOffset,
  ipv4HeaderLength,
  ipv4MoreFragments,
  ipv4Protocol,
  ipv4TotalLength,
  ipv4Valid,
} from '../wire/ipv4.js'
import { IPV6_HEADER, ipv6PayloadLength, ipv6Valid } from '../wire/ipv6.js'
import { type Ipv6Payload, PROTOCOL_IPV6_FRAGMENT, walkIpv6 } from '../wire/ipv6-extension.js'
import { udpDestinationPort, udpSourcePort, udpValid } from '../wire/udp.js'
import { Addresses, impossibleSource, isGroup } from './addresses.js'
import { BatchChecksums, NO_SUM } from './batch-checksums.js'
import type { Stack, StackCounters, StackOptions, TcpSocket, Unclaimed } from './contract.js'
import { FlowMix, type FlowUse } from './flow-mix.js'
import { receiveError } from './icmp-errors.js'
import { IcmpMessages, isIcmpError } from './icmp-messages.js'
import { UDP_TURN } from './limits.js'
import { LAYOUT_4, LAYOUT_6, type Layout, PacketWriter } from './packet-writer.js'
import { PathMtu } from './path-mtu.js'
import { Reassembly } from './reassembly.js'
import { createTcpLayer } from './tcp/layer.js'
import type { TcpLayer } from './tcp-contract.js'
import { UdpPorts } from './udp-ports.js'

const EPHEMERAL_PORTS = [32_768, 60_999] as const

export function createStack(options: StackOptions): Stack {
  return new IpStack(options)
}

class IpStack implements Stack {
  onReady: () => void = () => undefined
  onUnclaimed: Unclaimed | undefined
  readonly #addresses: Addresses
  readonly #paths = new PathMtu()
  readonly #reassembly = new Reassembly()
  readonly #tcp: TcpLayer
  readonly #udp: UdpPorts
  readonly #icmp: IcmpMessages
  readonly #checksums: BatchChecksums | undefined
  /** Of the packet being worked on, while it is whole; see batch-checksums.ts. */
  #sum = NO_SUM
  readonly #drops: Record<string, number> = {}
  readonly #walked: Ipv6Payload = { protocol: 0, at: 0, length: 0 }
  readonly #isLocal = (address: Bytes): boolean => this.#addresses.isLocal(address)
  readonly #flows = new FlowMix()
  /** Time of this cycle, or the last one. */
  #now: Millis = 0
  #packetsIn = 0
  #packetsOut = 0
  #identification: number

  constructor(options: StackOptions) {
    this.#addresses = new Addresses(options.anyAddress)
    const draw = new Uint8Array(2)
    options.random(draw)
    this.#identification = u16(draw, 0)
    const identification = () => {
      this.#identification = (this.#identification + 1) & 0xffff
      return this.#identification
    }
    const ephemeralPorts = options.ephemeralPorts ?? EPHEMERAL_PORTS
    const host = {
      addresses: this.#addresses,
      writer: new PacketWriter(this.#paths, identification),
      random: options.random,
      ephemeralPorts,
      ready: () => this.onReady(),
      carries: (use: FlowUse) => this.#flows.count(use, 1, this.#now),
      drop: (reason: string) => this.#drop(reason),
    }
    this.#udp = new UdpPorts(host)
    this.#icmp = new IcmpMessages(host)
    const { checksums, allocator } = options
    this.#checksums = checksums === undefined ? undefined : new BatchChecksums(checksums)
    this.#tcp = createTcpLayer(
      {
        sourceFor: (destination) => this.#addresses.sourceFor(destination),
        isLocal: this.#isLocal,
        pathMtu: (destination) => this.#paths.get(destination),
        shrinkPath: (destination, mtu, now) => void this.#paths.lower(destination, mtu, 0, now),
        identification,
        checksums: this.#checksums,
      },
      { random: options.random, ephemeralPorts, allocator, flows: this.#flows },
    )
    this.#tcp.onReady = () => this.onReady()
  }

  get counters(): StackCounters {
    const { open, retransmits, timeouts, cookies, roundTrips, drops } = this.#tcp.counters
    const all: Record<string, number> = { ...this.#drops }
    for (const [reason, count] of Object.entries(drops)) all[`tcp-${reason}`] = count
    return {
      packetsIn: this.#packetsIn,
      packetsOut: this.#packetsOut,
      drops: all,
      tcp: {
        open,
        retransmits,
        timeouts,
        cookies: { ...cookies },
        roundTrips: roundTrips.figures,
      },
    }
  }

  configure(link: LinkInfo, now: Millis): void {
    this.#addresses.set(link.addresses)
    if (link.mtu !== this.#paths.link) this.#paths.setLink(link.mtu)
    this.#tcp.addressesChanged(now)
  }

  input(batch: PacketBatch, now: Millis): void {
    this.#now = now
    this.#udp.begin(batch.count)
    const summed = this.#checksums?.sum(batch) === true ? this.#checksums : undefined
    for (let i = 0; i < batch.count; i++) {
      const length = batch.length[i] as number
      if (length <= 0) continue
      this.#packetsIn++
      this.#sum = summed?.sumOf(i) ?? NO_SUM
      this.#packet(batch.bytes, batch.offset[i] as number, length, now)
    }
  }

  waiting(bytes: number, now: Millis): boolean {
    this.#udp.pressed = this.#tcp.waiting(bytes, now)
    return this.#udp.pressed
  }

  mixed(now: Millis): boolean {
    return this.#flows.mixed(now)
  }

  notify(): void {
    this.#icmp.notify()
    this.#udp.notify()
    this.#tcp.notify()
  }

  /** ICMP first (it is bounded and small), then UDP and TCP in turn, so that neither starves the other. */
  output(batch: PacketBatch, now: Millis): number {
    this.#now = now
    const before = batch.count
    if (this.#icmp.queue.length > 0) this.#icmp.queue.drain(batch, batch.capacity)
    if (this.#udp.queue.length > 0) this.#udp.queue.drain(batch, UDP_TURN)
    if (!batch.full) this.#segments(batch, now)
    if (this.#udp.queue.length > 0) this.#udp.queue.drain(batch, batch.capacity)
    const appended = batch.count - before
    this.#packetsOut += appended
    return appended
  }

  #segments(batch: PacketBatch, now: Millis): void {
    const from = batch.count
    this.#checksums?.begin(batch, from)
    this.#tcp.output(batch, now)
    this.#checksums?.complete(batch, from)
  }

  deadline(): Millis {
    return Math.min(
      this.#tcp.deadline(),
      this.#reassembly.deadline(),
      this.#icmp.deadline(),
      this.#paths.deadline(),
    )
  }

  tick(now: Millis): void {
    this.#reassembly.tick(now)
    this.#paths.tick(now)
    this.#icmp.tick(now)
    this.#tcp.tick(now)
  }

  connectTcp(to: Endpoint, now: Millis): TcpSocket {
    return this.#tcp.connect(to, now)
  }

  listenTcp(options: { port: number; family?: 4 | 6; backlog?: number }): StreamListener {
    return this.#tcp.listen(options)
  }

  bindUdp(options?: { port?: number; family?: 4 | 6 }): DatagramPort {
    return this.#udp.bind(options)
  }

  ping(to: Bytes, timeout: Millis, now: Millis, done: (result: number | PvpnError) => void): void {
    this.#icmp.ping(to, timeout, now, done)
  }

  #packet(b: Bytes, ip: number, length: number, now: Millis): void {
    const version = u8(b, ip) >>> 4
    if (version === 4 && ipv4Valid(b, ip, length)) {
      if (!this.#forUs(b, ip, LAYOUT_4)) return
      if (!sourceRouted(b, ip)) this.#ipv4(b, ip, now)
      else this.#drop('ip-options')
    } else if (version === 6 && ipv6Valid(b, ip, length)) {
      if (this.#forUs(b, ip, LAYOUT_6)) this.#ipv6(b, ip, now)
    } else this.#drop('ip-malformed')
  }

  #forUs(b: Bytes, ip: number, layout: Layout): boolean {
    const { source, destination, size } = layout
    if (!this.#addresses.ours(b, ip + destination, size)) {
      this.#drop(isGroup(b, ip + destination, size) ? 'ip-group' : 'ip-not-ours')
      return false
    }
    const own = !this.#addresses.any && this.#addresses.ours(b, ip + source, size)
    if (impossibleSource(b, ip + source, size) || own) {
      this.#drop('ip-source')
      return false
    }
    return true
  }

  #ipv4(b: Bytes, ip: number, now: Millis): void {
    if (ipv4MoreFragments(b, ip) || ipv4FragmentOffset(b, ip) !== 0) {
      const whole = this.#reassembly.ipv4(b, ip, now)
      this.#sum = NO_SUM
      if (whole !== undefined) this.#ipv4(whole, 0, now)
      return
    }
    const header = ipv4HeaderLength(b, ip)
    const total = ipv4TotalLength(b, ip)
    this.#payload(b, ip, total, ipv4Protocol(b, ip), ip + header, total - header, LAYOUT_4, now)
  }

  #ipv6(b: Bytes, ip: number, now: Millis, reassembled = false): void {
    const walked = this.#walked
    if (!walkIpv6(b, ip, walked)) {
      this.#drop('ip-extension')
      return
    }
    if (walked.protocol === PROTOCOL_IPV6_FRAGMENT) {
      // What was put together holds no fragment again: nested ones would be a way to recurse at will.
      if (reassembled) this.#drop('ip-extension')
      else {
        const whole = this.#reassembly.ipv6(b, ip, walked, now)
        this.#sum = NO_SUM
        if (whole !== undefined) this.#ipv6(whole, 0, now, true)
      }
      return
    }
    const total = IPV6_HEADER + ipv6PayloadLength(b, ip)
    this.#payload(b, ip, total, walked.protocol, walked.at, walked.length, LAYOUT_6, now)
  }

  #payload(
    b: Bytes,
    ip: number,
    total: number,
    protocol: number,
    at: number,
    length: number,
    layout: Layout,
    now: Millis,
  ): void {
    if (protocol === PROTOCOL_TCP) this.#tcpSegment(b, ip, total, at, length, layout, now)
    else if (protocol === PROTOCOL_UDP) this.#datagram(b, ip, total, at, length, layout, now)
    else if (protocol === (layout === LAYOUT_4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6)) {
      this.#icmpMessage(b, ip, total, at, length, layout, now)
    } else if (!this.#unclaimed(b, ip, total)) this.#drop('ip-protocol')
  }

  #tcpSegment(
    b: Bytes,
    ip: number,
    total: number,
    at: number,
    length: number,
    layout: Layout,
    now: Millis,
  ): void {
    if (this.onUnclaimed !== undefined && length >= 20) {
      const { source, destination, size } = layout
      const local = b.subarray(ip + destination, ip + destination + size)
      const remote = b.subarray(ip + source, ip + source + size)
      if (!this.#tcp.owns(local, udpDestinationPort(b, at), remote, udpSourcePort(b, at))) {
        this.onUnclaimed(b, ip, total)
        return
      }
    }
    // Extension headers are not left out of the sum.
    const sum = layout === LAYOUT_4 || at === ip + IPV6_HEADER ? this.#sum : NO_SUM
    this.#tcp.input(b, ip, at, length, now, sum)
  }

  #datagram(
    b: Bytes,
    ip: number,
    total: number,
    at: number,
    length: number,
    layout: Layout,
    now: Millis,
  ): void {
    const { source, destination, size } = layout
    if (!udpValid(b, at, length, ip + source, ip + destination, size)) {
      this.#drop('udp-malformed')
      return
    }
    if (this.#udp.input(b, at, ip + source, ip + destination, size)) return
    if (this.#unclaimed(b, ip, total)) return
    this.#drop('udp-no-port')
    this.#icmp.portUnreachable(b, ip, total, layout, now)
  }

  #icmpMessage(
    b: Bytes,
    ip: number,
    total: number,
    at: number,
    length: number,
    layout: Layout,
    now: Millis,
  ): void {
    const v4 = layout === LAYOUT_4
    const valid = v4
      ? icmpValid(b, at, length)
      : icmpv6Valid(b, at, length, ip + layout.source, ip + layout.destination)
    if (!valid) {
      this.#drop('icmp-malformed')
      return
    }
    if (isIcmpError(b, at, v4)) {
      const host = { tcp: this.#tcp, udp: this.#udp, icmp: this.#icmp, paths: this.#paths }
      const ours = receiveError(host, b, at, length, v4, this.#isLocal, now)
      if (!ours) this.#drop('icmp-foreign')
      this.#unclaimed(b, ip, total)
      return
    }
    const type = icmpType(b, at)
    const echo = type === (v4 ? ICMP_ECHO : ICMPV6_ECHO)
    const reply = type === (v4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY)
    if (echo || reply) this.#icmp.echo(b, ip, at, length, layout, now)
    if (!echo) this.#unclaimed(b, ip, total)
  }

  #unclaimed(b: Bytes, ip: number, total: number): boolean {
    if (this.onUnclaimed === undefined) return false
    this.onUnclaimed(b, ip, total)
    return true
  }

  #drop(reason: string): void {
    this.#drops[reason] = (this.#drops[reason] ?? 0) + 1
  }
}

/** Loose or strict source routing (RFC 791): never honoured, dropped (RFC 7126 section 4.3). Broken options count as such. */
function sourceRouted(b: Bytes, ip: number): boolean {
  const end = ip + ipv4HeaderLength(b, ip)
  let at = ip + 20
  while (at < end) {
    const kind = u8(b, at)
    if (kind === 0) return false
    if (kind === 1) {
      at++
      continue
    }
    if (kind === 131 || kind === 137 || at + 1 >= end) return true
    const length = u8(b, at + 1)
    if (length < 2 || at + length > end) return true
    at += length
  }
  return false
}
