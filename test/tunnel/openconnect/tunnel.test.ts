/** The tunnel in virtual time: packets, signs of life, new tunnels, loss and return, several addresses. */
import t from 'tap'
import { PvpnError } from '../../../src/core/errors.js'
import { parseIp } from '../../../src/core/ip.js'
import { FRAME, frame } from '../../../src/tunnel/openconnect/frame.js'
import { packetTo, plainServer, type Server, TUNNEL, World } from './world.js'

const inits = (world: World) =>
  world.asked.filter(({ body }) => body.includes('type="init"')).length
const last = (world: World) => world.connections.at(-1) as (typeof world.connections)[number]
const inside = (text: string) => parseIp(text) as Uint8Array

function up(server: Server = plainServer(), options = {}): World {
  const world = new World(options, server).start()
  world.run(60_000, () => world.state === 'up')
  return world
}

t.test('packets in frames', async (t) => {
  const world = up()
  const packet = packetTo('192.168.10.7')
  t.same(world.up(packet), frame(FRAME.data, packet))
  t.same(world.down(frame(FRAME.data, packet)), [packet])
  t.same(world.down(frame(FRAME.data, new Uint8Array(3))), [], 'no IP packet')
  t.same(world.down(frame(FRAME.compressed, packet)), [], 'compression was never agreed to')
  t.equal(world.up(packetTo('198.51.100.1')).length, 0, 'no route')
  t.equal(world.up(packetTo('192.168.10.7', 1500)).length, 0, 'larger than the MTU')
  t.match(world.tunnel.counters.drops, { packet: 1, compressed: 1, route: 1, size: 1 })
  t.equal(last(world).largest, 1406 + 8)
})

t.test('packets behind the answer itself are not lost', async (t) => {
  const packet = packetTo('192.168.9.52')
  const server = plainServer(
    () => TUNNEL + Buffer.from(frame(FRAME.data, packet)).toString('latin1'),
  )
  const world = up(server)
  t.equal(world.tunnel.counters.packetsIn, 1)
})

t.test('what is reachable', async (t) => {
  const world = up()
  for (const [address, wanted] of [
    ['192.168.9.1', true],
    ['192.168.10.200', true],
    ['192.168.10.1', true],
    ['192.168.11.1', false],
    ['2001:db8::1', false],
  ] as const) {
    t.equal(world.tunnel.routes(inside(address)), wanted, address)
  }
  const all = up(
    plainServer(() =>
      TUNNEL.replace(
        /X-CSTP-Split-Include.*\r\n/,
        'X-CSTP-Split-Exclude: 10.0.0.0/8\r\nX-CSTP-Address-IP6: fd00:9::2/64\r\n',
      ),
    ),
  )
  t.equal(all.tunnel.routes(inside('198.51.100.1')), true)
  t.equal(all.tunnel.routes(inside('10.1.2.3')), false)
  t.equal(all.tunnel.routes(inside('2001:db8::1')), true)
  t.same(all.tunnel.link.addresses, ['192.168.9.52/24', 'fd00:9::2/64'])
})

t.test('signs of life', async (t) => {
  const world = up()
  t.ok(world.run(31_000, () => world.out.length > 0))
  t.same(world.out.shift(), frame(FRAME.dpdRequest), 'after 30 s of silence')
  world.down(frame(FRAME.dpdResponse))
  const probe = Uint8Array.of(1, 2, 3)
  world.down(frame(FRAME.dpdRequest, probe))
  world.run(1)
  t.same(world.out.shift(), frame(FRAME.dpdResponse, probe), 'its question is answered')
  t.ok(world.run(61_000, () => world.state === 'down'))
  t.equal(world.error?.message, 'nothing from vpn.example for 60 s')
  t.equal(world.out.length, 3, 'three questions')
  t.ok(last(world).closed)
  t.ok(
    world.run(10_000, () => world.state === 'up'),
    'and again',
  )
  t.equal(inits(world), 1, 'by the cookie')
  const alive = up(plainServer(() => TUNNEL.replace('X-CSTP-DPD: 30', 'X-CSTP-Keepalive: 10')))
  t.ok(alive.run(11_000, () => alive.out.length > 0))
  t.same(alive.out[0], frame(FRAME.keepalive))
})

