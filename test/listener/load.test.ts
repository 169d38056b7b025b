import t from 'tap'
import { eventually } from '../support/fake-stream.js'
import { startOrigin } from '../support/http-origin.js'
import {
  RawClient,
  socks5Request,
  startProxy,
  startServer,
  throughSocks,
} from '../support/proxy.js'

t.test('256 slow clients do not disturb the others, and are turned away in time', async (t) => {
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  // Long enough for a busy machine to serve the others meanwhile.
  const proxy = await startProxy(t, { timeouts: { head: 8_000 } })
  const heads = [
    Buffer.from([5, 1, 0, ...socks5Request(1, 9)]),
    Buffer.from([4, 1, 0, 9, 127, 0, 0, 1, 65, 65, 65, 65, 65]),
    Buffer.from('CONNECT 127.0.0.1:9 HTTP/1.1\r\n'),
    Buffer.from('GET http://127.0.0.1:9/ HTTP/1.1\r\n'),
  ]
  const slow = await Promise.all(Array.from({ length: 256 }, () => RawClient.open(proxy.port)))
  let tick = 0
  const drip = setInterval(() => {
    for (const [i, client] of slow.entries()) {
      const head = heads[i % heads.length] ?? Buffer.alloc(0)
      const byte = head[tick]
      if (byte !== undefined && !client.closed && client.socket.writable) client.send([byte])
    }
    tick++
  }, 1000)
  t.teardown(() => clearInterval(drip))
  await new Promise((resolve) => setTimeout(resolve, 1100))
  for (let i = 0; i < 100; i++) {
    t.equal(await throughSocks(proxy.port, echo.port, `hello ${i}`), `hello ${i}`)
  }
  t.ok(proxy.listener.openConnections >= 256)
  await eventually(() => slow.every((client) => client.ended || client.closed), 'the end', 30_000)
  const answers = slow.filter((client) => client.text().startsWith('HTTP/1.1 408 '))
  t.equal(answers.length, 128)
  for (const client of slow) client.close()
  await eventually(() => proxy.listener.openConnections === 0)
})

t.test('a half-sent request on a kept connection is turned away too', async (t) => {
  const server = await startOrigin(t, ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const proxy = await startProxy(t, { timeouts: { head: 200, idle: 600 } })
  const get = `GET http://${server.origin}/ HTTP/1.1\r\nHost: a\r\n\r\n`
  const half = await RawClient.open(proxy.port)
  half.send(get)
  await half.takeUntil('ok')
  half.send('GET http')
  t.match(await half.rest(), /^HTTP\/1\.1 408 /)
  const idle = await RawClient.open(proxy.port)
  idle.send(get)
  await idle.takeUntil('ok')
  t.equal(await idle.rest(), '')
  for (const client of [half, idle]) client.close()
})

t.test('1,000 connections at once', async (t) => {
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const proxy = await startProxy(t)
  const clients = await Promise.all(Array.from({ length: 1000 }, () => RawClient.open(proxy.port)))
  for (const client of clients) client.send([5, 1, 0, ...socks5Request(1, echo.port)])
  await Promise.all(clients.map((client) => client.take(12)))
  t.equal(proxy.listener.openConnections, 1000)
  for (const [i, client] of clients.entries()) client.send(`I am ${i}`).socket.end()
  const texts = await Promise.all(clients.map((client) => client.rest()))
  t.same(
    texts,
    clients.map((_, i) => `I am ${i}`),
  )
  await eventually(() => proxy.listener.openConnections === 0)
})
