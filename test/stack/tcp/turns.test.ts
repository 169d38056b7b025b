/** Who sends first when many want to: the light connections, without starving the heavy ones. */
import t from 'tap'
import { PacketBatch } from '../../../src/core/packet-batch.js'
import type { ByteStream } from '../../../src/core/stream.js'
import type { TcpSocket } from '../../../src/stack/contract.js'
import { tcpSourcePort } from '../../../src/wire/tcp.js'
import { deliver, Pair } from '../../sim/pair.js'
import { SeededRandom } from '../../sim/random.js'

/** A pair with connections from `a` that are open and idle. */
function opened(count: number) {
  const random = new SeededRandom(3)
  const pair = new Pair({ random, there: { delay: 0.1 }, pacing: false })
  const accepted = new Map<number, ByteStream>()
  pair.b.tcp.listen({ port: 80, backlog: 1024 }).onConnection = (stream) => {
    accepted.set(stream.remote.port, stream)
  }
  const sockets = Array.from({ length: count }, () =>
    pair.a.tcp.connect({ address: pair.b.address, port: 80 }, pair.now),
  )
  pair.run(() => sockets.every((s) => s.state === 'ESTABLISHED'))
  pair.run(() => false, 500)
  /** The other end of one of them. */
  const far = (socket: TcpSocket) => accepted.get(socket.local.port) as ByteStream
  return { pair, sockets, far }
}

/** Source ports of the next batch. */
function nextBatch(pair: Pair, capacity = 64): number[] {
  const batch = new PacketBatch({ capacity, packetSize: 1420 })
  pair.a.tcp.output(batch, pair.now)
  return Array.from({ length: batch.count }, (_, i) => tcpSourcePort(batch.view(i), 20))
}

t.test('a request goes out before the rest of a bulk transfer', async (t) => {
  const { pair, sockets } = opened(3)
  const [light, ...heavy] = sockets as [TcpSocket, ...TcpSocket[]]
  for (const socket of heavy) socket.write(new Uint8Array(200_000))
  nextBatch(pair, 16)
  light.write(new Uint8Array(100))
  const ports = nextBatch(pair)
  t.equal(ports[0], light.local.port)
  t.ok(ports.length > 1, 'the rest follows')
})

t.test('many light ones leave half of each batch to the others', async (t) => {
  const { pair, sockets } = opened(202)
  const [one, two, ...light] = sockets as [TcpSocket, TcpSocket, ...TcpSocket[]]
  for (const socket of [one, two]) socket.write(new Uint8Array(200_000))
  nextBatch(pair, 16)
  for (const socket of light) socket.write(new Uint8Array(100))
  const ports = nextBatch(pair)
  const bulk = ports.filter((port) => port === one.local.port || port === two.local.port).length
  t.ok(ports[0] !== one.local.port && ports[0] !== two.local.port)
  t.ok(bulk > 0, `${bulk} of ${ports.length} segments`)
})

t.test('who is sent little is told before who is sent much, whoever’s came first', async (t) => {
  const { pair, sockets, far } = opened(3)
  const [heavy, light, third] = sockets as [TcpSocket, TcpSocket, TcpSocket]
  let read = 0
  heavy.onReadable = () => {
    read += heavy.read()?.length ?? 0
  }
  const block = new Uint8Array(200_000)
  let written = 0
  pair.run(() => {
    if (written < block.length) {
      written += far(heavy).write(block.subarray(written))
    }
    return read === block.length
  })
  const told: string[] = []
  heavy.onReadable = () => told.push('heavy')
  light.onReadable = () => {
    told.push('light')
    // What comes of a callback is told in the same run, and before what can wait.
    arrive(far(third))
  }
  third.onReadable = () => told.push('third')
  const arrive = (from: ByteStream) => {
    from.write(new Uint8Array(100))
    const batch = new PacketBatch({ capacity: 64, packetSize: 1420 })
    pair.b.tcp.output(batch, pair.now)
    for (let i = 0; i < batch.count; i++) {
      deliver(pair.a.tcp, batch.view(i), pair.now)
    }
  }
  for (const socket of [heavy, light]) arrive(far(socket))
  pair.a.tcp.notify()
  t.same(told, ['light', 'third', 'heavy'])
})

t.test('what is written behind what the window holds back asks for no turn', async (t) => {
  const { pair, sockets, far } = opened(1)
  const [socket] = sockets as [TcpSocket]
  let asked = 0
  pair.a.tcp.onReady = () => asked++
  t.equal(socket.write(new Uint8Array(100_000)), 100_000)
  t.equal(asked, 1)
  while (nextBatch(pair).length > 0);
  t.equal(socket.write(new Uint8Array(1000)), 1000)
  t.equal(asked, 1, 'the next acknowledgement brings the turn')
  const there = far(socket)
  let read = 0
  there.onReadable = () => {
    read += there.read()?.length ?? 0
  }
  pair.run(() => read === 101_000, 5000)
  t.equal(read, 101_000)
  pair.run(() => false, 500)
  asked = 0
  t.equal(socket.write(new Uint8Array(10)), 10)
  t.equal(asked, 1, 'nothing waits in front of this')
})
