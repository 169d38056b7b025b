/**
 * ICMP errors that come in: whose packet they quote, and what they mean for it (RFC 1122 section
 * 4.2.3.9, RFC 4443, RFC 5461). A quote that is not of ours is nobody's affair.
 */
import { u32 } from '../core/bytes.js'
import { PvpnError } from '../core/errors.js'
import { formatIp } from '../core/ip.js'
import type { Bytes, Millis } from '../core/types.js'
import {
  ICMP_ECHO,
  ICMP_FRAGMENTATION_NEEDED,
  ICMP_HEADER,
  ICMP_PARAMETER_PROBLEM,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  ICMP_UNREACHABLE_PORT,
  ICMPV6_ECHO,
  ICMPV6_PACKET_TOO_BIG,
  ICMPV6_PARAMETER_PROBLEM,
  ICMPV6_TIME_EXCEEDED,
  ICMPV6_UNREACHABLE,
  ICMPV6_UNREACHABLE_PORT,
  icmpCode,
  icmpIdentifier,
  icmpNextHopMtu,
  icmpSequence,
  icmpType,
  icmpv6Mtu,
} from '../wire/icmp.js'
import { PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ip.js'
import {
  ipv4FragmentOffset,
  ipv4HeaderLength,
  ipv4Protocol,
  ipv4TotalLength,
} from '../wire/ipv4.js'
import { ipv6NextHeader, ipv6PayloadLength } from '../wire/ipv6.js'
import {
  fragmentNextHeader,
  fragmentOffset,
  IPV6_FRAGMENT_HEADER,
  PROTOCOL_IPV6_FRAGMENT,
} from '../wire/ipv6-extension.js'
import { udpDestinationPort, udpSourcePort } from '../wire/udp.js'
import type { IcmpMessages } from './icmp-messages.js'
import { LAYOUT_4, LAYOUT_6 } from './packet-writer.js'
import type { PathMtu } from './path-mtu.js'
import type { TcpIcmpError, TcpLayer } from './tcp-contract.js'
import type { UdpPorts } from './udp-ports.js'

export interface ErrorHost {
  readonly tcp: TcpLayer
  readonly udp: UdpPorts
  readonly icmp: IcmpMessages
  readonly paths: PathMtu
}

/** The packet of ours that an error quotes, as far as it is there. */
interface Quote {
  readonly source: Bytes
  readonly destination: Bytes
  readonly protocol: number
  readonly total: number
  /** Where its payload begins, and how much of it is there. */
  readonly at: number
  readonly length: number
}

/** Quoted bytes behind the IP header that are needed: ports and a sequence number. */
const NEEDED = 8

/** Reads the error at `at`; true when it was about something of ours. `isLocal` tells our addresses. */
export function receiveError(
  host: ErrorHost,
  b: Bytes,
  at: number,
  length: number,
  v4: boolean,
  isLocal: (address: Bytes) => boolean,
  now: Millis,
): boolean {
  const quote = quoted(b, at + ICMP_HEADER, length - ICMP_HEADER, v4)
  if (quote === undefined || !isLocal(quote.source)) return false
  const error = meaning(b, at, v4, quote)
  if (error === undefined) return true
  if (error === 'packet-too-big') {
    const mtu = v4 ? icmpNextHopMtu(b, at) : icmpv6Mtu(b, at)
    // Only about a flow that is ours: else anybody could shrink the paths of others.
    if (!known(host, quote, b)) return true
    const lowered = host.paths.lower(quote.destination, mtu, quote.total, now)
    // Who first sent too much has lowered the path; every other connection over it gets an error of its own.
    if (lowered || quote.total > host.paths.get(quote.destination)) {
      tell(host, b, quote, error, now)
    }
    return true
  }
  tell(host, b, quote, error, now)
  return true
}

function known(host: ErrorHost, q: Quote, b: Bytes): boolean {
  const family = q.source.length === 4 ? 4 : 6
  if (q.protocol === PROTOCOL_UDP) return host.udp.owns(family, udpSourcePort(b, q.at))
  if (q.protocol === PROTOCOL_TCP) return host.tcp.believes(segmentOf(b, q, 'packet-too-big'))
  return host.icmp.isOurPing(icmpIdentifier(b, q.at))
}

function segmentOf(b: Bytes, q: Quote, error: TcpIcmpError['error']): TcpIcmpError {
  return {
    local: q.source,
    localPort: udpSourcePort(b, q.at),
    remote: q.destination,
    remotePort: udpDestinationPort(b, q.at),
    sequence: u32(b, q.at + 4) | 0,
    error,
  }
}

function tell(
  host: ErrorHost,
  b: Bytes,
  q: Quote,
  error: PvpnError | 'packet-too-big',
  now: Millis,
): void {
  const [localPort, remotePort] = [udpSourcePort(b, q.at), udpDestinationPort(b, q.at)]
  const v4 = q.source.length === 4
  if (q.protocol === PROTOCOL_TCP) {
    host.tcp.icmpError(segmentOf(b, q, error), now)
  } else if (error === 'packet-too-big') {
    // UDP and echo requests of ours are cut to the new size from now on.
  } else if (q.protocol === PROTOCOL_UDP) {
    host.udp.error(v4 ? 4 : 6, localPort, q.destination, remotePort, error)
  } else if (icmpType(b, q.at) === (v4 ? ICMP_ECHO : ICMPV6_ECHO)) {
    host.icmp.pingError(icmpIdentifier(b, q.at), icmpSequence(b, q.at), q.destination, error)
  }
}

function quoted(b: Bytes, ip: number, length: number, v4: boolean): Quote | undefined {
  const layout = v4 ? LAYOUT_4 : LAYOUT_6
  if (length < layout.header + NEEDED || (b[ip] as number) >>> 4 !== (v4 ? 4 : 6)) return undefined
  // The only extension header that packets of ours have.
  const cut = !v4 && ipv6NextHeader(b, ip) === PROTOCOL_IPV6_FRAGMENT
  const header = v4 ? ipv4HeaderLength(b, ip) : layout.header + (cut ? IPV6_FRAGMENT_HEADER : 0)
  if (header < layout.header || length < header + NEEDED) return undefined
  // Only the first fragment tells the ports.
  const fragment = ip + layout.header
  if (v4 ? ipv4FragmentOffset(b, ip) !== 0 : cut && fragmentOffset(b, fragment) !== 0)
    return undefined
  const protocol = v4
    ? ipv4Protocol(b, ip)
    : cut
      ? fragmentNextHeader(b, fragment)
      : ipv6NextHeader(b, ip)
  const ours = [PROTOCOL_TCP, PROTOCOL_UDP, v4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6]
  if (!ours.includes(protocol)) return undefined
  const address = (at: number) => b.slice(ip + at, ip + at + layout.size)
  return {
    source: address(layout.source),
    destination: address(layout.destination),
    protocol,
    total: v4 ? ipv4TotalLength(b, ip) : layout.header + ipv6PayloadLength(b, ip),
    at: ip + header,
    length: length - header,
  }
}

/** Undefined: an error that ends nothing. */
function meaning(
  b: Bytes,
  at: number,
  v4: boolean,
  q: Quote,
): PvpnError | 'packet-too-big' | undefined {
  const [type, code] = [icmpType(b, at), icmpCode(b, at)]
  const where = formatIp(q.destination)
  if (v4) {
    if (type === ICMP_UNREACHABLE && code === ICMP_FRAGMENTATION_NEEDED) return 'packet-too-big'
    if (type === ICMP_UNREACHABLE) {
      if (code === ICMP_UNREACHABLE_PORT) return refused(where)
      // Codes 0, 6, 9, 11 speak of networks, the others of the host (RFC 1122 section 3.2.2.1).
      return code === 0 || code === 6 || code === 9 || code === 11
        ? noNetwork(where)
        : noHost(where)
    }
    if (type === ICMP_TIME_EXCEEDED || type === ICMP_PARAMETER_PROBLEM) return noHost(where)
    return undefined
  }
  if (type === ICMPV6_PACKET_TOO_BIG) return 'packet-too-big'
  if (type === ICMPV6_UNREACHABLE) {
    if (code === ICMPV6_UNREACHABLE_PORT) return refused(where)
    // 0 no route, 5 and 6 source address or route refused by policy (RFC 4443 section 3.1).
    return code === 0 || code === 5 || code === 6 ? noNetwork(where) : noHost(where)
  }
  if (type === ICMPV6_TIME_EXCEEDED || type === ICMPV6_PARAMETER_PROBLEM) return noHost(where)
  return undefined
}

function refused(where: string): PvpnError {
  return new PvpnError('ERR_REFUSED', `${where}: nothing listens on this port`)
}

function noHost(where: string): PvpnError {
  return new PvpnError('ERR_HOST_UNREACHABLE', `${where} can't be reached (a router says so)`)
}

function noNetwork(where: string): PvpnError {
  return new PvpnError('ERR_NET_UNREACHABLE', `no route to ${where} (a router says so)`)
}
