import { once } from 'node:events'
import { mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ControlServer } from '../../src/control/server.js'
import { FakeGateway, raw } from './fake-gateway.js'

const TOKEN = 'the-token'

async function opened(t: Test) {
  const gateway = new FakeGateway()
  const socket = join(mkdtempSync(join(tmpdir(), 'pvpn-control-')), 'control.sock')
  const server = await ControlServer.open({
    gateway,
    policy: gateway.policy,
    version: '1.2.3',
    token: TOKEN,
    socket,
  })
  t.teardown(() => server.close())
  await server.listen({ kind: 'tcp', address: '127.0.0.1', port: 0 })
  const port = Number(/:(\d+)$/.exec(server.listening ?? '')?.[1])
  return { gateway, server, socket, port }
}

interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly text: string
}

function ask(
  to: { port: number } | { socketPath: string },
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...to, host: '127.0.0.1', method, path, headers, agent: false })
    outgoing.on('error', reject)
    outgoing.on('response', (incoming) => {
      let text = ''
      incoming.on('data', (data) => {
        text += data
      })
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text }),
      )
    })
    outgoing.end(body)
  })
}

const auth = { authorization: `Bearer ${TOKEN}` }
const json = { 'content-type': 'application/json' }

t.test('control port shows status, one environment, pages and the API', async (t) => {
  const { port, gateway } = await opened(t)
  const all = await ask({ port }, 'GET', '/api/v1/environments')
  t.equal(all.status, 200)
  t.same(
    JSON.parse(all.text),
    await gateway.status(),
    'every field of the status survives its schema',
  )
  const one = await ask({ port }, 'GET', '/api/v1/environments/site')
  t.equal(JSON.parse(one.text).name, 'site')
  const none = await ask({ port }, 'GET', '/api/v1/environments/sita')
  t.equal(none.status, 404)
  t.same(JSON.parse(none.text).error.known, ['office', 'site'])
  t.equal((await ask({ port }, 'GET', '/api/v1/environments/..%2fx')).status, 400)
  t.equal((await ask({ port }, 'GET', '/nothing')).status, 404)
  const malformed = await ask({ port }, 'GET', '/api/v1/environments/%ff')
  t.equal(malformed.status, 400)
  t.same(JSON.parse(malformed.text), {
    error: { code: 'ERR_PROTOCOL', message: 'the path is malformed' },
  })
  t.equal(malformed.headers['x-content-type-options'], 'nosniff')
  t.equal((await ask({ port }, 'GET', '/healthz')).status, 200)
  t.equal((await ask({ port }, 'GET', '/readyz')).status, 200)
  gateway.ready = false
  t.equal((await ask({ port }, 'GET', '/readyz')).status, 503)
  const page = await ask({ port }, 'GET', '/')
  t.match(page.headers['content-type'], /text\/html/)
  t.match(page.text, /192\.168\.9\.52/)
  for (const name of ['content-security-policy', 'x-content-type-options', 'x-frame-options']) {
    t.ok(page.headers[name], name)
    t.ok(none.headers[name], name)
  }
  const api = JSON.parse((await ask({ port }, 'GET', '/api/v1/openapi.json')).text)
  t.equal(api.openapi, '3.1.0')
  t.same(Object.keys(api.paths).sort(), [
    '/api/v1/environments',
    '/api/v1/environments/{name}',
    '/api/v1/environments/{name}/activity',
    '/api/v1/environments/{name}/answers',
    '/api/v1/environments/{name}/restart',
    '/api/v1/environments/{name}/start',
    '/api/v1/environments/{name}/stop',
    '/api/v1/events',
    '/api/v1/policy/decisions',
    '/api/v1/policy/explain',
    '/api/v1/reload',
    '/api/v1/session',
  ])
})

t.test('metrics can be read', async (t) => {
  const { port } = await opened(t)
  const answers = await Promise.all([1, 2, 3].map(() => ask({ port }, 'GET', '/metrics')))
  const { text, headers } = answers[2] as Answer
  t.match(headers['content-type'], /^text\/plain; version=0\.0\.4/)
  t.ok(text.includes('pvpn_build_info{version="1.2.3"} 1'))
  t.ok(text.includes('pvpn_tunnel_bytes_total{environment="site",direction="in"} 11'))
})

