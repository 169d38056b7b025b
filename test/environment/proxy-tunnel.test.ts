/** Environments behind upstream proxies of pvpn's own listener, over loopback. */

import { connect, createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import { KnownSecrets } from '../../src/core/known-secrets.js'
import { silentLogger } from '../../src/core/log.js'
import type { DnsOptions, HttpProxyOptions, Socks5Options } from '../../src/core/options.js'
import { HttpTunnel, Socks5Tunnel } from '../../src/environment/proxy-tunnel.js'
import { StreamEnvironment } from '../../src/environment/stream-environment.js'
import { systemClock } from '../../src/io/clock.js'
import { hostUnderlay } from '../../src/io/host-underlay.js'
import { systemRandom } from '../../src/io/random.js'
import { eventually } from '../support/fake-stream.js'
import { freePort } from '../support/free-port.js'
import { startProxy, startServer } from '../support/proxy.js'
import { CA, SERVER_CERTIFICATE, SERVER_KEY } from '../support/tls-fixtures.js'
import { udpPeer } from '../support/udp.js'

const NO_DNS: DnsOptions = {
  servers: undefined,
  search: undefined,
  zones: {},
  hosts: {},
  listen: [],
}
const users = [{ name: 'ann', password: 'right horse' }]

function made(
  t: Test,
  options: Socks5Options | HttpProxyOptions,
  dns: Partial<DnsOptions> = {},
): StreamEnvironment {
  const common = { underlay: hostUnderlay, timeout: 5000 }
  const environment = new StreamEnvironment({
    name: 'lab',
    tunnelType: options.type,
    dns: { ...NO_DNS, ...dns },
    connectTimeout: 5,
    tunnel:
      options.type === 'socks5'
        ? new Socks5Tunnel({ options, ...common })
        : new HttpTunnel({ options, ...common }),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    secrets: new KnownSecrets(),
    onState: () => {},
  })
  t.teardown(() => void environment.stop())
  return environment
}

async function up(environment: StreamEnvironment): Promise<void> {
  await environment.start()
  await eventually(() => environment.state === 'up')
}

async function echoed(environment: StreamEnvironment, host: string, port: number) {
  const stream = await environment.dial({ host, port })
  let got = ''
  const closed = new Promise<string>((resolve) => {
    stream.onClose = (error) => resolve(error?.code ?? 'end')
  })
  stream.onReadable = () => {
    for (let b = stream.read(); b !== undefined; b = stream.read()) got += Buffer.from(b).toString()
  }
  stream.onReadable()
  stream.write(Buffer.from('hello'))
  stream.end()
  return `${await closed}: ${got}`
}

for (const type of ['socks5', 'http'] as const) {
  t.test(`${type}: a password, names of the far side, half-close, refusals`, async (t) => {
    const upstream = await startProxy(t, { users })
    const echo = await startServer(t, (socket) => socket.pipe(socket))
    const options = { server: { host: '127.0.0.1', port: upstream.port }, ...credentials }
    const environment = made(t, { type, ...options })
    await t.rejects(environment.dial({ host: '127.0.0.1', port: echo.port }), { code: 'ERR_DOWN' })
    await up(environment)
    t.equal(environment.tunnelStatus.endpoint, `127.0.0.1:${upstream.port}`)
    t.equal(await echoed(environment, '127.0.0.1', echo.port), 'end: hello')
    t.equal(await echoed(environment, 'localhost', echo.port), 'end: hello')
    t.match(environment.tunnelStatus, { bytesIn: 10, bytesOut: 10 })
    const closed = await freePort()
    await t.rejects(environment.dial({ host: '127.0.0.1', port: closed }), { code: 'ERR_REFUSED' })
    await t.rejects(environment.lookup('localhost'), { code: 'ERR_RESOLVER' })
    t.equal(environment.state, 'up', 'a target that refuses says nothing of the proxy')
    const stream = await environment.dial({ host: '127.0.0.1', port: echo.port })
    const told = new Promise((resolve) => {
      stream.onClose = resolve
    })
    await environment.stop()
    t.match(await told, { code: 'ERR_DOWN' }, 'what was open ends with the environment')
  })

  t.test(`${type}: a wrong password needs a person`, async (t) => {
    const upstream = await startProxy(t, { users })
    const server = { host: '127.0.0.1', port: upstream.port }
    const environment = made(t, { type, server, username: 'ann', password: 'wrong horse' })
    await environment.start()
    if (type === 'http') {
      await eventually(() => environment.state === 'up')
      await t.rejects(environment.dial({ host: '127.0.0.1', port: 9 }), { code: 'ERR_DOWN' })
    }
    await eventually(() => environment.state === 'failed')
    t.match(environment.error, { code: 'ERR_AUTH', message: /^auth failed: / })
    t.notMatch(environment.error?.message ?? '', /horse/)
    await t.rejects(environment.dial({ host: '127.0.0.1', port: 9 }), {
      code: 'ERR_DOWN',
      message: /auth failed/,
    })
  })

  t.test(`${type}: user and password that a person types`, async (t) => {
    const upstream = await startProxy(t, { users })
    const echo = await startServer(t, (socket) => socket.pipe(socket))
    const server = { host: '127.0.0.1', port: upstream.port }
    const environment = made(t, { type, server })
    /** HTTP shows it at the first connection. */
    const tried = async () => {
      if (type === 'http') {
        await eventually(() => environment.state !== 'starting')
        if (environment.state !== 'up') return
        await environment.dial({ host: '127.0.0.1', port: echo.port }).catch(() => {})
      }
      await eventually(() => environment.state !== 'starting')
    }
    await environment.start()
    await tried()
    t.equal(environment.state, 'failed')
    t.match(environment.error?.asks, [
      { field: 'username', secret: false, refused: false, setting: 'username' },
      { field: 'password', secret: true, refused: false, setting: 'password' },
    ])
    environment.answer({ username: 'ann', password: 'wrong horse' })
    await tried()
    t.equal(environment.state, 'failed')
    t.match(environment.error?.asks, [{ refused: true }, { refused: true }])
    environment.answer({ username: 'x'.repeat(256), password: 'y'.repeat(256) })
    await tried()
    t.equal(environment.state, 'failed', 'what can not be sent is asked for again')
    environment.answer({ username: 'ann', password: 'right horse' })
    await tried()
    t.equal(environment.state, 'up')
    t.equal(await echoed(environment, '127.0.0.1', echo.port), 'end: hello')
  })

  t.test(`${type}: a server that is gone and comes back`, async (t) => {
    const port = await freePort()
    const environment = made(t, { type, server: { host: '127.0.0.1', port } })
    await environment.start()
    await eventually(() => environment.error !== undefined)
    t.match(environment.error, { code: 'ERR_DOWN', message: /^server unreachable: / })
    t.equal(environment.state, 'starting')
    const upstream = await startProxy(t, { listen: { kind: 'tcp', address: '127.0.0.1', port } })
    await eventually(() => environment.state === 'up')
    await upstream.stop()
    await t.rejects(environment.dial({ host: '127.0.0.1', port: 9 }), { code: 'ERR_DOWN' })
    await eventually(() => environment.state === 'down')
    t.match(environment.error?.message, /^server unreachable: /)
  })
}

const credentials = { username: 'ann', password: 'right horse' }

t.test('socks5: UDP upstream', async (t) => {
  const upstream = await startProxy(t)
  const peer = await udpPeer(t, { echo: true })
  const server = { host: '127.0.0.1', port: upstream.port }
  const environment = made(t, { type: 'socks5', server })
  await up(environment)
  const port = await environment.bindUdp()
  const answer = new Promise((resolve) => {
    port.onMessage = (from, bytes) => resolve([from.port, Buffer.from(bytes).toString()])
  })
  t.ok(port.send({ address: '127.0.0.1', port: peer.port }, Buffer.from('ping')))
  t.same(await answer, [peer.port, 'ping'])
  port.close()
  t.notOk(port.send({ address: '127.0.0.1', port: peer.port }, Buffer.from('ping')))
})

t.test('http carries no UDP; dns.servers are asked by TCP through the proxy', async (t) => {
  const upstream = await startProxy(t)
  const asked: number[] = []
  const dns = await startServer(t, (socket) => {
    socket.on('data', (query) => {
      asked.push(query.length)
      // The question with one A record behind it.
      const answer = Buffer.concat([
        query.subarray(2, 4),
        Buffer.from([0x81, 0x80, 0, 1, 0, query.includes(Buffer.from([0, 0, 1, 0, 1])) ? 1 : 0]),
        Buffer.from([0, 0, 0, 0]),
        question(query),
        query.includes(Buffer.from([0, 0, 1, 0, 1]))
          ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1])
          : Buffer.alloc(0),
      ])
      socket.write(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 255]), answer]))
    })
  })
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const server = { host: '127.0.0.1', port: upstream.port }
  const servers = [{ address: '127.0.0.1', port: dns.port }]
  const environment = made(t, { type: 'http', server }, { servers })
  await up(environment)
  await t.rejects(environment.bindUdp(), { code: 'ERR_UNSUPPORTED' })
  await t.rejects(environment.listenTcp({ port: 0 }), { code: 'ERR_UNSUPPORTED' })
  t.same(await environment.lookup('host.inside.example', { family: 4 }), ['127.0.0.1'])
  t.equal(await echoed(environment, 'host.inside.example', echo.port), 'end: hello')
  t.ok(asked.length > 0)
})

