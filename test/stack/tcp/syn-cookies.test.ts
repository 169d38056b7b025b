/** SYN cookies (RFC 4987 section 3.6): a listener without a place for another half-open connection answers all the same. */
import t from 'tap'
import type { Connection } from '../../../src/stack/tcp/connection.js'
import { BACKLOG, HALF_OPEN_LEAST, SYN_COOKIE_LIFE } from '../../../src/stack/tcp/limits.js'
import { SeededRandom } from '../../sim/random.js'
import { Script } from './script.js'

/** A listener whose only place is taken; the next segments are another peer's. */
function full(): Script {
  const s = new Script()
  s.peerPort = 4999
  s.run('! listen 1\n< S 0\n> SA 0 ack 1')
  s.peerPort = 5000
  return s
}

const connection = (s: Script) => s.socket as Connection

t.test('with timestamps a cookie tells all: MSS, window scale, SACK', async (t) => {
  const s = full()
  t.same(
    s.run(`
      < S 0 <mss 1400,sackok,ts 70 0,ws 7>
      > SA 0 ack 1 win 65535 <mss 1460,sackok,ts 0 70,ws 8>
    `),
    [],
  )
  t.equal(s.tcp.counters.open, 1, 'nothing is kept')
  t.same(
    s.run(`
      + 200
      < A 1 ack 1 win 500 <ts 90 0>
      > A 1 ack 1 win 1024
      * connection
      = ESTABLISHED
    `),
    [],
  )
  const c = connection(s)
  t.equal(c.peerMss, 1400)
  t.equal(c.sendShift, 7)
  t.equal(c.sendWindow, 500 << 7)
  t.equal(c.receiveShift, 8)
  t.ok(c.sackUsed && c.timestampsUsed)
  t.match(s.tcp.counters.cookies, { sent: 1, received: 1, failed: 0 })
})

t.test('what was not offered is not assumed', async (t) => {
  const cases = [
    ['ts 70 0', 'mss 1460,ts 0 70', 536],
    ['mss 1300,ts 70 0,sackok', 'mss 1460,sackok,ts 0 70', 1300],
    ['mss 1300,ts 70 0,ws 0', 'mss 1460,ts 0 70,ws 8', 1300],
    ['mss 9000,ts 70 0,ws 14', 'mss 1460,ts 0 70,ws 8', 1460],
    ['mss 1459,ts 70 0', 'mss 1460,ts 0 70', 1440],
    ['mss 300,ts 70 0', 'mss 1460,ts 0 70', 88],
    // Without timestamps there is no place for more than the MSS.
    ['mss 1380,sackok,ws 7', 'mss 1460', 1360],
    ['', 'mss 1460', 536],
  ] as const
  for (const [offer, answer, mss] of cases) {
    const s = full()
    const echo = offer.includes('ts') ? ' <ts 71 0>' : ''
    const scale = answer.includes('ws')
    // The window can now be told in full.
    const update = scale ? '> A 1 ack 1 win 1024' : ''
    const wrong = s.run(`
      < S 0 <${offer}>
      > SA 0 ack 1 win 65535 <${answer}>
      < A 1 ack 1 win 500${echo}
      ${update}
      * connection
    `)
    t.same(wrong, [], offer)
    const c = connection(s)
    t.equal(c.peerMss, mss, offer)
    t.equal(c.sendShift, scale ? Number(/ws (\d+)/.exec(offer)?.[1]) : 0, offer)
    t.equal(c.receiveShift, scale ? 8 : 0)
    t.equal(c.sackUsed, answer.includes('sackok'), offer)
    t.equal(c.timestampsUsed, answer.includes('ts'), offer)
  }
})

t.test('every scale, at every reading of the clock: no stamp is later than it', async (t) => {
  for (let scale = 0; scale <= 14; scale++) {
    const s = full()
    s.quiet(7 * scale + 3)
    const wrong = s.run(`
      < S 0 <mss 1460,ts 1 0,ws ${scale}>
      > SA 0 ack 1
      < A 1 ack 1 <ts 1 0>
      > A 1 ack 1 win 1024
      * connection
    `)
    t.same(wrong, [])
    t.equal(connection(s).sendShift, scale)
    t.ok(s.stamp >= 0 && s.stamp < 32, `the clock is ${s.stamp} ms later than the cookie said`)
  }
})