const REKEY = TUNNEL.replace(
  'X-CSTP-DPD',
  'X-CSTP-Rekey-Time: 60\r\nX-CSTP-Rekey-Method: new-tunnel\r\nX-CSTP-DPD',
)

t.test('a new tunnel takes over while the old one goes on', async (t) => {
  for (const method of ['new-tunnel', 'ssl']) {
    const world = up(plainServer(() => REKEY.replace('new-tunnel', method)))
    const beats = () => world.down(frame(FRAME.keepalive))
    for (let i = 0; i < 6; i++) {
      world.run(10_000)
      beats()
    }
    t.ok(world.run(1000, () => world.connections.length === 2))
    t.ok(world.run(1000, () => last(world).carries))
    t.equal(world.connections[0]?.closed, false, 'what is under way still comes')
    world.run(6000)
    t.equal(world.connections[0]?.closed, true)
    t.equal(inits(world), 1)
    t.same(
      world.events.map(({ kind }) => kind),
      ['up'],
    )
  }
})

t.test('a server that ends the old one before it answers for the new one', async (t) => {
  const world = new World({}, (asked, connection) => {
    if (asked.head.startsWith('CONNECT') && world.connections.length === 2) {
      world.down(frame(FRAME.terminate))
      world.connections[0]?.end()
    }
    return plainServer(() => REKEY)(asked, connection)
  }).start()
  world.run(1000, () => world.state === 'up')
  for (let i = 0; i < 7; i++) {
    world.run(10_000)
    world.down(frame(FRAME.keepalive))
  }
  t.equal(world.connections.length, 2)
  t.same(
    world.events.map(({ kind }) => kind),
    ['up'],
    'nobody notices',
  )
})

t.test('a new tunnel that does not come about leaves the old one', async (t) => {
  const world = up(plainServer(() => REKEY))
  world.reach = () => new PvpnError('ERR_DOWN', 'no way')
  for (let i = 0; i < 12; i++) {
    world.run(10_000)
    world.down(frame(FRAME.keepalive))
  }
  t.same(
    world.events.map(({ kind }) => kind),
    ['up'],
  )
  t.ok(world.connections.length >= 3, 'it is tried again')
})

t.test('the server leaves, and its cookie', async (t) => {
  let known = true
  const server = plainServer(() =>
    known ? TUNNEL : 'HTTP/1.1 401 Cookie is not acceptable\r\n\r\n',
  )
  const world = up(server)
  world.down(frame(FRAME.disconnect, Uint8Array.of(0, ...Buffer.from('idle time-out'))))
  t.equal(world.state, 'down')
  t.equal(world.error?.message, 'vpn.example has ended the session: idle time-out')
  t.equal(world.up(packetTo('192.168.10.7')).length, 0)
  known = false
  world.run(1500, () => inits(world) === 2)
  known = true
  t.equal(inits(world), 2, 'the cookie was refused: log in')
  t.ok(world.run(10_000, () => world.state === 'up'))
})

t.test('a cookie that is refused by an alert, or by silence again and again', async (t) => {
  for (const error of [
    new PvpnError('ERR_AUTH', 'access denied'),
    new PvpnError('ERR_DOWN', 'closed'),
  ]) {
    const plain = plainServer()
    let refuse = false
    const world = up((asked, connection) => {
      if (!asked.head.startsWith('CONNECT') || !refuse || inits(world) > 1)
        return plain(asked, connection)
      connection.end(error)
      return undefined
    })
    refuse = true
    last(world).end()
    t.ok(
      world.run(60_000, () => inits(world) === 2),
      error.message,
    )
    t.ok(world.run(60_000, () => world.state === 'up'))
    t.notOk(world.events.some(({ kind }) => kind === 'failed'))
  }
})

