/**
 * Requests whose end two parsers could see at different places. Each is refused, or reaches the
 * server as exactly one request with the body that the client meant.
 */
import t from 'tap'
import { type Cleaner, RawClient, startProxy, startServer } from '../support/proxy.js'

/** Keeps every byte it gets, and answers each head with 200 and keep-alive. */
async function recorder(t: Cleaner): Promise<{ port: number; seen: () => string }> {
  let seen = ''
  let answered = false
  const { port } = await startServer(t, (socket) => {
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1')
      if (!answered && seen.includes('\r\n\r\n')) {
        answered = true
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
      }
    })
    socket.on('end', () => socket.end())
  })
  return { port, seen: () => seen }
}

/** Sends raw bytes and returns all that is answered, and what the server saw. */
async function send(
  t: Cleaner,
  text: (origin: string) => string,
): Promise<{ answer: string; seen: string }> {
  const server = await recorder(t)
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send(text(`127.0.0.1:${server.port}`))
  client.socket.end()
  const answer = await client.rest()
  await proxy.stop()
  return { answer, seen: server.seen() }
}

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'

const refused: Record<string, (origin: string) => string> = {
  'Content-Length and Transfer-Encoding': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'Transfer-Encoding and Content-Length': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${smuggled}`,
  'two different Content-Length': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nContent-Length: 0\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
  'two equal Content-Length': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab`,
  'a list of Content-Length': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nContent-Length: 2, 2\r\n\r\nab`,
  'a signed Content-Length': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nContent-Length: +2\r\n\r\nab`,
  'a hexadecimal Content-Length': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nContent-Length: 0x2\r\n\r\nab`,
  'an empty Content-Length': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nContent-Length: \r\n\r\nab`,
  'a Content-Length beyond 2^53': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nContent-Length: 18446744073709551618\r\n\r\nab`,
  'Transfer-Encoding: gzip, chunked': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  'Transfer-Encoding: gzip': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n`,
  'Transfer-Encoding: chunked, identity': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
  'Transfer-Encoding: xchunked': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
  'two Transfer-Encoding': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'chunked twice': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'Transfer-Encoding with a space before the colon': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
  'Transfer-Encoding with a vertical tab': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
  'Transfer-Encoding in HTTP/1.0': (o) =>
    `POST http://${o}/ HTTP/1.0\r\nHost: ${o}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'a folded field': (o) => `GET http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nX: a\r\n b\r\n\r\n`,
  'a folded Transfer-Encoding': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`,
  'bare LF in the head': (o) => `GET http://${o}/ HTTP/1.1\nHost: ${o}\n\n`,
  'bare LF between fields': (o) =>
    `GET http://${o}/ HTTP/1.1\r\nHost: ${o}\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n`,
  'bare CR in a field': (o) => `GET http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nX: a\rY: b\r\n\r\n`,
  'NUL in a field': (o) => `GET http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nX: a\0b\r\n\r\n`,
  'a space in a field name': (o) => `GET http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nX Y: b\r\n\r\n`,
  'a line without a colon': (o) => `GET http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nrubbish\r\n\r\n`,
  'two Host fields': (o) =>
    `GET http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nHost: other.example\r\n\r\n`,
  'no Host field': (o) => `GET http://${o}/ HTTP/1.1\r\n\r\n`,
  'a chunk size that is no number': (o) =>
    `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n`,
  'a user in the address': (o) => `GET http://good.example@${o}/ HTTP/1.1\r\nHost: ${o}\r\n\r\n`,
  'a space in the address': (o) => `GET http://${o}/a b HTTP/1.1\r\nHost: ${o}\r\n\r\n`,
  'CONNECT with a body': (o) =>
    `CONNECT ${o} HTTP/1.1\r\nHost: ${o}\r\nContent-Length: 5\r\n\r\nhello`,
  'CONNECT with chunks': (o) =>
    `CONNECT ${o} HTTP/1.1\r\nHost: ${o}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'CONNECT without a port': () => `CONNECT localhost HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  'HTTP/2.0 in the request line': (o) => `GET http://${o}/ HTTP/2.0\r\nHost: ${o}\r\n\r\n`,
  'HTTP/0.9': (o) => `GET http://${o}/\r\n\r\n`,
  'the HTTP/2 preface': () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'a TLS client hello': () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  'https in absolute-form': (o) => `GET https://${o}/ HTTP/1.1\r\nHost: ${o}\r\n\r\n`,
  'ftp in absolute-form': (o) => `GET ftp://${o}/ HTTP/1.1\r\nHost: ${o}\r\n\r\n`,
  'origin-form': (o) => `GET / HTTP/1.1\r\nHost: ${o}\r\n\r\n`,
  'OPTIONS *': (o) => `OPTIONS * HTTP/1.1\r\nHost: ${o}\r\n\r\n`,
  'TRACE that may go no further': (o) =>
    `TRACE http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nMax-Forwards: 0\r\n\r\n`,
}

