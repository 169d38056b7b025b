/** What an OpenVPN tunnel asks a person, and what becomes of the answers. */
import fc from 'fast-check'
import t from 'tap'
import { readDynamicChallenge, readPendingLogin } from '../../../src/tunnel/openvpn/challenge.js'
import { fuzzRun } from '../../support/fuzz.js'
import { options, PUSH, World } from './world.js'

const CHALLENGE = { text: 'Code of your token', echo: true, format: 'scrv1' } as const
const MINUTES = 180_000
const fields = (world: World) => world.asks.map(({ field }) => field)

t.test('what the configuration does not say is asked for, before anything is sent', (t) => {
  const world = new World(options({ asksPassword: true, staticChallenge: CHALLENGE }), {
    push: PUSH,
  })
  world.tunnel.open(world.now)
  world.run(60_000)
  t.equal(world.state, 'failed')
  t.equal(
    world.message,
    'auth failed: 203.0.113.2 asks for "User name" and "Password" and "Code of your token"',
  )
  t.match(world.asks, [
    { field: 'username', secret: false, setting: 'username' },
    { field: 'password', secret: true, once: false, setting: 'password' },
    { field: 'challenge', secret: false, once: true, setting: 'challenge' },
  ])
  t.same(world.up, [], 'nothing is sent')
  world.answer({ username: 'ann' })
  world.run(1000)
  t.same(fields(world), ['password', 'challenge'], 'asked again for what is missing')
  t.equal(world.asks[0]?.label, 'Password of ann')
  world.answer({ password: 'right horse', challenge: '123456' })
  t.ok(world.run(5000, () => world.state === 'up'))
  t.match(world.server.said, /ann\0.*SCRV1:cmlnaHQgaG9yc2U=:MTIzNDU2/)
  world.server.renegotiate(world.now)
  world.run(20_000)
  t.equal(world.state, 'up', 'a rekey says the same again, as OpenVPN does')
  world.silent = true
  t.ok(world.run(MINUTES, () => world.state === 'failed'))
  t.same(fields(world), ['challenge'], 'a code is good once, the password stays')
  world.silent = false
  world.answer({ challenge: '654321' })
  t.ok(world.run(5000, () => world.state === 'up'))
  t.match(world.server.said, /SCRV1:cmlnaHQgaG9yc2U=:NjU0MzIx/)
  t.end()
})

t.test('a code behind the password, where the file says so', (t) => {
  const challenge = { ...CHALLENGE, format: 'concat', echo: false } as const
  const given = { username: 'ann', password: 'horse', staticChallenge: challenge }
  const world = new World(options(given), { push: PUSH })
  world.tunnel.open(world.now)
  world.run(100)
  t.match(world.asks, [{ field: 'challenge', secret: true }])
  world.answer({ challenge: '42' })
  t.ok(world.run(5000, () => world.state === 'up'))
  t.match(world.server.said, /horse42\0/)
  t.end()
})

t.test('what a person typed and the server refused is asked for again', (t) => {
  const world = new World(options({ username: 'ann' }), {
    messages: ['AUTH_FAILED,go\u001b[1m away'],
  })
  world.tunnel.open(world.now)
  world.run(100)
  world.answer({ password: 'wrong' })
  t.ok(world.run(10_000, () => world.events.length > 1))
  t.equal(world.state, 'failed')
  t.equal(world.message, 'auth failed: the server refused user "ann": go [1m away')
  t.match(world.asks, [{ field: 'password', refused: true }])
  const sent = world.up.length
  world.run(MINUTES)
  t.equal(world.up.length, sent, 'not tried again by itself')
  world.replaceServer({ push: PUSH })
  world.answer({ password: 'right' })
  t.ok(world.run(5000, () => world.state === 'up'))
  t.end()
})

t.test('a password of the configuration that is refused is not asked for', (t) => {
  const world = new World(options({ username: 'ann', password: 'x' }), {
    messages: ['AUTH_FAILED'],
  })
  world.tunnel.open(world.now)
  t.ok(world.run(10_000, () => world.state === 'failed'))
  t.same(world.asks, [])
  t.end()
})

t.test('a token spares the code, until it is refused', (t) => {
  const given = { username: 'ann', password: 'horse', staticChallenge: CHALLENGE }
  const world = new World(options(given), { push: `${PUSH},auth-token SESS` })
  world.tunnel.open(world.now)
  world.run(100)
  world.answer({ challenge: '42' })
  t.ok(world.run(5000, () => world.state === 'up'))
  world.silent = true
  t.ok(world.run(MINUTES, () => world.state !== 'up'))
  world.silent = false
  t.ok(
    world.run(MINUTES, () => world.state === 'up'),
    'back with the token',
  )
  t.match(world.server.said, /SESS/)
  world.replaceServer({ messages: ['AUTH_FAILED,SESSION: expired'] })
  t.ok(world.run(MINUTES, () => world.state === 'failed'))
  t.same(fields(world), ['challenge'])
  t.end()
})

