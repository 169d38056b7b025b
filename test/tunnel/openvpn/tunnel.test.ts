/** The whole client against a server of the test's own, in virtual time. */
import t from 'tap'
import type { OpenvpnProtection } from '../../../src/core/options.js'
import { socketAddress } from '../../../src/core/socket-address.js'
import { P_CONTROL_V1 } from '../../../src/tunnel/openvpn/opcode.js'
import { EXIT_TIMEOUT } from '../../../src/tunnel/openvpn/timing.js'
import { options, PUSH, packet, SEED, SERVER, World } from './world.js'

const KEY = Uint8Array.from({ length: 256 }, (_, i) => (i * 31 + 5) & 0xff)
const PROTECTIONS: readonly OpenvpnProtection[] = [
  { kind: 'none' },
  { kind: 'tls-auth', key: KEY, digest: 'sha256', direction: 1 },
  { kind: 'tls-crypt', key: KEY },
  { kind: 'tls-crypt-v2', key: KEY, wrapped: new Uint8Array(290).fill(1) },
]

function up(world: World, time = 60_000): boolean {
  world.tunnel.open(world.now)
  return world.run(time, () => world.state === 'up')
}

/** Packets both ways arrive. */
function works(t: { same(a: unknown, b: unknown, m: string): unknown }, world: World): void {
  const [before, got] = [world.server.packets.length, world.received.length]
  world.send(packet())
  world.run(100)
  t.same(world.server.packets.slice(before), [packet()], 'up')
  world.down(world.server.sealed(packet([10, 8, 0, 2], 80), world.now))
  t.same(world.received.slice(got), [packet([10, 8, 0, 2], 80)], 'down')
}

for (const protection of PROTECTIONS) {
  for (const link of [{}, { loss: 0.2, jitter: 200 }]) {
    t.test(`${protection.kind}, loss ${link.loss ?? 0}, seed ${SEED}`, (t) => {
      const world = new World(options({ protection }), { protection, push: PUSH }, link)
      t.match(world.tunnel.endpoint, /:\d+$/, 'shown from the beginning')
      t.ok(up(world, 120_000), world.message)
      t.match(world.events.at(-1), { link: { addresses: ['10.8.0.2/24'] } })
      if (link.loss === undefined) works(t, world)
      t.ok(world.tunnel.routes(Uint8Array.of(10, 8, 0, 99)))
      t.notOk(world.tunnel.routes(Uint8Array.of(10, 9, 0, 1)))
      t.match(world.server.said, /IV_PROTO=\d+\nIV?|IV_PROTO=\d+/)
      t.end()
    })
  }
}

t.test('keys by the PRF', (t) => {
  const push = PUSH.replace(',key-derivation tls-ekm', '')
  const world = new World(options(), { push, exporter: false })
  t.ok(up(world))
  works(t, world)
  t.end()
})

t.test('a server that pushes only when asked, in pieces', (t) => {
  const world = new World(options(), {
    messages: ['PUSH_REPLY,route 10.20.0.0 255.255.0.0,push-continuation 2', `PUSH_REPLY,${PUSH}`],
  })
  t.ok(up(world))
  t.ok(world.tunnel.routes(Uint8Array.of(10, 20, 1, 1)))
  const asked = new World(options(), {})
  t.notOk(up(asked, 3000))
  t.equal(asked.server.pushRequests, 1)
  asked.server.behaviour.push = PUSH
  t.ok(
    asked.run(8000, () => asked.state === 'up'),
    'asked again',
  )
  t.end()
})

t.test('new keys, begun by either side, again and again', (t) => {
  const world = new World(options({ renegotiateSeconds: 30 }), { push: PUSH })
  t.ok(up(world))
  for (let i = 1; i <= 10; i++) {
    if (i % 2 === 0) world.server.renegotiate(world.now)
    world.run(31_000)
    t.equal(world.state, 'up')
    works(t, world)
  }
  t.ok(world.server.currentKey > 0)
  t.end()
})

t.test('later negotiations under a key of their own (dyn-tls-crypt)', (t) => {
  for (const protection of PROTECTIONS) {
    const push = PUSH.replace('key-derivation tls-ekm', 'protocol-flags tls-ekm dyn-tls-crypt')
    const behaviour = { protection, push, dynamic: true }
    const world = new World(options({ protection, renegotiateSeconds: 30 }), behaviour)
    t.ok(up(world))
    for (let i = 0; i < 3; i++) {
      world.run(31_000)
      works(t, world)
      world.server.renegotiate(world.now)
      world.run(10_000)
      works(t, world)
    }
    t.ok(world.server.currentKey > 4, `${world.server.currentKey}`)
    t.equal(world.tunnel.counters.drops.control, 0)
  }
  t.end()
})

