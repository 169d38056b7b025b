/** SYNs from addresses that nobody has, as a flood consists of. */
import { PROTOCOL_TCP } from '../../src/wire/ip.js'
import { IPV4_DESTINATION, IPV4_HEADER, IPV4_SOURCE, writeIpv4 } from '../../src/wire/ipv4.js'
import { sealTcp, TCP_HEADER, TCP_SYN, writeTcp } from '../../src/wire/tcp.js'
import { writeSynchronizeOptions } from '../../src/wire/tcp-options.js'
import type { SeededRandom } from '../sim/random.js'

/** First byte of the addresses they come from (198.51.100.0/24, RFC 5737). */
const NOWHERE = 198

/** An IPv4 packet to `to`, as Linux with timestamps would send it. */
export function spoofedSyn(random: SeededRandom, to: Uint8Array, port: number): Uint8Array {
  const packet = new Uint8Array(IPV4_HEADER + TCP_HEADER + 24)
  const from = new Uint8Array([NOWHERE, 51, 100, random.between(0, 255)])
  const end = writeSynchronizeOptions(packet, IPV4_HEADER + TCP_HEADER, {
    mss: 1460,
    sackPermitted: true,
    timestamps: { value: random.word(), echo: 0 },
    windowScale: 7,
  })
  const sourcePort = random.between(1024, 65_535)
  const header = end - IPV4_HEADER
  writeTcp(packet, IPV4_HEADER, sourcePort, port, random.word(), 0, header, TCP_SYN, 64_240)
  writeIpv4(packet, 0, from, to, PROTOCOL_TCP, end, 0, 0)
  sealTcp(packet, IPV4_SOURCE, 4, IPV4_HEADER, header)
  return packet
}

/** Is this IPv4 packet an answer to one of them? */
export function toNowhere(packet: Uint8Array): boolean {
  return packet[IPV4_DESTINATION] === NOWHERE
}
