import t from 'tap'
import { silentLogger } from '../../src/core/log.js'
import type { ForwardOptions } from '../../src/core/options.js'
import { createDirect } from '../../src/environment/direct.js'
import { bindHostUdp } from '../../src/io/host-datagram.js'
import { createForward, type ForwardListener } from '../../src/listener/forward.js'
import { createPublishedPort } from '../../src/listener/publish.js'
import { UdpSessions } from '../../src/listener/udp-sessions.js'
import { type Cleaner, RawClient, startServer } from '../support/proxy.js'
import { udpPeer } from '../support/udp.js'

const logger = silentLogger

async function direct() {
  const environment = createDirect({ name: 'lab', connectTimeout: 5 })
  await environment.start()
  return environment
}

async function forward(
  t: Cleaner,
  protocol: ForwardOptions['protocol'],
  port: number,
  host = '127.0.0.1',
): Promise<{ forward: ForwardListener; port: number }> {
  const listener = createForward({
    forward: {
      listen: { kind: 'tcp', address: '127.0.0.1', port: 0 },
      to: { host, port },
      protocol,
    },
    environment: await direct(),
    logger,
  })
  await listener.start()
  t.teardown(() => listener.stop())
  return { forward: listener, port: Number(listener.addresses[0]?.split(':')[1]) }
}

t.test('TCP forward joins, passes half-close, and resets what cannot be reached', async (t) => {
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const open = await forward(t, 'tcp', echo.port, 'localhost')
  const client = await RawClient.open(open.port)
  client.send('hello')
  client.socket.end()
  t.equal(await client.rest(), 'hello')
  const closed = await forward(t, 'tcp', 1)
  const refused = await RawClient.open(closed.port)
  await refused.until(() => refused.closed, 'reset')
  t.equal(refused.failed?.code, 'ECONNRESET')
  await open.forward.stop()
  await t.rejects(RawClient.open(open.port), { code: 'ECONNREFUSED' })
})

t.test('UDP forward keeps a session for each sender', async (t) => {
  const echo = await udpPeer(t, { echo: true })
  const open = await forward(t, 'udp', echo.port, 'localhost')
  const clients = [await udpPeer(t), await udpPeer(t), await udpPeer(t)]
  for (const [i, client] of clients.entries()) client.send([i], open.port)
  for (const [i, client] of clients.entries()) t.same([...((await client.next()) ?? [])], [i])
  t.equal(open.forward.openConnections, 3)
})

t.test('sessions are forgotten when idle and bounded in number', async (t) => {
  const near = await bindHostUdp({ address: '127.0.0.1', family: 4 })
  const sessions = new UdpSessions(
    near,
    async () => ({
      port: await bindHostUdp({ address: '127.0.0.1', family: 4 }),
      to: { address: '127.0.0.1', port: 9 },
    }),
    80,
  )
  t.teardown(() => sessions.close())
  for (let i = 0; i < 1500; i++) {
    near.onMessage({ address: '127.0.0.1', port: 1000 + i }, new Uint8Array(1))
  }
  t.equal(sessions.size, 1024)
  await new Promise((resolve) => setTimeout(resolve, 500))
  t.equal(sessions.size, 0)
})

t.test('a session that cannot be opened is tried again by the next datagram', async (t) => {
  const near = await bindHostUdp({ address: '127.0.0.1', family: 4 })
  let tries = 0
  const sessions = new UdpSessions(near, async () => {
    tries++
    throw new Error('not now')
  })
  t.teardown(() => sessions.close())
  for (let i = 0; i < 3; i++) {
    near.onMessage({ address: '127.0.0.1', port: 1000 }, new Uint8Array(1))
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.equal(tries, 3)
  t.equal(sessions.size, 0)
})

t.test('a forward off loopback needs the option', async (t) => {
  const options = {
    forward: {
      listen: { kind: 'tcp', address: '0.0.0.0', port: 0 },
      to: { host: '127.0.0.1', port: 1 },
      protocol: 'tcp',
    },
    environment: await direct(),
    logger,
  } as const
  await t.rejects(createForward(options).start(), { code: 'ERR_CONFIG', message: /0\.0\.0\.0:0/ })
  const allowed = createForward({ ...options, allowUnauthenticated: true })
  await allowed.start()
  await allowed.stop()
})

t.test('a published TCP service is reached from inside', async (t) => {
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const environment = await direct()
  const port = createPublishedPort({
    publish: { port: 0, to: { host: 'localhost', port: echo.port }, protocol: 'tcp' },
    environment,
    logger,
  })
  await port.start()
  t.teardown(() => port.stop())
  const client = await RawClient.open(port.port ?? 0)
  client.send('hello')
  await client.takeUntil('hello')
  t.equal(port.openConnections, 1)
  client.socket.end('bye')
  t.equal(await client.rest(), 'bye')
  client.close()
  for (let i = 0; i < 100 && port.openConnections > 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  t.equal(port.openConnections, 0)
})

t.test('a published service that is not there resets', async (t) => {
  const port = createPublishedPort({
    publish: { port: 0, to: { host: '127.0.0.1', port: 1 }, protocol: 'tcp' },
    environment: await direct(),
    logger,
  })
  await port.start()
  t.teardown(() => port.stop())
  const client = await RawClient.open(port.port ?? 0)
  await client.until(() => client.closed, 'reset')
  t.equal(client.failed?.code, 'ECONNRESET')
  t.equal(port.openConnections, 0)
})

t.test('a published UDP service is reached from inside', async (t) => {
  const echo = await udpPeer(t, { echo: true })
  const port = createPublishedPort({
    publish: { port: 0, to: { host: 'localhost', port: echo.port }, protocol: 'udp' },
    environment: await direct(),
    logger,
  })
  await port.start()
  t.teardown(() => port.stop())
  const client = await udpPeer(t)
  client.send([1, 2, 3], port.port ?? 0)
  t.same([...((await client.next()) ?? [])], [1, 2, 3])
})
