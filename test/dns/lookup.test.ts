/** Look-ups by the machine: search, zones, hosts, both families, CNAMEs, and what errors tell. */
import t from 'tap'
import { DNS_CHAIN, DNS_LOOKUP_TIME, DNS_WAITERS } from '../../src/dns/limits.js'
import {
  a,
  aaaa,
  answerTo,
  cname,
  DnsWorld,
  endpoint,
  failing,
  ptr,
  type Server,
  silent,
  soa,
  zone,
} from './dns-world.js'

const ONE = '10.0.0.1:53'
const TWO = '10.0.0.2:53'

t.test('a name resolves to the addresses of both families', async (t) => {
  const world = new DnsWorld({
    [ONE]: zone([
      a('web.example', '192.0.2.1'),
      a('web.example', '192.0.2.2'),
      aaaa('web.example', '2001:db8::1'),
    ]),
  })
  const { values, error, settledAt } = world.lookup('Web.Example', ['A', 'AAAA'])
  t.equal(error, undefined)
  t.same(values, { A: ['192.0.2.1', '192.0.2.2'], AAAA: ['2001:db8::1'] })
  t.equal(settledAt, 1010, 'both were asked at once')
  t.equal(world.open.size, 0)
  const [first, second] = world.asked
  t.not(first?.query.id, second?.query.id, 'ids differ')
  t.same(
    first?.query.additionals?.map((r) => (r as { udpPayloadSize: number }).udpPayloadSize),
    [1232],
  )
  t.equal(first?.query.flag_rd, true)
})

t.test('addresses of one family are handed over before the other answers', async (t) => {
  const quick = zone([a('web.example', '192.0.2.1'), aaaa('web.example', '2001:db8::1')], 10)
  const world = new DnsWorld({
    [ONE]: (asked) => ({ ...(quick(asked) as object), after: asked.type === 'AAAA' ? 400 : 10 }),
  })
  const id = world.start('web.example', ['A', 'AAAA'])
  world.advance(20)
  t.same(world.outcome(id).values, { A: ['192.0.2.1'] })
  t.equal(world.outcome(id).settledAt, undefined)
  t.same(world.finish(id).values.AAAA, ['2001:db8::1'])
})

t.test('one family is enough, whatever becomes of the other', async (t) => {
  const other: Record<string, Server> = {
    NXDOMAIN: failing('NXDOMAIN'),
    SERVFAIL: failing('SERVFAIL'),
    silence: silent,
    nodata: (asked) => ({ bytes: answerTo(asked, { authorities: [soa('example')] }) }),
  }
  for (const [what, server] of Object.entries(other)) {
    const world = new DnsWorld({
      [ONE]: (asked) =>
        asked.type === 'AAAA' ? server(asked) : zone([a('web.example', '192.0.2.1')])(asked),
    })
    const { values, error } = world.lookup('web.example', ['A', 'AAAA'])
    t.same(values, { A: ['192.0.2.1'] }, what)
    t.equal(error, undefined, what)
  }
})

t.test('NXDOMAIN to A decides without waiting for AAAA', async (t) => {
  const world = new DnsWorld({
    [ONE]: (asked) => (asked.type === 'A' ? failing('NXDOMAIN')(asked) : undefined),
  })
  const { error, settledAt } = world.lookup('web.example', ['A', 'AAAA'])
  t.equal(error?.code, 'ERR_NAME')
  t.equal(settledAt, 1010)
  t.equal(world.open.size, 0)
})

t.test('NXDOMAIN to A decides whenever it comes', async (t) => {
  for (const after of [5, 20]) {
    const world = new DnsWorld({
      [ONE]: (asked) =>
        asked.type === 'A'
          ? { bytes: answerTo(asked, { rcode: 'NXDOMAIN' }), after }
          : failing('SERVFAIL')(asked),
    })
    t.equal(world.lookup('web.example', ['A', 'AAAA']).error?.code, 'ERR_NAME')
  }
})

