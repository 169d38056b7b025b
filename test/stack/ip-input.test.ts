import t from 'tap'
import { set8, set16, u8 } from '../../src/core/bytes.js'
import { PacketBatch } from '../../src/core/packet-batch.js'
import type { Bytes } from '../../src/core/types.js'
import type { Stack } from '../../src/stack/contract.js'
import { createStack } from '../../src/stack/stack.js'
import { checksum } from '../../src/wire/checksum.js'
import { writeIpv4 } from '../../src/wire/ipv4.js'
import { writeIpv6 } from '../../src/wire/ipv6.js'
import { writeUdp } from '../../src/wire/udp.js'
import { address } from './router.js'

const LINK = { addresses: ['10.0.0.1/24', 'fd00::1/64'], dns: [], search: [], mtu: 1420 }
const PORT = 9

/** A datagram to us with these IPv4 options, padded as the sender says. */
function with4(...options: number[]): Bytes {
  const header = 20 + options.length
  const packet = new Uint8Array(header + 12)
  writeIpv4(packet, 0, address('10.0.0.2'), address('10.0.0.1'), 17, packet.length, 1, 0)
  packet.set(options, 20)
  set8(packet, 0, 0x40 | (header / 4))
  set16(packet, 10, 0)
  set16(packet, 10, checksum(packet, 0, header))
  writeUdp(packet, header, 7, PORT, 12, 12, 16, 4)
  return packet
}

/** A datagram to us behind these IPv6 extension headers, the first of which has this number. */
function with6(first: number, ...extensions: number[]): Bytes {
  const at = 40 + extensions.length
  const packet = new Uint8Array(at + 12)
  const payload = packet.length - 40
  writeIpv6(packet, 0, address('fd00::2'), address('fd00::1'), first, payload)
  packet.set(extensions, 40)
  writeUdp(packet, at, 7, PORT, 12, 8, 24, 16)
  return packet
}

function bench(): { stack: Stack; heard: () => number; take: (packet: Bytes) => string } {
  const stack = createStack({ random: (out) => out.fill(1) })
  stack.configure(LINK, 0)
  let heard = 0
  stack.bindUdp({ port: PORT }).onMessage = (_from, bytes) => {
    heard += bytes.length === 4 ? 1 : 1000
  }
  const batch = new PacketBatch({ capacity: 1, packetSize: 2000 })
  /** `heard`, or the reason of the drop. */
  const take = (packet: Bytes) => {
    const before = { ...stack.counters.drops }
    const was = heard
    batch.reset()
    batch.push(packet)
    stack.input(batch, 0)
    stack.notify()
    if (heard === was + 1) return 'heard'
    const reasons = Object.entries(stack.counters.drops)
      .filter(([reason, count]) => count > (before[reason] ?? 0))
      .map(([reason]) => reason)
    return reasons.join(' ') || 'nothing'
  }
  return { stack, heard: () => heard, take }
}

const CASES: readonly [what: string, packet: Bytes, becomes: string][] = [
  ['no options', with4(), 'heard'],
  ['end and padding', with4(0, 0, 0, 0), 'heard'],
  ['no-operations', with4(1, 1, 1, 0), 'heard'],
  ['router alert', with4(148, 4, 0, 0), 'heard'],
  ['record route', with4(7, 7, 4, 0, 0, 0, 0, 0), 'heard'],
  ['the most options', with4(...new Array<number>(40).fill(1)), 'heard'],
  ['loose source route', with4(131, 7, 4, 10, 0, 0, 9, 0), 'ip-options'],
  ['strict source route', with4(137, 7, 4, 10, 0, 0, 9, 0), 'ip-options'],
  ['a source route behind others', with4(1, 7, 3, 4, 131, 3, 4, 0), 'ip-options'],
  ['a source route behind the end', with4(0, 131, 3, 4), 'heard'],
  ['an option of length 0', with4(7, 0, 0, 0), 'ip-options'],
  ['an option of length 1', with4(7, 1, 0, 0), 'ip-options'],
  ['an option longer than the header', with4(7, 5, 4, 0), 'ip-options'],
  ['an option without a length', with4(1, 1, 1, 7), 'ip-options'],
  ['no extension headers', with6(17), 'heard'],
  ['hop-by-hop options', with6(0, 17, 0, 1, 4, 0, 0, 0, 0), 'heard'],
  [
    'destination options, twice',
    with6(60, 60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0),
    'heard',
  ],
  ['a routing header that has done its work', with6(43, 17, 0, 0, 0, 0, 0, 0, 0), 'heard'],
  ['a routing header that wants more', with6(43, 17, 0, 0, 1, 0, 0, 0, 0), 'ip-extension'],
  ['an atomic fragment', with6(44, 17, 0, 0, 0, 0, 0, 0, 5), 'heard'],
  ['an extension header longer than the packet', with6(0, 17, 9, 1, 4, 0, 0, 0, 0), 'ip-extension'],
  ['nothing behind', with6(59), 'ip-extension'],
  ['ICMP for IPv4 inside of IPv6', with6(1), 'ip-protocol'],
  ['a protocol that nobody speaks', with6(132), 'ip-protocol'],
]

