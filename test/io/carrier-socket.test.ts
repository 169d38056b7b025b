/** The socket of a tunnel that knows UDP and TCP. */
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { PvpnError } from '../../src/core/errors.js'
import { PacketBatch } from '../../src/core/packet-batch.js'
import { parseSocketAddress } from '../../src/core/socket-address.js'
import { CarrierSocket } from '../../src/io/carrier-socket.js'
import { CARRIER_QUEUE } from '../../src/io/limits.js'
import { openUdp } from '../../src/io/udp-socket.js'
import { StreamSplitter } from '../../src/tunnel/openvpn/stream-framing.js'
import { eventually } from '../support/namespace.js'

async function carrier(t: { teardown(run: () => void): void }): Promise<CarrierSocket> {
  const udp = await openUdp({ family: 4, address: '127.0.0.1', packetSize: 1700 })
  const socket = new CarrierSocket({ udp, splitter: () => new StreamSplitter(), packetSize: 1700 })
  t.teardown(() => socket.close())
  return socket
}

async function server(t: {
  teardown(run: () => void): void
}): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = []
  const listener = createServer((socket) => {
    socket.on('error', () => undefined)
    sockets.push(socket)
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  return { port: (listener.address() as { port: number }).port, sockets }
}

function record(port: number): Uint8Array {
  const found = parseSocketAddress({ address: '127.0.0.1', port })
  if (found === undefined) throw new Error('no address')
  return found
}

function batchOf(...packets: readonly string[]): PacketBatch {
  const batch = new PacketBatch({ capacity: 64, packetSize: 1600 })
  for (const packet of packets) batch.push(new TextEncoder().encode(packet))
  return batch
}

t.test('packets over TCP, both ways, cut anywhere', async (t) => {
  const { port, sockets } = await server(t)
  const socket = await carrier(t)
  const got: string[] = []
  let connected = false
  socket.onBatch = (batch) => {
    for (let i = 0; i < batch.count; i++) {
      got.push(new TextDecoder().decode(batch.view(i)))
      t.same(batch.address.subarray(24 * i, 24 * i + 24), record(port), 'from where it went')
    }
  }
  socket.onConnect = () => {
    connected = true
  }
  socket.connect(record(port))
  t.equal(socket.send(batchOf('lost'), 0), 1, 'taken, and lost: the connection is not open')
  t.ok(await eventually(() => connected && sockets.length === 1))
  const received: Buffer[] = []
  sockets[0]?.on('data', (chunk: Buffer) => received.push(chunk))
  const batch = batchOf('one', 'two', 'gone', 'three')
  batch.length[2] = 0
  t.equal(socket.send(batch, 1), 4)
  t.ok(await eventually(() => Buffer.concat(received).length >= 12))
  t.equal(Buffer.concat(received).toString('latin1'), '\0\x03two\0\x05three')
  for (const byte of '\0\x03abc\0\x02de') sockets[0]?.write(Buffer.from(byte, 'latin1'))
  t.ok(await eventually(() => got.length === 2))
  t.same(got, ['abc', 'de'])
})

t.test('the end of a connection, and none at all', async (t) => {
  const { port, sockets } = await server(t)
  const socket = await carrier(t)
  const errors: PvpnError[] = []
  let connected = 0
  socket.onClose = (error) => errors.push(error)
  socket.onConnect = () => connected++
  socket.connect(record(port))
  t.ok(await eventually(() => connected === 1 && sockets.length === 1))
  sockets[0]?.end()
  t.ok(await eventually(() => errors.length === 1))
  t.match(errors[0]?.message, /^the TCP connection to 127.0.0.1:\d+ ended/)
  socket.connect(record(port))
  t.ok(await eventually(() => connected === 2 && sockets.length === 2))
  sockets[1]?.write(Buffer.from([0xff, 0xff, 1]))
  t.ok(await eventually(() => errors.length === 2), 'a stream that can not be followed is left')
  socket.connect(record(1))
  t.ok(await eventually(() => errors.length === 3))
  t.match(
    errors[2]?.message,
    /^server unreachable: no TCP connection to 127.0.0.1:1 \(ECONNREFUSED\)$/,
  )
  socket.connect(record(port))
  socket.disconnect()
  socket.connect(record(port))
  t.ok(await eventually(() => connected === 3))
  t.equal(errors.length, 3, 'what we end ourselves is no error')
})

/** A carrier and the far end of its connection. */
async function connected(t: Test): Promise<{ socket: CarrierSocket; sockets: Socket[] }> {
  const { port, sockets } = await server(t)
  const socket = await carrier(t)
  let open = false
  socket.onConnect = () => {
    open = true
  }
  socket.connect(record(port))
  t.ok(await eventually(() => open && sockets.length === 1))
  return { socket, sockets }
}

t.test('a peer that does not read holds the sender back', async (t) => {
  const { socket, sockets } = await connected(t)
  let writable = 0
  socket.onWritable = () => writable++
  sockets[0]?.pause()
  const batch = batchOf(...Array.from({ length: 64 }, () => 'x'.repeat(1500)))
  let sent = 0
  while (socket.send(batch, 0) === batch.count && sent < 100e6) sent += 64 * 1500
  t.ok(sent < 50e6, `stopped after ${sent} bytes`)
  t.equal(socket.send(batch, 7), 7, `above ${CARRIER_QUEUE} nothing is taken`)
  sockets[0]?.resume()
  t.ok(await eventually(() => writable > 0))
  t.equal(socket.send(batch, 0), batch.count)
})

t.test('what was written last goes out before the end, and that is waited for', async (t) => {
  const { socket, sockets } = await connected(t)
  let received = 0
  let ended = false
  sockets[0]?.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  sockets[0]?.on('end', () => {
    ended = true
  })
  sockets[0]?.pause()
  const batch = batchOf(...Array.from({ length: 64 }, () => 'x'.repeat(1500)))
  let sent = 0
  // More than the kernel takes at once.
  while (socket.send(batch, 0) === batch.count && sent < 100e6) sent += 64 * 1502
  socket.close()
  t.ok(socket.flushed instanceof Promise, 'who exits can wait')
  sockets[0]?.resume()
  await socket.flushed
  t.ok(await eventually(() => ended))
  t.equal(received, sent, 'not a byte is lost')

  const idle = await carrier(t)
  idle.close()
  t.equal(await idle.flushed, undefined, 'without a connection there is nothing to wait for')
})

t.test('a peer that never reads is waited for shortly', async (t) => {
  const { socket, sockets } = await connected(t)
  sockets[0]?.pause()
  const batch = batchOf(...Array.from({ length: 64 }, () => 'x'.repeat(1500)))
  for (let sent = 0; socket.send(batch, 0) === batch.count && sent < 1000; sent++) {}
  socket.close()
  await socket.flushed
  t.ok(sockets[0]?.destroyed === false, 'it has not ended by itself')
})

t.test('UDP until it is switched, and again behind it', async (t) => {
  const { port } = await server(t)
  const [a, b] = [await carrier(t), await carrier(t)]
  const got: string[] = []
  b.onBatch = (batch) => {
    for (let i = 0; i < batch.count; i++) got.push(new TextDecoder().decode(batch.view(i)))
  }
  const send = (text: string) => {
    const batch = batchOf(text)
    batch.address.set(record(b.localPort), 0)
    a.send(batch, 0)
  }
  send('first')
  t.ok(await eventually(() => got.length === 1))
  a.connect(record(port))
  send('not here')
  a.disconnect()
  send('last')
  t.ok(await eventually(() => got.length === 2))
  t.same(got, ['first', 'last'])
})