t.test('a renegotiation that fails leaves the keys there are', (t) => {
  const world = new World(options({ renegotiateSeconds: 30, handshakeWindow: 5 }), {
    push: PUSH.replace('ping-restart 60', 'ping-restart 0'),
  })
  t.ok(up(world))
  world.silent = true
  world.run(40_000)
  world.silent = false
  t.equal(world.state, 'up')
  works(t, world)
  t.end()
})

t.test('pings, silence, and back again', (t) => {
  const world = new World(options(), { push: PUSH })
  t.ok(up(world))
  const sent = world.up.length
  world.run(55_000)
  t.equal(world.up.length - sent, 5, 'one in 10 s')
  world.silent = true
  t.ok(world.run(61_000, () => world.state === 'down'))
  t.match(world.message, /nothing from 203.0.113.2:1194 \(udp\) for 60 s/)
  world.send(packet())
  t.equal(world.tunnel.counters.drops.down, 1)
  world.run(100_000)
  t.equal(world.state, 'trying')
  t.match(world.message, /^server unreachable: no answer from 203.0.113.2:1194 \(udp\) in 10 s$/)
  world.replaceServer({ push: PUSH.replace('10.8.0.2', '10.8.0.9') })
  world.silent = false
  t.ok(world.run(90_000, () => world.state === 'up'))
  t.match(world.events.at(-1), { link: { addresses: ['10.8.0.9/24'] } }, 'with a new address')
  works(t, world)
  const handshakes = world.tunnel.counters.handshakes
  t.equal(handshakes?.completed, 2)
  t.ok((handshakes?.failed ?? 0) >= 1, 'attempts at a silent server are counted; a loss is none')
  t.end()
})

t.test('what the server says', async (t) => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['AUTH_FAILED', 'failed', /^auth failed: the server refused user "ann"$/],
    ['AUTH_FAILED,too many tries', 'failed', /user "ann": too many tries$/],
    ['AUTH_FAILED,CRV1:R,E:abc:YW5u:Code?', 'failed', /asks for "Code\?"$/],
    ['AUTH_FAILED,TEMP[backoff 1]:busy', 'trying', /refuses for the moment: busy/],
    [
      'AUTH_FAILED,Data channel cipher negotiation failed (no shared cipher)',
      'failed',
      /^cipher not offered/,
    ],
    ['RESTART', 'trying', /restarts$/],
    ['HALT,go away', 'failed', /told this client to stop: go away/],
    [
      `PUSH_REPLY,${PUSH.replace('AES-256-GCM', 'BF-CBC')}`,
      'failed',
      /^cipher not offered: the server wants BF-CBC/,
    ],
    [`PUSH_REPLY,${PUSH},compress lz4`, 'failed', /wants compression \(lz4\)/],
  ]
  for (const [message, state, words] of cases) {
    const world = new World(options({ username: 'ann', password: 'x' }), { messages: [message] })
    world.tunnel.open(world.now)
    t.ok(
      world.run(5000, () => world.state === state),
      `${message}: ${world.state}`,
    )
    t.match(world.message, words)
    const before = world.up.length
    world.run(300_000, () => world.up.length > before + 50)
    if (state === 'failed') t.equal(world.up.length, before, 'silence until a person acts')
    else t.ok(world.up.length > before, 'tried again')
  }
})

t.test('a token instead of the password, until the server refuses it', (t) => {
  const world = new World(
    options({
      username: 'ann',
      password: 'secret',
      staticChallenge: { text: 'Code?', echo: false, format: 'scrv1' },
      challenge: '42',
    }),
    {
      push: `${PUSH},auth-token SESS_abc`,
    },
  )
  t.ok(up(world))
  t.match(world.server.said, /SCRV1:c2VjcmV0:NDI=/)
  world.server.renegotiate(world.now)
  world.run(20_000)
  t.match(world.server.said, /ann.*SESS_abc/)
  world.replaceServer({ messages: ['AUTH_FAILED,SESSION: expired'] })
  t.ok(world.run(120_000, () => world.state !== 'up'))
  world.run(20_000)
  world.replaceServer({ push: PUSH })
  t.ok(world.run(120_000, () => world.state === 'up'))
  t.match(world.server.said, /SCRV1:/, 'the password again')
  t.end()
})

t.test('the file decides what is taken of a push', (t) => {
  const push = `${PUSH},route 10.30.0.0 255.255.0.0,dhcp-option DNS 10.8.0.1,redirect-gateway def1`
  const own = { directives: [['route', '10.40.0.0', '255.255.0.0']] }
  const nopull = new World(options({ ...own, routeNoPull: true }), { push })
  t.ok(up(nopull))
  t.match(nopull.events.at(-1), { link: { dns: [] } })
  t.ok(nopull.tunnel.routes(Uint8Array.of(10, 40, 0, 1)))
  t.notOk(nopull.tunnel.routes(Uint8Array.of(10, 30, 0, 1)))
  t.notOk(nopull.tunnel.routes(Uint8Array.of(1, 1, 1, 1)))
  const all = new World(options(own), { push })
  t.ok(up(all))
  t.ok(all.tunnel.routes(Uint8Array.of(1, 1, 1, 1)))
  const filters = [{ action: 'reject', prefix: 'redirect-gateway' }] as const
  const rejected = new World(options({ pullFilters: filters }), { push })
  t.notOk(up(rejected, 5000))
  t.match(rejected.message, /pull-filter rejects/)
  t.end()
})

