import t from 'tap'
import { PacketBatch } from '../../src/core/packet-batch.js'
import type { Bytes, Random } from '../../src/core/types.js'
import { Addresses } from '../../src/stack/addresses.js'
import {
  UDP_LIGHT_DATAGRAMS,
  UDP_PORTS,
  UDP_PRESSED_SHARE,
  UDP_RECEIVE_PENDING,
  UDP_SEND_PACKETS,
} from '../../src/stack/limits.js'
import { PacketWriter } from '../../src/stack/packet-writer.js'
import { PathMtu } from '../../src/stack/path-mtu.js'
import { UdpPorts } from '../../src/stack/udp-ports.js'
import { ipv4DontFragment, ipv4Valid } from '../../src/wire/ipv4.js'
import { udpDestinationPort, udpSourcePort, udpValid, writeUdp } from '../../src/wire/udp.js'
import { seededRandom } from '../support/seeded.js'

interface Made {
  readonly ports: UdpPorts
  readonly addresses: Addresses
  readonly drops: string[]
  ready: number
}

function make(ephemeralPorts: readonly [number, number] = [40_000, 40_009], random?: Random): Made {
  const addresses = new Addresses()
  addresses.set(['10.0.0.1/24', '10.0.0.11/24', 'fd00::1/64'])
  const paths = new PathMtu()
  const drops: string[] = []
  const made = { addresses, drops, ready: 0 }
  let id = 0
  const ports = new UdpPorts({
    addresses,
    writer: new PacketWriter(paths, () => ++id),
    random: random ?? seededRandom(3),
    ephemeralPorts,
    ready: () => {
      made.ready++
    },
    carries: () => undefined,
    drop: (reason) => drops.push(reason),
  })
  return Object.assign(made, { ports })
}

/** A datagram from 10.0.0.2 to 10.0.0.1: addresses, then the UDP header at 8. */
function incoming(port: number, text: string, from = 5353): Bytes {
  const data = Buffer.from(text)
  const b = new Uint8Array(16 + data.length)
  b.set([10, 0, 0, 2, 10, 0, 0, 1])
  b.set(data, 16)
  writeUdp(b, 8, from, port, 8 + data.length, 0, 4, 4)
  return b
}

function drained(ports: UdpPorts, count = 10): Bytes[] {
  const batch = new PacketBatch({ capacity: count, packetSize: 1500 })
  ports.queue.drain(batch, count)
  return Array.from({ length: batch.count }, (_, i) => batch.view(i).slice())
}

t.test('ports: one of each number and family', async (t) => {
  const { ports } = make()
  const both = ports.bind({ port: 53 })
  t.same(both.local, { address: '10.0.0.1', port: 53 })
  for (const family of [4, 6] as const) {
    t.throws(() => ports.bind({ port: 53, family }), { code: 'ERR_LIMIT' })
  }
  both.close()
  both.close()
  const four = ports.bind({ port: 53, family: 4 })
  const six = ports.bind({ port: 53, family: 6 })
  t.equal(six.local.address, 'fd00::1')
  t.throws(() => ports.bind({ port: 53 }), { code: 'ERR_LIMIT' })
  both.close()
  t.ok(ports.owns(4, 53), 'a port closed long ago does not close who has its number now')
  four.close()
  t.notOk(ports.owns(4, 53))
  t.ok(ports.owns(6, 53))
})

t.test('free ports are of the range, all of it, and then there is none', async (t) => {
  const { ports } = make()
  const seen = new Set<number>()
  for (let i = 0; i < 10; i++) seen.add(ports.bind().local.port)
  t.equal(seen.size, 10)
  t.ok([...seen].every((port) => port >= 40_000 && port <= 40_009))
  t.throws(() => ports.bind(), { code: 'ERR_LIMIT' })
  const stuck = make([40_000, 40_009], (out) => out.fill(0))
  for (let i = 0; i < 10; i++) stuck.ports.bind()
  t.pass('a random source that repeats itself does not keep a free port from being found')
})

t.test('a bounded number of ports', async (t) => {
  const { ports } = make()
  for (let port = 1; port <= UDP_PORTS / 2; port++) ports.bind({ port })
  t.throws(() => ports.bind({ port: 60_000, family: 4 }), { code: 'ERR_LIMIT' })
})

t.test(
  'sent: a valid packet from the address of ours that fits, or that was asked for',
  async (t) => {
    const made = make()
    const port = made.ports.bind({ port: 7 })
    t.ok(port.send({ address: '10.0.0.2', port: 9 }, Buffer.from('data')))
    t.equal(made.ready, 1)
    t.ok(port.send({ address: '10.0.0.2', port: 9 }, Buffer.from('data'), '10.0.0.11'))
    t.ok(port.send({ address: '10.0.0.2', port: 9 }, Buffer.from('data'), '10.9.9.9'))
    t.ok(port.send({ address: '10.0.0.2', port: 9 }, Buffer.from('data'), 'fd00::1'))
    const packets = drained(made.ports)
    t.same(
      packets.map((p) => p[15]),
      [1, 11, 1, 1],
    )
    for (const p of packets) {
      t.ok(ipv4Valid(p, 0, p.length) && udpValid(p, 20, p.length - 20, 12, 16, 4))
      t.same([udpSourcePort(p, 20), udpDestinationPort(p, 20)], [7, 9])
      t.ok(ipv4DontFragment(p, 0))
    }
  },
)

