/** A client's raw queries: passed on as they are, or answered from hosts and cache. */
import {
  type Answer,
  type DecodedPacket,
  decode,
  encode,
  type Packet,
  type Question,
} from 'dns-packet'
import fc from 'fast-check'
import t from 'tap'
import { set16, u16 } from '../../src/core/bytes.js'
import type { Bytes } from '../../src/core/types.js'
import { DNS_EXCHANGE_TIME, DNS_WAITERS } from '../../src/dns/limits.js'
import {
  type Asked,
  a,
  aaaa,
  answerTo,
  DnsWorld,
  endpoint,
  failing,
  type Server,
  silent,
  soa,
  zone,
} from './dns-world.js'

const FUZZ_MS = Number(process.env.FUZZ_SECONDS ?? 3) * 1000
const ONE = '10.0.0.1:53'
const TWO = '10.0.0.2:53'
const CLIENT_ID = 0x1234

function opt(options: { size?: number; dnssec?: boolean; data?: object[] } = {}): Answer {
  const flag_do = options.dnssec ?? false
  const flags = flag_do ? 0x8000 : 0
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: options.size ?? 1232,
    extendedRcode: 0,
    ednsVersion: 0,
    flags,
    flag_do,
    options: (options.data ?? []) as never,
  }
}

function query(name: string, type: string = 'A', more: Packet = {}): Bytes {
  const question = { name, type } as Question
  return encode({ type: 'query', id: CLIENT_ID, flags: 0x0100, questions: [question], ...more })
}

const read = (bytes: Bytes): DecodedPacket & { rcode: string } =>
  decode(Buffer.from(bytes)) as never

const RECORDS = zone([a('web.example', '192.0.2.1'), aaaa('web.example', '2001:db8::1')])

t.test(
  'a query goes out as it came, but for its id, and its answer comes back with it',
  async (t) => {
    const world = new DnsWorld({ [ONE]: RECORDS })
    const asked = query('WEB.example', 'A', { additionals: [opt({ size: 4000, dnssec: true })] })
    const reply = world.exchange(asked)
    const [sent] = world.asked
    t.same(sent?.bytes.slice(2), new Uint8Array(asked).slice(2))
    t.not(sent?.query.id, CLIENT_ID)
    const packet = read(reply)
    t.equal(packet.id, CLIENT_ID)
    t.match(packet.answers, [{ type: 'A', data: '192.0.2.1' }])
    t.equal(packet.questions?.[0]?.name, 'WEB.example')
  },
)

t.test('every type is passed on', async (t) => {
  const odd: Server = (asked) => {
    const data = Buffer.from([1, 2, 3])
    return {
      bytes: answerTo(asked, { answers: [{ type: asked.type as 'NULL', name: asked.name, data }] }),
    }
  }
  const world = new DnsWorld({ [ONE]: odd })
  for (const type of ['NULL', 'UNKNOWN_65', 'UNKNOWN_65280', 'KX']) {
    t.match(read(world.exchange(query('web.example', type))).answers, [
      { type, data: Buffer.from([1, 2, 3]) },
    ])
  }
  const chaos = query('version.bind', 'TXT', {
    questions: [{ name: 'version.bind', type: 'TXT', class: 'CH' }],
  })
  world.exchange(chaos)
  t.equal(world.asked.at(-1)?.query.questions?.[0]?.class, 'CH')
})

t.test('neither search list nor localhost are applied, but zones are', async (t) => {
  const world = new DnsWorld(
    { [ONE]: zone([]), [TWO]: zone([]) },
    {
      servers: [endpoint(ONE)],
      search: ['office.example'],
      zones: { 'lab.example': [endpoint(TWO)] },
    },
  )
  for (const name of ['host', 'localhost', 'x.lab.example']) world.exchange(query(name))
  t.same(world.log(), [`${ONE} host A udp`, `${ONE} localhost A udp`, `${TWO} x.lab.example A udp`])
})

