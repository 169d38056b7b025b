/** The cache: TTLs, negative answers, bounds. */
import { decode, encode } from 'dns-packet'
import t from 'tap'
import { Cache } from '../../src/dns/cache.js'
import {
  DNS_CACHE_BYTES,
  DNS_CACHE_ENTRIES,
  DNS_CACHE_MESSAGE,
  DNS_NEGATIVE_TTL,
  DNS_TTL,
} from '../../src/dns/limits.js'
import { type DnsMessage, parseMessage } from '../../src/dns/message.js'
import { a, answerTo, cname, DnsWorld, type Server, soa } from './dns-world.js'

const ONE = '10.0.0.1:53'

/** How long, in seconds, a world with this server answers from its cache; 0: not at all. */
function kept(server: Server): number {
  const world = new DnsWorld({ [ONE]: server })
  world.lookup('web.example')
  const start = world.now
  const asked = world.asked.length
  for (const seconds of [1, 10, 59, 60, 61, 119, 120, 299, 300, 3599, 3600, 90_000]) {
    world.advance(start + seconds * 1000 - world.now)
    world.lookup('web.example')
    if (world.asked.length > asked) return seconds
  }
  return Number.POSITIVE_INFINITY
}

t.test('positive answers are kept for their smallest TTL', async (t) => {
  const answers =
    (...ttls: number[]) =>
    (asked: Parameters<Server>[0]) => ({
      bytes: answerTo(asked, {
        answers: ttls.map((ttl, i) => a('web.example', `192.0.2.${i}`, ttl)),
      }),
    })
  t.equal(kept(answers(60)), 60)
  t.equal(kept(answers(300, 60)), 60)
  t.equal(kept(answers(0)), 1)
  t.equal(kept(answers(500_000)), DNS_TTL)
  t.equal(kept(answers(0x80000000)), 1, 'a TTL with the top bit is 0 (RFC 2181)')
  t.equal(
    kept((asked) => ({
      bytes: answerTo(asked, {
        answers: [cname('web.example', 'b.example', 60), a('b.example', '192.0.2.1', 300)],
      }),
    })),
    60,
    "the chain's too",
  )
})

t.test('negative answers are kept as their SOA says (RFC 2308)', async (t) => {
  const negative =
    (rcode: 'NOERROR' | 'NXDOMAIN', ...authorities: ReturnType<typeof soa>[]) =>
    (asked: Parameters<Server>[0]) => ({
      bytes: answerTo(asked, { rcode, authorities }),
    })
  for (const rcode of ['NOERROR', 'NXDOMAIN'] as const) {
    t.equal(kept(negative(rcode, soa('example', 120, 60))), 60)
    t.equal(kept(negative(rcode, soa('example', 60, 120))), 60)
    t.equal(kept(negative(rcode, soa('example', 90_000, 90_000))), DNS_NEGATIVE_TTL)
    t.equal(kept(negative(rcode)), 1, 'none without SOA')
    t.equal(kept(negative(rcode, soa('other.test', 120, 120))), 1, 'nor by the SOA of another zone')
  }
  const failed = kept((asked) => ({
    bytes: answerTo(asked, { rcode: 'SERVFAIL', authorities: [soa('example')] }),
  }))
  t.equal(failed, 1, 'failures are not kept')
})

t.test('truncated answers are not kept', async (t) => {
  t.equal(
    kept((asked) => ({
      bytes: answerTo(asked, {
        tc: asked.transport === 'udp',
        answers: asked.transport === 'udp' ? [a('web.example', '192.0.2.1')] : [],
      }),
    })),
    1,
  )
})

t.test('flush forgets', async (t) => {
  const world = new DnsWorld({
    [ONE]: (asked) => ({ bytes: answerTo(asked, { answers: [a('web.example', '192.0.2.1')] }) }),
  })
  world.lookup('web.example')
  world.lookup('web.example')
  t.equal(world.asked.length, 1)
  t.equal(world.machine.stats().cacheHits, 1)
  world.machine.flush()
  world.lookup('web.example')
  t.equal(world.asked.length, 2)
})

function message(name: string, size: number): DnsMessage {
  const data = Buffer.alloc(size)
  const parsed = parseMessage(
    encode({
      type: 'response',
      questions: [{ type: 'NULL', name }],
      answers: [{ type: 'NULL', name, data, ttl: 600 }],
    }),
  )
  if (parsed === undefined) throw new Error('malformed')
  return parsed
}

t.test('the number of entries is bounded, the least recently used goes', async (t) => {
  const cache = new Cache()
  for (let i = 0; i < DNS_CACHE_ENTRIES; i++) cache.put(`n${i}`, message('x', 1), 0)
  t.equal(cache.entries, DNS_CACHE_ENTRIES)
  t.ok(cache.get('n0', 1))
  cache.put('more', message('x', 1), 0)
  t.equal(cache.entries, DNS_CACHE_ENTRIES)
  t.ok(cache.get('n0', 1), 'recently used')
  t.notOk(cache.get('n1', 1), 'the oldest')
})

t.test('the bytes are bounded', async (t) => {
  const cache = new Cache()
  for (let i = 0; i < 1000; i++) {
    cache.put(`n${i}`, message('x', 16_000), 0)
    t.ok(cache.bytes <= DNS_CACHE_BYTES) || t.bailout('too large')
  }
  t.ok(cache.entries > 200 && cache.entries < 300)
  cache.put('large', message('x', DNS_CACHE_MESSAGE), 0)
  t.notOk(cache.get('large', 1), 'larger than one may be')
  for (let i = 0; i < 1000; i++) cache.get(`n${i}`, 1e9)
  t.same([cache.entries, cache.bytes], [0, 0], 'expired ones are taken out and counted down')
  cache.put('a', message('x', 10), 0)
  cache.put('a', message('x', 20), 0)
  cache.clear()
  t.same([cache.entries, cache.bytes], [0, 0])
})

t.test('the OPT record is not kept', async (t) => {
  const opt = {
    type: 'OPT' as const,
    name: '.',
    udpPayloadSize: 4096,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  }
  const make = (additionals: Parameters<typeof encode>[0]['additionals'] & object) => {
    const parsed = parseMessage(
      encode({
        type: 'response',
        questions: [{ type: 'A', name: 'x' }],
        answers: [a('x', '192.0.2.1')],
        additionals,
      }),
    )
    if (parsed === undefined) throw new Error('malformed')
    return parsed
  }
  const cache = new Cache()
  cache.put('last', make([a('y', '192.0.2.2'), opt]), 0)
  const hit = cache.get('last', 5500)
  t.equal(hit?.age, 5)
  const packet = decode(Buffer.from(hit?.message.bytes ?? []))
  t.same(
    packet.additionals?.map(({ type }) => type),
    ['A'],
  )
  cache.put('middle', make([opt, a('y', '192.0.2.2')]), 0)
  t.notOk(cache.get('middle', 1), 'one in the middle can not be cut out: not kept')
})
