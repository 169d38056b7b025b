/** How servers are asked: retries, dead servers, truncation, EDNS, and answers that are not to be believed. */
import { encode } from 'dns-packet'
import t from 'tap'
import { set16 } from '../../src/core/bytes.js'
import {
  DNS_DEAD_MAX,
  DNS_INQUIRY_TIME,
  DNS_MISMATCHES,
  DNS_SERVERS,
} from '../../src/dns/limits.js'
import {
  type Asked,
  a,
  answerTo,
  DnsWorld,
  endpoint,
  failing,
  type Reply,
  type Server,
  silent,
  zone,
} from './dns-world.js'

const ONE = '10.0.0.1:53'
const TWO = '10.0.0.2:53'
const THREE = '10.0.0.3:53'
const RECORD = a('web.example', '192.0.2.1')
const good = zone([RECORD, ...Array.from({ length: 9 }, (_, i) => a(`w${i}.example`, '192.0.2.1'))])

t.test('a dead first server costs one short wait, then none', async (t) => {
  const world = new DnsWorld({ [ONE]: silent, [TWO]: good })
  t.equal(world.lookup('web.example').settledAt, 1000 + 1000 + 10)
  t.same(world.log(), [`${ONE} web.example A udp`, `${TWO} web.example A udp`])
  const start = world.now
  t.equal(world.lookup('w1.example').settledAt, start + 10)
  t.equal(world.asked.at(-1)?.server, TWO)
  t.same(world.machine.stats().servers, [
    { server: endpoint(ONE), dead: true },
    { server: endpoint(TWO), dead: false },
  ])
})

t.test('a dead server is probed beside the query that counts, ever more seldom', async (t) => {
  const world = new DnsWorld({ [ONE]: silent, [TWO]: good })
  world.lookup('web.example')
  const probes: number[] = []
  for (let i = 0; i < 300; i++) {
    world.machine.flush()
    const from = world.asked.length
    const at = world.now
    t.equal(world.lookup('w1.example').settledAt, at + 10)
    if (world.asked.slice(from).some(({ server }) => server === ONE)) probes.push(at)
    world.advance(990)
  }
  const gaps = probes.slice(1).map((at, i) => at - (probes[i] ?? 0))
  t.ok((gaps[0] ?? 0) >= 5000, `first gap ${gaps[0]}`)
  t.ok(Math.max(...gaps) <= DNS_DEAD_MAX + 2000, `largest gap ${Math.max(...gaps)}`)
  t.ok(probes.length >= 5 && probes.length < 12, `${probes.length} probes in 300 s`)
})

t.test('a server that comes back is found by its probe and leads again', async (t) => {
  const world = new DnsWorld({ [ONE]: silent, [TWO]: good })
  world.lookup('web.example')
  world.servers.set(ONE, good)
  world.advance(6000)
  world.lookup('w1.example')
  world.advance(100)
  world.lookup('w2.example')
  t.equal(world.asked.at(-1)?.server, ONE)
  t.same(world.open.size, 0)
})

t.test('when no server is known to live all are asked at once', async (t) => {
  const world = new DnsWorld({ [ONE]: silent, [TWO]: silent, [THREE]: silent })
  t.equal(world.lookup('web.example').error?.code, 'ERR_RESOLVER')
  world.servers.set(THREE, good)
  const start = world.now
  t.equal(world.lookup('web.example').settledAt, start + 10)
  t.equal(world.asked.at(-1)?.server, THREE)
})

t.test('silence fails in bounded time, and the query was repeated', async (t) => {
  for (const servers of [[ONE], [ONE, TWO], [ONE, TWO, THREE]]) {
    const world = new DnsWorld(Object.fromEntries(servers.map((s) => [s, silent])))
    const { error, settledAt } = world.lookup('web.example')
    t.equal(error?.code, 'ERR_RESOLVER')
    t.ok((settledAt ?? 0) <= 1000 + DNS_INQUIRY_TIME)
    for (const s of servers) t.ok(world.asked.filter(({ server }) => server === s).length >= 2, s)
    t.equal(world.open.size, 0)
    t.equal(world.machine.deadline(), Number.POSITIVE_INFINITY)
  }
})

