/** Datagrams whose source the socket can't tell: they are taken as from where the peer was last. */
import t from 'tap'
import { WG_HANDSHAKES_PER_SECOND } from '../../../src/tunnel/wireguard/limits.js'
import {
  CLIENT,
  connectedPair,
  type Host,
  kind,
  packet,
  pair,
  SERVER,
  stranger,
  type World,
} from './world.js'

/** From now on this host is never told a source. */
function hideSources(host: Host): void {
  const receive = host.receive.bind(host)
  host.receive = (_from, ...datagrams) => receive(undefined, ...datagrams)
}

function to(world: World, address: string, type: number): number {
  return world.sent.filter((d) => d.to === address && kind(d.bytes) === type).length
}

t.test('data is taken, and the peer stays where it is known to be', (t) => {
  const { world, client, server } = connectedPair()
  const deliver = client.receive.bind(client)
  hideSources(client)
  server.transmit(packet('10.0.0.2', '10.0.0.1', 7))
  world.run(100)
  t.same(client.received, [7])
  t.equal(client.tunnel.endpoint, SERVER)
  server.move('198.51.100.5:51820')
  server.transmit(packet('10.0.0.2', '10.0.0.1', 8))
  world.run(100)
  t.equal(client.tunnel.endpoint, SERVER)
  client.receive = deliver
  server.transmit(packet('10.0.0.2', '10.0.0.1', 9))
  world.run(100)
  t.same(client.received, [7, 8, 9])
  t.equal(client.tunnel.endpoint, '198.51.100.5:51820', 'the first that tells shows it')
  t.end()
})

t.test('sessions are made and renewed', (t) => {
  const { world, client, server } = pair()
  hideSources(client)
  server.open()
  client.open()
  world.run(1000)
  t.same(client.story, ['up'])
  hideSources(server)
  const answers = to(world, CLIENT, 2)
  for (let second = 0; second < 130; second++) {
    client.transmit(packet('10.0.0.1', '10.0.0.2', second))
    world.run(1000)
  }
  t.ok(to(world, CLIENT, 2) > answers, 'answered where the client is known to be')
  t.equal(server.received.length, 130)
  t.end()
})

t.test('an initiation of a peer that is known nowhere waits for one with a source', (t) => {
  const { world, client, server } = pair()
  server.open()
  world.filter = () => false
  client.open()
  const [initiation] = world.sent
  if (initiation === undefined) throw new Error('an initiation')
  server.receive(undefined, Uint8Array.from(initiation.bytes))
  t.equal(to(world, CLIENT, 2), 0)
  server.receive(CLIENT, Uint8Array.from(initiation.bytes))
  t.equal(to(world, CLIENT, 2), 1, 'it was not used up')
  t.end()
})

t.test('load on a client that is told no source: its server gets in with a cookie', (t) => {
  const { world, client, server } = pair()
  hideSources(client)
  server.open()
  const bogus = stranger(client)
  const flood = () => {
    for (let n = 0; n < WG_HANDSHAKES_PER_SECOND + 50; n++) client.receive(undefined, bogus)
    world.at(world.now + 1000, flood)
  }
  client.open()
  flood()
  world.run(12_000)
  t.equal(client.story.at(-1), 'up')
  t.ok(to(world, SERVER, 3) > 0, 'a cookie reply, to where the server is known to be')
  t.end()
})
