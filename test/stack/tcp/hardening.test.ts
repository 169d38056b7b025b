/** What a hostile or broken peer may try (RFC 5961, RFC 5927), and the bounds. */
import t from 'tap'
import { PvpnError } from '../../../src/core/errors.js'
import { BACKLOG, HALF_OPEN_LEAST } from '../../../src/stack/tcp/limits.js'
import { Script } from './script.js'
import { accept, open, scripts } from './scripts.js'

scripts({
  'RST in the window but not exact: challenge ACK': `${accept()}
    < R 2
    > A 1 ack 1
    < R 1
    * ERR_RESET
  `,
  'RST outside of the window is dropped': `${accept()}
    < R 100000
    < R 0
  `,
  'SYN in a synchronized state: challenge ACK': `${accept()}
    < S 1
    > A 1 ack 1
    + 200
    < S 5000
    > A 1 ack 1
    + 200
    < S 900000
    > A 1 ack 1
  `,
  'challenge ACKs come at most every 100 ms': `${accept()}
    < R 2
    > A 1 ack 1
    < R 2
    < R 2
    + 100
    < R 2
    > A 1 ack 1
  `,
  'an ACK of what was never sent is answered and dropped, its data too': `${accept()}
    < PA 1:10 ack 50
    > A 1 ack 1
  `,
  'an ACK from long ago is dropped': `${accept()}
    < PA 1:10 ack -70000
    > A 1 ack 1
  `,
  'an old ACK keeps its data': `${accept()}
    ! write 10
    > PA 1:10 ack 1
    < A 1 ack 11
    < PA 1:10 ack 1
    > A 11 ack 11
    * readable
  `,
  'a segment without ACK is dropped': `${accept()}
    < P 1:10
  `,
  'data beyond the window is cut off': `${accept()}
    < PA 65001:1000 ack 1
    > A 1 ack 1
    < PA 70000:1000 ack 1
    > A 1 ack 1
  `,
  'a second FIN elsewhere, or data behind the FIN, is ignored': `${accept()}
    < FPA 11:10 ack 1
    > A 1 ack 1
    < FPA 31:10 ack 1
    > A 1 ack 1
    < PA 1:10 ack 1
    > A 1 ack 22
    < PA 22:10 ack 1
    = CLOSE-WAIT
    * readable
  `
    .replace('    * readable\n', '    * connection readable\n')
    .replace('  * connection\n', ''),
  'urgent data is ordinary data': `${accept()}
    < UPA 1:10 ack 1
    > A 1 ack 11
    * readable
    ! read
  `,
  'every flag at once': `${accept()}
    < FSRPAU 1 ack 1
    * ERR_RESET
  `,
})

t.test('half-open connections of one listener are bounded', async (t) => {
  const s = new Script()
  t.same(s.run('! listen 1\n< S 0\n> SA 0 ack 1'), [])
  s.tcp.listen({ port: 81, backlog: 1 })
  t.equal(s.tcp.counters.drops['half-open-full'], 0)
  t.ok(BACKLOG > 1)
  t.throws(() => s.tcp.listen({ port: 80 }), { code: 'ERR_LIMIT' }, 'a port is taken once')
  t.throws(() => s.tcp.listen({ port: 80, family: 6 }), { code: 'ERR_LIMIT' })
})

t.test(
  'a SYN takes the place of the oldest half-open connection, never of an open one',
  async (t) => {
    const s = new Script()
    t.same(s.run('! listen 2'), [])
    for (const port of [5000, 5001]) {
      s.peerPort = port
      t.same(s.run('< S 0\n> SA 0 ack 1'), [])
    }
    s.peerPort = 5002
    t.same(s.run('< S 0\n> SA 0 ack 1'), [], 'a burst of clients is no flood: a cookie')
    t.equal(s.tcp.counters.cookies.sent, 1)
    s.quiet(HALF_OPEN_LEAST)
    t.same(s.run('< S 0\n> SA 0 ack 1'), [])
    t.equal(s.tcp.counters.open, 2)
    t.equal(s.tcp.counters.cookies.sent, 1, 'a place')
    t.same(s.run('< A 1 ack 1\n* connection\n= ESTABLISHED'), [], 'the newest gets in')
    s.peerPort = 5000
    t.same(s.run('< A 1 ack 1\n> R 1'), [], 'the oldest is forgotten')
    for (let port = 6000; port < 6100; port++) {
      s.peerPort = port
      s.quiet(HALF_OPEN_LEAST)
      t.same(s.run('< S 0\n> SA 0 ack 1'), [])
    }
    t.equal(s.tcp.counters.open, 3)
    t.same(s.run('= ESTABLISHED'), [])
  },
)

