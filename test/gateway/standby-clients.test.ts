import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { STANDBY_CLIENTS } from '../../src/gateway/limits.js'
import { standbyAnswer } from '../../src/gateway/standby-answer.js'
import { StandbyClients } from '../../src/gateway/standby-clients.js'
import { environmentOptions } from './support.js'

const options = environmentOptions('office', 1081)
const reason = { code: 'ERR_DOWN', message: 'is stopped; start it with: pvpn start office' }

/** Sockets as the standby ports deliver them go to `onClient`; the result connects to them. */
async function entrance(t: Test, onClient: (socket: Socket) => void): Promise<() => Socket> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, onClient)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  t.teardown(() => server.close())
  return () => connect(port, '127.0.0.1')
}

async function exchange(socket: Socket, ...parts: (string | Uint8Array)[]): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (data) => chunks.push(data))
  socket.on('error', () => {})
  for (const part of parts) {
    socket.write(part)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  if (!socket.readableEnded) await once(socket, 'close').catch(() => {})
  return Buffer.concat(chunks)
}

t.test('clients of every protocol are told that the environment is not up', async (t) => {
  const clients = new StandbyClients(standbyAnswer(silentLogger), 500)
  const enter = await entrance(t, (socket) => clients.answer(socket, options, reason))
  const connect5 = Buffer.from([5, 1, 0, 1, 192, 168, 11, 10, 0, 80])
  const socks5 = await exchange(enter(), Buffer.from([5, 1, 0]), connect5)
  t.same([...socks5.subarray(0, 4)], [5, 0, 5, 3], 'reply 03')
  const socks4 = await exchange(enter(), Buffer.from([4, 1, 0, 80, 192, 168, 11, 10, 0]))
  t.equal(socks4[1], 91)
  for (const request of [
    'GET http://192.168.11.10/ HTTP/1.1\r\nHost: 192.168.11.10\r\nConnection: close\r\n\r\n',
    'CONNECT 192.168.11.10:443 HTTP/1.1\r\nHost: 192.168.11.10:443\r\n\r\n',
  ]) {
    const http = (await exchange(enter(), request)).toString()
    t.match(http, /^HTTP\/1\.1 503 /)
    t.match(http, /proxy-status: /i)
    t.match(http, /pvpn start office/)
  }
})

t.test('a silent client is gone after the linger', async (t) => {
  const clients = new StandbyClients(standbyAnswer(silentLogger), 200)
  const enter = await entrance(t, (socket) => clients.answer(socket, options, reason))
  const began = performance.now()
  t.equal((await exchange(enter())).length, 0)
  t.ok(performance.now() - began >= 150)
})

t.test('clients beyond the bound are closed at once', async (t) => {
  const clients = new StandbyClients(() => {}, 60_000)
  let answered = 0
  const enter = await entrance(t, (socket) => {
    clients.answer(socket, options, reason)
    if (!socket.destroyed) answered++
  })
  const sockets = Array.from({ length: STANDBY_CLIENTS }, enter)
  for (const socket of sockets) socket.on('error', () => {})
  while (answered < STANDBY_CLIENTS) await new Promise((resolve) => setTimeout(resolve, 10))
  t.equal((await exchange(enter())).length, 0)
  clients.close()
  await Promise.all(
    sockets.map((socket) => (socket.closed ? undefined : once(socket.resume(), 'close'))),
  )
  t.equal(answered, STANDBY_CLIENTS)
})

t.test('a kept connection ends once the process serves the port', async (t) => {
  const clients = new StandbyClients(standbyAnswer(silentLogger), 60_000)
  const enter = await entrance(t, (socket) => clients.answer(socket, options, reason))
  const socket = enter()
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  socket.write('GET http://192.168.11.10/ HTTP/1.1\r\nHost: 192.168.11.10\r\n\r\n')
  while (!text.includes('pvpn start office')) await once(socket, 'data')
  t.notOk(socket.readableEnded, 'kept until then')
  clients.retire()
  await once(socket, 'close')
})