t.test('a look-up ends in bounded time, however many names it has to try', async (t) => {
  const slow: Server = (asked) => ({ bytes: answerTo(asked, { rcode: 'NXDOMAIN' }), after: 5000 })
  const search = ['one.example', 'two.example', 'three.example']
  const world = new DnsWorld({ [ONE]: slow }, { search })
  const { error, settledAt } = world.lookup('host')
  t.match(error, { code: 'ERR_RESOLVER', message: /no answer in time/ })
  t.equal(settledAt, 1000 + DNS_LOOKUP_TIME)
  t.equal(world.open.size, 0)
})

t.test('an answer that was asked for before a change is not kept', async (t) => {
  const server = zone([a('web.example', '192.0.2.1')])
  const world = new DnsWorld({ [ONE]: server, [TWO]: zone([a('web.example', '192.0.2.2')]) })
  const before = world.start('web.example')
  world.configure({ servers: [endpoint(TWO)] })
  const after = world.start('web.example')
  t.same(world.finish(before).values, { A: ['192.0.2.1'] })
  t.same(world.finish(after).values, { A: ['192.0.2.2'] }, 'nor joined')
  t.same(world.lookup('web.example').values, { A: ['192.0.2.2'] })

  const flushed = world.start('other.example')
  world.machine.flush()
  world.finish(flushed)
  const asked = world.asked.length
  world.lookup('other.example')
  t.equal(world.asked.length, asked + 1)
})

t.test('errors say what happened', async (t) => {
  const world = new DnsWorld({ [ONE]: zone([aaaa('six.example', '2001:db8::6')]) })
  t.match(world.lookup('none.example').error, {
    code: 'ERR_NAME',
    message: /no such name inside: none.example/,
  })
  t.match(world.lookup('six.example').error, { code: 'ERR_NAME', message: /no IPv4 address/ })
  t.match(world.reverse('192.0.2.9').error, { code: 'ERR_NAME', message: /no name for 192.0.2.9/ })

  const refused = new DnsWorld({ [ONE]: failing('REFUSED'), [TWO]: silent })
  t.match(refused.lookup('web.example').error, {
    code: 'ERR_RESOLVER',
    message: /10\.0\.0\.1:53 REFUSED, 10\.0\.0\.2:53 silent/,
  })
})

t.test('what can not be a name is refused at once', async (t) => {
  const world = new DnsWorld({ [ONE]: zone([]) })
  const bad = [
    '',
    '.',
    '..',
    'a..b',
    '.a',
    `${'a'.repeat(64)}.b`,
    'a b',
    'a\0b',
    'a\\b',
    'ü',
    `${'a.'.repeat(130)}b`,
  ]
  for (const name of bad) {
    t.throws(() => world.start(name), { code: 'ERR_NAME' }, JSON.stringify(name.slice(0, 20)))
  }
  t.throws(() => world.machine.reverse('10.0.0.300', 0), { code: 'ERR_NAME' })
  t.same(world.asked, [])
})

t.test('the search list is used as glibc does with ndots:1', async (t) => {
  const order = (name: string, search: string[]) => {
    const world = new DnsWorld({ [ONE]: zone([]) }, { search })
    world.lookup(name)
    return world.asked.map((asked) => asked.name)
  }
  const search = ['one.example', 'two.example.']
  t.same(order('host', search), ['host.one.example', 'host.two.example', 'host'])
  t.same(order('host.sub', search), ['host.sub', 'host.sub.one.example', 'host.sub.two.example'])
  t.same(order('host.', search), ['host'])
  t.same(order('host.sub.', search), ['host.sub'])
  t.same(order('host', []), ['host'])

  const world = new DnsWorld({ [ONE]: zone([a('host.two.example', '192.0.2.2')]) }, { search })
  t.same(world.lookup('host', ['A', 'AAAA']).values, { A: ['192.0.2.2'] })
  const { error } = world.lookup('nowhere')
  t.match(error?.message, /tried nowhere.one.example, nowhere.two.example, nowhere/)
})

