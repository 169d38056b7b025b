/** Up, trying and down; how soon a tunnel is back; endpoints by name. */
import t from 'tap'
import {
  CLIENT,
  connectedPair,
  endpoint,
  Host,
  kind,
  packet,
  pair,
  peerOf,
  SEED,
  SERVER,
} from './world.js'

t.test('down when retries have failed for 15 s, up within 6 s of the path coming back', (t) => {
  const { world, client } = connectedPair()
  world.filter = () => false
  const cutAt = world.now
  client.transmit(packet('10.0.0.1', '10.0.0.2', 1))
  world.run(50_000)
  t.same(client.story, ['up', 'down'])
  const down = client.events[1]
  t.ok((down?.at ?? 0) - cutAt >= 30_000 && (down?.at ?? 0) - cutAt < 32_000)
  t.match(down, {
    error: {
      code: 'ERR_TIMEOUT',
      message: /^server unreachable: no answer from 192.0.2.2:51820 to 3 handshakes in /,
    },
  })
  world.filter = () => true
  const backAt = world.now
  world.run(20_000)
  t.same(client.story, ['up', 'down', 'up'])
  t.ok((client.events[2]?.at ?? 0) - backAt < 6000)
  t.end()
})

t.test('after a long cut it is back within 10 s', (t) => {
  const { world, client, server } = connectedPair()
  world.filter = () => false
  client.transmit(packet('10.0.0.1', '10.0.0.2', 1))
  world.run(1_000_000)
  world.filter = () => true
  const backAt = world.now
  client.transmit(packet('10.0.0.1', '10.0.0.2', 2))
  world.run(10_000)
  t.same(client.story, ['up', 'down', 'up'])
  t.ok((client.events[2]?.at ?? 0) - backAt < 10_000)
  t.same(server.received, [2], 'what is older than the attempt is not sent any more')
  t.end()
})

t.test('renewals that fail do not take a session down that still carries packets', (t) => {
  const { world, client, server } = connectedPair()
  world.filter = (d) => kind(d.bytes) === 4
  for (let second = 0; second < 175; second++) {
    client.transmit(packet('10.0.0.1', '10.0.0.2', second))
    server.transmit(packet('10.0.0.2', '10.0.0.1', second))
    world.run(1000)
  }
  t.same(client.story, ['up'])
  t.equal(client.received.length, 175)
  world.run(30_000)
  t.same(client.story, ['up', 'down'])
  t.end()
})

t.test('a server that starts anew: the client is down for a short time at most', (t) => {
  const { world, client, server } = connectedPair()
  server.close()
  server.open()
  client.transmit(packet('10.0.0.1', '10.0.0.2', 1))
  world.run(16_000)
  client.transmit(packet('10.0.0.1', '10.0.0.2', 2))
  world.run(100)
  t.same(server.received, [2])
  t.same(client.story, ['up'])
  t.end()
})

t.test('nobody to call', (t) => {
  const { world, server, client } = pair()
  server.open()
  world.run(5000)
  t.match(server.events, [{ kind: 'trying', error: { code: 'ERR_DOWN' } }])
  client.open()
  world.run(100)
  t.same(server.story, ['trying', 'up'])
  t.end()
})

t.test('several peers: up while any has a session', (t) => {
  const { world, server, client } = pair({ seed: SEED + 5 })
  const otherAddress = '192.0.2.3:51820'
  const three = new Host({
    world,
    address: '192.0.2.9:1',
    seed: 77,
    peers: [
      peerOf(server.keys, { endpoint: endpoint(otherAddress), allowedIps: ['10.3.0.0/16'] }),
      peerOf(client.keys, { endpoint: endpoint(CLIENT), allowedIps: ['10.4.0.0/16'] }),
    ],
  })
  const callee = new Host({
    world,
    address: CLIENT,
    keys: client.keys,
    peers: [peerOf(three.keys)],
  })
  callee.open()
  three.open()
  world.run(1000)
  t.same(three.story, ['up'], 'by the second peer')
  t.equal(three.tunnel.endpoint, otherAddress)
  world.run(60_000)
  t.same(three.story, ['up'], 'the silent first peer is not held against it')
  callee.close()
  world.run(200_000)
  t.same(three.story, ['up', 'down'])
  t.end()
})

