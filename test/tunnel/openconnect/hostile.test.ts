/** Servers that mean no good: every attempt ends, nothing grows, and they are left alone between. */
import t from 'tap'
import { u16 } from '../../../src/core/bytes.js'
import { Cookies } from '../../../src/tunnel/openconnect/cookies.js'
import { serverWords } from '../../../src/tunnel/openconnect/failure.js'
import { FRAME, frame } from '../../../src/tunnel/openconnect/frame.js'
import { HttpAnswerReader } from '../../../src/tunnel/openconnect/http-answer.js'
import {
  OC_BODY_BYTES,
  OC_FORMS,
  OC_HEAD_BYTES,
  OC_WAITING_BYTES,
} from '../../../src/tunnel/openconnect/limits.js'
import {
  complete,
  form,
  ok,
  PASSWORD,
  plainServer,
  type Server,
  TUNNEL,
  USERNAME,
  World,
  xml,
} from './world.js'

const tries = (world: World, time: number, state: RegExp) =>
  world.run(time, () => state.test(world.state))

t.test('forms without end', async (t) => {
  const world = new World({}, () => form(USERNAME)).start()
  t.ok(tries(world, 1000, /trying/))
  t.match(world.error?.message, /broke the protocol: forms without end/)
  t.equal(world.asked.length, OC_FORMS + 1)
})

t.test('answers without end', async (t) => {
  const cases: readonly [what: string, answer: string][] = [
    ['a head', `HTTP/1.1 200 OK\r\n${'X-CSTP-DNS: 1.1.1.1\r\n'.repeat(OC_HEAD_BYTES / 20)}`],
    ['a body', `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(2 * OC_BODY_BYTES)}`],
    ['interim answers', 'HTTP/1.1 100\n\n'.repeat(70_000)],
    ['more than anybody takes', 'x'.repeat(OC_WAITING_BYTES + 1)],
    ['an answer that nobody asked for', `${form(USERNAME)}${form(USERNAME)}`],
  ]
  for (const [what, answer] of cases) {
    const world = new World({}, () => answer).start()
    t.ok(tries(world, 1000, /trying/), what)
    t.equal(world.error?.code, 'ERR_PROTOCOL', what)
    t.ok(
      world.connections.every(({ closed }) => closed),
      what,
    )
  }
})

t.test('slow loris: each step has its time', async (t) => {
  const silent = new World({}, () => undefined).start()
  t.ok(tries(silent, 91_000, /trying/))
  t.match(silent.error?.message, /^vpn.example:443 \(203.0.113.6\) has not answered in 90 s$/)
  const drip = new World({}, () => 'H').start()
  for (let i = 0; i < 100 && drip.state !== 'trying'; i++) {
    drip.run(1000)
    drip.connections[0]?.say(Uint8Array.of(0x48))
  }
  t.equal(drip.state, 'trying', 'whatever drips in')
  const never = new World()
  never.reach = () => 'silence'
  never.start()
  t.ok(tries(never, 16_000, /trying/))
  t.match(
    never.error?.message,
    /^server unreachable: no TLS connection to vpn.example:443 \(203.0.113.6\) in 15 s$/,
  )
  t.ok(never.connections[0]?.closed)
  const slow: Server = ({ body }) => (body.includes('init') ? form(USERNAME) : undefined)
  const steps = new World({}, slow).start()
  t.ok(tries(steps, 100_000, /trying/))
})

t.test('documents of every kind', async (t) => {
  const bodies = [
    '<?xml',
    '<config-auth',
    xml('auth-request', '<auth><form><input name="a b" type="password"/></form></auth>'),
    xml('auth-request', '<auth><form><input name="&lt;x&gt;" type="text"/></form></auth>'),
    xml('auth-request', `<auth><form>${'<input name="a"/>'.repeat(65)}</form></auth>`),
    xml('auth-request', '<auth><form><select name="group_list"/></form></auth>'),
    xml('complete', '<auth id="success"/>'),
    xml('complete', '<session-token>a\r\nX: y</session-token>'),
    xml('auth-request', '<auth/>'),
    '<?xml version="1.0"?><svg/>',
  ]
  for (const body of bodies) {
    const world = new World({}, () => ok(body)).start()
    t.ok(tries(world, 1000, /trying|failed/), body.slice(0, 80))
  }
})