t.test('a name of one family only ends the search', async (t) => {
  const world = new DnsWorld(
    { [ONE]: zone([aaaa('host.one.example', '2001:db8::1'), a('host', '192.0.2.9')]) },
    { search: ['one.example'] },
  )
  t.same(world.lookup('host', ['A', 'AAAA']).values, { AAAA: ['2001:db8::1'] })
})

t.test('the search goes on behind SERVFAIL and stops at silence', async (t) => {
  const broken: Server = (asked) =>
    asked.name.endsWith('one.example')
      ? failing('SERVFAIL')(asked)
      : zone([a('host.two.example', '192.0.2.2')])(asked)
  const search = ['one.example', 'two.example']
  const world = new DnsWorld({ [ONE]: broken }, { search })
  t.same(world.lookup('host').values, { A: ['192.0.2.2'] })
  t.equal(world.lookup('nowhere').error?.code, 'ERR_RESOLVER', 'it may be in the broken domain')

  const quiet = new DnsWorld({ [ONE]: silent }, { search })
  t.equal(quiet.lookup('host').error?.code, 'ERR_RESOLVER')
  t.ok(quiet.asked.every((asked) => asked.name === 'host.one.example'))
})

t.test('a refusal to look for the bare name takes nothing from "no such name"', async (t) => {
  const world = new DnsWorld(
    { [ONE]: (asked) => (asked.name.includes('.') ? zone([]) : failing('REFUSED'))(asked) },
    { search: ['one.example'] },
  )
  t.equal(world.lookup('host').error?.code, 'ERR_NAME')
})

t.test('zones choose the servers, the longest first', async (t) => {
  const servers = {
    [ONE]: zone([]),
    [TWO]: zone([
      a('x.lab.example', '192.0.2.2'),
      ptr('7.0.20.10.in-addr.arpa', 'box.lab.example'),
    ]),
    '10.0.0.3:53': zone([]),
  }
  const world = new DnsWorld(servers, {
    servers: [endpoint(ONE)],
    zones: {
      example: [endpoint('10.0.0.3:53')],
      'lab.example': [endpoint(TWO)],
      '20.10.in-addr.arpa': [endpoint(TWO)],
      '8.b.d.0.1.0.0.2.ip6.arpa': [endpoint('10.0.0.3:53')],
    },
  })
  const serverOf = (name: string) => {
    const from = world.asked.length
    world.lookup(name)
    return world.asked[from]?.server
  }
  t.equal(serverOf('x.lab.example'), TWO)
  t.equal(serverOf('lab.example'), TWO)
  t.equal(serverOf('xlab.example'), '10.0.0.3:53')
  t.equal(serverOf('other.test'), ONE)
  t.same(world.reverse('10.20.0.7').values, { PTR: ['box.lab.example'] })
  world.reverse('2001:db8::7')
  t.equal(world.asked.at(-1)?.server, '10.0.0.3:53')
  world.reverse('192.168.11.10')
  t.equal(world.asked.at(-1)?.server, ONE, 'private addresses go to the environment')
})

t.test('hosts answer without a server, forward and in reverse', async (t) => {
  const world = new DnsWorld(
    { [ONE]: zone([]) },
    {
      search: ['office.example'],
      hosts: {
        'Build.office.example': ['192.168.11.20', 'FD00:0::20'],
        mail: ['192.168.11.25', '192.168.11.20'],
      },
    },
  )
  t.same(world.lookup('build.office.example', ['A', 'AAAA']).values, {
    A: ['192.168.11.20'],
    AAAA: ['fd00::20'],
  })
  t.same(world.lookup('BUILD').values, { A: ['192.168.11.20'] }, 'by the search list')
  t.same(
    world.lookup('mail').values,
    { A: ['192.168.11.25', '192.168.11.20'] },
    'before the search list',
  )
  t.match(
    world.lookup('mail', ['AAAA']).error,
    { code: 'ERR_NAME' },
    'the other family is not asked for',
  )
  t.same(world.reverse('192.168.11.20').values, { PTR: ['build.office.example', 'mail'] })
  t.same(world.reverse('fd00::20').values, { PTR: ['build.office.example'] })
  t.same(world.asked, [])
})