t.test('one lost datagram is made up for, sooner when the round-trip time is known', async (t) => {
  let lose = true
  const lossy: Server = (asked) => {
    lose = !lose
    return lose ? undefined : good(asked)
  }
  const world = new DnsWorld({ [ONE]: lossy })
  world.lookup('web.example')
  const start = world.now
  t.equal(world.lookup('w1.example').settledAt, start + 500 + 10)
})

t.test('a late answer still counts', async (t) => {
  const world = new DnsWorld({
    [ONE]: (asked) => ({ ...(good(asked) as Reply), after: 1400 }),
    [TWO]: silent,
  })
  const { values, settledAt } = world.lookup('web.example')
  t.same(values, { A: ['192.0.2.1'] })
  t.equal(settledAt, 2400)
  t.equal(world.machine.stats().servers[0]?.dead, false, 'and shows that the server lives')
})

t.test(
  'NXDOMAIN is an answer; SERVFAIL, REFUSED, nonsense, referrals and unreachability move on at once',
  async (t) => {
    const nx = new DnsWorld({ [ONE]: failing('NXDOMAIN'), [TWO]: good })
    t.equal(nx.lookup('web.example').error?.code, 'ERR_NAME')
    t.equal(nx.asked.length, 1)

    const bad: Record<string, Server> = {
      SERVFAIL: failing('SERVFAIL'),
      REFUSED: failing('REFUSED'),
      'rcode 5 without question': (asked) => ({
        bytes: answerTo(asked, { rcode: 'REFUSED', questions: [] }),
      }),
      malformed: (asked) => {
        const bytes = answerTo(asked, { answers: [RECORD] })
        set16(bytes, 6, 9)
        return { bytes }
      },
      'bad address length': (asked) => ({
        bytes: answerTo(asked, {
          answers: [
            { type: 'UNKNOWN_1' as 'NULL', name: 'web.example', data: Buffer.from([1, 2, 3]) },
          ],
        }),
      }),
      referral: (asked) => ({
        bytes: answerTo(asked, {
          ra: false,
          authorities: [{ type: 'NS', name: 'example', data: 'ns.example' }],
        }),
      }),
      'icmp error': () => ({ failed: 'port unreachable', after: 5 }),
    }
    for (const [what, server] of Object.entries(bad)) {
      const world = new DnsWorld({ [ONE]: server, [TWO]: good })
      const { values, settledAt } = world.lookup('web.example')
      t.same(values, { A: ['192.0.2.1'] }, what)
      t.ok((settledAt ?? 0) <= 1020, `${what}: no wait`)
      const alone = new DnsWorld({ [ONE]: server })
      t.equal(alone.lookup('web.example').error?.code, 'ERR_RESOLVER', what)
      t.ok(alone.now <= 1010, `${what}: alone it fails at once`)
    }
  },
)

t.test('an unreachable server is passed over afterwards', async (t) => {
  const world = new DnsWorld({ [ONE]: () => ({ failed: 'no route', after: 0 }), [TWO]: good })
  world.lookup('web.example')
  world.lookup('w1.example')
  t.equal(world.asked.at(-1)?.server, TWO)
  t.equal(world.asked.length, 3)
})

t.test('a truncated answer is asked for again by TCP', async (t) => {
  const short: Server = (asked) =>
    asked.transport === 'udp' ? { bytes: answerTo(asked, { tc: true }) } : good(asked)
  const world = new DnsWorld({ [ONE]: short })
  t.same(world.lookup('web.example').values, { A: ['192.0.2.1'] })
  t.same(world.log(), [`${ONE} web.example A udp`, `${ONE} web.example A tcp`])

  const loop: Server = (asked) => ({ bytes: answerTo(asked, { tc: true }) })
  const looping = new DnsWorld({ [ONE]: loop, [TWO]: good })
  t.same(looping.lookup('web.example').values, { A: ['192.0.2.1'] })
  t.equal(looping.asked.length, 3, 'truncated over TCP too: the next server')

  const noTcp: Server = (asked) =>
    asked.transport === 'udp' ? { bytes: answerTo(asked, { tc: true }) } : { failed: 'refused' }
  const other = new DnsWorld({ [ONE]: noTcp, [TWO]: good })
  t.same(other.lookup('web.example').values, { A: ['192.0.2.1'] })
  t.equal(other.machine.stats().servers[0]?.dead, false, 'its UDP works')
})

