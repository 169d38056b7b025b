/** New sessions while packets are under way: none is lost, whoever initiates, on good links and bad. */
import t from 'tap'
import { WG_WAITING_PACKETS } from '../../../src/tunnel/wireguard/limits.js'
import {
  CLIENT,
  connectedPair,
  endpoint,
  type Host,
  kind,
  type Pair,
  packet,
  pair,
  SEED,
  SERVER,
} from './world.js'

const BOTH_CALL = { clientPeer: { endpoint: endpoint(CLIENT) } }

/** Both sides send a numbered packet every `every` ms. */
function talk({ world, client, server }: Pair, milliseconds: number, every: number): number {
  const count = Math.floor(milliseconds / every)
  for (let n = 0; n < count; n++) {
    client.transmit(packet('10.0.0.1', '10.0.0.2', n))
    server.transmit(packet('10.0.0.2', '10.0.0.1', n))
    world.run(every)
  }
  world.run(1000)
  return count
}

function handshakes({ world }: Pair): number {
  return world.sent.filter((d) => kind(d.bytes) === 2).length
}

/** Each number exactly once. */
function complete(host: Host, count: number): boolean {
  return host.received.length === count && new Set(host.received).size === count
}

t.test('one side initiates: ten minutes of traffic, nothing lost', (t) => {
  const both = connectedPair()
  both.world.quality.delay = 60
  const count = talk(both, 590_000, 50)
  t.ok(complete(both.client, count), `${both.client.received.length} of ${count}`)
  t.ok(complete(both.server, count), `${both.server.received.length} of ${count}`)
  t.equal(handshakes(both), 5)
  t.end()
})

t.test('both initiate at once: nothing is lost', (t) => {
  const both = pair(BOTH_CALL)
  both.world.quality.delay = 60
  both.server.open()
  both.client.open()
  both.world.run(300)
  t.same(both.client.story, ['up'])
  t.same(both.server.story, ['up'])
  t.equal(handshakes(both), 2, 'two sessions')
  const count = talk(both, 400_000, 50)
  t.ok(complete(both.client, count), `${both.client.received.length} of ${count}`)
  t.ok(complete(both.server, count), `${both.server.received.length} of ${count}`)
  t.end()
})

t.test(`a link that reorders by up to 200 ms: nothing is lost, seeds from ${SEED}`, (t) => {
  for (let seed = SEED; seed < SEED + 6; seed++) {
    const both = pair({ seed, ...(seed % 2 === 0 ? BOTH_CALL : {}) })
    both.world.quality.jitter = 200
    both.server.open()
    both.client.open()
    both.world.run(10_000)
    const count = talk(both, 140_000, 40)
    t.ok(complete(both.client, count), `seed ${seed}: ${both.client.received.length} of ${count}`)
    t.ok(complete(both.server, count), `seed ${seed}: ${both.server.received.length} of ${count}`)
  }
  t.end()
})

t.test(`loss, duplicates and reordering: only the link loses, seeds from ${SEED}`, (t) => {
  for (let seed = SEED; seed < SEED + 10; seed++) {
    const both = pair({ seed, ...(seed % 2 === 0 ? BOTH_CALL : {}) })
    Object.assign(both.world.quality, { jitter: 100, loss: 0.1, duplicate: 0.1 })
    both.server.open()
    both.client.open()
    both.world.run(40_000)
    let lost = 0
    const { filter } = both.world
    both.world.filter = (d) => {
      if (kind(d.bytes) === 4 && d.bytes.length > 32) lost++
      return filter(d)
    }
    const count = talk(both, 200_000, 50)
    for (const host of [both.client, both.server]) {
      t.equal(new Set(host.received).size, host.received.length, 'nothing twice')
      const share = host.received.length / count
      t.ok(share > 0.86 && share < 0.94, `seed ${seed}: ${Math.round(share * 100)} % arrive`)
    }
    t.equal(lost, 2 * count, 'everything was sent at once or after waiting')
    t.same(
      both.client.story.filter((kind) => kind === 'down'),
      [],
    )
  }
  t.end()
})