t.test('a tunnel without an address, or that compresses', async (t) => {
  for (const answer of [
    'HTTP/1.1 200 OK\r\n\r\n',
    'HTTP/1.1 200 OK\r\nX-CSTP-Address: 10.0.0.1\r\nX-CSTP-Content-Encoding: lzs\r\n\r\n',
  ]) {
    const world = new World({}, ({ head }) =>
      head.startsWith('CONNECT') ? answer : complete(),
    ).start()
    t.ok(tries(world, 1000, /trying/))
    t.equal(world.error?.code, 'ERR_PROTOCOL')
  }
})

t.test('floods inside the tunnel', async (t) => {
  const world = new World().start()
  t.ok(tries(world, 1000, /up/))
  const before = world.events.length
  for (let i = 0; i < 1000; i++) {
    const type = i % 256
    if (type !== FRAME.disconnect && type !== FRAME.terminate)
      world.down(frame(type, new Uint8Array(4)))
  }
  t.ok((world.tunnel.counters.drops.malformed ?? 0) > 0)
  t.equal(world.events.length, before)
  world.down(frame(FRAME.terminate))
  t.equal(world.state, 'down')
})

// With patterns that look for blanks at the end each of these took minutes: far above the test's time.
t.test('blanks without end cost no more than other bytes', async (t) => {
  const blanks = ' '.repeat(OC_HEAD_BYTES - 1000)
  const head = `HTTP/1.1 200 OK\r\nX-CSTP-Banner: x${blanks}y \t\r\nContent-Length: 0\r\n\r\n`
  const step = new HttpAnswerReader(false).push(new TextEncoder().encode(head))
  t.equal(step.kind, 'done')
  t.same(step.kind === 'done' && step.answer.fields[0], ['x-cstp-banner', `x${blanks}y`])
  const cookies = new Cookies()
  cookies.take(`webvpn=${blanks}\u00e9`)
  cookies.take(`webvpn${blanks}`)
  t.equal(cookies.text, '')
})

t.test('words that would change what a terminal shows', async (t) => {
  t.equal(serverWords('no\u202e entry\u200b,\u2028 \x1b[31mred'), 'no entry , [31mred')
})

const REKEY = TUNNEL.replace(
  'X-CSTP-DPD',
  'X-CSTP-Rekey-Time: 60\r\nX-CSTP-Rekey-Method: new-tunnel\r\nX-CSTP-DPD',
)

t.test(
  'a new tunnel that is refused: nothing is sent twice, and the old one goes on',
  async (t) => {
    for (const options of [{}, { password: undefined }]) {
      let rotated = false
      const before = plainServer(() =>
        rotated ? 'HTTP/1.1 401 Cookie is not acceptable\r\n\r\n' : REKEY,
      )
      const world = new World(options as object, (asked, connection) => {
        if (rotated && asked.body.includes('<password>')) return form(PASSWORD, 'Login failed.')
        return before(asked, connection)
      }).start()
      const isUp = () => world.state === 'up'
      if (!tries(world, 1000, /up/)) world.tunnel.answer?.({ password: 'right horse' }, world.now)
      t.ok(world.run(1000, isUp))
      rotated = true
      world.asked.length = 0
      for (let i = 0; i < 60; i++) {
        world.run(10_000)
        world.down(frame(FRAME.keepalive))
      }
      t.equal(world.state, 'up', 'the present connection goes on')
      t.equal(world.asked.filter(({ body }) => body.includes('type="init"')).length, 1)
      const given = world.asked.filter(({ body }) => body.includes('<password>')).length
      t.equal(given, options.password === undefined && 'password' in options ? 0 : 1)
      world.down(frame(FRAME.terminate))
      world.run(200_000)
      t.equal(world.state, 'failed')
      t.equal(world.asked.filter(({ body }) => body.includes('<password>')).length, given)
      if (given > 0) t.match(world.error?.message, /auth failed.*Login failed/)
      else t.equal(world.error?.asks[0]?.field, 'password')
    }
  },
)

t.test('a redirect to another port goes there', async (t) => {
  const ports: number[] = []
  const world = new World({}, (asked, connection) => {
    ports.push(u16(connection.target.address, 2))
    return asked.head.includes('Host: vpn.example:8443')
      ? plainServer()(asked, connection)
      : 'HTTP/1.1 302 Found\r\nLocation: https://vpn.example:8443/\r\nContent-Length: 0\r\n\r\n'
  }).start()
  t.ok(tries(world, 1000, /up/))
  t.equal(ports[0], 443)
  t.same([...new Set(ports.slice(1))], [8443])
})
