/** The policy port's own work: deciding, handing over, refusing; before processes of `direct` environments. */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { freePort } from '../support/free-port.js'
import { startOrigin } from '../support/http-origin.js'
import { RawClient, socks5Request, startServer, throughSocks } from '../support/proxy.js'
import { policyWorld } from './policy-support.js'

const HERE = { address: ['127.0.0.0/8'], environment: 'office' }

/** SOCKS5 request for a name. */
function named(command: number, host: string, port: number): number[] {
  return [5, command, 0, 3, host.length, ...Buffer.from(host), port >> 8, port & 255]
}

/** Answers with the head of what it was asked, and more fields. */
function mirror(t: Test, fields = '') {
  return startOrigin(t, ({ head, body, socket }) => {
    const text = head + body
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n${fields}\r\n${text}`)
  })
}

t.test('every protocol is read, decided and handed over', async (t) => {
  const world = await policyWorld(t, { rules: [HERE] })
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const origin = await mirror(t)

  await t.test('SOCKS5, with bytes behind the request and half-close', async (t) => {
    t.equal(await throughSocks(world.port, echo.port, 'hello'), 'hello')
  })
  await t.test('SOCKS5, byte by byte, then much more than a buffer', async (t) => {
    const client = await RawClient.open(world.port)
    for (const byte of [5, 1, 0, ...socks5Request(1, echo.port)]) {
      client.send([byte])
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    t.equal((await client.take(12))[3], 0)
    const bulk = Buffer.alloc(2_000_000, 'x')
    client.socket.end(bulk)
    await client.rest()
    t.ok(client.received.equals(bulk))
  })
  await t.test('SOCKS4 and 4a', async (t) => {
    const port = [echo.port >> 8, echo.port & 255]
    for (const head of [
      [4, 1, ...port, 127, 0, 0, 1, 0],
      [4, 1, ...port, 0, 0, 0, 1, 0, ...Buffer.from('localhost'), 0],
    ]) {
      const client = await RawClient.open(world.port)
      client.send([...head, 104, 105])
      t.equal((await client.take(10))[1], 90)
      client.close()
    }
  })
  await t.test('HTTP CONNECT', async (t) => {
    const client = await RawClient.open(world.port)
    client.send(`CONNECT ${origin.origin} HTTP/1.1\r\nHost: x\r\n\r\nGET /in HTTP/1.1\r\n\r\n`)
    t.match(await client.takeUntil('\r\n\r\n'), /^HTTP\/1.1 200/)
    t.match(await client.takeUntil('\r\n\r\n\r\n'.slice(4)), /200 OK/)
    client.close()
  })
  await t.test('plain HTTP: one request for a connection', async (t) => {
    const client = await RawClient.open(world.port)
    client.send(
      `POST http://${origin.origin}/a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc`,
    )
    const answer = await client.rest()
    t.match(answer, /^HTTP\/1.1 200 OK/)
    t.match(answer, /^Connection: close/im)
    t.match(answer, /POST \/a HTTP\/1.1\r\nHost: 127/)
    t.match(answer, /abc$/)
  })
  await t.test('RESOLVE and RESOLVE_PTR', async (t) => {
    const client = await RawClient.open(world.port)
    client.send([5, 1, 0, ...named(0xf0, 'localhost', 0)])
    t.equal((await client.take(4))[3], 0)
    const reply = await client.rest()
    t.equal(reply.charCodeAt(0), 0)
  })
  await t.test('BIND', async (t) => {
    const client = await RawClient.open(world.port)
    client.send([5, 1, 0, ...socks5Request(2, 0)])
    await client.take(2)
    const reply = await client.take(10)
    t.equal(reply[1], 0)
    const peer = connect((reply[8] as number) * 256 + (reply[9] as number), '127.0.0.1')
    peer.end('from inside')
    t.equal((await client.take(10))[1], 0)
    t.equal(await client.rest(), 'from inside')
    client.close()
  })
  t.equal(world.policy.recent[0]?.environment, 'office')
  t.ok(world.policy.recent.every(({ rule }) => rule === 'pvpn.yaml:1'))
  t.equal(world.policy.recent.length, 8)
})