const OURS = new Uint8Array([10, 0, 0, 1])
const THEIRS = new Uint8Array([10, 0, 0, 2])

function icmp(s: Script, error: PvpnError | 'packet-too-big', sequence: number): void {
  s.tcp.icmpError(
    {
      local: OURS,
      localPort: s.socket?.local.port ?? 0,
      remote: THEIRS,
      remotePort: 5000,
      sequence,
      error,
    },
    s.now,
  )
}

const unreachable = new PvpnError('ERR_HOST_UNREACHABLE', 'no such host')

t.test('ICMP ends an opening connection', async (t) => {
  const s = new Script()
  t.same(s.run('! connect\n> S 0'), [])
  icmp(s, unreachable, s.iss + 5)
  t.same(s.run('= SYN-SENT'), [], 'a sequence number that is not in flight is not believed')
  icmp(s, unreachable, s.iss)
  t.same(s.run('+ 0\n* ERR_HOST_UNREACHABLE\n= CLOSED'), [])
})

t.test('ICMP about an open connection only explains a time-out', async (t) => {
  const s = new Script()
  t.same(s.run(`${open()}\n! write 10\n> PA 1:10 ack 1`), [])
  icmp(s, unreachable, s.iss + 1)
  t.same(s.run('= ESTABLISHED'), [])
  s.quiet(200_000)
  t.same(s.run('* ERR_HOST_UNREACHABLE'), [])
})

t.test('packet too big: what is in flight is cut and sent again', async (t) => {
  const s = new Script()
  t.same(s.run(`${open('mss 1460')}\n! write 2000\n> A 1:1460 ack 1\n> PA 1461:540 ack 1`), [])
  s.ip.mtu = 1040
  icmp(s, 'packet-too-big', s.iss + 1)
  t.same(
    s.run(`
      + 0
      > A 1:1000 ack 1
      > A 1001:460 ack 1
      < A 1 ack 2001
      ! write 1500
      > A 2001:1000 ack 1
      > PA 3001:500 ack 1
    `),
    [],
  )
})

t.test('an address that goes takes its connections along; others try again at once', async (t) => {
  const s = new Script()
  t.same(s.run(`${open()}\n! write 10\n> PA 1:10 ack 1`), [])
  s.quiet(5000)
  s.tcp.addressesChanged(s.now)
  t.same(s.run('+ 0\n> PA 1:10 ack 1'), [], 'the link is back: no waiting for the time-out')
  s.ip.address = new Uint8Array([10, 0, 0, 9])
  s.tcp.addressesChanged(s.now)
  t.same(s.run('+ 0\n* ERR_DOWN\n= CLOSED'), [])
})

t.test('a damaged segment is counted and dropped', async (t) => {
  const s = new Script()
  t.same(s.run('! listen'), [])
  const packet = new Uint8Array(60)
  packet[0] = 0x45
  s.tcp.input(packet, 0, 20, 40, s.now)
  s.tcp.input(packet, 0, 20, 10, s.now)
  packet[32] = 0xf0
  s.tcp.input(packet, 0, 20, 40, s.now)
  packet[32] = 0x50
  s.tcp.input(packet, 0, 20, 40, s.now)
  t.equal(s.tcp.counters.drops.malformed, 3)
  t.equal(s.tcp.counters.drops.checksum, 1)
})
