/** Servers and clients that go away in the middle: nothing cut short is passed off as whole. */
import t from 'tap'
import { startOrigin } from '../support/http-origin.js'
import { RawClient, startProxy, startServer } from '../support/proxy.js'

const get = (origin: string, version = '1.1') =>
  `GET http://${origin}/ HTTP/${version}\r\nHost: ${origin}\r\n\r\n`

const cuts: Record<string, string> = {
  'a body shorter than its Content-Length': 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort',
  'chunks without their end': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n',
  'a chunk cut in two': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nshort',
  'a broken chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nzz\r\n',
}

for (const [what, text] of Object.entries(cuts)) {
  for (const version of ['1.1', '1.0']) {
    for (const reset of [false, true]) {
      const how = `${what}, ${reset ? 'reset' : 'closed'}, HTTP/${version}`
      t.test(`${how}: the client's connection is reset`, async (t) => {
        const server = await startOrigin(t, ({ socket }) => {
          socket.write(text, () => {
            setTimeout(() => (reset ? socket.resetAndDestroy() : socket.end()), 20)
          })
        })
        const proxy = await startProxy(t)
        const client = await RawClient.open(proxy.port)
        client.send(get(server.origin, version))
        await client.until(() => client.closed, 'reset')
        // A chunk that cannot be parsed may be noticed before anything was passed on.
        if (what !== 'a broken chunk') t.match(client.text(), 'short')
        t.notMatch(client.text(), /\r\n0\r\n\r\n$/)
        t.equal(client.failed?.code, 'ECONNRESET')
        t.notOk(client.ended)
      })
    }
  }
}

for (const version of ['1.1', '1.0']) {
  t.test(`a body without a length that is reset resets the client, HTTP/${version}`, async (t) => {
    const server = await startOrigin(t, ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\nshort', () => {
        setTimeout(() => socket.resetAndDestroy(), 20)
      })
    })
    const proxy = await startProxy(t)
    const client = await RawClient.open(proxy.port)
    client.send(get(server.origin, version))
    await client.until(() => client.closed, 'reset')
    t.equal(client.failed?.code, 'ECONNRESET')
    t.notOk(client.ended)
  })
}

const rubbish: Record<string, [string, string]> = {
  'no HTTP': ['SSH-2.0-OpenSSH\r\n', 'http_protocol_error'],
  'a bad status line': ['HTTP/1.1 abc\r\n\r\n', 'http_protocol_error'],
  'two lengths': [
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    'http_protocol_error',
  ],
  'a length and chunks': [
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'http_protocol_error',
  ],
  'an unknown coding': [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab',
    'http_protocol_error',
  ],
  'a head without end': [`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(80_000)}`, 'http_protocol_error'],
  'nothing at all': ['', 'connection_terminated'],
  'half a head': ['HTTP/1.1 200 OK\r\nX: y', 'connection_terminated'],
  'protocols switched unasked': [
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
    'http_protocol_error',
  ],
}

for (const [what, [text, error]] of Object.entries(rubbish)) {
  t.test(`a server that sends ${what} is answered for with 502`, async (t) => {
    const server = await startOrigin(t, ({ socket }) => socket.end(text, 'latin1'))
    const proxy = await startProxy(t)
    const client = await RawClient.open(proxy.port)
    client.send(get(server.origin))
    const answer = await client.takeUntil('(pvpn, environment lab)\n')
    t.match(answer, /^HTTP\/1\.1 502 /)
    t.match(answer, `Proxy-Status: pvpn; error=${error}; details=`)
    client.send(get(server.origin))
    t.match(await client.takeUntil('(pvpn, environment lab)\n'), /^HTTP\/1\.1 502 /, 'kept open')
    client.close()
  })
}

t.test('an answer that comes while the client is still sending reaches it whole', async (t) => {
  const { port } = await startServer(t, (socket) => {
    socket.once('data', () => {
      socket.end('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig')
      setTimeout(() => socket.destroy(), 50)
    })
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  const length = 64 << 20
  client.send(
    `POST http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`,
  )
  const chunk = Buffer.alloc(65_536)
  let sent = 0
  const pump = () => {
    while (sent < length && client.socket.writable) {
      sent += chunk.length
      if (!client.socket.write(chunk)) {
        client.socket.once('drain', pump)
        return
      }
    }
  }
  pump()
  t.match(await client.takeUntil('big'), /^HTTP\/1\.1 413 /)
  client.close()
})

for (const reset of [true, false]) {
  t.test(
    `a client that goes away takes its request with it (${reset ? 'reset' : 'closed'})`,
    async (t) => {
      let closed: (how: string) => void = () => {}
      const gone = new Promise<string>((resolve) => {
        closed = resolve
      })
      const server = await startOrigin(t, ({ socket }) => {
        socket.on('error', (error: NodeJS.ErrnoException) => closed(error.code ?? ''))
        socket.on('close', () => closed('closed'))
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort')
      })
      const proxy = await startProxy(t, { timeouts: { halfClosed: 100 } })
      const client = await RawClient.open(proxy.port)
      client.send(get(server.origin))
      await client.takeUntil('short')
      if (reset) client.reset()
      else client.close()
      t.ok(await gone)
    },
  )
}

t.test('a request body that breaks off never looks whole to the server', async (t) => {
  let seen = ''
  let ended = false
  let failed: string | undefined
  let closed: () => void = () => {}
  const gone = new Promise<void>((resolve) => {
    closed = resolve
  })
  const { port } = await startServer(t, (socket) => {
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1')
    })
    socket.on('end', () => {
      ended = true
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      failed = error.code
    })
    socket.on('close', closed)
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send(
    `POST http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`,
  )
  while (!seen.includes('hello')) await new Promise((resolve) => setTimeout(resolve, 5))
  client.reset()
  await gone
  t.notMatch(seen, '0\r\n\r\n')
  t.notOk(ended)
  t.equal(failed, 'ECONNRESET')
})
