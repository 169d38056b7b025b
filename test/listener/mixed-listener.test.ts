import t from 'tap'
import {
  type Cleaner,
  RawClient,
  socks5Request,
  startProxy,
  startServer,
} from '../support/proxy.js'

/** Sends back what it gets, and ends when the client ends. */
const echo = (t: Cleaner) => startServer(t, (socket) => socket.pipe(socket))

t.test('SOCKS5 CONNECT joins and passes half-close', async (t) => {
  const { port } = await echo(t)
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send([5, 1, 0])
  t.same([...(await client.take(2))], [5, 0])
  client.send(socks5Request(1, port))
  const reply = await client.take(10)
  t.equal(reply[1], 0)
  client.send('hello')
  client.socket.end()
  t.equal(await client.rest(), 'hello')
})

t.test('what is sent behind the request is not lost', async (t) => {
  const { port } = await echo(t)
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send([5, 1, 0, ...socks5Request(1, port), ...Buffer.from('early')])
  client.socket.end()
  t.equal((await client.rest()).slice(12), 'early')
})

t.test('SOCKS4 CONNECT joins', async (t) => {
  const { port } = await echo(t)
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send([4, 1, port >> 8, port & 255, 127, 0, 0, 1, 0x61, 0])
  const reply = await client.take(8)
  t.equal(reply[1], 90)
  client.send('hello')
  client.socket.end()
  t.equal(await client.rest(), 'hello')
})

t.test('HTTP CONNECT joins and passes half-close', async (t) => {
  const { port } = await echo(t)
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\n\r\nearly`)
  t.match(await client.takeUntil('\r\n\r\n'), /^HTTP\/1.1 200 /)
  client.send(' late')
  client.socket.end()
  t.equal(await client.rest(), 'early late')
})