t.test('changes need the token on the port, not on the socket', async (t) => {
  const { port, socket, gateway } = await opened(t)
  const path = '/api/v1/environments/office/stop'
  t.equal((await ask({ port }, 'POST', path)).status, 401)
  t.equal((await ask({ port }, 'POST', '/api/v1/reload')).status, 401)
  t.equal((await ask({ port }, 'POST', '/api/v1/nothing')).status, 401)
  t.equal((await ask({ port }, 'POST', path, { authorization: 'Bearer x' })).status, 401)
  t.same(gateway.calls, [])
  t.equal((await ask({ port }, 'POST', path, auth)).status, 200)
  t.equal((await ask({ socketPath: socket }, 'POST', '/api/v1/reload', { host: 'x' })).status, 200)
  const body = '{"wait":1.5}'
  const start = '/api/v1/environments/office/start'
  t.equal((await ask({ port }, 'POST', start, { ...auth, ...json }, body)).status, 200)
  t.same(gateway.calls, ['stop office 0', 'reload', 'start office 1500'])
  gateway.report = { ...gateway.report, ok: false, problems: ['pvpn.yaml:1:1: no'] }
  const refused = await ask({ port }, 'POST', '/api/v1/reload', auth)
  t.equal(refused.status, 422)
  t.same(JSON.parse(refused.text).problems, ['pvpn.yaml:1:1: no'])
})

t.test('answers to questions come by the socket alone', async (t) => {
  const { gateway, socket, port } = await opened(t)
  const path = '/api/v1/environments/office/answers'
  const said = { asksId: 'q1', answers: { password: 'right horse' } }
  const body = JSON.stringify({ ...said, wait: 2 })
  const refused = await ask({ port }, 'POST', path, { ...auth, ...json }, body)
  t.equal(refused.status, 403)
  t.match(refused.text, /by the control socket alone: pvpn start ENV/)
  t.equal((await ask({ port }, 'POST', path, json, body)).status, 401)
  t.same(gateway.calls, [])
  t.equal((await ask({ socketPath: socket }, 'POST', path, json, body)).status, 200)
  t.same(gateway.calls, [`answer office ${JSON.stringify(said)} 2000`])
  const old = await ask(
    { socketPath: socket },
    'POST',
    path,
    json,
    JSON.stringify({ ...said, asksId: 'old' }),
  )
  t.equal(old.status, 409)
  t.match(old.text, /not asked any more/)
  const bad = [
    { answers: { password: 'x'.repeat(1025) } },
    { answers: { password: 7 } },
    { answers: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`f${i}`, ''])) },
    { answers: { ['f'.repeat(257)]: '' } },
    { answers: [] },
    {},
    { answers: {}, more: 1 },
    { asksId: 7, answers: {} },
    { asksId: undefined, answers: {} },
  ]
  for (const wrong of bad) {
    const text = JSON.stringify({ asksId: 'q1', ...wrong })
    t.equal((await ask({ socketPath: socket }, 'POST', path, json, text)).status, 400, text)
  }
  const gone = path.replace('office', 'gone')
  t.equal((await ask({ socketPath: socket }, 'POST', gone, json, body)).status, 404)
})

t.test('bodies that are not as described are refused', async (t) => {
  const { port, gateway } = await opened(t)
  const path = '/api/v1/environments/office/start'
  for (const body of [
    '{"wait":"1"}',
    '{"wait":61}',
    '{"wait":-1}',
    '{"x":1}',
    '[]',
    '1',
    '{',
    '{"__proto__":{}}',
  ]) {
    t.equal((await ask({ port }, 'POST', path, { ...auth, ...json }, body)).status, 400, body)
  }
  t.equal(
    (await ask({ port }, 'POST', path, { ...auth, 'content-type': 'text/xml' }, 'x')).status,
    415,
  )
  const big = `{"wait":1${' '.repeat(20_000)}}`
  t.equal((await ask({ port }, 'POST', path, { ...auth, ...json }, big)).status, 413)
  t.same(gateway.calls, [])
  t.equal((await ask({ port }, 'PUT', path, auth)).status, 404)
  t.equal((await ask({ port }, 'OPTIONS', path, auth)).status, 404)
})

t.test('attacks by browsers are refused', async (t) => {
  const { port, gateway } = await opened(t)
  const path = '/api/v1/environments/office/stop'
  const rebound = await ask({ port }, 'GET', '/api/v1/environments', {
    host: `evil.example:${port}`,
  })
  t.equal(rebound.status, 421)
  t.notMatch(rebound.text, /192\.168/)
  t.equal(
    (await ask({ port }, 'POST', path, { ...auth, origin: 'http://evil.example' })).status,
    403,
  )
  t.equal(
    (await ask({ port }, 'POST', path, { ...auth, 'sec-fetch-site': 'cross-site' })).status,
    403,
  )
  const simple = { 'content-type': 'text/plain', origin: 'http://evil.example' }
  t.equal((await ask({ port }, 'POST', path, simple, '{}')).status, 403)
  const read = await ask({ port }, 'GET', '/api/v1/environments', { origin: 'http://evil.example' })
  t.equal(read.headers['access-control-allow-origin'], undefined)
  t.same(gateway.calls, [])
})