t.test('options and extension headers', async (t) => {
  for (const [what, packet, becomes] of CASES) t.equal(bench().take(packet), becomes, what)
})

t.test('bytes behind the packet are not part of it', async (t) => {
  for (const packet of [with4(), with6(17)]) {
    const padded = new Uint8Array(packet.length + 18).fill(0xee)
    padded.set(packet)
    t.equal(bench().take(padded), 'heard')
  }
})

t.test('a packet cut anywhere is not taken for a whole one', async (t) => {
  for (const packet of [with4(148, 4, 0, 0), with6(60, 17, 0, 1, 4, 0, 0, 0, 0)]) {
    const { take, heard } = bench()
    for (let length = 1; length < packet.length; length++) {
      t.equal(take(packet.slice(0, length)), 'ip-malformed', `${length} bytes`)
    }
    t.equal(heard(), 0)
  }
})

t.test('any one bit that is wrong keeps a datagram over IPv4 from its port', async (t) => {
  const packet = with4()
  const { take, heard } = bench()
  for (let bit = 0; bit < packet.length * 8; bit++) {
    const damaged = packet.slice()
    damaged[bit >> 3] = u8(damaged, bit >> 3) ^ (0x80 >> (bit & 7))
    take(damaged)
    if (heard() !== 0) t.fail(`bit ${bit} was not noticed`)
  }
  t.equal(heard(), 0)
  t.equal(take(packet), 'heard')
})

t.test('whole packets that nobody asked for go to who takes them, as they came', async (t) => {
  const { stack, take } = bench()
  const seen: Bytes[] = []
  stack.onUnclaimed = (bytes, at, length) => seen.push(bytes.slice(at, at + length))
  const foreign = with6(132)
  const closed = with4()
  set16(closed, 22, PORT + 1)
  set16(closed, 26, 0)
  t.equal(take(foreign), 'nothing')
  t.equal(take(closed), 'nothing')
  t.equal(take(with4()), 'heard', 'ours is ours')
  t.same(
    seen.map((packet) => Buffer.from(packet).toString('hex')),
    [Buffer.from(foreign).toString('hex'), Buffer.from(closed).toString('hex')],
  )
  const out = new PacketBatch({ capacity: 4, packetSize: 2000 })
  t.equal(stack.output(out, 0), 0, 'and nobody is told that nothing listens')
})

t.test('a port of one family shows an address of that family', async (t) => {
  const { stack } = bench()
  t.same(stack.bindUdp({ port: 20, family: 6 }).local, { address: 'fd00::1', port: 20 })
  t.same(stack.bindUdp({ port: 20, family: 4 }).local, { address: '10.0.0.1', port: 20 })
  stack.configure({ ...LINK, addresses: ['10.0.0.1/24'] }, 0)
  t.same(stack.bindUdp({ port: 21, family: 6 }).local, { address: '::', port: 21 })
  stack.configure({ ...LINK, addresses: [] }, 0)
  t.same(stack.bindUdp({ port: 22 }).local, { address: '0.0.0.0', port: 22 })
})