t.test('addresses and names that can not be', async (t) => {
  const tunnel = (...lines: string[]) => ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n')
  const absurd = plainServer(() =>
    tunnel(
      'X-CSTP-Address: 127.0.0.1',
      'X-CSTP-Address-IP6: ::1/64',
      'X-CSTP-Netmask-IP6: ff02::1/64',
    ),
  )
  const refused = new World({}, absurd).start()
  t.ok(refused.run(10_000, () => refused.state === 'trying'))
  t.match(
    refused.error?.message,
    /a tunnel without an address that can be: tunnel address 127.0.0.1, tunnel address ::1\/64/,
  )
  const long = 'a'.repeat(64)
  const partly = plainServer(() =>
    tunnel(
      ...['X-CSTP-Address: 192.168.9.52', 'X-CSTP-Address-IP6: ff02::7/64'],
      ...['X-CSTP-DNS: 127.0.0.1', 'X-CSTP-DNS: 192.168.10.1', 'X-CSTP-DNS-IP6: ::'],
      `X-CSTP-Default-Domain: ${long}.example site.example`,
    ),
  )
  const world = new World({}, partly).start()
  t.ok(world.run(10_000, () => world.state === 'up'))
  t.match(world.tunnel.link, {
    addresses: ['192.168.9.52/32'],
    dns: ['192.168.10.1'],
    search: ['site.example'],
  })
  t.match(world.tunnel.link.leftOut, [
    'tunnel address ff02::7/64',
    'DNS server 127.0.0.1',
    'DNS server ::',
    /^domain a{64}$/,
  ])
})

t.test('back-off, and the way back to short waits', async (t) => {
  const world = new World()
  world.reach = () => new PvpnError('ERR_DOWN', 'no way')
  world.start()
  const begin = world.now
  const times: number[] = []
  while (times.length < 9) {
    const count = world.connections.length
    world.run(100_000, () => world.connections.length > count)
    times.push(world.now)
  }
  const waits = times.map((time, i) => Math.round((time - (times[i - 1] ?? begin)) / 1000))
  t.same(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60])
  t.equal(world.state, 'trying')
  world.reach = () => undefined
  t.ok(world.run(61_000, () => world.state === 'up'))
})

t.test('addresses: the next one, and the one that worked', async (t) => {
  const world = new World()
  world.names = { 'vpn.example': ['203.0.113.1', '203.0.113.2', '203.0.113.3'] }
  world.reach = (_target, address) => {
    if (address.endsWith('.1')) return new PvpnError('ERR_DOWN', 'refused')
    return address.endsWith('.2') ? 'silence' : undefined
  }
  world.start()
  t.ok(world.run(20_000, () => world.state === 'up'))
  t.equal(world.tunnel.endpoint, '203.0.113.3:443')
  last(world).end()
  world.run(5000, () => world.state === 'up')
  t.equal(world.connections.length, 4, 'straight to the one that worked')
  world.names = { 'vpn.example': ['203.0.113.9'] }
  last(world).end()
  t.ok(world.run(5000, () => world.tunnel.endpoint === '203.0.113.9:443' && world.state === 'up'))
})

t.test('a name that does not resolve, a certificate that is refused', async (t) => {
  const world = new World()
  world.names = {}
  world.start()
  t.ok(world.run(1000, () => world.state === 'trying'))
  t.match(world.error?.message, 'server unreachable: the name vpn.example does not resolve')
  const refused = new World()
  refused.reach = () =>
    new PvpnError('ERR_AUTH', 'certificate of vpn.example expired on 2025-01-01')
  refused.start()
  t.ok(refused.run(1000, () => refused.state === 'failed'))
  refused.run(3_600_000)
  t.equal(refused.connections.length, 1, 'it is not tried again')
})

t.test('an address that changes is told', async (t) => {
  let address = '192.168.9.52'
  const world = up(plainServer(() => TUNNEL.replace('192.168.9.52', address)))
  address = '192.168.9.77'
  last(world).end()
  t.ok(world.run(5000, () => world.tunnel.link.addresses[0] === '192.168.9.77/24'))
  t.equal(world.events.at(-1)?.kind, 'up')
})

t.test('closing says farewell, and nothing follows', async (t) => {
  const world = up()
  world.tunnel.close(world.now)
  world.run(1)
  t.equal(world.out.at(-1)?.[6], FRAME.disconnect)
  world.run(3_600_000)
  t.equal(world.connections.length, 1)
  const early = new World({}, () => undefined).start()
  early.run(1000)
  early.tunnel.close(early.now)
  t.equal(last(early).closed, true)
  t.equal(early.tunnel.deadline(), Number.POSITIVE_INFINITY)
})