t.test('what is denied says so in each protocol, and names the rule', async (t) => {
  const world = await policyWorld(t, {
    rules: [{ domain: ['bad.example'], environment: 'deny' }],
  })
  const socks = await RawClient.open(world.port)
  socks.send([5, 1, 0, ...named(1, 'bad.example', 80)])
  t.equal((await socks.take(4))[3], 2)
  const socks4 = await RawClient.open(world.port)
  socks4.send([4, 1, 0, 80, 10, 0, 0, 1, 0])
  t.equal((await socks4.take(8))[1], 91)
  for (const head of ['GET http://bad.example/ HTTP/1.1', 'CONNECT bad.example:443 HTTP/1.1']) {
    const client = await RawClient.open(world.port)
    client.send(`${head}\r\nHost: bad.example\r\nAccept: text/html\r\n\r\n`)
    const answer = await client.rest()
    t.match(answer, /^HTTP\/1.1 403 /)
    t.match(answer, /^Proxy-Status: pvpn; error=http_request_denied; details=".*pvpn.yaml:1"/im)
    t.match(answer, /^Connection: close/im)
    t.match(answer, /<h1>403/)
    t.match(answer, /pvpn, policy port/)
  }
  const other = await RawClient.open(world.port)
  other.send('GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n')
  t.match(await other.rest(), /403[\s\S]*no rule of the policy allows other\.example/)
  const page = await RawClient.open(world.port)
  page.send('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
  t.match(await page.rest(), /400[\s\S]*this is a proxy port/)
  const rubbish = await RawClient.open(world.port)
  rubbish.send('\x16\x03\x01 rubbish\r\n\r\n')
  t.match(await rubbish.rest(), /^HTTP\/1.1 400 /)
  t.match(world.policy.recent[0], { environment: null, by: 'default', reason: /other/ })
})

t.test('a client that ends with its request is answered like every other', async (t) => {
  const world = await policyWorld(t, { rules: [HERE] })
  const origin = await mirror(t)
  const get = async (where: string) => {
    const client = await RawClient.open(world.port)
    client.send(`GET http://${where}/ HTTP/1.0\r\nAccept: text/html\r\n\r\n`)
    client.socket.end()
    return await client.rest()
  }
  t.match(await get(origin.origin), /^HTTP\/1.1 200 OK/)
  t.match(await get('denied.example'), /^HTTP\/1.1 403 [\s\S]*<h1>/)
  t.match(await get(''), /^HTTP\/1.1 400 /)
  await world.supervisor.act('office', 'stop', 0)
  t.match(await get(origin.origin), /^HTTP\/1.1 503 /)
  const client = await RawClient.open(world.port)
  client.send([5, 1, 0, ...socks5Request(1, 80)])
  client.socket.end()
  t.equal((await client.take(4))[3], 3)
})

t.test('nothing but what was decided is reached on a connection', async (t) => {
  const world = await policyWorld(t, { rules: [HERE] })
  const [allowed, other] = [await mirror(t), await mirror(t)]
  const client = await RawClient.open(world.port)
  const request = (where: string) => `GET http://${where}/ HTTP/1.1\r\nHost: ${where}\r\n\r\n`
  client.send(request(allowed.origin) + request('denied.example') + request(other.origin))
  const answer = await client.rest()
  t.equal(answer.match(/HTTP\/1.1 200 OK/g)?.length, 1, 'what was sent ahead is not answered')
  t.equal(allowed.requests.length, 1)
  t.equal(other.requests.length, 0)
})

t.test('smuggled second requests do not leave the first one', async (t) => {
  const world = await policyWorld(t, { rules: [HERE] })
  const origin = await mirror(t)
  for (const fields of [
    'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n',
    'Content-Length: 4\r\nContent-Length: 5\r\n',
    'Transfer-Encoding: chunked, identity\r\n',
    `Host: x\r\n y: z\r\n`,
  ]) {
    const client = await RawClient.open(world.port)
    client.send(
      `POST http://${origin.origin}/ HTTP/1.1\r\n${fields}\r\n0\r\n\r\nGET http://x/ HTTP/1.1\r\n\r\n`,
    )
    t.match(await client.rest(), /^HTTP\/1.1 400 /, fields)
  }
  t.equal(origin.requests.length, 0)
})

t.test('names below pvpn.internal: the server sees its own name, the browser its', async (t) => {
  const world = await policyWorld(t, { environments: { site: {} } })
  const alias = '127.0.0.1.site.pvpn.internal'
  const origin = await startOrigin(t, ({ head, socket }) => {
    const text = head
    socket.write(
      `HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${origin.port}/next?u=http://127.0.0.1/\r\n` +
        `Set-Cookie: a=1; Domain=127.0.0.1; Path=/\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
    )
  })
  const client = await RawClient.open(world.port)
  client.send(
    `GET http://${alias}:${origin.port}/x HTTP/1.1\r\nHost: ${alias}\r\n` +
      `Origin: http://${alias}:${origin.port}\r\nReferer: http://${alias}/p\r\n\r\n`,
  )
  const answer = await client.rest()
  t.match(answer, new RegExp(`^Host: 127\\.0\\.0\\.1:${origin.port}\r`, 'm'))
  t.match(answer, new RegExp(`^Origin: http://127\\.0\\.0\\.1:${origin.port}\r`, 'm'))
  t.match(answer, /^Referer: http:\/\/127\.0\.0\.1\/p\r/m)
  t.match(answer, `Location: http://${alias}:${origin.port}/next?u=http://127.0.0.1/\r`)
  t.match(answer, /^Set-Cookie: a=1; Path=\/\r/m)
  t.match(world.policy.recent[0], { environment: 'site', by: 'name', host: '127.0.0.1' })

  const tunnel = await RawClient.open(world.port)
  tunnel.send([5, 1, 0, ...named(1, alias, origin.port)])
  t.equal((await tunnel.take(4))[3], 0, 'SOCKS too')
  tunnel.close()
  const nowhere = await RawClient.open(world.port)
  nowhere.send(`GET http://x.nowhere.pvpn.internal/ HTTP/1.1\r\nHost: x\r\n\r\n`)
  t.match(await nowhere.rest(), /403[\s\S]*there is no environment nowhere/)
})

t.test('the program and its user decide', async (t) => {
  const { username } = await import('node:os').then((os) => os.userInfo())
  const world = await policyWorld(t, {
    rules: [
      { program: '/no/such/program', environment: 'deny' },
      { program: 'node', user: username, environment: 'site' },
    ],
    environments: { site: {} },
  })
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  t.equal(await throughSocks(world.port, echo.port, 'x'), 'x')
  t.match(world.policy.recent[0], { environment: 'site', rule: 'pvpn.yaml:2', user: username })
  t.match(world.policy.recent[0]?.program, /node/)
})

t.test(
  'an address rule asks its environment about names; one that cannot answer fails closed',
  async (t) => {
    const world = await policyWorld(t, {
      rules: [
        { address: ['127.0.0.0/8', '::1'], environment: 'site' },
        { domain: ['*'], environment: 'office' },
      ],
      environments: { office: {}, site: {} },
    })
    const echo = await startServer(t, (socket) => socket.pipe(socket))
    const ask = async (host: string) => {
      const client = await RawClient.open(world.port)
      client.send([5, 1, 0, ...named(1, host, echo.port)])
      const code = (await client.take(4))[3]
      client.close()
      return code
    }
    t.equal(await ask('localhost'), 0)
    t.match(world.policy.recent[0], { environment: 'site', consulted: [{ environment: 'site' }] })
    await world.supervisor.act('site', 'stop', 0)
    t.equal(await ask('localhost'), 3, 'not up: nowhere else')
  },
)

t.test('an environment that is not up: the same answers as at its own port', async (t) => {
  const world = await policyWorld(t, { rules: [HERE] })
  await world.supervisor.act('office', 'stop', 0)
  const client = await RawClient.open(world.port)
  client.send([5, 1, 0, ...socks5Request(1, 80)])
  t.equal((await client.take(4))[3], 3)
  const page = await RawClient.open(world.port)
  page.send('GET http://127.0.0.1/ HTTP/1.1\r\nHost: h\r\n\r\n')
  const answer = await page.rest()
  t.match(answer, /^HTTP\/1.1 503/)
  t.match(answer, /environment office: is stopped; start it with: pvpn start office/)
})

t.test('a first connection starts an on-demand environment', async (t) => {
  const world = await policyWorld(t, {
    rules: [HERE],
    environments: { office: { start: 'on-demand' } },
  })
  t.equal((await world.supervisor.environment('office'))?.state, 'stopped')
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const both = [1, 2].map((i) => throughSocks(world.port, echo.port, `early ${i}`))
  t.same(await Promise.all(both), ['early 1', 'early 2'])
})

t.test('users of the policy port, whatever users the environment has', async (t) => {
  const world = await policyWorld(t, {
    rules: [{ ...HERE, user: 'ann' }],
    policy: {
      users: [
        { name: 'ann', password: 'secret' },
        { name: 'bob', password: 'b' },
      ],
    },
    environments: { office: { users: [{ name: 'zoe', password: 'other' }] } },
  })
  const origin = await mirror(t)
  const get = async (fields: string) => {
    const client = await RawClient.open(world.port)
    client.send(`GET http://${origin.origin}/ HTTP/1.1\r\nHost: h\r\n${fields}\r\n`)
    return await client.rest()
  }
  const basic = (pair: string) => `Proxy-Authorization: Basic ${btoa(pair)}\r\n`
  t.match(await get(''), /^HTTP\/1.1 407 [\s\S]*Proxy-Authenticate: Basic realm="pvpn policy port"/)
  t.match(await get(basic('ann:wrong')), /^HTTP\/1.1 407 /)
  t.match(await get(basic('zoe:other')), /^HTTP\/1.1 407 /)
  t.match(await get(basic('bob:b')), /^HTTP\/1.1 403 /)
  const answer = await get(basic('ann:secret'))
  t.match(answer, /^HTTP\/1.1 200 /)
  t.notMatch(answer, /proxy-authorization/i, 'the server does not see it')
  const socks = await RawClient.open(world.port)
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  socks.send([
    5,
    1,
    2,
    1,
    3,
    97,
    110,
    110,
    6,
    ...Buffer.from('secret'),
    ...socks5Request(1, echo.port),
  ])
  t.same([...(await socks.take(4))], [5, 2, 1, 0])
  t.equal((await socks.take(2))[1], 0)
  socks.close()
})

t.test('a thousand connections at once', async (t) => {
  const world = await policyWorld(t, { rules: [HERE] })
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const all = Array.from({ length: 1000 }, (_, i) => throughSocks(world.port, echo.port, `${i}`))
  const answers = await Promise.all(all)
  t.same(answers, [...answers.keys()].map(String))
})

t.test('a reload changes rules and port; connections stay', async (t) => {
  const world = await policyWorld(t, { rules: [HERE] })
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const kept = await RawClient.open(world.port)
  kept.send([5, 1, 0, ...socks5Request(1, echo.port)])
  await kept.take(12)
  const { policy } = world.configuration
  if (policy === undefined) throw new Error('no policy')
  const port = await freePort()
  world.configuration = {
    ...world.configuration,
    policy: { ...policy, rules: [], listen: [{ kind: 'tcp', address: '127.0.0.1', port }] },
  }
  t.match(await world.supervisor.reload(), { ok: true, warnings: [] })
  t.equal(world.policy.listening, `127.0.0.1:${port}`)
  kept.send('still here')
  t.equal((await kept.take(10)).toString(), 'still here')
  const denied = await RawClient.open(port)
  denied.send([5, 1, 0, ...socks5Request(1, echo.port)])
  t.equal((await denied.take(4))[3], 2)
  await t.rejects(RawClient.open(world.port))
  world.configuration = { ...world.configuration, policy: undefined }
  await world.supervisor.reload()
  t.equal(world.policy.listening, null)
  kept.close()
})

t.test('a Unix socket', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pvpn-policy-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'policy.sock')
  const world = await policyWorld(t, {
    rules: [{ program: 'node', environment: 'office' }, HERE],
    policy: { listen: [{ kind: 'unix', path }] },
  })
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const client = new RawClient(connect({ path, allowHalfOpen: true }))
  client.send([5, 1, 0, ...socks5Request(1, echo.port), 104, 105])
  client.socket.end()
  t.match(await client.rest(), /hi$/)
  t.equal(world.policy.recent.length, 1)
})

t.test('decisions are counted by environment and result; names never', async (t) => {
  const asked = { address: ['10.0.0.0/8'], environment: 'office' }
  const world = await policyWorld(t, {
    rules: [HERE, { domain: ['.inside.example'], environment: 'office' }, asked],
  })
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  t.equal(await throughSocks(world.port, echo.port, 'x'), 'x')
  for (const host of ['a.example', 'x"}{b="c', '__proto__']) {
    const client = await RawClient.open(world.port)
    client.send([5, 1, 0, ...named(1, host, 80)])
    await client.rest()
  }
  const { allowed, denied, undecided, took } = world.policy.figures
  t.same(allowed, { office: 1 })
  t.ok(denied + undecided >= 1, `${denied} denied, ${undecided} undecided`)
  const decisions = 1 + denied + undecided
  t.equal(took.counts.reduce((a, b) => a + b) + undecided, decisions, 'each is timed')
  await world.policy.configure({ ...world.configuration, environments: [] })
  t.same(world.policy.figures.allowed, {}, 'an environment that is gone is forgotten')
})