t.test('bytes that are no good request get a short answer and the end', async (t) => {
  const { port, socket } = await opened(t)
  for (const to of [{ port }, { path: socket }]) {
    t.match(await raw(to, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400/)
    t.match(
      await raw(to, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(10_000)}\r\n\r\n`),
      /^HTTP\/1\.1 431/,
    )
    t.match(
      await raw(
        to,
        'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      ),
      /^HTTP\/1\.1 400/,
    )
    t.match(await raw(to, '\x16\x03\x01\x02\x00\x01\x00'), /^HTTP\/1\.1 400/)
    t.match(
      await raw(to, 'GET /%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
      /^HTTP\/1\.1 4/,
    )
  }
})

t.test('a slow request is ended, whether its head drips or its body', async (t) => {
  const { port, gateway } = await opened(t)
  const slow = async (start: string, piece: string): Promise<string> => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(start)
    const drip = setInterval(() => socket.write(piece), 500)
    let answer = ''
    socket.on('data', (data) => {
      answer += data
    })
    await once(socket, 'close')
    clearInterval(drip)
    return answer
  }
  const body =
    `POST /api/v1/environments/office/stop HTTP/1.1\r\nHost: localhost\r\n` +
    `Authorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n`
  const [head, dripped, unsigned] = await Promise.all([
    slow('GET / HTTP/1.1\r\n', 'X-A: b\r\n'),
    slow(body, ' '),
    slow(body.replace(TOKEN, 'x'), ' '),
  ])
  t.match(head, /^HTTP\/1\.1 408/)
  t.match(dripped, /^HTTP\/1\.1 408/)
  t.match(unsigned, /^HTTP\/1\.1 401/, 'without the token no body is waited for')
  t.same(gateway.calls, [])
})

t.test('events begin with the status and follow the gateway', async (t) => {
  const { port, gateway, server } = await opened(t)
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  const has = async (pattern: RegExp) => {
    while (!pattern.test(text)) await once(socket, 'data')
  }
  socket.write('GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await has(/event: status\ndata: .*"office"/)
  t.match(text, /content-type: text\/event-stream/i)
  t.match(text, /x-content-type-options: nosniff/i)
  gateway.emit({
    kind: 'state',
    environment: 'site',
    state: 'down',
    error: { code: 'ERR_TIMEOUT', message: 'gone\nevent: forged' },
    listen: [],
  })
  await has(/event: state\ndata: .*"down"/)
  t.notMatch(text, /\nevent: forged/)
  await server.close()
  if (!socket.closed) await once(socket, 'close')
  t.equal(gateway.listeners, 0)
})

t.test('event clients are bounded, and a slow one is dropped', async (t) => {
  const { port, gateway } = await opened(t)
  const sockets = Array.from({ length: 32 }, () => connect(port, '127.0.0.1'))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  for (const socket of sockets) {
    socket.on('error', () => {})
    socket.write('GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n')
  }
  await Promise.all(sockets.map((socket) => once(socket, 'data')))
  t.equal((await ask({ port }, 'GET', '/api/v1/events')).status, 503)
  const [slow, other] = sockets as [(typeof sockets)[0], (typeof sockets)[0]]
  slow.pause()
  let got = 0
  other.on('data', (data) => {
    got += data.length
  })
  const message = 'x'.repeat(60_000)
  const gone = once(slow, 'close')
  for (let i = 0; i < 200; i++) {
    gateway.emit({
      kind: 'state',
      environment: 'site',
      state: 'down',
      error: { code: 'ERR_TIMEOUT', message: `${i}${message}` },
      listen: [],
    })
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  slow.resume()
  await gone
  while (got < 200 * 60_000) await once(other, 'data')
  t.pass('the quick client got everything')
})

t.test('the control port moves, and a taken one is reported', async (t) => {
  const { server, port } = await opened(t)
  const thief = createServer().listen(0, '127.0.0.1')
  await once(thief, 'listening')
  t.teardown(() => thief.close())
  const taken = (thief.address() as AddressInfo).port
  await t.rejects(server.listen({ kind: 'tcp', address: '127.0.0.1', port: taken }), {
    code: 'ERR_CONFIG',
    message: `control listener 127.0.0.1:${taken} is in use by another program`,
  })
  t.equal(server.listening, null)
  await t.rejects(ask({ port }, 'GET', '/healthz'), { code: 'ECONNREFUSED' })
  await server.listen({ kind: 'tcp', address: '127.0.0.1', port })
  t.equal(server.listening, `127.0.0.1:${port}`)
  await server.listen(undefined)
  t.equal(server.listening, null)
})

t.test('the control socket is the owner’s, and replaces a stale file', async (t) => {
  const { socket } = await opened(t)
  t.equal(statSync(socket).mode & 0o777, 0o600)
  const stale = join(mkdtempSync(join(tmpdir(), 'pvpn-control-')), 'control.sock')
  writeFileSync(stale, '')
  const server = await ControlServer.open({
    gateway: new FakeGateway(),
    policy: new FakeGateway().policy,
    version: '0',
    token: TOKEN,
    socket: stale,
  })
  t.ok(statSync(stale).isSocket())
  await server.close()
})
