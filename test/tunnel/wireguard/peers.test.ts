/** Several peers, AllowedIPs outwards and inwards, roaming, padding, and what a peer may put into data. */
import t from 'tap'
import type { PacketCipherFactory } from '../../../src/core/packet-cipher.js'
import { createPacketCipher } from '../../../src/crypto/packet-cipher.js'
import {
  address,
  CLIENT,
  connectedPair,
  endpoint,
  Host,
  kind,
  type Pair,
  packet,
  peerOf,
  SERVER,
  setTotalLength,
  World,
} from './world.js'

const NOBODY = '192.0.2.66:666'

t.test('packets go to the peer with the longest prefix, in runs and mixed', (t) => {
  const world = new World()
  const [office, site, rest] = ['192.0.2.11:1', '192.0.2.12:1', '192.0.2.13:1'].map(
    (at, i) => new Host({ world, address: at, seed: 20 + i }),
  ) as [Host, Host, Host]
  const keys = [office, site, rest].map((host) => host.keys)
  const hub = new Host({
    world,
    address: '192.0.2.1:51820',
    seed: 9,
    peers: keys.map((key, i) =>
      peerOf(key, {
        endpoint: endpoint(`192.0.2.${i + 11}:1`),
        allowedIps: [['10.1.0.0/16', 'fd01::/16'], ['10.1.2.0/24'], ['0.0.0.0/0', '::/0']][i] ?? [],
      }),
    ),
  })
  const spokes = keys.map(
    (key, i) =>
      new Host({
        world,
        address: `192.0.2.${i + 11}:1`,
        keys: key,
        peers: [peerOf(hub.keys)],
        seed: i,
      }),
  )
  for (const host of [...spokes, hub]) host.open()
  world.run(100)
  hub.transmit(
    packet('10.0.0.1', '10.1.1.1', 1),
    packet('10.0.0.1', '10.1.1.2', 2),
    packet('10.0.0.1', '10.1.2.1', 3),
    new Uint8Array(0),
    packet('10.0.0.1', '8.8.8.8', 4),
    packet('10.0.0.1', '10.1.1.3', 5),
    packet('fd00::1', 'fd01::1', 6),
    packet('fd00::1', 'fd02::1', 7),
  )
  world.run(100)
  t.same(
    spokes.map((host) => host.received),
    [[1, 2, 5, 6], [3], [4, 7]],
  )
  // Inwards: each may only use what is routed to it.
  for (const [i, host] of spokes.entries()) {
    host.transmit(
      packet('10.1.1.1', '10.0.0.1', 10 + i),
      packet('10.1.2.1', '10.0.0.1', 20 + i),
      packet('9.9.9.9', '10.0.0.1', 30 + i),
      packet('fd01::5', 'fd00::1', 40 + i),
    )
  }
  world.run(100)
  t.same(hub.received, [10, 40, 21, 32])
  t.equal(hub.tunnel.counters.drops.source, 8)
  t.equal(hub.tunnel.routes(address('172.16.0.1')), true)
  t.end()
})

t.test('a peer that moves is followed by its authenticated packets only', (t) => {
  const { world, client, server } = connectedPair()
  client.move('198.51.100.9:7777')
  server.receive(NOBODY, new Uint8Array(64), new Uint8Array(148), Uint8Array.of(4, 0, 0, 0))
  t.equal(server.tunnel.endpoint, CLIENT)
  client.transmit(packet('10.0.0.1', '10.0.0.2', 1))
  world.run(100)
  t.equal(server.tunnel.endpoint, '198.51.100.9:7777')
  server.transmit(packet('10.0.0.2', '10.0.0.1', 2))
  world.run(100)
  t.same(client.received, [2])
  server.move('[2001:db8::9]:1')
  server.transmit(packet('10.0.0.2', '10.0.0.1', 3))
  world.run(100)
  t.equal(client.tunnel.endpoint, '[2001:db8::9]:1', 'into the other family too')
  client.transmit(packet('10.0.0.1', '10.0.0.2', 4))
  world.run(100)
  t.same(server.received, [1, 4])
  t.end()
})

