import t from 'tap'
import { parseIp } from '../../src/core/ip.js'
import { PacketBatch } from '../../src/core/packet-batch.js'
import type { Bytes } from '../../src/core/types.js'
import { icmpCode, icmpType, icmpValid, icmpv6Valid } from '../../src/wire/icmp.js'
import { ipv4Valid, writeIpv4 } from '../../src/wire/ipv4.js'
import { ipv6Valid, writeIpv6 } from '../../src/wire/ipv6.js'
import { writeUdp } from '../../src/wire/udp.js'
import { destinationPort, ipVersion } from '../../src/wrap/packet-fields.js'
import { appendUnreachable, lengthsAgree, NO_ROUTE } from '../../src/wrap/unreachable.js'

const ip = (text: string): Bytes => parseIp(text) ?? new Uint8Array(0)

function datagram4(to: string, size: number): Bytes {
  const b = new Uint8Array(28 + size)
  writeIpv4(b, 0, ip('192.0.2.1'), ip(to), 17, b.length, 1, 0)
  writeUdp(b, 20, 5000, 53, 8 + size, 12, 16, 4)
  return b
}

function datagram6(size: number): Bytes {
  const b = new Uint8Array(48 + size)
  writeIpv6(b, 0, ip('2001:db8::1'), ip('2001:db8::2'), 17, 8 + size)
  writeUdp(b, 40, 5000, 99, 8 + size, 8, 24, 16)
  return b
}

function about(packet: Bytes): Bytes | undefined {
  const out = new PacketBatch({ capacity: 1, packetSize: 1536 })
  appendUnreachable(out, packet, 0, packet.length, NO_ROUTE)
  return out.count === 0 ? undefined : out.view(0)
}

t.test('IPv4: from the destination to the sender, with what it is about', async (t) => {
  const packet = datagram4('203.0.113.9', 1400)
  const message = about(packet) as Bytes
  t.ok(ipv4Valid(message, 0, message.length))
  t.ok(icmpValid(message, 20, message.length - 20))
  t.same([icmpType(message, 20), icmpCode(message, 20)], [3, 0])
  t.same(message.subarray(12, 16), ip('203.0.113.9'))
  t.same(message.subarray(16, 20), ip('192.0.2.1'))
  t.same(message.subarray(28), packet.subarray(0, 548))
})

t.test('IPv6, within 1280 bytes', async (t) => {
  const message = about(datagram6(1400)) as Bytes
  t.ok(ipv6Valid(message, 0, message.length))
  t.ok(icmpv6Valid(message, 40, message.length - 40, 8, 24))
  t.equal(message.length, 1280)
  t.same([icmpType(message, 40), icmpCode(message, 40)], [1, 0])
})

t.test('nothing about groups and about errors', async (t) => {
  t.equal(about(datagram4('224.0.0.1', 4)), undefined)
  t.equal(about(about(datagram4('203.0.113.9', 4)) as Bytes), undefined)
  t.equal(about(about(datagram6(4)) as Bytes), undefined)
})

t.test('fields of packets that are cut short or say too much', async (t) => {
  const packet = datagram4('203.0.113.9', 4)
  t.equal(destinationPort(packet, 0, packet.length), 53)
  t.equal(destinationPort(datagram6(4), 0, 52), 99)
  for (let length = 0; length < 20; length++) t.equal(ipVersion(packet, 0, length), 0)
  t.equal(destinationPort(packet, 0, 22), 0)
  t.notOk(lengthsAgree(packet, 0, packet.length - 1))
  t.ok(lengthsAgree(packet, 0, packet.length))
})
