/** One environment asks another to carry its tunnel, over the Unix socket between their processes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { ADDRESS_SIZE, PacketBatch } from '../../src/core/packet-batch.js'
import { parseSocketAddress, socketAddressEndpoint } from '../../src/core/socket-address.js'
import { CarriedSocket } from '../../src/environment/carried-socket.js'
import { CarriedUnderlay } from '../../src/environment/carried-underlay.js'
import { CarryPort } from '../../src/environment/carry-port.js'
import { carryPath } from '../../src/environment/carry-protocol.js'
import { createDirect } from '../../src/environment/direct.js'
import { CarrierSocket } from '../../src/io/carrier-socket.js'
import { systemClock } from '../../src/io/clock.js'
import { StreamSplitter } from '../../src/tunnel/openvpn/stream-framing.js'
import { eventually } from '../support/fake-stream.js'
import { freePort } from '../support/free-port.js'
import { startServer } from '../support/proxy.js'
import { udpPeer } from '../support/udp.js'

function made(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'pvpn-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const environment = createDirect({ name: 'home', connectTimeout: 5 })
  const port = new CarryPort({ environment, runtimeFolder: folder, logger: silentLogger })
  t.teardown(() => port.stop())
  const underlay = new CarriedUnderlay('home', carryPath(folder, 'home'))
  return { environment, folder, port, underlay }
}

t.test('what is not there is waited for, by name', async (t) => {
  const { environment, port, underlay } = made(t)
  const options = { timeout: 5000 }
  const target = { host: '127.0.0.1', port: 9 }
  const words = { code: 'ERR_DOWN', message: 'waits for environment "home", which does not run' }
  await t.rejects(underlay.dial(target, options), words)
  await port.start()
  const down = { code: 'ERR_DOWN', message: 'waits for environment "home", which is not up' }
  await t.rejects(underlay.dial(target, options), down)
  await t.rejects(underlay.bindUdp({ family: 4 }), down)
  await environment.start()
  const closed = await freePort()
  await t.rejects(underlay.dial({ host: '127.0.0.1', port: closed }, options), {
    code: 'ERR_REFUSED',
  })
  await t.rejects(underlay.lookup('nowhere.invalid'), { name: 'PvpnError' })
  t.same(await underlay.lookup('192.0.2.1'), ['192.0.2.1'])
  t.ok((await underlay.lookup('localhost')).some((a) => a === '127.0.0.1' || a === '::1'))
})

t.test('a stream, both ways and half-closed', async (t) => {
  const { environment, port, underlay } = made(t)
  await environment.start()
  await port.start()
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const stream = await underlay.dial({ host: '127.0.0.1', port: echo.port }, { timeout: 5000 })
  let got = ''
  stream.onReadable = () => {
    for (let b = stream.read(); b !== undefined; b = stream.read()) got += Buffer.from(b).toString()
  }
  const ended = new Promise((resolve) => {
    stream.onClose = (error) => resolve(error)
  })
  stream.write(Buffer.from('hello'))
  stream.end()
  t.equal(await ended, undefined)
  t.equal(got, 'hello')
  t.equal(stream.local.address, '0.0.0.0')
})

t.test('a UDP socket that comes back with the environment below', async (t) => {
  const { environment, folder, port, underlay } = made(t)
  const peer = await udpPeer(t, { echo: true })
  const socket = new CarriedSocket({ underlay, packetSize: 1500, overhead: 96, clock: systemClock })
  t.teardown(() => socket.close())
  const got: string[] = []
  socket.onBatch = (batch) => {
    const { port: from } = socketAddressEndpoint(batch.address)
    got.push(`${from} ${Buffer.from(batch.view(0)).toString()}`)
  }
  const record = parseSocketAddress({ address: '127.0.0.1', port: peer.port }) as Uint8Array
  const batch = new PacketBatch({ capacity: 2, packetSize: 1500 })
  const send = () => {
    batch.reset()
    batch.address.set(record, 0)
    batch.push(Buffer.from('ping'))
    batch.address.set(record, ADDRESS_SIZE)
    batch.push(Buffer.from('pong'))
    return socket.send(batch, 0)
  }
  t.equal(send(), 2)
  await eventually(() => socket.problem !== undefined)
  t.match(socket.problem?.message, /waits for environment "home"/)
  await environment.start()
  await port.start()
  await eventually(() => socket.problem === undefined)
  t.equal(socket.mtu, 1404)
  await eventually(() => got.length === 1)
  send()
  await eventually(() => got.length === 3)
  t.same(
    got,
    [`${peer.port} pong`, `${peer.port} ping`, `${peer.port} pong`],
    'the newest had waited',
  )
  port.stop()
  await eventually(() => socket.problem !== undefined)
  const again = new CarryPort({
    environment,
    runtimeFolder: folder,
    logger: silentLogger,
  })
  await again.start()
  t.teardown(() => again.stop())
  await eventually(() => socket.problem === undefined, 'back', 5000)
  send()
  await eventually(() => got.length === 5)
})

t.test("a tunnel's TCP connection", async (t) => {
  const { environment, port, underlay } = made(t)
  await environment.start()
  await port.start()
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const udp = new CarriedSocket({ underlay, packetSize: 1700, overhead: 140, clock: systemClock })
  const socket = new CarrierSocket({
    udp,
    splitter: () => new StreamSplitter(),
    packetSize: 1700,
    dial: ({ address, port: number }, signal) =>
      underlay.dial({ host: address, port: number }, { signal, timeout: 5000 }),
  })
  t.teardown(() => socket.close())
  const connected = new Promise<void>((resolve) => {
    socket.onConnect = resolve
  })
  const got = new Promise<string>((resolve) => {
    socket.onBatch = (batch) => resolve(Buffer.from(batch.view(0)).toString())
  })
  socket.connect(parseSocketAddress({ address: '127.0.0.1', port: echo.port }) as Uint8Array)
  await connected
  const batch = new PacketBatch({ capacity: 1, packetSize: 1500 })
  batch.push(Buffer.from('a packet'))
  socket.send(batch, 0)
  t.equal(await got, 'a packet')
  const failed = new Promise<{ code: string }>((resolve) => {
    socket.onClose = resolve
  })
  const closed = await freePort()
  socket.connect(parseSocketAddress({ address: '127.0.0.1', port: closed }) as Uint8Array)
  t.equal((await failed).code, 'ERR_REFUSED')
})