t.test('not sent', async (t) => {
  const { ports, addresses } = make()
  const port = ports.bind({ family: 4 })
  const one = new Uint8Array(1)
  const refused: readonly (readonly [string, number, Bytes])[] = [
    ['name.example', 9, one],
    ['', 9, one],
    ['10.0.0.2', 0, one],
    ['10.0.0.2', 65_536, one],
    ['10.0.0.2', -1, one],
    ['fd00::2', 9, one],
    ['10.0.0.2', 9, new Uint8Array(65_508)],
  ]
  for (const [address, number, bytes] of refused) {
    t.notOk(port.send({ address, port: number }, bytes), `${address} ${number} ${bytes.length}`)
  }
  addresses.set(['fd00::1/64'])
  t.notOk(port.send({ address: '10.0.0.2', port: 9 }, one), 'no address of ours')
  addresses.set(['10.0.0.1/24'])
  t.ok(port.send({ address: '10.0.0.2', port: 9 }, one))
  port.close()
  t.notOk(port.send({ address: '10.0.0.2', port: 9 }, one), 'closed')
  t.equal(ports.queue.length, 1)
})

t.test('what is sent is copied: the caller may reuse its bytes', async (t) => {
  const { ports } = make()
  const bytes = Buffer.from('first')
  ports.bind().send({ address: '10.0.0.2', port: 9 }, bytes)
  bytes.fill('x')
  t.equal(Buffer.from(drained(ports)[0]?.subarray(28) ?? []).toString(), 'first')
})

t.test('a full queue pushes back and is counted', async (t) => {
  const { ports, drops } = make()
  const port = ports.bind()
  let sent = 0
  while (sent < 10_000 && port.send({ address: '10.0.0.2', port: 9 }, new Uint8Array(1))) sent++
  t.equal(sent, UDP_LIGHT_DATAGRAMS + UDP_SEND_PACKETS)
  t.same(drops, ['udp-queue'])
  drained(ports, UDP_LIGHT_DATAGRAMS + 1)
  t.ok(port.send({ address: '10.0.0.2', port: 9 }, new Uint8Array(1)))
})

t.test('received: told by notify, in order, each to its port', async (t) => {
  const { ports } = make()
  const got: string[] = []
  const listen = (number: number) => {
    const port = ports.bind({ port: number })
    port.onMessage = (from, bytes, local) => {
      got.push(`${from.address}:${from.port} ${Buffer.from(bytes).toString()} ${local}:${number}`)
    }
    return port
  }
  const [one] = [listen(1), listen(2)]
  t.notOk(ports.input(incoming(3, 'nobody'), 8, 0, 4, 4))
  for (const [port, text] of [
    [1, 'a'],
    [2, 'b'],
    [1, 'c'],
    [1, ''],
  ] as const) {
    t.ok(ports.input(incoming(port, text, 5000 + text.length), 8, 0, 4, 4))
  }
  t.same(got, [], 'not before')
  ports.notify()
  t.same(got.splice(0), [
    '10.0.0.2:5001 a 10.0.0.1:1',
    '10.0.0.2:5001 b 10.0.0.1:2',
    '10.0.0.2:5001 c 10.0.0.1:1',
    '10.0.0.2:5000  10.0.0.1:1',
  ])
  ports.input(incoming(1, 'late'), 8, 0, 4, 4)
  one?.close()
  ports.notify()
  ports.notify()
  t.same(got, [], 'a closed port hears nothing')
})

t.test('a bounded number waits for notify; afterwards there is room again', async (t) => {
  const { ports, drops } = make()
  let got = 0
  ports.bind({ port: 1 }).onMessage = () => got++
  const b = incoming(1, 'x')
  for (let i = 0; i < UDP_RECEIVE_PENDING + 5; i++) ports.input(b, 8, 0, 4, 4)
  t.same(drops, new Array(5).fill('udp-pending'))
  ports.notify()
  t.equal(got, UDP_RECEIVE_PENDING)
  ports.input(b, 8, 0, 4, 4)
  ports.notify()
  t.equal(got, UDP_RECEIVE_PENDING + 1)
})

t.test('while more comes than there is time for, a port gets a share of each turn', async (t) => {
  const { ports, drops } = make()
  const got = { flooded: 0, other: 0 }
  ports.bind({ port: 1 }).onMessage = () => got.flooded++
  ports.bind({ port: 2 }).onMessage = () => got.other++
  const turn = (packets: number) => {
    ports.begin(packets)
    for (let i = 0; i < packets; i++) ports.input(incoming(1, 'x'), 8, 0, 4, 4)
    ports.input(incoming(2, 'x'), 8, 0, 4, 4)
    ports.notify()
  }
  ports.pressed = true
  turn(256)
  turn(64)
  // Shorter turns are more of them: the flood gets no larger part.
  const share = (256 + 64) * UDP_PRESSED_SHARE
  t.same(got, { flooded: share, other: 2 })
  t.same(drops, new Array(256 + 64 - share).fill('udp-pressed'))
  turn(UDP_LIGHT_DATAGRAMS)
  t.equal(drops.length, 256 + 64 - share, 'a few are nobody’s flood')
  ports.pressed = false
  turn(256)
  t.same(
    got,
    { flooded: share + UDP_LIGHT_DATAGRAMS + 256, other: 4 },
    'afterwards it gets everything',
  )
})

t.test('a callback that closes ports, opens others and sends does no harm', async (t) => {
  const { ports } = make()
  const got: string[] = []
  const two = ports.bind({ port: 2 })
  two.onMessage = () => got.push('two')
  const one = ports.bind({ port: 1 })
  one.onMessage = (from) => {
    got.push('one')
    two.close()
    ports.bind({ port: 2 }).onMessage = () => got.push('new two')
    one.send(from, new Uint8Array(1))
    one.close()
  }
  for (const port of [1, 2, 1]) ports.input(incoming(port, ''), 8, 0, 4, 4)
  ports.notify()
  t.same(got, ['one'], 'what was for the old ports is not told to the new one')
  t.equal(ports.queue.length, 1)
})
