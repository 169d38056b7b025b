/**
 * Codecs: how often each writes or reads on one core, median of several rounds.
 *
 *   node build/bench/micro/codec.js
 */
import { set32 } from '../../src/core/bytes.js'
import { parseMessage } from '../../src/dns/message.js'
import { encodeQuery } from '../../src/dns/query.js'
import { emptyReply } from '../../src/dns/reply.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../../src/wire/ip.js'
import { ipv4HeaderLength, ipv4Protocol, ipv4Valid, writeIpv4 } from '../../src/wire/ipv4.js'
import { ipv6NextHeader, ipv6Valid, writeIpv6 } from '../../src/wire/ipv6.js'
import { encodeSocks5Datagram, parseSocks5Datagram } from '../../src/wire/socks5.js'
import {
  TCP_ACK,
  TCP_HEADER,
  tcpAcknowledgment,
  tcpFlags,
  tcpHeaderLength,
  tcpHeaderValid,
  tcpPorts,
  tcpSequence,
  tcpWindow,
  writeTcp,
} from '../../src/wire/tcp.js'
import {
  parseTcpOptions,
  TcpOptions,
  TIMESTAMPS_LENGTH,
  writeTimestamps,
} from '../../src/wire/tcp-options.js'
import { udpLength, udpValid, writeUdp } from '../../src/wire/udp.js'
import { rate, rateText } from './rounds.js'

const IN_A_ROW = 1000
const PACKET = 1420
const PAYLOAD = 200

const v4 = [new Uint8Array([10, 0, 0, 1]), new Uint8Array([192, 168, 11, 10])] as const
const v6 = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)] as const
const packet = new Uint8Array(PACKET)
const options = new TcpOptions()
const payload = new Uint8Array(PAYLOAD)
/** What was read, so that reading is not optimized away. */
let read = 0

function measure(name: string, once: (i: number) => void): void {
  const step = (): void => {
    for (let i = 0; i < IN_A_ROW; i++) once(i)
  }
  console.log(`${name}: ${rateText(rate(IN_A_ROW, step))}`)
}

measure('IPv4 and TCP headers with timestamps, write', (i) => {
  writeIpv4(packet, 0, v4[0], v4[1], PROTOCOL_TCP, PACKET, i, 0x4000)
  writeTcp(packet, 20, 32_768, 80, i, 1, TCP_HEADER + TIMESTAMPS_LENGTH, TCP_ACK, 65_535)
  writeTimestamps(packet, 20 + TCP_HEADER, i, 1)
})
measure('IPv4 and TCP headers with timestamps, read', (i) => {
  set32(packet, 24, i)
  if (!ipv4Valid(packet, 0, PACKET)) throw new Error('not valid')
  readTcp(ipv4HeaderLength(packet, 0), ipv4Protocol(packet, 0))
})
measure('IPv6 and TCP headers with timestamps, write', (i) => {
  writeIpv6(packet, 0, v6[0], v6[1], PROTOCOL_TCP, PACKET - 40)
  writeTcp(packet, 40, 32_768, 80, i, 1, TCP_HEADER + TIMESTAMPS_LENGTH, TCP_ACK, 65_535)
  writeTimestamps(packet, 40 + TCP_HEADER, i, 1)
})
measure('IPv6 and TCP headers with timestamps, read', (i) => {
  set32(packet, 44, i)
  if (!ipv6Valid(packet, 0, PACKET)) throw new Error('not valid')
  readTcp(40, ipv6NextHeader(packet, 0))
})
measure(`IPv4 and UDP headers over ${PAYLOAD} bytes with checksum, write`, (i) => {
  writeIpv4(packet, 0, v4[0], v4[1], PROTOCOL_UDP, 28 + PAYLOAD, i, 0)
  writeUdp(packet, 20, 1024, 53, 8 + PAYLOAD, 12, 16, 4)
})
measure(`IPv4 and UDP headers over ${PAYLOAD} bytes with checksum, read`, () => {
  if (!ipv4Valid(packet, 0, 28 + PAYLOAD)) throw new Error('not valid')
  if (!udpValid(packet, 20, 8 + PAYLOAD, 12, 16, 4)) throw new Error('not valid')
  read += udpLength(packet, 20)
})

const from = { address: '192.168.11.10', port: 53 }
const datagram = encodeSocks5Datagram(from, payload)
measure(`SOCKS5 datagram of ${PAYLOAD} bytes, write`, () => {
  read += encodeSocks5Datagram(from, payload).length
})
measure(`SOCKS5 datagram of ${PAYLOAD} bytes, read`, () => {
  read += parseSocks5Datagram(datagram)?.payloadAt ?? 0
})

const query = encodeQuery('git.office.example', 'A', true)
const parsed = parseMessage(query)
if (parsed === undefined) throw new Error('not a question')
measure('DNS question with EDNS, write (dns-packet)', () => {
  read += encodeQuery('git.office.example', 'A', true).length
})
measure('DNS question with EDNS, read', () => {
  read += parseMessage(query)?.records.length ?? 0
})
measure('DNS reply without records, write', () => {
  read += emptyReply(parsed, 0).length
})

if (read === 0) throw new Error('nothing was read')

function readTcp(at: number, protocol: number): void {
  if (protocol !== PROTOCOL_TCP || !tcpHeaderValid(packet, at, PACKET - at)) {
    throw new Error('not valid')
  }
  parseTcpOptions(packet, at, tcpHeaderLength(packet, at), options)
  read += tcpPorts(packet, at) + tcpSequence(packet, at) + tcpAcknowledgment(packet, at)
  read += tcpFlags(packet, at) + tcpWindow(packet, at) + options.timestampValue
}
