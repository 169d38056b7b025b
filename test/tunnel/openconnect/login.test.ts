/** The login: forms, groups, steps, questions, redirects, refusals. */
import t from 'tap'
import { PvpnError } from '../../../src/core/errors.js'
import { OC_SECRET_TRIES } from '../../../src/tunnel/openconnect/limits.js'
import { RETRY_FIRST } from '../../../src/tunnel/openconnect/timing.js'
import {
  type Asked,
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

const bodies = (world: World) => world.asked.map(({ body }) => body)

t.test('name, password, tunnel, over one connection', async (t) => {
  const world = new World().start()
  t.ok(world.run(10_000, () => world.state === 'up'))
  t.equal(world.connections.length, 1)
  t.equal(world.asked.length, 4)
  t.match(world.asked[3]?.head, /^CONNECT \/CSCOSSLC\/tunnel HTTP\/1.1\r\nHost: vpn.example\r\n/)
  t.match(world.asked[3]?.head, /\r\nCookie: webvpn=c00kie\r\n/)
  t.match(world.asked[0]?.body, /<group-access>https:\/\/vpn.example\/<\/group-access>/)
  t.same(world.tunnel.link, {
    addresses: ['192.168.9.52/24'],
    dns: ['192.168.10.1'],
    search: ['site.example'],
    mtu: 1406,
  })
})

t.test('answers in pieces of one byte, and connections that end after each', async (t) => {
  const world = new World()
  world.cut = 1
  const server = world.server
  world.server = (asked, connection) =>
    server(asked, connection)?.replace('\r\n', '\r\nConnection: close\r\n')
  world.start()
  t.ok(world.run(10_000, () => world.state === 'up'))
  t.equal(world.connections.length, 4)
})

t.test('a connection that the server ended while nobody asked is made again', async (t) => {
  const world = new World()
  const server = world.server
  let ends = 0
  world.server = (asked, connection) => {
    if (asked.body.includes('<username>') && ends++ === 0) return 'close'
    return server(asked, connection)
  }
  world.start()
  t.ok(world.run(10_000, () => world.state === 'up'))
})

const SELECT =
  '<select name="group_list" label="Group:"><option>anybody</option><option value="st">The staff</option></select>'

t.test('the table of forms', async (t) => {
  const cases: readonly [what: string, inside: string, options: object, wanted: RegExp][] = [
    [
      'user and password',
      USERNAME + PASSWORD,
      {},
      /<auth><username>ann<\/username><password>right horse<\/password><\/auth>/,
    ],
    ['another name of the user', '<input type="text" name="uname"/>', {}, /<uname>ann</],
    ['what XML escapes', PASSWORD, { password: `<&"'>` }, /<password>&#60;&#38;&#34;&#39;&#62;</],
    [
      'hidden fields go back',
      `<input type="hidden" name="token" value="a&amp;b"/>${PASSWORD}`,
      {},
      /<token>a&#38;b</,
    ],
    [
      'buttons do not',
      `<input type="submit" name="Login" value="Login"/>${PASSWORD}`,
      {},
      /<auth><password>right horse<\/password><\/auth>/,
    ],
    [
      'a field of the configuration',
      '<input type="text" name="color"/>',
      { form: { color: 'blue' } },
      /<color>blue</,
    ],
    ['its word comes first', PASSWORD, { form: { password: 'other' } }, /<password>other</],
    [
      'two passwords',
      `${PASSWORD}<input type="password" name="secondary_password"/>`,
      { form: { secondary_password: '123456' } },
      /<password>right horse<\/password><secondary_password>123456</,
    ],
    [
      'an answer is sent as a password',
      '<input type="password" name="answer"/>',
      {},
      /<auth><password>right horse</,
    ],
    ['a text with a value', '<input type="text" name="realm" value="lab"/>', {}, /<realm>lab</],
    [
      'a choice: the first',
      '<select name="color"><option>red</option><option>blue</option></select>',
      {},
      /<color>red</,
    ],
    [
      "a choice: the server's",
      '<select name="color"><option>red</option><option selected="true">blue</option></select>',
      {},
      /<color>blue</,
    ],
    [
      'a choice: ours',
      '<select name="color"><option value="r">red</option><option>blue</option></select>',
      { form: { color: 'red' } },
      /<color>r</,
    ],
    [
      'the group is no field',
      SELECT + PASSWORD,
      {},
      /<auth><password>right horse<\/password><\/auth><group-select>anybody</,
    ],
    ['no fields at all', '', {}, /<auth><\/auth>/],
  ]
  for (const [what, inside, options, wanted] of cases) {
    const server: Server = ({ head, body }) => {
      if (head.startsWith('CONNECT')) return TUNNEL
      return body.includes('type="init"') ? form(inside) : complete()
    }
    const world = new World(options, server).start()
    t.ok(
      world.run(10_000, () => world.state === 'up'),
      what,
    )
    t.match(bodies(world)[1], wanted, what)
  }
})

t.test('a group: asked for anew, as each has forms of its own', async (t) => {
  const server: Server = ({ head, body }) => {
    if (head.startsWith('CONNECT')) return TUNNEL
    if (body.includes('auth-reply')) return complete()
    const chosen = body.includes('<group-select>st<')
    return form(
      chosen ? SELECT.replace('"st"', '"st" selected="true"') + PASSWORD : SELECT + USERNAME,
    )
  }
  for (const authgroup of ['st', 'The staff']) {
    const world = new World({ authgroup }, server).start()
    t.ok(world.run(10_000, () => world.state === 'up'))
    t.equal(world.asked.length, 4)
    t.match(bodies(world)[2], /<auth><password>right horse<\/password><\/auth><group-select>st</)
  }
  const world = new World({ authgroup: 'bosses' }, server).start()
  t.ok(world.run(10_000, () => world.state === 'failed'))
  t.equal(world.error?.code, 'ERR_CONFIG')
  t.match(world.error?.message, /^authgroup "bosses" is none of the server's: anybody, The staff$/)
})

t.test('a wrong password is said once', async (t) => {
  const world = new World({ password: 'wrong' }).start()
  t.ok(world.run(3_600_000, () => world.state === 'failed'))
  t.equal(world.error?.message, 'auth failed: the server refused user "ann": Login failed.')
  world.run(3_600_000)
  t.equal(bodies(world).filter((body) => body.includes('wrong')).length, 1)
  t.notMatch(JSON.stringify(world.events), /wrong/)
})

t.test(
  'a server that takes the password and never answers gets it three times, not at once',
  async (t) => {
    for (const silence of ['close', undefined] as const) {
      const world = new World()
      const plain = world.server
      world.server = (asked, connection) =>
        asked.body.includes('right horse') ? silence : plain(asked, connection)
      const times: number[] = []
      const { server } = world
      world.server = (asked, connection) => {
        if (asked.body.includes('right horse')) times.push(world.now)
        return server(asked, connection)
      }
      world.start()
      t.equal(world.tunnel.endpoint, 'vpn.example:443')
      t.ok(world.run(1_000_000, () => world.state === 'failed'))
      t.equal(
        world.error?.message,
        'auth failed: vpn.example was given the password 3 times and never answered',
      )
      t.match(world.error?.hint, /pvpn restart ENV$/)
      world.run(3_600_000)
      t.equal(times.length, OC_SECRET_TRIES)
      t.ok(times.every((time, i) => i === 0 || time - (times[i - 1] ?? 0) >= RETRY_FIRST))
    }
  },
)

t.test('answers between, and a login that succeeds, begin the count anew', async (t) => {
  let turn = 0
  const world = new World()
  const plain = world.server
  world.server = (asked, connection) => {
    if (!asked.body.includes('right horse')) return plain(asked, connection)
    return turn++ % 3 === 2 ? complete(`c${turn}`) : 'close'
  }
  const { server } = world
  world.server = (asked, connection) => {
    const answer = server(asked, connection)
    return asked.head.startsWith('CONNECT') ? 'HTTP/1.1 401 No\r\n\r\n' : answer
  }
  world.start()
  t.notOk(world.run(600_000, () => world.state === 'failed'))
  t.ok(turn > OC_SECRET_TRIES)
})

t.test('a field of a type that nobody knows is a secret', async (t) => {
  const field = '<input type="tel" name="pin"/>'
  const server: Server = ({ body }) => (body.includes('4711') ? 'close' : form(USERNAME + field))
  const world = new World({ form: { pin: '4711' } }, server).start()
  t.ok(world.run(1_000_000, () => world.state === 'failed'))
  t.equal(bodies(world).filter((body) => body.includes('4711')).length, OC_SECRET_TRIES)
  const again: Server = () => form(USERNAME + field)
  const refused = new World({ form: { pin: '4711' } }, again).start()
  t.ok(
    refused.run(10_000, () => refused.state === 'failed'),
    'asked for again: it was wrong',
  )
  t.equal(bodies(refused).filter((body) => body.includes('4711')).length, 1)
  const asks = new World({}, again).start()
  t.ok(asks.run(10_000, () => asks.state === 'failed'))
  t.match(asks.error?.asks, [{ field: 'form.pin', secret: true, once: true }])
  const given = new World({}, ({ head, body }) => {
    if (head.startsWith('CONNECT')) return TUNNEL
    return body.includes('init') ? form('<input type="tel" name="x" value="7"/>') : complete()
  }).start()
  t.ok(given.run(10_000, () => given.state === 'up'))
  t.match(bodies(given)[1], /<x>7</)
})

t.test('what is missing is asked of a person, and the session waits', async (t) => {
  const code = '<input type="password" name="secondary_password" label="Code:"/>'
  const server: Server = ({ head, body }) => {
    if (head.startsWith('CONNECT')) return TUNNEL
    if (body.includes('type="init"')) return form(USERNAME + PASSWORD)
    if (body.includes('>654321<')) return complete()
    return form(code, body.includes('<password>') ? 'A code was sent.' : 'Wrong code.')
  }
  const world = new World({}, server).start()
  t.ok(world.run(10_000, () => world.state === 'failed'))
  t.equal(world.error?.message, 'auth failed: vpn.example asks for "Code"')
  const [asked] = world.error?.asks ?? []
  t.match(asked, { field: 'form.secondary_password', secret: true, once: true, refused: false })
  world.run(60_000)
  t.equal(world.asked.length, 2, 'nobody is disturbed meanwhile')
  world.tunnel.answer?.({ 'form.secondary_password': '111111' }, world.now)
  t.ok(world.run(10_000, () => world.error?.asks[0]?.refused === true))
  t.equal(world.error?.message, 'auth failed: the server refused user "ann": Wrong code.')
  world.tunnel.answer?.({ 'form.secondary_password': '654321' }, world.now)
  t.ok(world.run(10_000, () => world.state === 'up'))
  t.equal(
    bodies(world).filter((body) => body.includes('type="init"')).length,
    1,
    'one code was sent',
  )
})

t.test('without a user and a password in the configuration', async (t) => {
  const options = { username: undefined, password: undefined } as object
  const world = new World(options).start()
  t.ok(world.run(10_000, () => world.state === 'failed'))
  t.match(world.error?.asks, [{ field: 'username', secret: false, setting: 'username' }])
  world.tunnel.answer?.({ username: 'ann' }, world.now)
  t.ok(world.run(10_000, () => world.error?.asks[0]?.field === 'password'))
  t.match(world.error?.asks, [
    { field: 'password', secret: true, once: false, setting: 'password' },
  ])
  world.tunnel.answer?.({ password: 'wrong' }, world.now)
  t.ok(world.run(10_000, () => world.error?.asks[0]?.refused === true))
  world.tunnel.answer?.({ password: 'right horse' }, world.now)
  t.ok(world.run(10_000, () => world.state === 'up'))
})

t.test('after a wrong password that was typed another login begins', async (t) => {
  // As with ocserv 1.1: in one session no password is right any more after a wrong one.
  let spoilt = false
  const server: Server = ({ head, body }) => {
    if (head.startsWith('CONNECT')) return TUNNEL
    if (body.includes('type="init"')) {
      spoilt = false
      return form(USERNAME)
    }
    if (body.includes('<username>')) return form(PASSWORD)
    spoilt ||= !body.includes('>right horse<')
    return spoilt ? form(PASSWORD, 'Login failed.') : complete()
  }
  const world = new World({ password: undefined } as object, server).start()
  for (const password of ['wrong', 'wrong too', 'right horse']) {
    t.ok(world.run(10_000, () => world.state === 'failed'))
    t.match(world.error?.asks, [{ field: 'password', refused: password !== 'wrong' }])
    world.tunnel.answer?.({ password }, world.now)
    world.run(1000)
  }
  t.ok(world.run(10_000, () => world.state === 'up'))
})

t.test('the password of an encrypted key is asked for before anything is sent', async (t) => {
  const opens = (password: string | undefined) => password === 'k3y'
  const world = new World({}, plainServer(), opens).start()
  t.equal(
    world.run(100_000, () => world.state === 'failed'),
    true,
  )
  t.match(world.error?.asks, [
    { field: 'key_password', secret: true, once: false, refused: false, setting: 'key_password' },
  ])
  t.equal(world.connections.length, 0)
  world.tunnel.answer?.({ key_password: 'wrong' }, world.now)
  world.run(0)
  t.match(world.error?.asks, [{ field: 'key_password', refused: true }])
  t.match(world.error?.message, /this password does not open the private key/)
  world.tunnel.answer?.({ key_password: 'k3y' }, world.now)
  t.ok(world.run(10_000, () => world.state === 'up'))

  const configured = new World({ tls: { keyPassword: 'no' } }, plainServer(), opens).start()
  configured.run(100_000)
  t.match(configured.error, { code: 'ERR_AUTH', message: /does not open with key_password$/ })
  t.equal(configured.error?.asks.length, 0)
  const good = new World({ tls: { keyPassword: 'k3y' } }, plainServer(), opens).start()
  t.ok(good.run(10_000, () => good.state === 'up'))
  const broken = new World({}, plainServer(), () => {
    throw new PvpnError('ERR_CONFIG', "certificate and key can't be used")
  }).start()
  broken.run(100_000)
  t.match(broken.events, [{ kind: 'failed', error: { code: 'ERR_CONFIG' } }])
  t.equal(broken.connections.length, 0)
})

t.test('what the server sends back goes back; a token instead of a cookie', async (t) => {
  const opaque = '<opaque is-for="sg"><tunnel-group>a &amp; b</tunnel-group></opaque>'
  const server: Server = ({ head, body }) => {
    if (head.startsWith('CONNECT')) return TUNNEL
    if (body.includes('init')) {
      return ok(
        xml('auth-request', `${opaque}<auth id="main"><form action="">${PASSWORD}</form></auth>`),
      )
    }
    return ok(xml('complete', '<session-token>t0ken</session-token><auth id="success"/>'))
  }
  const world = new World({}, server).start()
  t.ok(world.run(10_000, () => world.state === 'up'))
  t.match(
    bodies(world)[1],
    '<opaque is-for="sg"><tunnel-group>a &#38; b</tunnel-group></opaque><auth>',
  )
  t.match(world.asked[2]?.head, /Cookie: webvpn=t0ken\r\n/)
})

t.test('a certificate that we do not have', async (t) => {
  const plain = plainServer()
  const server: Server = (asked, connection) => {
    if (asked.body.includes('init') && !asked.body.includes('<client-cert-fail/>')) {
      return ok(xml('auth-request', '<client-cert-request/>'))
    }
    return plain(asked, connection)
  }
  const world = new World({}, server).start()
  t.ok(
    world.run(10_000, () => world.state === 'up'),
    'the server may do without',
  )
  const other = new World({ tls: { certificate: 'x' } }, server).start()
  t.ok(other.run(10_000, () => other.state === 'failed'))
})

t.test('redirects', async (t) => {
  const moved = (to: string) => `HTTP/1.1 302 Found\r\nLocation: ${to}\r\nContent-Length: 0\r\n\r\n`
  const plain = plainServer()
  const to =
    (place: string): Server =>
    (asked, connection) =>
      asked.host === 'vpn.example' ? moved(place) : plain(asked, connection)
  const world = new World({}, to('https://two.example:8443/group'))
  world.names = { ...world.names, 'two.example': ['203.0.113.7'] }
  world.start()
  t.ok(world.run(10_000, () => world.state === 'up'))
  t.match(world.asked[1]?.head, /^POST \/group HTTP\/1.1\r\nHost: two.example:8443\r\n/)
  t.equal(world.connections[1]?.target.host, 'two.example', 'its certificate must name it')
  t.notMatch(
    world.asked
      .filter(({ host }) => host === 'vpn.example')
      .map(({ body }) => body)
      .join(),
    /horse/,
  )
  for (const bad of [
    'http://vpn.example/',
    'https://ann:pw@vpn.example/',
    'ftp://x/',
    'javascript:x',
  ]) {
    const other = new World({}, to(bad)).start()
    t.ok(
      other.run(10_000, () => other.state === 'trying'),
      bad,
    )
    t.match(other.error?.message, /redirect to what is no https address/, bad)
  }
  const loop = new World({}, () => moved('/again')).start()
  t.ok(loop.run(10_000, () => loop.state === 'trying'))
  t.match(loop.error?.message, /redirects without end/)
  t.equal(loop.asked.length, 6)
})

t.test('after the password nothing goes to another host', async (t) => {
  const plain = plainServer()
  const server: Server = (asked, connection) => {
    if (asked.host === 'vpn.example' && asked.body.includes('horse')) {
      return 'HTTP/1.1 307 Temporary\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n'
    }
    return plain(asked, connection)
  }
  const world = new World({}, server)
  world.names = { ...world.names, 'evil.example': ['203.0.113.66'] }
  world.start()
  t.ok(world.run(10_000, () => world.state === 'failed'))
  const evil = (asked: Asked) => asked.host === 'evil.example'
  t.ok(world.asked.some(evil))
  t.notMatch(
    world.asked
      .filter(evil)
      .map(({ body }) => body)
      .join(),
    /horse/,
  )
  const elsewhere = new World({}, () => form(PASSWORD, '', 'https://evil.example/auth')).start()
  t.ok(elsewhere.run(10_000, () => elsewhere.state === 'trying'))
  t.match(elsewhere.error?.message, /a form whose answer is for somebody else/)
})

t.test('what is no AnyConnect server, and what this client does not do', async (t) => {
  const cases: readonly [answer: string, state: string, words: RegExp][] = [
    [
      ok('<!DOCTYPE html><html></html>'),
      'failed',
      /^vpn.example is no AnyConnect server: it answers with a web page/,
    ],
    [
      'HTTP/1.1 404 Not found\r\nContent-Length: 0\r\n\r\n',
      'failed',
      /is no AnyConnect server: 404 Not found/,
    ],
    ['HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n', 'trying', /^vpn.example answered 503 Busy$/],
    [
      'HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n',
      'failed',
      /^auth failed: the server refused user "ann": No/,
    ],
    [
      'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n',
      'failed',
      /wants an HTTP login/,
    ],
    [
      ok(xml('auth-request', '<host-scan><host-scan-ticket>x</host-scan-ticket></host-scan>')),
      'failed',
      /wants a host scan/,
    ],
    [form('<input type="sso" name="sso-token"/>'), 'failed', /wants a login in a browser/],
    [
      ok(xml('auth-request', '<auth id="x"><error>Locked %s</error></auth>')),
      'failed',
      /^auth failed: .*Locked$/,
    ],
    ['SSH-2.0-OpenSSH\r\n\r\n', 'trying', /broke the protocol: no answer of HTTP/],
  ]
  for (const [answer, state, words] of cases) {
    const world = new World({}, () => answer).start()
    t.ok(
      world.run(10_000, () => world.state === state),
      `${words}: ${world.state}`,
    )
    t.match(world.error?.message, words)
    t.ok(world.error?.hint !== undefined || state === 'trying', 'says what to do')
  }
})
