/** Two machines on a good link: handshake, data, keys that do not fit, the outer addresses. */
import t from 'tap'
import { CLIENT, connectedPair, endpoint, kind, packet, pair, peerOf, SERVER } from './world.js'

t.test('connects at once, without traffic, and carries packets both ways', (t) => {
  const { world, client, server } = pair()
  t.equal(client.tunnel.endpoint, SERVER)
  t.equal(server.tunnel.endpoint, undefined)
  server.open()
  client.open()
  world.run(1000)
  t.same(client.story, ['up'])
  t.same(server.story, ['up'], 'confirmed by the first keepalive')
  t.equal(client.tunnel.lastHandshake, 20)
  t.equal(server.tunnel.lastHandshake, 30)
  t.equal(server.tunnel.endpoint, CLIENT)
  t.same(
    world.sent.map((d) => [kind(d.bytes), d.bytes.length]),
    [
      [1, 148],
      [2, 92],
      [4, 32],
    ],
  )
  client.transmit(packet('10.0.0.1', '10.0.0.2', 1), packet('10.0.0.1', '10.0.0.2', 2, 1420))
  server.transmit(packet('10.0.0.2', '10.0.0.1', 3), packet('fd00::2', 'fd00::1', 4))
  world.run(100)
  t.same(server.received, [1, 2])
  t.same(client.received, [3, 4])
  t.end()
})

t.test('packets sent before there is a session wait for it', (t) => {
  const { world, client, server } = pair()
  server.open()
  client.open()
  for (let n = 0; n < 200; n++) client.transmit(packet('10.0.0.1', '10.0.0.2', n))
  world.run(100)
  t.same(
    server.received,
    Array.from({ length: 128 }, (_, i) => i + 72),
    'the newest 128, in order',
  )
  t.equal(client.tunnel.counters.drops.queue, 72)
  t.end()
})

t.test('a preshared key', (t) => {
  const psk = new Uint8Array(32).fill(7)
  const { client, server } = connectedPair({
    serverPeer: { presharedKey: psk },
    clientPeer: { presharedKey: psk },
  })
  t.same(client.story, ['up'])
  t.same(server.story, ['up'])
  t.end()
})

t.test('a preshared key on one side only', (t) => {
  const { world, client, server } = connectedPair({
    serverPeer: { presharedKey: new Uint8Array(32).fill(7) },
  })
  world.run(16_000)
  t.same(client.story, ['trying', 'trying', 'trying'])
  t.same(server.story, ['trying'])
  const last = client.events.at(-1)
  t.match(last, {
    kind: 'trying',
    error: {
      code: 'ERR_TIMEOUT',
      message: /^server unreachable: no answer from 192\.0\.2\.2:51820 to 3 handshakes in 1[56] s$/,
      hint: 'check the endpoint, that UDP gets there, and the keys: a server is silent to keys that it does not know',
    },
  })
  t.equal(client.tunnel.counters.drops.handshake, 4)
  t.end()
})

t.test('keys that do not fit', (t) => {
  const other = pair({ seed: 99 }).client.keys
  const wrongServer = connectedPair({ serverPeer: { publicKey: other.publicKey } })
  wrongServer.world.run(6000)
  t.equal(wrongServer.server.tunnel.counters.drops.mac1, 2)
  t.equal(wrongServer.client.tunnel.lastHandshake, undefined)
  const unknown = connectedPair({ clientPeer: { publicKey: other.publicKey } })
  unknown.world.run(6000)
  t.equal(unknown.server.tunnel.counters.drops.handshake, 2)
  t.same(
    unknown.world.sent.filter((d) => d.from === SERVER),
    [],
    'a stranger gets no answer',
  )
  const lowOrder = connectedPair({ serverPeer: { publicKey: new Uint8Array(32) } })
  lowOrder.world.run(6000)
  t.same(lowOrder.client.story, ['trying'])
  t.same(lowOrder.world.sent, [])
  t.end()
})

t.test('IPv6 outside', (t) => {
  const { world, client, server } = connectedPair({
    client: { address: '[2001:db8::1]:1001' },
    server: { address: '[2001:db8::2]:51820' },
    serverPeer: { endpoint: endpoint('[2001:db8::2]:51820') },
  })
  client.transmit(packet('10.0.0.1', '10.0.0.2', 5))
  world.run(100)
  t.same(server.received, [5])
  t.equal(server.tunnel.endpoint, '[2001:db8::1]:1001')
  t.end()
})

t.test('after close nothing goes and nothing is let in', (t) => {
  const { world, client, server } = connectedPair()
  client.close()
  const sent = world.sent.length
  client.transmit(packet('10.0.0.1', '10.0.0.2', 1))
  server.transmit(packet('10.0.0.2', '10.0.0.1', 2))
  world.run(100)
  t.equal(world.sent.length, sent + 1)
  t.same(client.received, [])
  t.equal(client.tunnel.deadline(), Number.POSITIVE_INFINITY)
  client.open()
  world.run(6000)
  client.transmit(packet('10.0.0.1', '10.0.0.2', 3))
  world.run(100)
  t.same(server.received, [3])
  t.end()
})

t.test('no peer, no route', (t) => {
  const { client } = connectedPair({ serverPeer: { allowedIps: ['10.0.0.0/24', 'fd00::/64'] } })
  t.equal(client.tunnel.routes(Uint8Array.of(10, 0, 0, 9)), true)
  t.equal(client.tunnel.routes(Uint8Array.of(10, 0, 1, 9)), false)
  client.transmit(packet('10.0.0.1', '10.0.1.9', 1), new Uint8Array(19), new Uint8Array(60))
  t.equal(client.tunnel.counters.drops.route, 3)
  t.same(peerOf(client.keys).allowedIps, ['0.0.0.0/0', '::/0'])
  t.end()
})
