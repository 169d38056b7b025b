import t from 'tap'
import { startOrigin } from '../support/http-origin.js'
import { RawClient, startProxy, startServer } from '../support/proxy.js'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const get = (origin: string, path = '/', fields = '') =>
  `GET http://${origin}${path} HTTP/1.1\r\nHost: ${origin}\r\n${fields}\r\n`

t.test('connections are kept on both sides and used again', async (t) => {
  const server = await startOrigin(t, ({ socket }) => socket.write(ok))
  const other = await startOrigin(t, ({ socket }) => socket.write(ok))
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  for (const path of ['/1', '/2', '/3']) {
    client.send(get(server.origin, path))
    t.match(await client.takeUntil('ok'), /^HTTP\/1\.1 200 OK\r\n/)
  }
  t.equal(server.connections, 1)
  client.send(get(other.origin))
  await client.takeUntil('ok')
  t.equal(other.connections, 1)
  client.close()
})

t.test('requests sent at once are answered in their order', async (t) => {
  const server = await startOrigin(t, ({ head, socket }) => {
    const path = head.split(' ')[1] ?? ''
    setTimeout(
      () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${path}`),
      path === '/1' ? 50 : 0,
    )
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send([1, 2, 3, 4].map((n) => get(server.origin, `/${n}`)).join(''))
  await client.until(() => client.text().includes('\r\n\r\n/4'), 'fourth answer')
  t.same(client.text().match(/\/\d$|\/\d(?=HTTP)/g), ['/1', '/2', '/3', '/4'])
  client.close()
})

t.test('too many requests sent ahead of their turn close the connection', async (t) => {
  const server = await startOrigin(t, () => {})
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send(get(server.origin).repeat(100))
  await client.until(() => client.closed, 'reset')
  t.equal(client.failed?.code, 'ECONNRESET')
})

t.test('a kept connection that the server has closed is replaced', async (t) => {
  const server = await startOrigin(t, ({ socket }) => {
    socket.write(ok)
    setTimeout(() => socket.end(), 20)
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  for (const method of ['GET', 'GET', 'POST']) {
    client.send(get(server.origin).replace('GET', method))
    t.match(await client.takeUntil('ok'), /^HTTP\/1\.1 200 /)
    await new Promise((resolve) => setTimeout(resolve, 60))
  }
  t.equal(server.connections, 3)
  client.close()
})

t.test(
  'a kept connection closed under way: GET is sent again, POST is left to the client',
  async (t) => {
    const server = await startOrigin(t, ({ connection, socket }) => {
      // The first connection answers once, and closes when asked again.
      const first =
        server.requests.filter((request) => request.connection === connection).length === 1
      if (first) socket.write(ok)
      else socket.end()
    })
    const proxy = await startProxy(t)
    const client = await RawClient.open(proxy.port)
    client.send(get(server.origin))
    await client.takeUntil('ok')
    client.send(get(server.origin))
    t.match(await client.takeUntil('ok'), /^HTTP\/1\.1 200 /)
    client.send(get(server.origin).replace('GET', 'POST'))
    await client.until(() => client.closed, 'reset')
    t.equal(client.failed?.code, 'ECONNRESET')
    t.equal(client.text(), '')
  },
)

t.test('an answer nobody asked for is not taken for the next one', async (t) => {
  const server = await startOrigin(t, ({ connection, socket }) => {
    socket.write(ok)
    if (connection === 1) {
      setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'), 20)
    }
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send(get(server.origin))
  await client.takeUntil('ok')
  await new Promise((resolve) => setTimeout(resolve, 60))
  client.send(get(server.origin))
  t.notMatch(await client.takeUntil('ok'), 'evil')
  client.close()
})

t.test('trailers pass both ways', async (t) => {
  const server = await startOrigin(t, ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n')
    socket.write('2\r\nok\r\n0\r\nX-Sum: 7\r\nSet-Cookie: evil\r\n\r\n')
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send(
    `POST http://${server.origin}/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n` +
      '3\r\nabc\r\n0\r\nX-Up: 5\r\nAuthorization: evil\r\n\r\n',
  )
  const answer = await client.takeUntil('X-Sum: 7\r\n\r\n')
  t.match(answer, /\r\nTransfer-Encoding: chunked\r\n/)
  t.match(answer, /\r\nTrailer: X-Sum\r\n/)
  t.equal(server.requests[0]?.body, '3\r\nabc\r\n0\r\nX-Up: 5\r\n\r\n')
  client.close()
})

t.test('a trailer announced where there can be none is no reason to fail', async (t) => {
  const server = await startOrigin(t, ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTrailer: X-Sum\r\n\r\nok')
  })
  const proxy = await startProxy(t)
  for (const version of ['1.0', '1.1']) {
    const client = await RawClient.open(proxy.port)
    client.send(
      `GET http://${server.origin}/ HTTP/${version}\r\nHost: a\r\nTrailer: X-Up\r\n` +
        'Connection: close\r\n\r\n',
    )
    const answer = String(await client.rest())
    t.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
    t.notMatch(answer, /trailer/i)
    client.close()
  }
  t.notMatch(server.requests.map((request) => request.head).join(), /trailer/i)
})

t.test('fields of the answer keep their case, order and number', async (t) => {
  const server = await startOrigin(t, ({ socket }) => {
    socket.write(
      'HTTP/1.1 299 Fine Indeed\r\nset-COOKIE: a=1\r\nSet-Cookie: b=2\r\nConnection: X-Hop\r\n' +
        'X-Hop: 1\r\nKeep-Alive: timeout=1\r\nProxy-Authenticate: Basic\r\nX-Latin: \xe9\r\nContent-Length: 0\r\n\r\n',
      'latin1',
    )
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send(get(server.origin))
  t.equal(
    await client.takeUntil('\r\n\r\n'),
    'HTTP/1.1 299 Fine Indeed\r\nset-COOKIE: a=1\r\nSet-Cookie: b=2\r\nX-Latin: \xe9\r\n' +
      'Content-Length: 0\r\nConnection: keep-alive\r\n\r\n',
  )
  client.close()
})

t.test('answers without a body end with their head', async (t) => {
  const heads: Record<string, string> = {
    'HEAD /': 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n',
    'GET /204': 'HTTP/1.1 204 No Content\r\n\r\n',
    'GET /304': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: "a"\r\n\r\n',
  }
  const server = await startOrigin(t, ({ head, socket }) => {
    socket.write(heads[head.split(' HTTP')[0] ?? ''] ?? ok)
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  for (const what of [...Object.keys(heads), 'GET /last']) {
    const [method, path] = what.split(' ')
    client.send(`${method} http://${server.origin}${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    const answer = await client.takeUntil('\r\n\r\n')
    t.match(answer, (heads[what] ?? ok).slice(0, 15))
  }
  t.equal(await client.takeUntil('ok'), 'ok')
  t.equal(server.connections, 1)
  client.close()
})

t.test("Expect: 100-continue is the server's to answer", async (t) => {
  const { port } = await startServer(t, (socket) => {
    socket.on('data', (chunk) => {
      if (chunk.includes('refuse')) {
        socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig')
      } else if (chunk.includes('Expect')) {
        socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      } else {
        socket.write(ok)
      }
    })
  })
  const proxy = await startProxy(t)
  const post = (path: string) =>
    `POST http://127.0.0.1:${port}${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`
  const client = await RawClient.open(proxy.port)
  client.send(post('/'))
  t.equal(await client.takeUntil('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
  client.send('hello')
  t.match(await client.takeUntil('ok'), /^HTTP\/1\.1 200 /)
  client.send(post('/refuse'))
  const refused = await client.takeUntil('big')
  t.match(refused, /^HTTP\/1\.1 413 /)
  t.match(refused, /\r\nConnection: close\r\n/)
  client.close()
})

t.test('early hints pass', async (t) => {
  const server = await startOrigin(t, ({ socket }) => {
    socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n')
    socket.write(`HTTP/1.1 110 Unknown\r\n\r\n${ok}`)
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send(get(server.origin))
  t.match(
    await client.takeUntil('ok'),
    /^HTTP\/1\.1 103 [\s\S]*preload\r\n\r\nHTTP\/1\.1 200 OK\r\n/,
  )
  client.close()
})

t.test('the head of an answer does not wait for its body', async (t) => {
  const server = await startOrigin(t, ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n')
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send(get(server.origin))
  t.match(await client.takeUntil('\r\n\r\n'), 'text/event-stream')
  server.requests[0]?.socket.write('event')
  t.match(await client.takeUntil('event\r\n'), /5\r\nevent/)
  server.requests[0]?.socket.end()
  t.equal(await client.takeUntil('0\r\n\r\n'), '0\r\n\r\n')
  client.close()
})

t.test(
  'a body without a length is whole for an HTTP/1.0 client when the connection ends',
  async (t) => {
    const server = await startOrigin(t, ({ socket }) => {
      socket.end('HTTP/1.0 200 OK\r\n\r\nthe whole body')
    })
    const proxy = await startProxy(t)
    const client = await RawClient.open(proxy.port)
    client.send(`GET http://${server.origin}/ HTTP/1.0\r\n\r\n`)
    const answer = await client.rest()
    t.match(answer, /\r\n\r\nthe whole body$/)
    t.notMatch(answer, /transfer-encoding/i)
    t.notOk(client.failed)
    client.close()
  },
)

t.test('a client that has ended its direction still gets its answer', async (t) => {
  const server = await startOrigin(t, ({ socket }) => {
    setTimeout(() => socket.write(ok), 30)
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send(get(server.origin))
  client.socket.end()
  t.match(await client.rest(), /ok$/)
  client.close()
})