t.test('several remotes, names, and what is missing', (t) => {
  const remotes = [
    { host: 'gone.example', port: 1, transport: 'udp' },
    { host: '198.51.100.1', port: 1194, transport: 'udp' },
    { host: 'vpn.example', port: 1194, transport: 'udp', family: 4 },
  ] as const
  const world = new World(options({ remotes, connectTimeout: 3 }), { push: PUSH })
  world.tunnel.open(world.now)
  const asked = () => world.events.filter((event) => event.kind === 'resolve')
  world.run(1000)
  t.match(asked(), [{ host: 'gone.example' }])
  world.tunnel.resolved(1, [], world.now)
  t.ok(
    world.run(10_000, () => asked().length === 2),
    'the silent one was left',
  )
  t.end()
})

t.test('remote-random: another order for each, each remote once', (t) => {
  const remotes = [1, 2, 3, 4].map((n) => ({
    ...{ host: `192.0.2.${n}`, port: 1194, transport: 'udp' as const },
  }))
  const order = (remoteRandom: boolean, seed: number) => {
    const world = new World(options({ remotes, remoteRandom, connectTimeout: 1 }), {}, {}, seed)
    world.silent = true
    world.tunnel.open(world.now)
    const seen: string[] = []
    for (let i = 0; i < 100 && seen.length < remotes.length; i++) {
      const { endpoint = '' } = world.tunnel
      if (seen.at(-1) !== endpoint) seen.push(endpoint)
      world.run(200)
    }
    return seen
  }
  const orders = Array.from({ length: 12 }, (_, seed) => order(true, seed + 1))
  for (const seen of orders) t.equal(new Set(seen).size, remotes.length)
  t.ok(new Set(orders.map(([first]) => first)).size > 1, 'not all begin with the same')
  t.same(
    order(false, 1),
    remotes.map(({ host }) => `${host}:1194`),
  )
  t.end()
})

t.test(
  "the server's address changes: its name is asked for again, and the connection moves",
  (t) => {
    const remotes = [{ host: 'vpn.example', port: 1194, transport: 'udp' }] as const
    const world = new World(options({ remotes }), { push: PUSH })
    world.tunnel.open(world.now)
    world.resolve(SERVER)
    const asked = () => world.events.filter((event) => event.kind === 'resolve').length
    world.run(0)
    world.resolve(SERVER)
    t.ok(world.run(60_000, () => world.state === 'up'))
    const before = asked()
    world.silent = true
    t.ok(
      world.run(200_000, () => asked() > before),
      'it was silent',
    )
    const moved = socketAddress(Uint8Array.of(203, 0, 113, 77), 1194)
    world.serverAddress = moved
    world.silent = false
    world.resolve(moved)
    t.ok(world.run(60_000, () => world.state === 'up'))
    t.equal(world.tunnel.endpoint, '203.0.113.77:1194')
    t.end()
  },
)

t.test('closing says farewell by the data channel where the server wants that', (t) => {
  const world = new World(options(), { push: `${PUSH},explicit-exit-notify 1` })
  t.ok(up(world))
  world.tunnel.close(world.now)
  world.run(1000)
  t.ok(world.server.data.peerLeft)
  t.equal(world.tunnel.deadline(), Number.POSITIVE_INFINITY)
  t.end()
})

t.test('a server that takes the password and is silent gets it again, ever more seldom', (t) => {
  const asks = options({ username: 'ann', password: 'right horse' })
  const world = new World(asks, { keyMessage: new Uint8Array(0) })
  world.tunnel.open(world.now)
  const failed = () => world.tunnel.counters.handshakes?.failed ?? 0
  world.run(10 * 60_000)
  t.match(world.server.said, /right horse/)
  t.ok(failed() >= 4 && failed() <= 9, `${failed()} attempts in ten minutes`)
  const before = failed()
  world.run(60 * 60_000)
  t.ok(failed() - before <= 31, 'one in two minutes')
  t.equal(world.state, 'trying', 'no answer is no refusal')
  world.replaceServer({ push: PUSH })
  t.ok(
    world.run(3 * 60_000, () => world.state === 'up'),
    'and it comes back by itself',
  )
  t.end()
})

/** The server takes the farewell by the control channel. */
const EXITS = `${PUSH},protocol-flags cc-exit tls-ekm,explicit-exit-notify 1`