t.test('a cut path after the server has moved: both its places are tried', (t) => {
  const { world, client, server } = connectedPair()
  server.move('198.51.100.5:51820')
  server.transmit(packet('10.0.0.2', '10.0.0.1', 1))
  world.run(100)
  t.equal(client.tunnel.endpoint, '198.51.100.5:51820')
  world.filter = () => false
  client.transmit(packet('10.0.0.1', '10.0.0.2', 1))
  world.run(40_000)
  const tried = world.sent
    .filter((d) => d.from === CLIENT && kind(d.bytes) === 1 && d.at > 200)
    .map((d) => d.to)
  t.same(new Set(tried), new Set([SERVER, '198.51.100.5:51820']))
  world.filter = () => true
  world.run(11_000)
  t.equal(client.story.at(-1), 'up')
  t.end()
})

t.test('padding: to 16 bytes, not beyond the MTU', (t) => {
  const { world, client, server } = connectedPair({ client: { mtu: 1421 } })
  server.keepPackets = true
  const sizes = [28, 32, 33, 1405, 1409, 1417, 1421]
  client.transmit(...sizes.map((size) => packet('10.0.0.1', '10.0.0.2', size, size)))
  world.run(100)
  t.same(
    world.sent
      .filter((d) => kind(d.bytes) === 4 && d.bytes.length > 32)
      .map((d) => d.bytes.length - 32),
    [32, 32, 48, 1408, 1421, 1421, 1421],
  )
  t.same(
    server.packets.map((bytes) => bytes.length),
    sizes,
    'and taken off again',
  )
  t.same(server.packets[3], packet('10.0.0.1', '10.0.0.2', 1405, 1405))
  t.end()
})

t.test('data that is no IP packet', (t) => {
  const both = connectedPair()
  const { world, client, server } = both
  const tooLong = packet('10.0.0.1', '10.0.0.2', 1)
  setTotalLength(tooLong, 500)
  const tooShort = packet('10.0.0.1', '10.0.0.2', 2)
  setTotalLength(tooShort, 19)
  const six = packet('fd00::1', 'fd00::2', 3)
  six[5] = 200
  client.transmit(tooLong, tooShort, six)
  world.run(100)
  t.same(server.received, [])
  t.equal(server.tunnel.counters.drops.packet, 3)
  t.end()
})

t.test('counters', (t) => {
  const both: Pair = connectedPair()
  const { world, client, server } = both
  client.transmit(packet('10.0.0.1', '10.0.0.2', 1, 96))
  world.run(100)
  const out = world.sent
    .filter((d) => d.from === CLIENT)
    .reduce((sum, d) => sum + d.bytes.length, 0)
  t.equal(client.tunnel.counters.bytesOut, out)
  t.equal(client.tunnel.counters.packetsOut, 3)
  t.equal(server.tunnel.counters.packetsIn, 2, 'keepalive and data')
  t.equal(server.tunnel.counters.bytesIn, 32 + 128)
  t.end()
})

t.test('a packet larger than the MTU goes as it is, without padding', (t) => {
  const { world, client, server } = connectedPair()
  client.transmit(packet('10.0.0.1', '10.0.0.2', 1, 1500))
  world.run(100)
  t.same(server.received, [1], 'larger than the MTU goes as it is')
  t.end()
})

t.test('the cipher is called once per run of packets, both ways', (t) => {
  let calls: string[] = []
  const counting: PacketCipherFactory = (key) => {
    const cipher = createPacketCipher(key)
    return {
      seal(batch, from, to, counter) {
        calls.push(`seal ${to - from}`)
        cipher.seal(batch, from, to, counter)
      },
      open(batch, from, to, counters) {
        calls.push(`open ${to - from}`)
        cipher.open(batch, from, to, counters)
      },
      destroy: () => cipher.destroy(),
    }
  }
  const { world, client, server } = connectedPair({
    client: { packetCipher: counting },
    server: { packetCipher: counting },
  })
  calls = []
  client.transmit(...Array.from({ length: 60 }, (_, n) => packet('10.0.0.1', '10.0.0.2', n)))
  const sealed = world.sent.slice(-60).map((d) => d.bytes)
  server.receive(CLIENT, ...sealed.slice(0, 20), new Uint8Array(5), ...sealed.slice(20))
  t.same(calls, ['seal 60', 'open 20', 'open 40'])
  t.same(
    server.received,
    Array.from({ length: 60 }, (_, n) => n),
  )
  t.end()
})
