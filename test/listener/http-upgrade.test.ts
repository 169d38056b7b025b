import t from 'tap'
import { startOrigin } from '../support/http-origin.js'
import { RawClient, startProxy } from '../support/proxy.js'

const ask = (origin: string, scheme = 'http', fields = 'Upgrade: websocket\r\n') =>
  `GET ${scheme}://${origin}/chat HTTP/1.1\r\nHost: ${origin}\r\nConnection: Upgrade\r\n${fields}` +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'

const accepted =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'

for (const scheme of ['http', 'ws']) {
  t.test(`${scheme}: both directions are free after 101, and half-close passes`, async (t) => {
    const server = await startOrigin(t, ({ socket }) => {
      socket.removeAllListeners('data')
      socket.removeAllListeners('end')
      socket.write(`${accepted}first,`)
      socket.pipe(socket)
    })
    const proxy = await startProxy(t)
    const client = await RawClient.open(proxy.port)
    client.send(ask(server.origin, scheme))
    const head = await client.takeUntil('\r\n\r\n')
    t.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
    t.match(head, '\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n')
    t.match(head, '\r\nUpgrade: websocket\r\n')
    t.match(
      server.requests[0]?.head,
      /^GET \/chat HTTP\/1\.1\r\n[\s\S]*\r\nConnection: Upgrade\r\n/,
    )
    t.match(server.requests[0]?.head, '\r\nUpgrade: websocket\r\n')
    client.send(Buffer.alloc(300_000, 'x'))
    client.socket.end('end')
    const echoed = await client.rest()
    t.equal(echoed.length, 'first,'.length + 300_000 + 'end'.length)
    t.ok(echoed.startsWith('first,xxx') && echoed.endsWith('xend'))
  })
}

t.test('frames sent right behind the request are not lost', async (t) => {
  const server = await startOrigin(t, ({ socket }) => {
    socket.removeAllListeners('data')
    socket.write(accepted)
    socket.pipe(socket)
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send(`${ask(server.origin)}early`)
  await client.takeUntil('\r\n\r\n')
  t.equal(await client.takeUntil('early'), 'early')
  client.close()
})

t.test('an upgrade that the server declines is an ordinary answer', async (t) => {
  const server = await startOrigin(t, ({ socket }) => {
    socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send(ask(server.origin))
  const answer = await client.rest()
  t.match(answer, /^HTTP\/1\.1 403 Forbidden\r\n[\s\S]*Connection: close\r\n\r\nno$/)
})

t.test('an upgrade to a server that refuses is 502', async (t) => {
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send(ask('127.0.0.1:1'))
  t.match(await client.rest(), /^HTTP\/1\.1 502 [\s\S]*connection_refused/)
})

t.test('a server that closes instead of answering an upgrade is 502', async (t) => {
  const server = await startOrigin(t, ({ socket }) => socket.end())
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send(ask(server.origin))
  t.match(await client.rest(), /^HTTP\/1\.1 502 [\s\S]*connection_terminated/)
})

t.test('an upgrade needs the password too', async (t) => {
  const proxy = await startProxy(t, { users: [{ name: 'ann', password: 'x' }] })
  const client = await RawClient.open(proxy.port)
  client.send(ask('127.0.0.1:1'))
  t.match(await client.rest(), /^HTTP\/1\.1 407 /)
})

t.test('HTTP/2 in the clear is not offered on; the request goes through as HTTP/1.1', async (t) => {
  const server = await startOrigin(t, ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  const fields =
    'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings\r\n'
  client.send(`${ask(server.origin, 'http', fields)}${ask(server.origin, 'http', '')}`)
  await client.takeUntil('ok')
  await client.takeUntil('ok')
  for (const { head } of server.requests) {
    t.notMatch(head, /upgrade/i)
    t.notMatch(head, /http2-settings/i)
  }
  t.equal(server.requests.length, 2)
  client.close()
})
