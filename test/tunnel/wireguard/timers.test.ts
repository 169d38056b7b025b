/** The timers of section 6 of the paper, each with its effect on the wire, in virtual time. */
import t from 'tap'
import {
  CLIENT,
  connectedPair,
  type Datagram,
  kind,
  type Pair,
  packet,
  pair,
  SERVER,
} from './world.js'

/** Sent from here on: `seconds type` of each datagram of one side. */
function watch({ world }: Pair, from: string): () => string[] {
  const start = world.sent.length
  return () =>
    world.sent
      .slice(start)
      .filter((d) => d.from === from)
      .map((d) => `${Math.round(d.at / 1000)} ${what(d)}`)
}

function what({ bytes }: Datagram): string {
  const type = kind(bytes)
  return type === 4 && bytes.length === 32 ? 'keepalive' : `${type}`
}

t.test(
  'an unanswered initiation is sent again every 5 s and up to 333 ms; slower after 90 s',
  (t) => {
    const { world, client } = pair()
    client.open()
    world.run(200_000)
    const times = world.sent.map((d) => d.at)
    const gaps = times.slice(1).map((at, i) => at - (times[i] as number))
    const fast = gaps.filter((_, i) => (times[i] as number) < 90_000)
    const slow = gaps.filter((_, i) => (times[i] as number) >= 90_000)
    t.ok(fast.length >= 16 && fast.length <= 18, `${fast.length} in 90 s`)
    t.ok(fast.every((gap) => gap >= 5000 && gap <= 5333))
    t.ok(slow.length >= 10, 'it never gives up')
    t.ok(slow.every((gap) => gap >= 9500 && gap < 10_000))
    t.ok(new Set(fast).size > 10, 'the jitter differs')
    t.same(
      client.tunnel.counters.handshakes,
      { completed: 0, failed: times.length - 1 },
      'each that was not answered in time is counted',
    )
    t.same(new Set(client.story), new Set(['trying']))
    t.ok((client.events[0]?.at ?? 0) >= 5000 && (client.events[0]?.at ?? 0) <= 5333)
    t.match(client.events[0], {
      error: { message: `server unreachable: no answer from ${SERVER} to 1 handshake in 5 s` },
    })
    t.end()
  },
)

t.test('data received and nothing sent for 10 s: one keepalive', (t) => {
  const both = connectedPair()
  const log = watch(both, CLIENT)
  both.server.transmit(packet('10.0.0.2', '10.0.0.1', 1))
  both.world.run(60_000)
  t.same(log(), ['10 keepalive'])
  t.end()
})

t.test(
  'a stream of data without answers: a keepalive 10 s after the first that none has answered',
  (t) => {
    const both = connectedPair()
    const log = watch(both, CLIENT)
    for (let n = 0; n < 12; n++) {
      both.server.transmit(packet('10.0.0.2', '10.0.0.1', n))
      both.world.run(1000)
    }
    both.world.run(40_000)
    t.same(log(), ['10 keepalive', '21 keepalive'])
    t.end()
  },
)

t.test('an answer in time takes the place of the keepalive', (t) => {
  const both = connectedPair()
  const log = watch(both, CLIENT)
  both.server.transmit(packet('10.0.0.2', '10.0.0.1', 1))
  both.world.run(9000)
  both.client.transmit(packet('10.0.0.1', '10.0.0.2', 2))
  both.world.run(20_000)
  t.same(log(), ['9 4'])
  t.end()
})

t.test('data sent and nothing received for 15 s: a new handshake', (t) => {
  const both = connectedPair()
  const { world, client } = both
  world.filter = (d) => d.to === SERVER && kind(d.bytes) !== 4
  const log = watch(both, CLIENT)
  client.transmit(packet('10.0.0.1', '10.0.0.2', 1))
  world.run(14_900)
  t.same(log(), ['0 4'])
  world.run(500)
  t.same(log(), ['0 4', '15 1'])
  t.end()
})

