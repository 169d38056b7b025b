/** Servers and strangers that mean no good: everything is counted and dropped, or ends the connection; nothing grows. */
import fc from 'fast-check'
import t from 'tap'
import { socketAddress } from '../../../src/core/socket-address.js'
import { encodeBody } from '../../../src/tunnel/openvpn/control-packet.js'
import { PlainWrap } from '../../../src/tunnel/openvpn/control-wrap.js'
import { ServerStream } from '../../../src/tunnel/openvpn/key-method.js'
import {
  OVPN_CONTROL_QUEUE_BYTES,
  OVPN_MESSAGE_BYTES,
  OVPN_PUSHED_OPTIONS,
  OVPN_ROUTES,
} from '../../../src/tunnel/openvpn/limits.js'
import { Negotiation } from '../../../src/tunnel/openvpn/negotiation.js'
import {
  firstByte,
  P_CONTROL_HARD_RESET_CLIENT_V2,
  P_CONTROL_V1,
} from '../../../src/tunnel/openvpn/opcode.js'
import { PushedOptions } from '../../../src/tunnel/openvpn/push-options.js'
import { newKeySource } from '../../../src/tunnel/openvpn/session-keys.js'
import { fuzzRun, pieces } from '../../support/fuzz.js'
import { seededNumbers } from '../../support/seeded.js'
import { options, PUSH, packet, SEED, World } from './world.js'

const NO_RULES = { routeNoPull: false, filters: [] }
const drops = (world: World) =>
  Object.values(world.tunnel.counters.drops).reduce((a, b) => a + b, 0)

function up(world: World): boolean {
  world.tunnel.open(world.now)
  return world.run(60_000, () => world.state === 'up')
}

t.test(`any datagram, and any change of a real one, in every phase, seed ${SEED}`, (t) => {
  const random = seededNumbers(SEED)
  for (let round = 0; round < 60; round++) {
    const world = new World(options(), { push: PUSH }, {}, SEED + round)
    world.tunnel.open(world.now)
    world.run(random() * 120)
    const real = world.server.poll(world.now)
    for (let i = 0; i < 200; i++) {
      const base = real[Math.floor(random() * real.length)] ?? new Uint8Array(40)
      const bytes = Uint8Array.from(
        base.subarray(0, random() < 0.3 ? random() * base.length : undefined),
      )
      if (random() < 0.5) for (let n = 0; n < bytes.length; n++) bytes[n] = random() * 256
      // Not the session: who can change that can do anything without a wrap.
      else if (bytes.length > 0) bytes[0] = random() * 256
      world.down(bytes)
    }
    t.ok(drops(world) > 100, `${drops(world)} dropped`)
  }
  t.end()
})

t.test('strangers are not heard, and do not keep the server from answering', (t) => {
  const world = new World(options(), { push: PUSH })
  world.tunnel.open(world.now)
  world.run(5)
  const reset = Uint8Array.of(0x40, ...new Uint8Array(8).fill(6), 0, 0, 0, 0, 0)
  world.down(reset)
  world.down(Uint8Array.of(0x40, ...new Uint8Array(8).fill(6), 1, ...new Uint8Array(16)))
  t.equal(world.tunnel.counters.drops.control, 2, 'no answer to our own session')
  world.down(reset, socketAddress(Uint8Array.of(198, 51, 100, 1), 1194))
  t.equal(world.tunnel.counters.drops.address, 1)
  t.ok(world.run(60_000, () => world.state === 'up'))
  const data = world.server.sealed(packet([10, 8, 0, 2]), world.now)
  world.down(data, socketAddress(Uint8Array.of(198, 51, 100, 1), 1194))
  t.equal(world.received.length, 0)
  world.down(data)
  world.down(data)
  t.equal(world.received.length, 1, 'a replay is dropped')
  t.equal(world.tunnel.counters.drops.replay, 1)
  t.end()
})

t.test('float: authentic packets may come from elsewhere, and then all goes there', (t) => {
  const world = new World(options({ float: true }), { push: PUSH })
  t.ok(up(world))
  const elsewhere = socketAddress(Uint8Array.of(198, 51, 100, 7), 4000)
  world.down(Uint8Array.of(0x48, 0, 0, 0, ...new Uint8Array(40)), elsewhere)
  t.equal(world.tunnel.counters.drops.forged, 1)
  world.down(world.server.sealed(packet([10, 8, 0, 2]), world.now), elsewhere)
  t.equal(world.received.length, 1)
  t.end()
})