t.test('without datagrams everything goes by TCP', async (t) => {
  const tcpOnly: Server = (asked) =>
    asked.transport === 'udp' ? { unsupported: true, after: 0 } : good(asked)
  const world = new DnsWorld({ [ONE]: tcpOnly })
  t.same(world.lookup('web.example').values, { A: ['192.0.2.1'] })
  world.lookup('w1.example')
  t.same(
    world.asked.map(({ transport }) => transport),
    ['udp', 'tcp', 'tcp'],
  )
})

t.test('a server without EDNS is asked without it', async (t) => {
  for (const rcode of ['FORMERR', 'NOTIMP'] as const) {
    const old: Server = (asked) =>
      asked.query.additionals?.length === 0 ? good(asked) : failing(rcode)(asked)
    const world = new DnsWorld({ [ONE]: old })
    t.same(world.lookup('web.example').values, { A: ['192.0.2.1'] }, rcode)
    const never = new DnsWorld({ [ONE]: failing(rcode) })
    t.match(never.lookup('web.example').error, { code: 'ERR_RESOLVER', message: new RegExp(rcode) })
    t.equal(never.asked.length, 2)
  }
  const badvers: Server = (asked) => {
    if (asked.query.additionals?.length === 0) return good(asked)
    const opt = {
      type: 'OPT' as const,
      name: '.',
      udpPayloadSize: 1232,
      extendedRcode: 1,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    }
    return { bytes: answerTo(asked, { additionals: [opt] }) }
  }
  t.same(new DnsWorld({ [ONE]: badvers }).lookup('web.example').values, { A: ['192.0.2.1'] })
})

t.test('answers that do not fit the query are dropped and counted', async (t) => {
  const forged =
    (change: (asked: Asked) => Reply): Server =>
    (asked) => [{ after: 1, ...change(asked) }, good(asked) as Reply]
  const evil = (asked: Asked) => answerTo(asked, { answers: [a('web.example', '203.0.113.66')] })
  const cases: [string, string, (asked: Asked) => Reply][] = [
    [
      'id',
      'id',
      (asked) => {
        const bytes = evil(asked)
        set16(bytes, 0, (asked.query.id ?? 0) ^ 1)
        return { bytes }
      },
    ],
    [
      'source address',
      'source',
      (asked) => ({ bytes: evil(asked), from: endpoint('10.0.0.9:53') }),
    ],
    ['source port', 'source', (asked) => ({ bytes: evil(asked), from: endpoint('10.0.0.1:5353') })],
    [
      'name',
      'question',
      (asked) => ({
        bytes: answerTo(asked, {
          questions: [{ type: 'A', name: 'w1.example' }],
          answers: [RECORD],
        }),
      }),
    ],
    [
      'type',
      'question',
      (asked) => ({
        bytes: answerTo(asked, { questions: [{ type: 'AAAA', name: 'web.example' }] }),
      }),
    ],
    [
      'class',
      'question',
      (asked) => ({
        bytes: answerTo(asked, { questions: [{ type: 'A', class: 'CH', name: 'web.example' }] }),
      }),
    ],
    [
      'no question',
      'question',
      (asked) => ({
        bytes: answerTo(asked, { questions: [], answers: [a('web.example', '203.0.113.66')] }),
      }),
    ],
    ['a query', 'response', (asked) => ({ bytes: asked.bytes })],
    ['11 bytes', 'short', (asked) => ({ bytes: asked.bytes.subarray(0, 11) })],
    ['nothing', 'short', () => ({ bytes: new Uint8Array(0) })],
  ]
  for (const [what, reason, change] of cases) {
    const world = new DnsWorld({ [ONE]: forged(change) })
    const { values, settledAt } = world.lookup('web.example')
    t.same(values, { A: ['192.0.2.1'] }, what)
    t.equal(settledAt, 1010)
    const drops = Object.entries(world.machine.stats().drops).filter(([, n]) => n > 0)
    t.same(drops, [[reason, 1]], what)
  }
})