t.test('a third of everything lost for ten minutes: it stays up or comes back', (t) => {
  for (let seed = SEED; seed < SEED + 5; seed++) {
    const both = pair({ seed })
    both.world.quality.loss = 0.33
    both.server.open()
    both.client.open()
    talk(both, 600_000, 1000)
    both.world.quality.loss = 0
    both.world.run(11_000)
    t.ok(['up', 'resolve'].includes(both.client.story.at(-1) ?? ''))
    const before = both.server.received.length
    both.client.transmit(packet('10.0.0.1', '10.0.0.2', 1))
    both.world.run(6000)
    t.equal(both.server.received.length, before + 1)
  }
  t.end()
})

t.test('the confirming packet is lost: the responder goes on in the old session', (t) => {
  const both = connectedPair()
  const { world, client, server } = both
  world.run(119_000)
  let responses = 0
  world.filter = (d) => {
    if (kind(d.bytes) === 2) responses++
    return !(responses === 1 && d.from === CLIENT)
  }
  world.run(4000)
  t.equal(responses, 1, 'renewed')
  server.transmit(packet('10.0.0.2', '10.0.0.1', 1))
  world.run(100)
  t.same(client.received, [1])
  world.filter = () => true
  client.transmit(packet('10.0.0.1', '10.0.0.2', 2))
  world.run(100)
  server.transmit(packet('10.0.0.2', '10.0.0.1', 3))
  world.run(100)
  t.same(client.received, [1, 3])
  t.same(server.received, [2])
  t.end()
})

t.test('the response is lost: the initiator tries again while the old session goes on', (t) => {
  const both = connectedPair()
  const { world, client, server } = both
  world.run(119_000)
  let drop = 2
  world.filter = (d) => !(d.from === SERVER && kind(d.bytes) === 2 && drop-- > 0)
  const count = talk(both, 20_000, 100)
  t.ok(complete(client, count))
  t.ok(complete(server, count))
  t.end()
})

t.test('replays are refused, in every session and for initiations', (t) => {
  const both = connectedPair()
  const { world, client, server } = both
  const initiation = world.sent.find((d) => kind(d.bytes) === 1)
  client.transmit(packet('10.0.0.1', '10.0.0.2', 1), packet('10.0.0.1', '10.0.0.2', 2))
  world.run(100)
  const data = world.sent.filter((d) => d.from === CLIENT && kind(d.bytes) === 4)
  const sent = world.sent.length
  for (const { bytes } of data) server.receive(CLIENT, bytes, bytes)
  t.same(server.received, [1, 2])
  t.equal(server.tunnel.counters.drops.replay, 2 * data.length)
  server.receive('192.0.2.66:666', initiation?.bytes ?? new Uint8Array(0))
  t.equal(world.sent.length, sent, 'an old initiation gets no answer')
  t.equal(server.tunnel.endpoint, CLIENT, 'and moves nobody')
  for (const { bytes } of data) server.receive('192.0.2.66:666', bytes)
  t.equal(server.tunnel.endpoint, CLIENT)
  t.end()
})

t.test('initiations in too quick succession', (t) => {
  const { world, client, server } = pair()
  server.open()
  for (let n = 0; n < 20; n++) {
    client.open()
    world.run(1)
    client.close()
  }
  world.run(100)
  const responses = world.sent.filter((d) => kind(d.bytes) === 2).length
  t.ok(responses <= 2, `${responses} responses in 20 ms`)
  t.end()
})

t.test('what waits for a session is bounded, and goes on in order', (t) => {
  const { world, client, server } = pair()
  client.open()
  for (let n = 0; n < 3 * WG_WAITING_PACKETS; n++)
    client.transmit(packet('10.0.0.1', '10.0.0.2', n))
  server.open()
  world.run(6000)
  t.same(
    server.received,
    Array.from({ length: WG_WAITING_PACKETS }, (_, i) => i + 2 * WG_WAITING_PACKETS),
  )
  t.end()
})