t.test('what comes without a source is the server\u2019s, and moves nothing', (t) => {
  const world = new World(options(), { push: PUSH })
  const nowhere = new Uint8Array(24)
  world.tunnel.open(world.now)
  t.ok(world.run(60_000, () => world.state === 'up'))
  world.down(world.server.sealed(packet([10, 8, 0, 2]), world.now), nowhere)
  t.equal(world.received.length, 1)
  t.equal(world.tunnel.counters.drops.address, 0)
  world.down(Uint8Array.of(0x48, 0, 0, 0, ...new Uint8Array(40)), nowhere)
  t.equal(world.tunnel.counters.drops.forged, 1)
  world.down(world.server.sealed(packet([10, 8, 0, 2]), world.now))
  t.equal(world.received.length, 2, 'the address is what it was')
  t.end()
})

t.test('a push without end', (t) => {
  const world = new World(options(), {})
  world.tunnel.open(world.now)
  world.run(500)
  const many = `PUSH_REPLY,${'route 10.0.0.0,'.repeat(500)}push-continuation 2`
  for (let i = 0; i < 20; i++) {
    world.server.say(many)
    world.run(3000, () => world.state === 'trying')
  }
  t.equal(world.state, 'trying')
  t.match(world.message, /broke the protocol: it pushes too many options/)
  const pushed = new PushedOptions()
  t.ok(pushed.readMessage('route 10.0.0.0,'.repeat(OVPN_ROUTES + 7), NO_RULES))
  t.equal(pushed.routes.length, OVPN_ROUTES)
  t.equal(pushed.routesLeftOut, 7)
  t.notOk(pushed.readMessage('x,'.repeat(OVPN_PUSHED_OPTIONS), NO_RULES))
  t.end()
})

t.test('a message without end, and key messages that are none', (t) => {
  const world = new World(options(), { messages: ['A'.repeat(OVPN_MESSAGE_BYTES - 10), 'B'] })
  world.tunnel.open(world.now)
  world.run(3000)
  t.not(world.state, 'up')
  for (const [bytes, words] of [
    [Uint8Array.of(0, 0, 0, 0, 1, 9, 9, 9), /is not OpenVPN/],
    [Uint8Array.of(0, 0, 0, 0, 2, ...new Uint8Array(64), 0xff, 0xff), /was not done in 60 s/],
  ] as const) {
    const bad = new World(options(), { keyMessage: bytes })
    bad.tunnel.open(bad.now)
    t.ok(bad.run(70_000, () => bad.state === 'trying'))
    t.match(bad.message, words)
  }
  const stream = new ServerStream()
  stream.push(Uint8Array.of(0, 0, 0, 0, 2, ...new Uint8Array(66)))
  t.equal(stream.take()?.kind, 'key')
  let going = true
  for (let i = 0; i < 1000 && going; i++) {
    going = stream.push(new Uint8Array(1000).fill(65))
    if (stream.take() !== undefined) t.fail('nothing is whole')
    going &&= !stream.broken
  }
  t.notOk(going, 'given up')
  t.end()
})

t.test('soft resets without end', (t) => {
  const world = new World(options(), { push: PUSH })
  t.ok(up(world))
  for (let i = 0; i < 200; i++) {
    world.server.renegotiate(world.now)
    world.run(5)
  }
  world.run(30_000)
  t.equal(world.state, 'up')
  t.end()
})

t.test('a peer that makes TLS talk without listening', (t) => {
  const negotiation = new Negotiation({
    keyId: 0,
    opening: P_CONTROL_HARD_RESET_CLIENT_V2,
    source: newKeySource((out) => out.fill(1)),
    tls: () => t.fail('no TLS before an answer') as never,
    onTls: () => undefined,
    now: 0,
  })
  let bytes = 0
  while (negotiation.tlsEvent({ kind: 'output', bytes: new Uint8Array(1000) })) bytes += 1000
  t.ok(bytes <= OVPN_CONTROL_QUEUE_BYTES)
  t.end()
})

