import { createSocket } from 'node:dgram'
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import { createServer } from 'node:net'
import t from 'tap'
import { exchangeHost, hostDnsServers, lookupHost, reverseHost } from '../../src/io/host-dns.js'
import type { Cleaner } from '../support/proxy.js'

/** The host's servers, until the test ends. */
function useServers(t: Cleaner, servers: readonly string[]): void {
  const before = dns.getServers()
  const set = (list: readonly string[]) => {
    dns.setServers(list)
    syncBuiltinESMExports()
  }
  set(servers)
  t.teardown(() => set(before))
}

/** A DNS server on loopback that answers with these messages, one after the other. */
async function udpServer(t: Cleaner, answers: readonly string[]): Promise<number> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  socket.on('message', (_query, from) => {
    for (const answer of answers) socket.send(answer, from.port, from.address)
  })
  t.teardown(() => socket.close())
  return socket.address().port
}

async function tcpServer(t: Cleaner, chunks: readonly Buffer[]): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', async () => {
      for (const chunk of chunks) {
        socket.write(chunk)
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      socket.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return (server.address() as { port: number }).port
}

const QUERY = Buffer.from('query')
const text = (answer: Uint8Array | undefined) => answer && Buffer.from(answer).toString()
const right = (answer: Uint8Array) => text(answer) === 'right'

t.test('the servers, with their ports', async (t) => {
  useServers(t, ['127.0.0.1', '127.0.0.1:5353', '::1', '[::1]:5353'])
  t.same(hostDnsServers(), [
    { address: '127.0.0.1', port: 53 },
    { address: '127.0.0.1', port: 5353 },
    { address: '::1', port: 53 },
    { address: '::1', port: 5353 },
  ])
})

t.test('over UDP what is not the answer is waited past', async (t) => {
  useServers(t, [`127.0.0.1:${await udpServer(t, ['forged', '', 'right'])}`])
  t.equal(text(await exchangeHost(QUERY, 'udp', right)), 'right')
})

t.test('a server that cannot even be asked makes way for the next, at once', async (t) => {
  const port = await udpServer(t, ['right'])
  // Link-local without a scope: the kernel refuses to connect, as it does for IPv6 without a route.
  useServers(t, ['fe80::1', `127.0.0.1:${port}`])
  const start = performance.now()
  t.equal(text(await exchangeHost(QUERY, 'udp', right)), 'right')
  t.ok(performance.now() - start < 2500, 'without waiting for its time to pass')
})

t.test('a server whose port is closed makes way for the next', async (t) => {
  const [closed, port] = [createSocket('udp4'), await udpServer(t, ['right'])]
  await new Promise<void>((resolve) => closed.bind(0, '127.0.0.1', resolve))
  const free = closed.address().port
  closed.close()
  useServers(t, [`127.0.0.1:${free}`, `127.0.0.1:${port}`])
  t.equal(text(await exchangeHost(QUERY, 'udp', right)), 'right')
})

t.test('over TCP the answer is put together, and one that is cut is none', async (t) => {
  const whole = Buffer.from('\0\x05right')
  const bytes = [...whole].map((byte) => Buffer.from([byte]))
  useServers(t, [`127.0.0.1:${await tcpServer(t, bytes)}`])
  t.equal(text(await exchangeHost(QUERY, 'tcp', right)), 'right')
  const cut = await tcpServer(t, [whole.subarray(0, 5)])
  const wrong = await tcpServer(t, [Buffer.from('\0\x05wrong')])
  const empty = await tcpServer(t, [])
  useServers(
    t,
    [cut, wrong, empty].map((port) => `127.0.0.1:${port}`),
  )
  t.equal(await exchangeHost(QUERY, 'tcp', right), undefined)
})

t.test('no question is asked once it was given up', async (t) => {
  useServers(t, [`127.0.0.1:${await udpServer(t, ['right'])}`])
  t.equal(await exchangeHost(QUERY, 'udp', right, AbortSignal.abort()), undefined)
})

t.test('names of the hosts file, and what is no address', async (t) => {
  t.ok((await lookupHost('localhost', 4)).includes('127.0.0.1'))
  await t.rejects(reverseHost('not an address'), { code: 'ERR_NAME' })
})