t.test('closing says EXIT by the control channel, until the server has it', (t) => {
  for (const link of [{}, { loss: 0.3, jitter: 5 }]) {
    const world = new World(options(), { push: EXITS }, link, 7)
    t.ok(up(world))
    t.match(world.server.said, /IV_PROTO=(\d+)/)
    t.ok(Number(/IV_PROTO=(\d+)/.exec(world.server.said)?.[1]) & 128, 'it says that it can')
    const [before, events] = [world.now, world.events.length]
    world.tunnel.close(world.now)
    t.equal(world.tunnel.leaving, true)
    t.ok(world.run(EXIT_TIMEOUT, () => world.tunnel.leaving === false))
    t.same(world.server.heard, ['EXIT\0'])
    t.notOk(world.server.data.peerLeft, 'not by the data channel too')
    if (Object.keys(link).length === 0) t.ok(world.now - before < 100, 'no longer than its way')
    t.equal(world.tunnel.deadline(), Number.POSITIVE_INFINITY)
    const sent = world.up.length
    world.run(5000)
    t.equal(world.up.length, sent)
    t.equal(world.events.length, events)
  }
  t.end()
})

t.test('a server that is gone holds nobody up who leaves', (t) => {
  const world = new World(options(), { push: EXITS })
  t.ok(up(world))
  world.silent = true
  const sent = world.up.length
  world.tunnel.close(world.now)
  t.notOk(world.run(EXIT_TIMEOUT - 1, () => world.tunnel.leaving === false))
  t.ok(world.run(1, () => world.tunnel.leaving === false))
  t.ok(world.up.length - sent >= 3, 'it was told more than once')
  t.equal(world.tunnel.deadline(), Number.POSITIVE_INFINITY)
  t.end()
})

t.test('what comes while it leaves is no packet, and a connection that ends is enough', (t) => {
  const world = new World(options(), { push: EXITS })
  t.ok(up(world))
  const packetDown = world.server.sealed(packet([10, 8, 0, 2]), world.now)
  world.tunnel.close(world.now)
  world.down(packetDown)
  t.equal(world.received.length, 0)
  t.equal(world.tunnel.leaving, true)
  world.server.sendRecords(new Uint8Array(500).fill(255))
  t.ok(world.run(EXIT_TIMEOUT, () => world.tunnel.leaving === false))
  const early = new World(options(), { push: EXITS })
  early.tunnel.open(0)
  early.tunnel.close(0)
  t.equal(early.tunnel.leaving, false, 'it was not up')
  t.end()
})

t.test('the first message acknowledges the reset, as servers with cookies demand', (t) => {
  const world = new World(options(), { push: PUSH })
  t.ok(up(world))
  const first = world.up.find((datagram) => (datagram[0] as number) >>> 3 === P_CONTROL_V1)
  t.same([...(first?.subarray(9, 14) ?? [])].slice(0, 1), [1], 'one acknowledgement')
  t.same(
    first?.slice(14, 22),
    Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1),
    "with the server's session id",
  )
  t.end()
})

t.test('a server that moves: its name is looked up again', (t) => {
  const remotes = [{ host: 'vpn.example', port: 1194, transport: 'udp' }] as const
  const world = new World(options({ remotes }), { push: PUSH })
  const looks = () => world.events.filter(({ kind }) => kind === 'resolve').length
  world.tunnel.open(world.now)
  world.run(10)
  world.resolve(SERVER)
  t.ok(world.run(5000, () => world.state === 'up'))
  world.serverAddress = socketAddress(Uint8Array.of(198, 51, 100, 9), 1194)
  world.replaceServer({ push: PUSH })
  t.ok(
    world.run(120_000, () => world.state === 'down'),
    'the old address is silent',
  )
  t.ok(world.run(60_000, () => looks() === 2))
  world.resolve(world.serverAddress)
  t.ok(world.run(5000, () => world.state === 'up'))
  t.equal(world.tunnel.endpoint, '198.51.100.9:1194')
  t.end()
})

t.test('an IPv6 server, of a family that the file chooses', (t) => {
  const remotes = [{ host: 'vpn.example', port: 1194, transport: 'udp', family: 6 }] as const
  const world = new World(options({ remotes }), { push: `${PUSH},mssfix 1400` })
  const ipv6 = Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
  world.serverAddress = socketAddress(ipv6, 1194)
  world.tunnel.open(world.now)
  world.run(10)
  world.resolve(SERVER, world.serverAddress)
  t.ok(world.run(5000, () => world.state === 'up'))
  t.equal(world.tunnel.endpoint, '[2001:db8::1]:1194')
  const { mtu } = world.tunnel.link
  t.equal(mtu, 1400 - 48 - 24 - 1, 'room for the longer header')
  t.end()
})