t.test('the ACK may bring data, and a FIN', async (t) => {
  const s = full()
  t.same(
    s.run(`
      < S 0
      > SA 0 ack 1
      < FPA 1:10 ack 1
      > A 1 ack 12
      * connection readable
      = CLOSE-WAIT
      ! read
    `),
    [],
  )
  t.equal(s.bytesRead, 10)
})

t.test('wrong, old and replayed cookies are reset', async (t) => {
  const s = full()
  const answer = '< S 0\n> SA 0 ack 1'
  t.same(s.run(`${answer}\n< A 1 ack 2\n> R 2`), [], 'another number')
  t.same(s.run('< A 2 ack 1\n> R 1'), [], 'another initial number of the peer')
  s.peerPort = 5001
  t.same(s.run('< A 1 ack 1\n> R 1'), [], 'another port')
  t.equal(s.tcp.counters.cookies.failed, 3)
  s.peerPort = 5000
  t.same(s.run('< A 1 ack 1\n* connection\n= ESTABLISHED'), [])
  t.same(s.run('! abort\n> RA 1 ack 1\n< A 1 ack 1\n> R 1'), [], 'none opens two connections')

  s.quiet(SYN_COOKIE_LIFE / 2 - 1)
  t.same(s.run('< A 1 ack 1\n> R 1'), [], 'nor later, under the next key')

  const late = full()
  t.same(late.run(answer), [])
  late.quiet(SYN_COOKIE_LIFE)
  t.same(late.run('< A 1 ack 1\n> R 1'), [], 'too old')
  t.equal(late.tcp.counters.cookies.failed, 0, 'and no listener was full lately')
})

t.test('a cookie lives for half of the longest life at least, whenever it is made', async (t) => {
  for (const made of [0, 1, SYN_COOKIE_LIFE / 2 - 1, SYN_COOKIE_LIFE / 2, 2.9 * SYN_COOKIE_LIFE]) {
    for (const [age, good] of [
      [SYN_COOKIE_LIFE / 2, true],
      [SYN_COOKIE_LIFE - 1, made !== 1 && made !== SYN_COOKIE_LIFE / 2 - 1],
      [SYN_COOKIE_LIFE, false],
    ] as const) {
      const s = full()
      // A key begins with the first cookie, others follow at half lives; after a while without it begins anew.
      t.same(s.run('< S 0\n> SA 0 ack 1'), [])
      s.quiet(made)
      if (made > HALF_OPEN_LEAST) {
        s.peerPort = 5001
        t.same(s.run('< S 0\n> SA 0 ack 1'), [], 'a place')
      }
      s.peerPort = 5002
      t.same(s.run('< S 0\n> SA 0 ack 1'), [])
      const { iss } = s
      s.quiet(age - 1)
      s.peerPort = 5003
      s.run('< S 0')
      s.peerPort = 5004
      s.run('< S 0')
      s.quiet(1)
      s.peerPort = 5002
      const end = (iss + 1 - s.iss) | 0
      const want = good ? '* connection' : `> R ${end}`
      t.same(s.run(`< A 1 ack ${end}\n${want}`), [], `made at ${made}, ${age} ms old`)
    }
  }
})

t.test('an echo that is none of ours says that there were no timestamps', async (t) => {
  for (const echo of [1000, -SYN_COOKIE_LIFE - 100, 0x7fffffff]) {
    const s = full()
    t.same(
      s.run(`
        < S 0 <mss 1460,ts 1 0,ws 7,sackok>
        > SA 0 ack 1
        < A 1 ack 1 <ts 1 ${echo}>
        * connection
      `),
      [],
    )
    const c = connection(s)
    t.notOk(c.timestampsUsed || c.sackUsed || c.sendShift > 0)
    t.equal(c.peerMss, 1460)
  }
})

t.test('an ACK at a listener that was never full is no cookie', async (t) => {
  const s = new Script()
  t.same(s.run('! listen 1\n< A 1 ack 1\n> R 0'), [])
  t.match(s.tcp.counters.cookies, { sent: 0, received: 0, failed: 0 })
})