t.test('localhost never leaves', async (t) => {
  const world = new DnsWorld({ [ONE]: zone([]) }, { search: ['office.example'] })
  for (const name of ['localhost', 'LOCALHOST.', 'db.localhost']) {
    t.same(world.lookup(name, ['A', 'AAAA']).values, { A: ['127.0.0.1'], AAAA: ['::1'] }, name)
  }
  const before = world.log().filter((line) => !line.includes('office.example'))
  t.same(before, [])
})

t.test('CNAMEs', async (t) => {
  t.test('are followed within an answer, in any order', async (t) => {
    const world = new DnsWorld({
      [ONE]: (asked) => ({
        bytes: answerTo(asked, {
          answers: [
            a('c.example', '192.0.2.3'),
            cname('b.example', 'C.example'),
            cname('a.example', 'b.example'),
          ],
        }),
      }),
    })
    t.same(world.lookup('a.example').values, { A: ['192.0.2.3'] })
    t.equal(world.asked.length, 1)
  })

  t.test('that leave the answer are asked for again, at their own zone', async (t) => {
    const world = new DnsWorld(
      {
        [ONE]: (asked) => ({
          bytes: answerTo(asked, { answers: [cname('a.example', 'b.other.test')] }),
        }),
        [TWO]: zone([a('b.other.test', '192.0.2.3')]),
      },
      { servers: [endpoint(ONE)], zones: { 'other.test': [endpoint(TWO)] } },
    )
    t.same(world.lookup('a.example', ['A', 'AAAA']).values, { A: ['192.0.2.3'] })
    t.same(
      world.log().filter((line) => line.includes(' A ')),
      [`${ONE} a.example A udp`, `${TWO} b.other.test A udp`],
    )
  })

  t.test('into the configured hosts are followed', async (t) => {
    const world = new DnsWorld(
      {
        [ONE]: (asked) => ({
          bytes: answerTo(asked, { answers: [cname('a.example', 'b.example')] }),
        }),
      },
      { hosts: { 'b.example': ['192.0.2.4'] } },
    )
    t.same(world.lookup('a.example').values, { A: ['192.0.2.4'] })
  })

  t.test('that lead nowhere are "no such name"', async (t) => {
    const world = new DnsWorld({
      [ONE]: (asked) => ({
        bytes: answerTo(asked, {
          rcode: 'NXDOMAIN',
          answers: [cname('a.example', 'b.example')],
          authorities: [soa('example')],
        }),
      }),
    })
    t.equal(world.lookup('a.example').error?.code, 'ERR_NAME')
    t.equal(world.asked.length, 1)
  })

  t.test('in a circle end, within an answer and across answers', async (t) => {
    const within = new DnsWorld({
      [ONE]: (asked) => ({
        bytes: answerTo(asked, {
          answers: [cname('a.example', 'b.example'), cname('b.example', 'a.example')],
        }),
      }),
    })
    t.match(within.lookup('a.example').error, { code: 'ERR_RESOLVER', message: /too many CNAMEs/ })
    t.equal(within.asked.length, 1)

    let n = 0
    const across = new DnsWorld({
      [ONE]: (asked) => ({
        bytes: answerTo(asked, { answers: [cname(asked.name, `n${++n}.example`)] }),
      }),
    })
    t.match(across.lookup('a.example').error, { code: 'ERR_RESOLVER', message: /too many CNAMEs/ })
    t.equal(across.asked.length, DNS_CHAIN + 1)
  })

  t.test('to names that can not be asked for fail', async (t) => {
    const world = new DnsWorld({
      [ONE]: (asked) => ({
        bytes: answerTo(asked, { answers: [cname('a.example', 'b c.example')] }),
      }),
    })
    t.match(world.lookup('a.example').error, { code: 'ERR_RESOLVER', message: /unusable/ })
  })
})

