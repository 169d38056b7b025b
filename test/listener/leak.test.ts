import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
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

setFlagsFromString('--expose-gc')
const gc: () => void = runInNewContext('gc')

t.test('10,000 connections one after another leave nothing behind', async (t) => {
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const server = await startOrigin(t, ({ socket }) => {
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    server.requests.length = 0
  })
  const proxy = await startProxy(t)
  const get = `GET http://${server.origin}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`
  const connect = `CONNECT 127.0.0.1:${echo.port} HTTP/1.1\r\nHost: a\r\n\r\nx`
  const one = async (i: number): Promise<void> => {
    if (i % 4 === 0) {
      await throughSocks(proxy.port, echo.port, 'x')
      return
    }
    // Refused, forwarded, tunnelled.
    const client = await RawClient.open(proxy.port)
    if (i % 4 === 1) client.send([5, 1, 0, ...socks5Request(1, 1)])
    else client.send(i % 4 === 2 ? get : connect)
    if (i % 4 === 3) client.socket.end()
    await client.rest()
    client.socket.end()
    await client.until(() => client.closed, 'close')
  }
  const settled = async (): Promise<{ handles: number; heap: number }> => {
    await eventually(() => proxy.listener.openConnections === 0)
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      gc()
    }
    return {
      handles: process.getActiveResourcesInfo().length,
      heap: process.memoryUsage().heapUsed,
    }
  }
  const batch = async (from: number, count: number): Promise<void> => {
    for (let i = from; i < from + count; i += 16) {
      await Promise.all(Array.from({ length: 16 }, (_, n) => one(i + n)))
    }
  }
  await batch(0, 2000)
  const before = await settled()
  await batch(2000, 8000)
  const after = await settled()
  t.ok(after.handles <= before.handles + 4, `handles ${before.handles} -> ${after.handles}`)
  const grown = (after.heap - before.heap) / 8000
  t.ok(grown < 200, `${grown} bytes for each connection`)
})
