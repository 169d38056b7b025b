import t from 'tap'
import { PacketBatch } from '../../src/core/packet-batch.js'
import type { Bytes } from '../../src/core/types.js'
import { PacketQueue } from '../../src/stack/packet-queue.js'
import { PacketWriter } from '../../src/stack/packet-writer.js'
import { PathMtu } from '../../src/stack/path-mtu.js'
import { Reassembly } from '../../src/stack/reassembly.js'
import {
  ipv4DontFragment,
  ipv4Identification,
  ipv4MoreFragments,
  ipv4Valid,
} from '../../src/wire/ipv4.js'
import { ipv6NextHeader, ipv6Valid } from '../../src/wire/ipv6.js'
import { address } from './router.js'

const MTU = 1400
const FAMILIES = [
  { name: 'IPv4', from: address('10.0.0.1'), to: address('10.0.0.2'), header: 20, most: 65_515 },
  { name: 'IPv6', from: address('fd00::1'), to: address('fd00::2'), header: 40, most: 65_535 },
] as const

type Family = (typeof FAMILIES)[number]

function bench(packets = 100, bytes = 1_000_000) {
  const paths = new PathMtu()
  paths.setLink(MTU)
  let identification = 0
  const writer = new PacketWriter(paths, () => ++identification)
  const queue = new PacketQueue(packets, bytes)
  const write = ({ from, to }: Family, payload: Bytes) =>
    writer.write(queue, from, to, 17, payload.length, (packet, at, { header }) => {
      t.equal(at, header)
      packet.set(payload, at)
    })
  const drain = () => {
    const batch = new PacketBatch({ capacity: 200, packetSize: 2000 })
    queue.drain(batch, 200)
    return Array.from({ length: batch.count }, (_, i) => batch.view(i).slice())
  }
  return { paths, write, drain, queue }
}

function payload(length: number, first = 1): Bytes {
  return new Uint8Array(length).map((_, i) => first + i * 7)
}

/** What a receiver makes of the packets: the payload of the whole one. */
function received(family: Family, packets: readonly Bytes[]): Bytes | undefined {
  const reassembly = new Reassembly()
  let whole: Bytes | undefined
  for (const packet of packets) {
    const v4 = family.header === 20
    const valid = v4 ? ipv4Valid(packet, 0, packet.length) : ipv6Valid(packet, 0, packet.length)
    if (!valid) throw new Error('a packet that is not valid')
    if (packets.length === 1) return packet.slice(family.header)
    const walked = { protocol: 44, at: 40, length: packet.length - 40 }
    whole = v4 ? reassembly.ipv4(packet, 0, 0) : reassembly.ipv6(packet, 0, walked, 0)
  }
  return whole?.slice(family.header)
}

for (const family of FAMILIES) {
  t.test(`${family.name}: one packet while it fits, fragments from then on`, async (t) => {
    const { write, drain } = bench()
    const fits = MTU - family.header
    for (const length of [0, 1, fits - 1, fits, fits + 1, 2 * fits, 20_000, family.most]) {
      const data = payload(length)
      t.ok(write(family, data))
      const packets = drain()
      t.equal(packets.length === 1, length <= fits, `${length} bytes: ${packets.length} packets`)
      t.ok(packets.every((packet) => packet.length <= MTU))
      const got = received(family, packets)
      t.ok(Buffer.from(data).equals(Buffer.from(got ?? [])), 'whole')
    }
  })

  t.test(`${family.name}: what no packet can hold is refused`, async (t) => {
    const { write, drain } = bench()
    t.notOk(write(family, payload(family.most + 1)))
    t.same(drain(), [])
  })

  t.test(`${family.name}: a large one leaves nothing in the next`, async (t) => {
    const { write, drain } = bench()
    t.ok(write(family, payload(9000, 1)))
    drain()
    const data = payload(3000, 99)
    t.ok(write(family, data))
    t.ok(Buffer.from(data).equals(Buffer.from(received(family, drain()) ?? [])))
  })

  t.test(`${family.name}: the path to this destination counts, not the link`, async (t) => {
    const { write, drain, paths } = bench()
    paths.lower(family.to, 1300, MTU, 0)
    t.ok(write(family, payload(1300 - family.header)))
    t.equal(drain().length, 1)
    t.ok(write(family, payload(1301 - family.header)))
    t.equal(drain().length, 2)
    const other = { ...family, to: family.to.slice() }
    other.to[other.to.length - 1] = 9
    t.ok(write(other as Family, payload(1301 - family.header)))
    t.equal(drain().length, 1)
  })

  t.test(`${family.name}: a full queue refuses`, async (t) => {
    const { write, queue } = bench(2)
    t.notOk(write(family, payload(10_000)), 'no room for all fragments')
    t.equal(queue.length, 2)
    t.notOk(write(family, payload(1)))
    const small = bench(100, 1000)
    t.ok(small.write(family, payload(1000 - family.header)))
    t.notOk(small.write(family, payload(1)))
  })
}

t.test('whole packets ask to be told of smaller links, fragments may be cut again', async (t) => {
  const { write, drain } = bench()
  const [v4, v6] = FAMILIES
  write(v4, payload(100))
  write(v4, payload(100))
  const [first, second] = drain()
  if (first === undefined || second === undefined) throw new Error('two packets were written')
  t.ok(ipv4DontFragment(first, 0))
  t.not(ipv4Identification(first, 0), ipv4Identification(second, 0))
  write(v4, payload(3000))
  const pieces = drain()
  t.same(
    pieces.map((piece) => [ipv4DontFragment(piece, 0), ipv4MoreFragments(piece, 0)]),
    [
      [false, true],
      [false, true],
      [false, false],
    ],
  )
  t.equal(new Set(pieces.map((piece) => ipv4Identification(piece, 0))).size, 1)
  write(v6, payload(100))
  write(v6, payload(2000))
  t.same(
    drain().map((packet) => ipv6NextHeader(packet, 0)),
    [17, 44, 44],
  )
})