t.test('an answer serves only the question that was asked', async (t) => {
  const world = new DnsWorld({
    [ONE]: (asked) => ({
      bytes: answerTo(asked, {
        answers:
          asked.name === 'a.example'
            ? [a('a.example', '192.0.2.1'), a('bank.example', '203.0.113.66')]
            : [a('bank.example', '192.0.2.7')],
        authorities: [a('bank.example', '203.0.113.66')],
        additionals: [a('bank.example', '203.0.113.66')],
      }),
    }),
  })
  t.same(world.lookup('a.example').values, { A: ['192.0.2.1'] })
  t.same(
    world.lookup('bank.example').values,
    { A: ['192.0.2.7'] },
    'nothing came from the other answer',
  )
  t.equal(world.asked.length, 2)

  const empty = new DnsWorld({
    [ONE]: (asked) => ({
      bytes: answerTo(asked, {
        answers: [a('bank.example', '203.0.113.66')],
        authorities: [soa('example')],
      }),
    }),
  })
  t.equal(empty.lookup('a.example').error?.code, 'ERR_NAME')
})

t.test('without any server names do not resolve, and the error says what to do', async (t) => {
  const world = new DnsWorld({})
  t.match(world.lookup('web.example').error, { code: 'ERR_NAME', hint: /dns\.servers/ })
})

t.test('down', async (t) => {
  const world = new DnsWorld({ [ONE]: silent })
  const id = world.start('web.example', ['A', 'AAAA'])
  world.machine.configure(undefined)
  world.drain()
  t.equal(world.outcome(id).error?.code, 'ERR_DOWN')
  t.equal(world.open.size, 0)
  t.throws(() => world.start('web.example'), { code: 'ERR_DOWN' })
  t.throws(() => world.machine.reverse('192.0.2.1', 0), { code: 'ERR_DOWN' })
})

t.test('a look-up that is given up leaves nothing behind', async (t) => {
  const world = new DnsWorld({ [ONE]: silent })
  const [first, second] = [world.start('web.example'), world.start('web.example')]
  t.equal(world.asked.length, 1, 'the second joined the first')
  world.machine.cancel(first)
  world.drain()
  t.equal(world.open.size, 1)
  world.machine.cancel(second)
  world.drain()
  t.equal(world.open.size, 0)
  t.equal(world.machine.deadline(), Number.POSITIVE_INFINITY)
})

t.test('too many look-ups at once are refused', async (t) => {
  const world = new DnsWorld({ [ONE]: silent })
  for (let i = 0; i < DNS_WAITERS; i++) world.start('web.example')
  t.equal(world.asked.length, 1)
  t.throws(() => world.start('web.example'), { code: 'ERR_LIMIT' })
  t.equal(world.machine.stats().refused, 1)
  for (let id = 1; id <= DNS_WAITERS; id++) world.machine.cancel(id)
  t.doesNotThrow(() => world.start('web.example'))
})

t.test('too many questions at once are refused, and the others go on', async (t) => {
  const world = new DnsWorld({
    [ONE]: (asked) => ({ ...(zone([a('n1.example', '192.0.2.1')])(asked) as object), after: 50 }),
  })
  const ids = Array.from({ length: 1100 }, (_, i) => world.start(`n${i}.example`))
  for (const id of ids) world.finish(id)
  const codes = ids.map((id) => world.outcome(id).error?.code)
  t.equal(codes.filter((code) => code === 'ERR_LIMIT').length, 1100 - 1024)
  t.same(world.outcome(ids[1] ?? 0).values, { A: ['192.0.2.1'] })
})