t.test('while cookies are on their way half-open connections have them too', async (t) => {
  const s = full()
  t.same(s.run('< S 0 <mss 1460,ts 5 0,ws 3,sackok>\n> SA 0 ack 1'), [])
  const { iss } = s
  s.quiet(HALF_OPEN_LEAST)
  // The SYN came again and finds a place now; then the ACK of the first answer arrives.
  t.same(s.run('< S 0 <mss 1460,ts 5 0,ws 3,sackok>\n> SA 0 ack 1'), [])
  t.equal(s.iss, iss, 'one number')
  t.same(s.run('< A 1 ack 1 <ts 6 0>\n> A 1 ack 1 win 1024\n* connection\n= ESTABLISHED'), [])
  t.equal(s.tcp.counters.cookies.received, 0)

  // One that gives its place to another comes back all the same.
  s.peerPort = 5001
  t.same(s.run('< S 0 <mss 1300,ts 5 0,ws 3,sackok>\n> SA 0 ack 1'), [])
  const [own, stamp] = [s.iss, s.stamp]
  s.quiet(HALF_OPEN_LEAST)
  s.peerPort = 5002
  t.same(s.run('< S 0\n> SA 0 ack 1'), [])
  s.peerPort = 5001
  const ack = (own + 1 - s.iss) | 0
  const opened = `< A 1 ack ${ack} <ts 6 ${stamp}>\n> A ${ack} ack 1 win 1024\n* connection`
  t.same(s.run(opened), [])
  t.match(connection(s), { peerMss: 1300, sendShift: 3, sackUsed: true, timestampsUsed: true })
})

t.test('without timestamps what cannot be told by a cookie is told by none', async (t) => {
  const s = full()
  t.same(s.run('< S 0\n> SA 0 ack 1'), [])
  s.quiet(HALF_OPEN_LEAST)
  s.peerPort = 5001
  t.same(
    s.run(`
      < S 0 <mss 1400,sackok,ws 7>
      > SA 0 ack 1 win 65535 <mss 1460,sackok,ws 8>
      < A 1 ack 1
      > A 1 ack 1 win 1024
      * connection
    `),
    [],
    'it has a place, and keeps what it offered',
  )
})

t.test('guesses open nothing', async (t) => {
  const s = full()
  t.same(s.run('< S 0\n> SA 0 ack 1'), [])
  const random = new SeededRandom(Number(process.env.FUZZ_SEED ?? 1))
  for (let i = 0; i < 20_000; i++) {
    s.peerPort = random.between(1024, 65_535)
    // Near the cookie that one peer has, and anywhere.
    const ack = random.chance(0.5) ? random.word() : random.between(-4096, 4096)
    if (s.peerPort === 5000) continue
    s.run(`< A ${random.between(0, 3)} ack ${ack} <ts 5 ${random.word()}>\n+ 0`)
  }
  t.equal(s.tcp.counters.cookies.received, 0)
  t.ok(s.tcp.counters.cookies.failed > 19_000)
  t.equal(s.tcp.counters.open, 1)
})

t.test('a flood of 5,000 SYNs a second keeps no client out, however far it is', async (t) => {
  const s = new Script()
  t.same(s.run(`! listen ${BACKLOG}`), [])
  let port = 10_000
  const flood = (ms: number) => {
    for (let i = 0; i < ms; i++) {
      for (let k = 0; k < 5; k++) {
        s.peerPort = port
        port = port === 65_535 ? 10_000 : port + 1
        s.run('< S 0')
      }
      s.quiet(1)
    }
  }
  flood(1000)
  s.peerPort = 5000
  t.same(s.run('< S 0\n> SA 0 ack 1'), [])
  const { iss } = s
  flood(4000)
  s.peerPort = 5000
  const { open } = s.tcp.counters
  t.same(s.run(`< A 1 ack ${(iss + 1 - s.iss) | 0}\n* connection\n= ESTABLISHED`), [])
  t.ok(open <= BACKLOG, `${open} half-open`)
})