t.test('hosts answer A, AAAA and PTR', async (t) => {
  const world = new DnsWorld(
    { [ONE]: zone([]) },
    { hosts: { 'build.example': ['192.168.11.20', '192.168.11.21'] } },
  )
  const packet = read(world.exchange(query('Build.Example', 'A', { additionals: [opt()] })))
  t.match(packet, {
    id: CLIENT_ID,
    type: 'response',
    flag_aa: true,
    flag_ra: true,
    flag_rd: true,
    rcode: 'NOERROR',
  })
  t.same(packet.questions, [{ name: 'Build.Example', type: 'A', class: 'IN' }])
  t.match(packet.answers, [
    { name: 'build.example', type: 'A', ttl: 0, data: '192.168.11.20' },
    { type: 'A', data: '192.168.11.21' },
  ])
  t.match(packet.additionals, [{ type: 'OPT', udpPayloadSize: 1232 }])
  const nodata = read(world.exchange(query('build.example', 'AAAA')))
  t.match(nodata, { rcode: 'NOERROR', answers: [], additionals: [] })
  t.match(read(world.exchange(query('20.11.168.192.in-addr.arpa', 'PTR'))).answers, [
    { type: 'PTR', data: 'build.example' },
  ])
  t.same(world.asked, [])
  world.exchange(query('build.example', 'MX'))
  t.same(world.log(), [`${ONE} build.example MX udp`], 'other types are asked for')
})

t.test('malformed queries get FORMERR, unknown operations NOTIMP, answers nothing', async (t) => {
  const world = new DnsWorld({ [ONE]: RECORDS })
  const rcode = (bytes: Bytes) => {
    const reply = world.exchange(bytes)
    t.equal(u16(reply, 0), u16(bytes, 0), 'the id comes back')
    t.ok(u16(reply, 2) & 0x8000)
    return read(reply).rcode
  }
  const good = query('web.example')
  t.equal(rcode(good.subarray(0, 4)), 'FORMERR')
  t.equal(rcode(good.subarray(0, 12)), 'FORMERR')
  t.equal(rcode(good.subarray(0, 20)), 'FORMERR')
  t.equal(rcode(query('', 'A', { questions: [] })), 'FORMERR')
  const two: Question[] = [
    { name: 'a', type: 'A' },
    { name: 'b', type: 'A' },
  ]
  t.equal(rcode(query('', 'A', { questions: two })), 'FORMERR')
  t.equal(rcode(query('web.example', 'A', { flags: 0x2900 })), 'NOTIMP', 'UPDATE')
  t.equal(rcode(query('web.example', 'AXFR')), 'NOTIMP')
  t.same(world.asked, [])
  t.throws(() => world.startExchange(good.subarray(0, 3)), { code: 'ERR_PROTOCOL' })
  const answer = new Uint8Array(good)
  set16(answer, 2, 0x8180)
  t.throws(() => world.startExchange(answer), { code: 'ERR_PROTOCOL' })
})

t.test('a failing server is passed over, its word kept when there is none better', async (t) => {
  const moved = new DnsWorld({ [ONE]: failing('SERVFAIL'), [TWO]: RECORDS })
  t.match(read(moved.exchange(query('web.example'))).answers, [{ data: '192.0.2.1' }])
  const refused = new DnsWorld({ [ONE]: failing('REFUSED'), [TWO]: silent })
  t.equal(read(refused.exchange(query('web.example'))).rcode, 'REFUSED')
  t.equal(
    read(new DnsWorld({ [ONE]: failing('FORMERR') }).exchange(query('web.example'))).rcode,
    'FORMERR',
  )
  t.equal(
    read(new DnsWorld({ [ONE]: failing('NXDOMAIN') }).exchange(query('web.example'))).rcode,
    'NXDOMAIN',
  )
})

t.test('SERVFAIL when nothing answers, before the client asks again', async (t) => {
  const world = new DnsWorld({ [ONE]: silent, [TWO]: silent })
  const packet = read(
    world.exchange(query('web.example', 'A', { additionals: [opt({ dnssec: true })] })),
  )
  t.match(packet, { id: CLIENT_ID, rcode: 'SERVFAIL', questions: [{ name: 'web.example' }] })
  t.match(packet.additionals, [{ type: 'OPT', flag_do: true }])
  t.ok(world.now - 1000 <= DNS_EXCHANGE_TIME)
  t.equal(read(new DnsWorld({}).exchange(query('web.example'))).rcode, 'SERVFAIL', 'no server')
  world.machine.configure(undefined)
  t.equal(read(world.exchange(query('web.example'))).rcode, 'SERVFAIL', 'down')
})