for (const [what, text] of Object.entries(refused)) {
  t.test(`${what} is refused`, async (t) => {
    const { answer, seen } = await send(t, text)
    t.match(answer, /^HTTP\/1\.1 (400|431|501|505) /)
    t.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, 'one answer')
    t.notMatch(seen, 'smuggled')
    // A chunk that breaks is only seen once the head is on its way: the request never ends then.
    t.notMatch(seen, '0\r\n\r\n')
    if (!what.startsWith('a chunk')) t.equal(seen, '')
  })
}

for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'PUT', 'PATCH', 'PROPFIND']) {
  t.test(`a chunked ${method} stays one request`, async (t) => {
    const { answer, seen } = await send(
      t,
      (o) =>
        `${method} http://${o}/a HTTP/1.1\r\nHost: ${o}\r\nTransfer-Encoding: chunked\r\n\r\n` +
        `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
    )
    t.match(answer, /^HTTP\/1\.1 200 /)
    const [head = '', ...body] = seen.split('\r\n\r\n')
    t.match(head, new RegExp(`^${method} /a HTTP/1\\.1\r\n`))
    t.match(head, /\r\nTransfer-Encoding: chunked(\r\n|$)/)
    t.notMatch(head, /content-length/i)
    t.equal(body.join('\r\n\r\n'), `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`)
  })

  t.test(`a ${method} with Content-Length stays one request`, async (t) => {
    const { seen } = await send(
      t,
      (o) =>
        `${method} http://${o}/a HTTP/1.1\r\nHost: ${o}\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    )
    const [head = '', ...body] = seen.split('\r\n\r\n')
    t.match(head, `\r\nContent-Length: ${smuggled.length}`)
    t.notMatch(head, /transfer-encoding/i)
    t.equal(body.join('\r\n\r\n'), smuggled)
  })
}

t.test('fields between neighbours and those that Connection names stay here', async (t) => {
  const { seen } = await send(
    t,
    (o) =>
      `GET http://${o}/a?b HTTP/1.1\r\nHOST: wrong.example\r\nProxy-Connection: keep-alive\r\n` +
      'Proxy-Authorization: Basic c2VjcmV0\r\nConnection: close, X-Secret, Host\r\nX-Secret: 1\r\n' +
      'Keep-Alive: 5\r\nTE: trailers\r\nx-LOWER: Case\r\nAccept: a\r\nAccept: b\r\n\r\n',
  )
  const origin = /^GET \/a\?b HTTP\/1\.1\r\nHost: (127\.0\.0\.1:\d+)\r\n/
  t.match(seen, origin)
  t.equal(
    seen.replace(origin, ''),
    'x-LOWER: Case\r\nAccept: a\r\nAccept: b\r\nConnection: keep-alive\r\n\r\n',
  )
})

t.test('Connection cannot take the length off a body', async (t) => {
  const { seen } = await send(
    t,
    (o) =>
      `POST http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nConnection: content-length\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
  )
  t.match(seen, `Content-Length: ${smuggled.length}\r\n`)
})

t.test('a head that is too long is refused', async (t) => {
  const long = await send(
    t,
    (o) => `GET http://${o}/ HTTP/1.1\r\nHost: ${o}\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`,
  )
  t.match(long.answer, /^HTTP\/1\.1 431 /)
  const many = await send(
    t,
    (o) => `GET http://${o}/ HTTP/1.1\r\nHost: ${o}\r\n${'X: y\r\n'.repeat(300)}\r\n`,
  )
  t.match(many.answer, /^HTTP\/1\.1 431 /)
  t.equal(long.seen + many.seen, '')
})

t.test('the page for a browser that opens the proxy port says what it is', async (t) => {
  const { answer } = await send(
    t,
    () => 'GET / HTTP/1.1\r\nHost: 127.0.0.1:1081\r\nAccept: text/html\r\n\r\n',
  )
  t.match(answer, /^HTTP\/1\.1 400 /)
  t.match(answer, /content-type: text\/html/i)
  t.match(answer, 'environment lab: this is a proxy port')
})

t.test('an HTTP/1.0 request with a body is forwarded', async (t) => {
  const { answer, seen } = await send(
    t,
    (o) => `POST http://${o}/ HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello`,
  )
  t.match(answer, /^HTTP\/1\.1 200 /)
  t.match(answer, /connection: close/i)
  t.match(seen, /\r\nHost: 127\.0\.0\.1:\d+\r\n[\s\S]*\r\n\r\nhello$/)
})
