import type { Socket } from 'node:net'
import t from 'tap'
import { RawClient, socks5Request, startProxy, startServer } from '../support/proxy.js'

const GIB = 1 << 30
const chunk = Buffer.alloc(65_536, 'x')
/** Bytes that the process may grow by: pools and sockets' buffers, and nothing like the body. */
const GROWTH = 160 << 20

function send(socket: Socket, length: number, done: () => void): void {
  let left = length
  const pump = () => {
    while (left > 0) {
      left -= chunk.length
      if (!socket.write(chunk)) {
        socket.once('drain', pump)
        return
      }
    }
    done()
  }
  pump()
}

/** Runs while watching the process's memory; the growth in bytes. */
async function growth(run: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss()
  let most = before
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss())
  }, 20)
  await run()
  clearInterval(watch)
  return most - before
}

t.test('a body of 1 GiB passes down with flat memory', async (t) => {
  const { port } = await startServer(t, (socket) => {
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${GIB}\r\n\r\n`)
      send(socket, GIB, () => socket.end())
    })
  })
  const proxy = await startProxy(t)
  const { socket } = await RawClient.open(proxy.port)
  socket.removeAllListeners('data')
  let received = 0
  let head = ''
  const grown = await growth(async () => {
    socket.write(`GET http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    await new Promise<void>((resolve) => {
      socket.on('data', (bytes) => {
        if (head === '') head = bytes.toString('latin1').split('\r\n\r\n')[0] ?? ''
        received += bytes.length
      })
      socket.on('end', resolve)
    })
  })
  t.match(head, /^HTTP\/1\.1 200 OK/)
  t.equal(received, GIB + head.length + 4)
  t.ok(grown < GROWTH, `grew by ${grown >> 20} MiB`)
  socket.destroy()
})

t.test('a body of 1 GiB passes up with flat memory, chunked', async (t) => {
  let received = 0
  const { port } = await startServer(t, (socket) => {
    let tail = ''
    socket.on('data', (bytes) => {
      received += bytes.length
      tail = (tail + bytes.subarray(-8).toString('latin1')).slice(-8)
      if (tail.endsWith('\r\n0\r\n\r\n')) socket.write('HTTP/1.1 204 No Content\r\n\r\n')
    })
  })
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  const grown = await growth(async () => {
    client.send(
      `PUT http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n` +
        `${GIB.toString(16)}\r\n`,
    )
    send(client.socket, GIB, () => client.send('\r\n0\r\n\r\n'))
    await client.until(() => client.text().includes('204'), 'answer', 60_000)
  })
  t.ok(received > GIB)
  t.ok(grown < GROWTH, `grew by ${grown >> 20} MiB`)
  client.close()
})

t.test('1 GiB through SOCKS to a slow reader is held back', async (t) => {
  const { port } = await startServer(t, (socket) => send(socket, GIB, () => socket.end()))
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send([5, 1, 0, ...socks5Request(1, port)])
  await client.take(12)
  client.socket.pause()
  const grown = await growth(() => new Promise((resolve) => setTimeout(resolve, 500)))
  t.ok(grown < GROWTH, `grew by ${grown >> 20} MiB`)
  client.close()
})