/** The question of a query with its length in front. */
function question(query: Buffer): Buffer {
  let at = 14
  while (query[at] !== 0) at += 1 + (query[at] as number)
  return query.subarray(14, at + 5)
}

t.test('http over TLS: the right name, another name, no TLS at all', async (t) => {
  const upstream = await startProxy(t)
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const front = createTlsServer({ key: SERVER_KEY, cert: SERVER_CERTIFICATE }, (socket) => {
    const behind = connect({ port: upstream.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => {})
    behind.on('error', () => {})
    socket.pipe(behind).pipe(socket)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => front.once('listening', resolve))
  t.teardown(() => front.close())
  const port = (front.address() as { port: number }).port
  const server = { host: '127.0.0.1', port }
  const good = made(t, { type: 'http', server, tls: { ca: CA, serverName: 'vpn.example' } })
  await up(good)
  const stream = await good.dial({ host: '127.0.0.1', port: echo.port })
  const got = new Promise((resolve) => {
    stream.onReadable = () => resolve(Buffer.from(stream.read() ?? []).toString())
  })
  stream.write(Buffer.from('over TLS'))
  t.equal(await got, 'over TLS')
  stream.abort()
  for (const [tls, words] of [
    [{ ca: CA, serverName: 'other.example' }, /is not for other.example/],
    [{ serverName: 'vpn.example' }, /^the certificate of /],
  ] as const) {
    const bad = made(t, { type: 'http', server, tls })
    await bad.start()
    await eventually(() => bad.state === 'failed')
    t.match(bad.error, { code: 'ERR_AUTH', message: words })
  }
  const plain = createServer((socket) => {
    socket.on('error', () => {})
    socket.end('HTTP/1.1 400 no\r\n\r\n')
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => plain.once('listening', resolve))
  t.teardown(() => plain.close())
  const plainServer = { host: '127.0.0.1', port: (plain.address() as { port: number }).port }
  const none = made(t, { type: 'http', server: plainServer, tls: { ca: CA } })
  await none.start()
  await eventually(() => none.state === 'failed')
  t.match(none.error, { code: 'ERR_CONFIG' })
})