t.test('a dynamic challenge', (t) => {
  const crv1 = (state: string) => `AUTH_FAILED,CRV1:R,E:${state}:YW5uYQ==:Your \u001b[5mcode?`
  const remotes = [
    { host: '203.0.113.2', port: 1194, transport: 'udp' },
    { host: '203.0.113.2', port: 1195, transport: 'udp' },
  ] as const
  const given = { remotes, username: 'ann', password: 'horse' }
  const world = new World(options(given), { messages: [crv1('one')] })
  world.tunnel.open(world.now)
  t.ok(world.run(5000, () => world.state === 'failed'))
  t.equal(world.message, 'auth failed: 203.0.113.2 asks for "Your [5mcode?"')
  t.match(world.asks, [{ field: 'response', secret: false, once: true, refused: false }])
  t.equal(world.tunnel.endpoint, '203.0.113.2:1194')

  world.replaceServer({ messages: ['AUTH_FAILED'] })
  world.answer({ response: 'wrong' })
  world.run(2000, () => /CRV1::one::wrong/.test(world.server.said))
  t.match(world.server.said, /anna\0.*CRV1::one::wrong/, 'to the server that asked')
  t.equal(world.tunnel.endpoint, '203.0.113.2:1194')
  world.run(500)
  world.replaceServer({ messages: [crv1('two')] })
  t.ok(
    world.run(60_000, () => world.state === 'failed'),
    'the password brings the next challenge',
  )
  t.match(world.server.said, /ann\0.*horse\0/)
  t.equal(
    world.message,
    'auth failed: 203.0.113.2 refused the last answer, and asks for "Your [5mcode?"',
  )
  t.match(world.asks, [{ refused: true }])
  world.replaceServer({ push: PUSH })
  world.answer({ response: '123' })
  t.ok(world.run(5000, () => world.state === 'up'))
  t.match(world.server.said, /CRV1::two::123/)
  t.end()
})

t.test('a login in a browser', (t) => {
  const url = 'https://sso.example/login?session=1'
  const messages = ['AUTH_PENDING,timeout 90', `INFO_PRE,WEB_AUTH::${url}`]
  const world = new World(options({ username: 'ann', password: 'x' }), { messages })
  world.tunnel.open(world.now)
  t.ok(world.run(5000, () => world.state === 'trying'))
  t.equal(world.message, `203.0.113.2 waits for a login: open ${url} in a browser`)
  world.run(80_000)
  t.equal(world.state, 'trying', 'as long as the server says')
  world.server.say(`PUSH_REPLY,${PUSH}`)
  t.ok(world.run(5000, () => world.state === 'up'))

  const late = new World(options({ username: 'ann', password: 'x' }), { messages })
  late.tunnel.open(late.now)
  t.ok(late.run(200_000, () => late.state === 'failed'))
  t.match(late.message, /^auth failed: 203.0.113.2:1194 \(udp\) has waited in vain for a login$/)
  t.end()
})

t.test('a question while the server waits', (t) => {
  const messages = ['AUTH_PENDING,timeout 90', 'INFO_PRE,CR_TEXT:R,E:Number of the card']
  const world = new World(options({ username: 'ann', password: 'x' }), { messages })
  world.tunnel.open(world.now)
  t.ok(world.run(5000, () => world.state === 'failed'))
  t.match(world.asks, [{ field: 'response', label: 'Number of the card', secret: false }])
  world.run(60_000)
  world.answer({ response: '4711' })
  t.ok(world.run(5000, () => world.server.heard.length > 0))
  t.same(world.server.heard, ['CR_RESPONSE,NDcxMQ==\0'])
  world.server.say(`PUSH_REPLY,${PUSH}`)
  t.ok(world.run(5000, () => world.state === 'up'))

  const late = new World(options({ username: 'ann', password: 'x' }), { messages })
  late.tunnel.open(late.now)
  late.run(200_000)
  t.equal(late.state, 'failed')
  t.match(late.asks, [{ field: 'response' }], 'the question stands')
  const sent = late.up.length
  late.run(MINUTES)
  t.equal(late.up.length, sent, 'and nothing is tried')
  late.answer({ response: 'too late' })
  t.ok(
    late.run(10_000, () => late.events.length > 1),
    'asked anew',
  )
  t.match(late.asks, [{ field: 'response' }])
  t.same(late.server.heard, [])
  t.end()
})