t.test('going down answers what is under way', async (t) => {
  const world = new DnsWorld({ [ONE]: silent })
  const id = world.startExchange(query('web.example'))
  world.machine.configure(undefined)
  world.drain()
  t.equal(read(world.outcome(id).reply ?? new Uint8Array(12)).rcode, 'SERVFAIL')
  t.equal(world.open.size, 0)
})

t.test('truncation', async (t) => {
  const many = Array.from({ length: 100 }, (_, i) => a('many.example', `192.0.2.${i}`))
  const limited: Server = (asked) => ({
    bytes:
      asked.transport === 'udp'
        ? answerTo(asked, { tc: true })
        : answerTo(asked, { answers: many }),
  })
  const world = new DnsWorld({ [ONE]: limited })
  t.equal(
    read(world.exchange(query('many.example'))).flag_tc,
    true,
    'is passed back to a client by UDP',
  )
  t.equal(world.asked.length, 1)
  const whole = read(world.exchange(query('many.example'), 'tcp'))
  t.equal(whole.answers?.length, 100)
  t.equal(world.asked.at(-1)?.transport, 'tcp', 'a client by TCP is served by TCP')
  t.equal(read(world.exchange(query('many.example'), 'tcp')).answers?.length, 100)
  t.equal(world.asked.length, 2, 'then from the cache')

  const again = world.exchange(query('many.example', 'A', { additionals: [opt({ size: 1232 })] }))
  t.equal(world.asked.length, 2)
  t.match(read(again), { flag_tc: true, answers: [], id: CLIENT_ID })
  t.ok(again.length <= 512)
  const large = world.exchange(query('many.example', 'A', { additionals: [opt({ size: 4096 })] }))
  t.match(read(large), { flag_tc: false })
  t.equal(read(large).answers?.length, 100)

  const careless: Server = (asked) => ({ bytes: answerTo(asked, { answers: many }) })
  const reply = new DnsWorld({ [ONE]: careless }).exchange(query('many.example'))
  t.match(read(reply), { flag_tc: true, answers: [] }, 'an answer too large for the client')
})

t.test('a tunnel without datagrams serves UDP clients by TCP', async (t) => {
  const tcpOnly: Server = (asked) =>
    asked.transport === 'udp' ? { unsupported: true, after: 0 } : RECORDS(asked)
  const world = new DnsWorld({ [ONE]: tcpOnly })
  t.match(read(world.exchange(query('web.example'))).answers, [{ data: '192.0.2.1' }])
})