t.test('an endpoint by name is resolved at the start', (t) => {
  const { world, client, server } = pair({
    client: { names: { 'vpn.example': ['192.0.2.2'] } },
    serverPeer: { endpoint: { host: 'vpn.example', port: 51820 } },
  })
  server.open()
  client.open()
  t.equal(client.tunnel.endpoint, 'vpn.example:51820')
  world.run(100)
  t.same(client.story, ['resolve', 'up'])
  t.equal(client.tunnel.endpoint, SERVER)
  t.end()
})

t.test('a name that does not resolve, then does', (t) => {
  const names: Record<string, readonly string[]> = { 'vpn.example': [] }
  const { world, client, server } = pair({
    client: { names },
    serverPeer: { endpoint: { host: 'vpn.example', port: 51820 } },
  })
  server.open()
  client.open()
  world.run(12_000)
  t.match(client.events.slice(0, 2), [
    { kind: 'resolve' },
    {
      kind: 'trying',
      at: 20,
      error: {
        code: 'ERR_NAME',
        message: 'server unreachable: the name vpn.example does not resolve',
      },
    },
  ])
  t.equal(client.story.filter((kind) => kind === 'resolve').length, 3, 'asked again every 5 s')
  names['vpn.example'] = ['192.0.2.2']
  world.run(5500)
  t.equal(client.story.at(-1), 'up')
  t.end()
})

t.test('a resolver that never answers is asked again', (t) => {
  const { world, client } = pair({
    serverPeer: { endpoint: { host: 'vpn.example', port: 51820 } },
  })
  client.open()
  world.run(60_000)
  const asked = client.story.filter((kind) => kind === 'resolve').length
  t.ok(asked >= 3 && asked <= 5, `${asked} times`)
  t.ok(client.story.includes('trying'))
  client.tunnel.resolved(1, [new Uint8Array(24)], world.now)
  client.tunnel.resolved(12_345, [], world.now)
  t.same(world.sent, [], 'answers to old or unknown questions are ignored')
  t.end()
})

t.test('several addresses are tried in turn', (t) => {
  const { world, client, server } = pair({
    client: { names: { 'vpn.example': ['192.0.2.77', '192.0.2.78', '192.0.2.2'] } },
    serverPeer: { endpoint: { host: 'vpn.example', port: 51820 } },
  })
  server.open()
  client.open()
  world.run(12_000)
  t.same(
    world.sent.filter((d) => kind(d.bytes) === 1).map((d) => d.to),
    ['192.0.2.77:51820', '192.0.2.78:51820', SERVER],
  )
  t.equal(client.story.at(-1), 'up')
  t.match(client.events[1], {
    error: { message: /vpn\.example:51820 \(192\.0\.2\.77:51820 and 2 more\)/ },
  })
  t.end()
})

t.test(
  'when the server moves, its name is looked up again and the new address used at once',
  (t) => {
    const names: Record<string, readonly string[]> = { 'vpn.example': ['192.0.2.2'] }
    const { world, client, server } = pair({
      client: { names },
      serverPeer: { endpoint: { host: 'vpn.example', port: 51820 } },
    })
    server.open()
    client.open()
    world.run(100)
    server.move('192.0.2.22:51820')
    names['vpn.example'] = ['192.0.2.22']
    client.transmit(packet('10.0.0.1', '10.0.0.2', 1))
    world.run(15_500)
    const tried = world.now
    world.run(5500)
    client.transmit(packet('10.0.0.1', '10.0.0.2', 2))
    world.run(100)
    t.same(server.received, [2])
    t.ok((client.tunnel.lastHandshake ?? 0) - tried < 5400)
    t.same(
      client.story.filter((kind) => kind === 'down'),
      [],
    )
    t.end()
  },
)