t.test("the key's password", (t) => {
  const locked = { ca: [], usages: [], fingerprints: [], weakCertificates: false, key: 'LOCKED' }
  const world = new World(options({ tls: locked, asksPassword: true }), { push: PUSH })
  world.tunnel.open(world.now)
  world.run(100)
  t.same(fields(world), ['key_password', 'username', 'password'], 'all at once')
  world.answer({ key_password: 'wrong', username: 'ann', password: 'x' })
  world.run(100)
  t.match(world.asks, [{ field: 'key_password', refused: true }])
  world.answer({ key_password: 'open sesame' })
  t.ok(world.run(5000, () => world.state === 'up'))
  const configured = new World(options({ tls: { ...locked, keyPassword: 'wrong' } }), {
    push: PUSH,
  })
  configured.tunnel.open(configured.now)
  configured.run(100)
  t.equal(configured.message, 'auth failed: the private key is locked')
  t.same(configured.asks, [])
  t.end()
})

t.test('the server may say where the next attempt goes', (t) => {
  const remotes = [
    { host: '203.0.113.2', port: 1194, transport: 'udp' },
    { host: '203.0.113.2', port: 1195, transport: 'udp' },
  ] as const
  for (const [how, port] of [
    ['no', 1194],
    ['remote', 1195],
  ] as const) {
    const world = new World(options({ remotes }), {
      messages: [`AUTH_FAILED,TEMP[backoff 20,advance ${how}]: full`],
    })
    world.tunnel.open(world.now)
    t.ok(world.run(5000, () => world.state === 'trying'))
    t.match(world.message, /refuses for the moment: full$/)
    const sent = world.up.length
    world.run(18_000)
    t.equal(world.up.length, sent, 'not before the time that the server says')
    world.run(4000)
    t.equal(world.tunnel.endpoint, `203.0.113.2:${port}`)
  }
  t.end()
})

t.test('challenges that are none', (t) => {
  const bad = [
    'CRV1:E:s:YW5u:only to be read',
    'CRV1:R::YW5u:no state',
    'CRV1:R:s:%%%:no base64',
    `CRV1:R:${'s'.repeat(1025)}:YW5u:long`,
    'CRV1:R:s\u0001:YW5u:x',
    'CRV1:R',
    'CRV1:R:s:AAEC:control characters for a name',
  ]
  for (const reason of bad) t.equal(readDynamicChallenge(reason), undefined, reason.slice(0, 40))
  t.match(readDynamicChallenge('CRV1:R:s::a:b:c'), { state: 's', user: '', text: 'a:b:c' })
  for (const words of [
    'WEB_AUTH::javascript:alert(1)',
    'OPEN_URL:https://x.example/\u001b[2J',
    'OPEN_URL:file:///etc/passwd',
    `OPEN_URL:https://${'x'.repeat(2000)}`,
    'CR_TEXT:E:no answer wanted',
    'PROXY_URL:x',
  ]) {
    t.equal(readPendingLogin(words), undefined, words.slice(0, 40).replace(/[^ -~]/g, '?'))
  }
  t.match(readPendingLogin('WEB_AUTH:external,hidden:https://x.example/a:b'), {
    url: 'https://x.example/a:b',
  })
  t.end()
})

t.test(
  'fuzz: whatever the server says instead of a push, the client lives and asks in one line',
  (t) => {
    const part = fc.constantFrom(
      ...[
        'AUTH_FAILED',
        'AUTH_PENDING',
        'INFO_PRE',
        'CRV1',
        'R,E',
        ':',
        ',',
        'TEMP[backoff ',
        ']',
        'SESSION',
      ],
      ...[
        'CR_TEXT',
        'WEB_AUTH',
        'https://',
        'timeout 9',
        'HALT',
        'RESTART',
        'YW5u',
        '\u001b',
        '\u202e',
        '\n',
      ],
    )
    const message = fc.array(fc.oneof(part, fc.string({ maxLength: 20 })), { maxLength: 14 })
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 3 }), fc.string(), (said, typed) => {
        const messages = said.map((words) => words.join('').replaceAll('\0', ''))
        const world = new World(options({ username: 'ann', password: 'x' }), { messages })
        world.tunnel.open(world.now)
        world.run(15_000, () => world.asks.length > 0)
        for (const { label } of world.asks) {
          if (/[\p{Cc}\p{Cf}]/u.test(label) || [...label].length > 200) return false
        }
        world.answer({ response: typed, password: typed })
        world.run(15_000)
        return !/[\p{Cc}\p{Cf}]/u.test(world.message)
      }),
      fuzzRun,
    )
    t.end()
  },
)

t.test('auth-nocache: a typed password is good for one connection', (t) => {
  const world = new World(options({ username: 'ann', forgetsPassword: true }), { push: PUSH })
  world.tunnel.open(world.now)
  world.run(100)
  t.match(world.asks, [{ field: 'password', once: true }])
  world.answer({ password: 'horse' })
  t.ok(world.run(5000, () => world.state === 'up'))
  world.silent = true
  t.ok(world.run(MINUTES, () => world.state === 'failed'))
  t.same(fields(world), ['password'])
  t.end()
})
