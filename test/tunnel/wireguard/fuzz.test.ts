/** Hostile datagrams: nothing throws, and what is not authentic changes nothing but counters. */
import fc from 'fast-check'
import t from 'tap'
import type { Bytes } from '../../../src/core/types.js'
import { seededNumbers } from '../../support/seeded.js'
import {
  CLIENT,
  connectedPair,
  type Host,
  kind,
  type Pair,
  packet,
  pair,
  SEED,
  SERVER,
} from './world.js'

const NOBODY = '192.0.2.66:666'
const SECONDS = Number(process.env.FUZZ_SECONDS ?? 4)
const PARAMETERS = { seed: SEED, interruptAfterTimeLimit: SECONDS * 250, numRuns: 1_000_000 }

interface State {
  readonly endpoint: string | undefined
  readonly lastHandshake: number | undefined
  readonly deadline: number
  readonly events: number
  readonly received: number
}

function state(host: Host): State {
  return {
    endpoint: host.tunnel.endpoint,
    lastHandshake: host.tunnel.lastHandshake,
    deadline: host.tunnel.deadline(),
    events: host.events.length,
    received: host.received.length,
  }
}

function drops(host: Host): number {
  return Object.values(host.tunnel.counters.drops).reduce((a, b) => a + b, 0)
}

/** The session still works, both ways. */
function works({ world, client, server }: Pair): boolean {
  const [a, b] = [client.received.length, server.received.length]
  client.transmit(packet('10.0.0.1', '10.0.0.2', 1))
  server.transmit(packet('10.0.0.2', '10.0.0.1', 2))
  world.run(50)
  return client.received.length === a + 1 && server.received.length === b + 1
}

/** Every kind of message of a live pair: those that both sides have seen. */
function recorded(both: Pair): Bytes[] {
  return both.world.sent.map((d) => d.bytes)
}

t.test(`random bytes behind every type, seed ${SEED}`, (t) => {
  const both = connectedPair()
  const before = state(both.server)
  const sizes = [0, 1, 3, 4, 16, 31, 32, 33, 63, 64, 65, 91, 92, 93, 147, 148, 149, 1500, 2048]
  const datagram = fc.tuple(
    fc.constantFrom(0, 1, 2, 3, 4, 5, 255, 0x0104),
    fc.constantFrom(...sizes),
    fc.uint8Array({ minLength: 64, maxLength: 64 }),
  )
  let sent = 0
  const dropsBefore = drops(both.server)
  fc.assert(
    fc.property(fc.array(datagram, { minLength: 1, maxLength: 40 }), (list) => {
      const bytes = list.map(([type, size, content]) => {
        const out = Uint8Array.from({ length: size }, (_, i) => content[i % 64] as number)
        out.set([type & 255, type >> 8, 0, 0].slice(0, size))
        return out
      })
      both.server.receive(NOBODY, ...bytes)
      sent += bytes.filter((b) => b.length > 0).length
      return drops(both.server) - dropsBefore === sent
    }),
    PARAMETERS,
  )
  t.same(state(both.server), before)
  t.ok(works(both))
  t.end()
})

t.test(`real messages with bits flipped, cut or grown, seed ${SEED}`, (t) => {
  const both = connectedPair()
  both.world.run(500)
  const live = recorded(both)
  const indexed = fc.nat(live.length - 1)
  const change = fc.oneof(
    fc.record({ how: fc.constant('flip' as const), at: fc.nat(1199) }),
    fc.record({ how: fc.constant('cut' as const), at: fc.nat(147) }),
    fc.record({ how: fc.constant('grow' as const), at: fc.integer({ min: 1, max: 200 }) }),
  )
  const before = [state(both.client), state(both.server)]
  fc.assert(
    fc.property(indexed, change, fc.boolean(), (which, { how, at }, toClient) => {
      const original = live[which] ?? new Uint8Array(0)
      let bytes: Bytes
      if (how === 'cut') bytes = original.slice(0, at % original.length)
      else if (how === 'grow') bytes = Uint8Array.from([...original, ...new Uint8Array(at)])
      else {
        bytes = Uint8Array.from(original)
        const bit = at % (original.length * 8)
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      }
      ;(toClient ? both.client : both.server).receive(NOBODY, bytes)
    }),
    PARAMETERS,
  )
  t.same([state(both.client), state(both.server)], before)
  t.ok(works(both))
  t.end()
})

t.test(`handshakes while somebody meddles with every message, seed ${SEED}`, (t) => {
  const random = seededNumbers(SEED)
  const end = Date.now() + SECONDS * 250
  let rounds = 0
  while (Date.now() < end || rounds < 5) {
    const both = pair({ seed: SEED + rounds })
    const { world, client, server } = both
    world.filter = (d) => {
      // A copy with one bit changed overtakes each message, and the message itself comes twice.
      const forged = Uint8Array.from(d.bytes)
      const bit = Math.floor(random() * forged.length * 8)
      forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7))
      const target = d.to === SERVER ? server : client
      world.at(world.now + 1, () => target.receive(d.from, forged))
      world.at(world.now + 20, () => target.receive(d.from, d.bytes))
      return true
    }
    server.open()
    client.open()
    world.run(1000)
    t.ok(works(both), `round ${rounds}`)
    t.equal(client.tunnel.endpoint, SERVER)
    t.equal(server.tunnel.endpoint, CLIENT)
    rounds++
  }
  t.end()
})

t.test(`IP packets from the stack of any content, seed ${SEED}`, (t) => {
  const both = connectedPair()
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 64 }), (packets) => {
      both.client.transmit(...packets)
      both.world.run(20)
    }),
    { ...PARAMETERS, interruptAfterTimeLimit: SECONDS * 150 },
  )
  t.ok(works(both))
  t.end()
})

t.test('a flood of handshakes leaves nothing behind', (t) => {
  const both = connectedPair()
  const initiation = both.world.sent.find((d) => kind(d.bytes) === 1)?.bytes ?? new Uint8Array(148)
  for (let n = 0; n < 3000; n++) {
    both.server.receive(`10.9.${n >> 8}.${n & 255}:9`, initiation)
    if (n % 10 === 0) both.world.run(1)
  }
  t.ok(both.world.sent.length < 3100, 'at most one small answer each')
  t.ok(
    both.world.sent.every((d) => kind(d.bytes) !== 3 || d.bytes.length === 64),
    'smaller than the question',
  )
  t.ok(works(both))
  t.end()
})