t.test('any push is survived', (t) => {
  const word = fc.constantFrom(
    ...['route', 'route-ipv6', 'ifconfig', 'ifconfig-ipv6', 'dhcp-option', 'DNS', 'DOMAIN', 'dns'],
    ...[
      'server',
      'address',
      'peer-id',
      'cipher',
      'ping',
      'auth-token',
      'auth-token-user',
      'compress',
    ],
    ...[
      '10.0.0.0',
      '255.255.0.0',
      '2001:db8::/32',
      '0',
      '-1',
      '99999999999',
      '__proto__',
      'toString',
    ],
    ...[' ', '"', "'", '\\', ','],
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string()), { maxLength: 40 }), (words) => {
      const pushed = new PushedOptions()
      pushed.readMessage(words.join(' '), NO_RULES)
      for (const { bits, address } of pushed.routes) {
        if (bits < 0 || bits > 8 * address.length) throw new Error(`${bits} bits`)
      }
      if (pushed.ignored.size > 64) throw new Error('too many names kept')
    }),
    fuzzRun as fc.Parameters<[string[]]>,
  )
  t.end()
})

t.test('the stream of the server, in any pieces', (t) => {
  const key = Uint8Array.of(
    0,
    0,
    0,
    0,
    2,
    ...new Uint8Array(64).fill(5),
    0,
    3,
    86,
    52,
    0,
    0,
    0,
    0,
    0,
  )
  const text = new TextEncoder().encode('PUSH_REPLY,a b\0INFO,x\0')
  const stream = Uint8Array.of(...key, ...text)
  fc.assert(
    fc.property(fc.array(fc.nat(200), { maxLength: 10 }), (cuts) => {
      const reader = new ServerStream()
      const got: string[] = []
      for (const piece of pieces(stream, cuts)) {
        reader.push(piece)
        for (let item = reader.take(); item; item = reader.take()) {
          got.push(item.kind === 'key' ? item.message.options : item.text)
        }
      }
      t.same(got, ['V4', 'PUSH_REPLY,a b', 'INFO,x'])
    }),
    { ...(fuzzRun as fc.Parameters<[number[]]>), numRuns: 300 },
  )
  t.end()
})

t.test('a server that answers byte by byte gets no more time than others', (t) => {
  const world = new World(options(), { push: PUSH })
  world.tunnel.open(world.now)
  world.run(15)
  const [reset] = world.server.poll(world.now)
  world.silent = true
  if (reset !== undefined) world.down(reset)
  const began = world.now
  const wrap = new PlainWrap()
  for (let id = 1; world.state !== 'trying' && id < 100; id++) {
    const body = encodeBody({
      acks: [],
      peerSessionId: undefined,
      messageId: id,
      payload: Uint8Array.of(1),
    })
    const head = Uint8Array.of(firstByte(P_CONTROL_V1, 0), 8, 7, 6, 5, 4, 3, 2, 1)
    world.down(wrap.wrap(head, body))
    world.run(2000, () => world.state === 'trying')
  }
  t.equal(world.state, 'trying')
  t.match(world.message, /^the handshake with .* was not done in 60 s$/)
  t.ok(world.now - began <= 62_000, `${world.now - began} ms`)
  t.end()
})

t.test('a flood of handshakes of others changes nothing, and is not answered', (t) => {
  const world = new World(options(), { push: PUSH })
  t.ok(up(world))
  const random = seededNumbers(SEED)
  const [sent, before] = [world.up.length, drops(world)]
  for (let i = 0; i < 20_000; i++) {
    const session = Uint8Array.from({ length: 8 }, () => random() * 256)
    const opcode = [P_CONTROL_HARD_RESET_CLIENT_V2, 8, 3, 10][i % 4] as number
    world.down(Uint8Array.of(firstByte(opcode, i % 8), ...session, 0, 0, 0, 0, 0))
  }
  t.equal(drops(world), before + 20_000)
  world.run(100)
  t.ok(world.up.length - sent < 3, 'no answers')
  t.equal(world.state, 'up')
  world.send(packet())
  t.ok(
    world.run(1000, () => world.server.packets.length > 0),
    'and packets pass',
  )
  t.end()
})