t.test('a bare header as the answer moves on', async (t) => {
  const bare: Server = (asked) => {
    const bytes = new Uint8Array(12)
    set16(bytes, 0, asked.query.id ?? 0)
    set16(bytes, 2, 0x8182)
    return { bytes }
  }
  const world = new DnsWorld({ [ONE]: bare, [TWO]: good })
  t.same(world.lookup('web.example').values, { A: ['192.0.2.1'] })
})

t.test('a shower of forgeries turns the query to TCP', async (t) => {
  const shower: Server = (asked) => {
    if (asked.transport === 'tcp') return good(asked)
    return Array.from({ length: 100 }, (_, i) => {
      const bytes = answerTo(asked, { answers: [a('web.example', '203.0.113.66')] })
      set16(bytes, 0, ((asked.query.id ?? 0) + i + 1) & 0xffff)
      return { bytes, after: 1 }
    })
  }
  const world = new DnsWorld({ [ONE]: shower })
  t.same(world.lookup('web.example').values, { A: ['192.0.2.1'] })
  t.same(
    world.asked.map(({ transport }) => transport),
    ['udp', 'tcp'],
  )
  const { drops } = world.machine.stats()
  t.equal(drops.id, DNS_MISMATCHES)
  t.equal(drops.late, 100 - DNS_MISMATCHES, 'the port is closed')
})

t.test('a wrong answer over TCP moves on', async (t) => {
  for (const wrong of [
    new Uint8Array(0),
    new Uint8Array(12),
    encode({ type: 'response', id: 1 }),
  ]) {
    const server: Server = (asked) =>
      asked.transport === 'udp' ? { bytes: answerTo(asked, { tc: true }) } : { bytes: wrong }
    const world = new DnsWorld({ [ONE]: server, [TWO]: good })
    t.same(world.lookup('web.example').values, { A: ['192.0.2.1'] })
  }
})

t.test('questions under way are shared', async (t) => {
  const world = new DnsWorld({ [ONE]: good })
  const ids = Array.from({ length: 50 }, () => world.start('web.example', ['A', 'AAAA']))
  for (const id of ids) t.same(world.finish(id).values, { A: ['192.0.2.1'] })
  t.equal(world.asked.length, 2)
  t.equal(world.machine.stats().coalesced, 98)
})

t.test('a long list of servers is cut, doubles count once, names are left out', async (t) => {
  const list = Array.from({ length: 20 }, (_, i) => endpoint(`10.0.1.${i}:53`))
  const world = new DnsWorld(
    {},
    { servers: [...list, ...list, { address: 'ns.example', port: 53 }] },
  )
  world.lookup('web.example')
  t.equal(new Set(world.asked.map(({ server }) => server)).size, DNS_SERVERS)
})

t.test('figures', async (t) => {
  const world = new DnsWorld({ [ONE]: silent, [TWO]: good })
  world.lookup('web.example')
  world.lookup('none.example')
  const stats = world.machine.stats()
  t.match(stats.queries, { answer: 1, nxdomain: 1, silent: 1 })
  t.equal(stats.latency[1], 2, 'two answers within 10 ms')
  t.equal(stats.latencySum, 20)
  t.same([stats.cacheHits, stats.cacheMisses, stats.cacheEntries], [0, 2, 2])
  t.ok(stats.cacheBytes > 0)
})

t.test('a new configuration forgets answers and servers', async (t) => {
  const world = new DnsWorld({ [ONE]: silent, [TWO]: good })
  world.lookup('web.example')
  world.configure({ servers: [endpoint(TWO)] })
  t.equal(world.machine.stats().cacheEntries, 0)
  const start = world.now
  t.equal(world.lookup('web.example').settledAt, start + 10)
})
