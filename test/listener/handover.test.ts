/** Sockets that come from elsewhere: another process, a hook, a Unix socket; and the end of a listener. */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { PvpnError } from '../../src/core/errors.js'
import { silentLogger } from '../../src/core/log.js'
import { createMixedListener } from '../../src/listener/mixed-listener.js'
import { eventually } from '../support/fake-stream.js'
import { startOrigin } from '../support/http-origin.js'
import {
  RawClient,
  socks5Request,
  startProxy,
  startServer,
  throughSocks,
} from '../support/proxy.js'

const folder = mkdtempSync(join(tmpdir(), 'pvpn-handover-'))
t.teardown(() => rmSync(folder, { recursive: true }))

/** A process that accepts and hands the socket over, unread or with what had come at once. */
const ACCEPTOR = `
const { createServer } = require('node:net')
createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
  const give = (head) => process.send({ head: head?.toString('latin1') }, socket)
  if (process.argv[2] === 'unread') give(undefined)
  else {
    socket.once('data', (head) => {
      socket.pause()
      give(head)
    })
    socket.resume()
  }
}).listen(0, '127.0.0.1', function () { process.send({ port: this.address().port }) })
`

t.test('a socket from another process keeps half-close and what was read of it', async (t) => {
  const script = join(folder, 'acceptor.cjs')
  writeFileSync(script, ACCEPTOR)
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const server = await startOrigin(t, ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const proxy = await startProxy(t)
  for (const how of ['unread', 'read']) {
    const child = fork(script, [how], { execArgv: [] })
    t.teardown(() => child.kill())
    const port = await new Promise<number>((resolve) => {
      child.on('message', (message: { port?: number; head?: string }, socket) => {
        if (message.port !== undefined) resolve(message.port)
        else if (socket !== undefined) {
          const head =
            message.head === undefined ? {} : { head: Buffer.from(message.head, 'latin1') }
          proxy.listener.accept(socket as Socket, { ...head, listener: 'elsewhere:1' })
        }
      })
    })
    t.equal(await throughSocks(port, echo.port, 'through two processes'), 'through two processes')
    const client = await RawClient.open(port)
    client.send(`GET http://${server.origin}/ HTTP/1.1\r\nHost: a\r\n\r\n`)
    t.match(await client.takeUntil('ok'), /^HTTP\/1\.1 200 /)
    client.close()
    child.disconnect()
  }
})

t.test('a hook can take sockets before they are read', async (t) => {
  const taken: Socket[] = []
  const proxy = await startProxy(t, {
    onAccept: (socket) => {
      taken.push(socket)
      return taken.length === 1
    },
  })
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const first = await RawClient.open(proxy.port)
  first.send('unread')
  await eventually(() => taken.length === 1)
  t.equal(proxy.listener.openConnections, 0)
  t.ok(taken[0]?.isPaused())
  t.equal(taken[0]?.bytesRead, 0)
  t.equal(await throughSocks(proxy.port, echo.port, 'second'), 'second')
  const got = new Promise<Buffer>((resolve) => taken[0]?.once('data', resolve))
  taken[0]?.resume()
  t.equal((await got).toString(), 'unread')
  first.close()
  taken[0]?.destroy()
})

t.test(
  'a listener without an address serves what it is given, or says that it is down',
  async (t) => {
    const standby = createMixedListener({
      users: [],
      place: 'environment lab',
      connectTimeout: 5,
      logger: silentLogger,
      route: () => {
        throw new PvpnError('ERR_DOWN', 'lab is down')
      },
    })
    await standby.start()
    t.same(standby.addresses, [])
    t.teardown(() => standby.stop())
    const door = await startServer(t, (socket) => standby.accept(socket))
    const socks = await RawClient.open(door.port)
    socks.send([5, 1, 0, ...socks5Request(1, 80)])
    t.equal((await socks.take(12))[3], 3)
    const http = await RawClient.open(door.port)
    http.send('GET http://a.example/ HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n')
    const page = await http.takeUntil('</html>')
    t.match(page, /^HTTP\/1\.1 503 /)
    t.match(page, 'lab is down')
    t.match(page, 'pvpn status')
    for (const client of [socks, http]) client.close()
  },
)

t.test('a Unix socket serves every protocol', async (t) => {
  const path = join(folder, 'proxy.sock')
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const proxy = await startProxy(t, { listen: { kind: 'unix', path } })
  t.same(proxy.listener.addresses, [`unix:${path}`])
  const socket = connect({ path, allowHalfOpen: true })
  socket.write(Uint8Array.from([5, 1, 0, ...socks5Request(1, echo.port), 0x68, 0x69]))
  socket.end()
  let got = Buffer.alloc(0)
  for await (const chunk of socket) got = Buffer.concat([got, chunk])
  t.equal(got.subarray(12).toString(), 'hi')
})

t.test('off loopback users are needed', async (t) => {
  const listen = { kind: 'tcp', address: '0.0.0.0', port: 0 } as const
  await t.rejects(startProxy(t, { listen }), { code: 'ERR_CONFIG', message: /users/ })
  await (await startProxy(t, { listen, allowUnauthenticated: true })).stop()
  await (await startProxy(t, { listen, users: [{ name: 'a', password: 'b' }] })).stop()
})

t.test('stopping gives open connections their grace, and then resets them', async (t) => {
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const proxy = await startProxy(t)
  const open = async () => {
    const client = await RawClient.open(proxy.port)
    client.send([5, 1, 0, ...socks5Request(1, echo.port)])
    await client.take(12)
    return client
  }
  const [ending, lasting] = [await open(), await open()]
  const idle = await RawClient.open(proxy.port)
  let stopped = false
  const stopping = proxy.listener.stop(300).then(() => {
    stopped = true
  })
  await t.rejects(RawClient.open(proxy.port), { code: 'ECONNREFUSED' })
  t.equal(await idle.rest(), '', 'closed at once')
  idle.close()
  ending.send('still served')
  ending.socket.end()
  t.equal(await ending.rest(), 'still served')
  t.notOk(stopped)
  await stopping
  await lasting.until(() => lasting.closed, 'reset')
  t.equal(lasting.failed?.code, 'ECONNRESET')
  await eventually(() => proxy.listener.openConnections === 0)
})

t.test('open connections are listed with what they do', async (t) => {
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send([5, 1, 0, ...socks5Request(1, echo.port), ...Buffer.from('12345')])
  await client.take(17)
  const [info] = [...proxy.listener.connections()]
  t.match(info, {
    client: { address: '127.0.0.1', port: client.socket.localPort },
    protocol: 'socks5',
    target: { host: '127.0.0.1', port: echo.port },
    bytesFromClient: 18,
    bytesToClient: 17,
  })
  client.close()
})