t.test('the initiator renews an idle session after 120 s, so it never expires', (t) => {
  const both = connectedPair()
  const { world, client, server } = both
  world.run(610_000)
  const times = world.sent.filter((d) => kind(d.bytes) === 1).map((d) => d.at)
  t.equal(times.length, 6)
  const gaps = times.slice(1).map((at, i) => at - (times[i] as number))
  t.ok(gaps.every((gap) => gap >= 120_000 && gap < 120_400))
  t.same(client.story, ['up'])
  t.same(server.story, ['up'])
  server.transmit(packet('10.0.0.2', '10.0.0.1', 1))
  world.run(1000)
  t.same(client.received, [1], 'the server reaches an idle client')
  t.end()
})

t.test('a session is used for nothing after 180 s', (t) => {
  const both = connectedPair()
  const { world, client, server } = both
  world.filter = (d) => kind(d.bytes) === 4
  world.run(179_000)
  client.transmit(packet('10.0.0.1', '10.0.0.2', 1))
  world.run(500)
  t.same(server.received, [1])
  // Sent in time, and received too late.
  world.run(300)
  world.quality.delay = 1000
  client.transmit(packet('10.0.0.1', '10.0.0.2', 2))
  world.run(2000)
  t.same(server.received, [1])
  t.equal(server.tunnel.counters.drops.session, 1)
  const sent = world.sent.filter((d) => kind(d.bytes) === 4).length
  client.transmit(packet('10.0.0.1', '10.0.0.2', 3))
  t.equal(world.sent.filter((d) => kind(d.bytes) === 4).length, sent, 'waits for a new session')
  world.quality.delay = 10
  world.filter = () => true
  world.run(6000)
  t.same(server.received, [1, 3])
  t.end()
})

t.test('keys are wiped 540 s after the last handshake', (t) => {
  let destroyed = 0
  const { world, client } = connectedPair({
    client: {
      packetCipher: () => ({
        seal() {},
        open() {},
        destroy() {
          destroyed++
        },
      }),
    },
  })
  world.filter = () => false
  world.run(539_000)
  t.equal(destroyed, 0)
  world.run(2000)
  t.equal(destroyed, 2, 'both directions')
  t.same(client.story.filter((kind) => kind === 'down').length, 1)
  t.end()
})

t.test('persistent keepalive', (t) => {
  const both = connectedPair({ serverPeer: { persistentKeepalive: 25 } })
  const log = watch(both, CLIENT)
  both.world.run(80_000)
  t.same(log(), ['25 keepalive', '50 keepalive', '75 keepalive'])
  both.world.run(15_000)
  both.client.transmit(packet('10.0.0.1', '10.0.0.2', 1))
  both.world.run(24_000)
  t.same(log().at(-1), '95 4', 'traffic puts it off')
  t.end()
})

t.test('the responder starts a session itself when it has data and the old one has gone', (t) => {
  const both = connectedPair()
  const { world, client, server } = both
  world.filter = (d) => d.from !== CLIENT || kind(d.bytes) !== 1
  world.run(200_000)
  server.transmit(packet('10.0.0.2', '10.0.0.1', 7))
  world.run(1000)
  t.same(client.received, [7])
  t.end()
})

t.test(
  'a responder with a learnt endpoint gives up after 90 s, and its packets are dropped',
  (t) => {
    const both = connectedPair()
    const { world, server } = both
    world.filter = () => false
    world.run(200_000)
    const log = watch(both, SERVER)
    server.transmit(packet('10.0.0.2', '10.0.0.1', 7))
    world.run(300_000)
    const initiations = log().filter((line) => line.endsWith(' 1')).length
    t.ok(initiations >= 17 && initiations <= 19, `${initiations} initiations`)
    t.equal(server.tunnel.counters.drops.queue, 1)
    t.same(server.story, ['up', 'down'])
    t.end()
  },
)

t.test('an initiator that only receives renews at 165 s if it could not before', (t) => {
  const both = connectedPair()
  const { world, client, server } = both
  const log = watch(both, CLIENT)
  for (let second = 0; second < 200; second++) {
    server.transmit(packet('10.0.0.2', '10.0.0.1', second))
    world.run(1000)
  }
  t.equal(log().filter((line) => line.endsWith(' 1')).length, 1)
  t.equal(client.received.length, 200)
  t.end()
})

t.test('idle, nothing but renewals is sent', (t) => {
  const both = connectedPair()
  const start = both.world.sent.length
  both.world.run(119_000)
  t.equal(both.world.sent.length, start)
  t.end()
})