t.test('the cache', async (t) => {
  const server: Server = (asked) => ({
    bytes: answerTo(asked, {
      answers: asked.name.toLowerCase() === 'web.example' ? [a(asked.name, '192.0.2.1', 300)] : [],
      authorities: [soa('example', 60, 60)],
      additionals: asked.query.additionals?.length
        ? [opt({ size: 512, data: [{ code: 10, data: Buffer.alloc(24) }] })]
        : [],
    }),
  })

  t.test('serves with lowered TTLs, the client\u2019s id and spelling', async (t) => {
    const world = new DnsWorld({ [ONE]: server })
    world.exchange(query('web.example', 'A', { additionals: [opt()] }))
    world.advance(12_345)
    const packet = read(world.exchange(query('wEb.eXample', 'A', { id: 9, additionals: [opt()] })))
    t.equal(world.asked.length, 1)
    t.match(packet, { id: 9, questions: [{ name: 'wEb.eXample' }], answers: [{ ttl: 288 }] })
    t.match(packet.authorities, [{ ttl: 48 }])
    t.match(packet.additionals, [{ type: 'OPT', udpPayloadSize: 1232, options: [] }])
    t.same(
      read(world.exchange(query('web.example'))).additionals,
      [],
      'no OPT for a client without',
    )
    world.advance(80_000)
    t.match(
      read(world.exchange(query('web.example'))).authorities,
      [{ ttl: 0 }],
      'never below zero',
    )
  })

  t.test('is shared with look-ups', async (t) => {
    const world = new DnsWorld({ [ONE]: server })
    world.lookup('web.example')
    t.match(read(world.exchange(query('web.example'))).answers, [{ data: '192.0.2.1' }])
    t.equal(read(world.exchange(query('none.example'))).answers?.length, 0)
    t.equal(world.lookup('none.example').error?.code, 'ERR_NAME')
    t.equal(world.asked.length, 2)
  })

  t.test('keeps apart what differs', async (t) => {
    const world = new DnsWorld({ [ONE]: server })
    const variants = [
      query('web.example'),
      query('web.example', 'AAAA'),
      query('web.example', 'A', { flags: 0 }),
      query('web.example', 'A', { flags: 0x0110 }),
      query('web.example', 'A', { additionals: [opt({ dnssec: true })] }),
      query('web.example', 'A', { questions: [{ name: 'web.example', type: 'A', class: 'CH' }] }),
    ]
    for (const [i, variant] of variants.entries()) {
      world.exchange(variant)
      world.exchange(variant)
      t.equal(world.asked.length, i + 1)
    }
  })

  t.test('is not used where the answer may depend on who asks', async (t) => {
    const world = new DnsWorld({ [ONE]: server })
    const subnet = { code: 8, family: 1, sourcePrefixLength: 24, ip: '192.0.2.0' }
    const own = query('web.example', 'A', { additionals: [opt({ data: [subnet] })] })
    world.exchange(own)
    world.exchange(own)
    world.exchange(query('web.example', 'ANY'))
    world.exchange(query('web.example', 'ANY'))
    t.equal(world.asked.length, 4)
    t.equal(world.machine.stats().cacheEntries, 0)
    world.exchange(
      query('web.example', 'A', {
        additionals: [opt({ data: [{ code: 10, data: Buffer.alloc(8) }] })],
      }),
    )
    t.equal(world.machine.stats().cacheEntries, 1, 'a cookie does not matter')
  })
})

t.test('equal queries under way are sent once', async (t) => {
  const world = new DnsWorld({ [ONE]: RECORDS })
  const ids = [1, 2, 3].map((id) => world.startExchange(query('web.example', 'A', { id })))
  t.equal(world.asked.length, 1)
  t.same(
    ids.map((id) => read(world.finish(id).reply ?? new Uint8Array(12)).id),
    [1, 2, 3],
  )
})

t.test('too many at once get SERVFAIL', async (t) => {
  const world = new DnsWorld({ [ONE]: silent })
  for (let i = 0; i < DNS_WAITERS; i++)
    world.machine.exchange(query('web.example'), 'udp', world.now)
  t.equal(read(world.exchange(query('web.example'))).rcode, 'SERVFAIL')
  t.equal(world.now, 1000, 'at once')
})

t.test('one that is given up leaves nothing behind', async (t) => {
  const world = new DnsWorld({ [ONE]: silent })
  const id = world.startExchange(query('web.example'))
  world.machine.cancel(id)
  world.drain()
  t.equal(world.open.size, 0)
  t.equal(world.outcome(id).reply, undefined)
})

t.test('whatever a client sends, it is answered or refused, and nothing stays', async (t) => {
  const base = query('web.example', 'A', {
    additionals: [opt({ data: [{ code: 10, data: Buffer.alloc(8) }] })],
  })
  const flips = fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 5 })
  const echo: Server = (asked: Asked) => {
    const bytes = new Uint8Array(asked.bytes)
    set16(bytes, 2, 0x8180)
    return { bytes }
  }
  const attempt = (bytes: Bytes, transport: 'udp' | 'tcp') => {
    const world = new DnsWorld({ [ONE]: echo })
    try {
      const reply = world.exchange(bytes, transport)
      return (
        u16(reply, 0) === u16(bytes, 0) && (u16(reply, 2) & 0x8000) !== 0 && world.open.size === 0
      )
    } catch (thrown) {
      return (thrown as { code?: string }).code === 'ERR_PROTOCOL'
    }
  }
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(flips, fc.nat(base.length), fc.boolean(), (changes, cut, tcp) => {
        const bytes = new Uint8Array(base)
        for (const [at, byte] of changes) bytes[at] = byte
        const transport = tcp ? 'tcp' : 'udp'
        return attempt(bytes, transport) && attempt(bytes.subarray(0, cut), transport)
      }),
      { interruptAfterTimeLimit: FUZZ_MS, numRuns: 1_000_000 },
    ),
  )
})
