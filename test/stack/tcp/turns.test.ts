/** Who sends first when many want to: the light connections, without starving the heavy ones. */
import t from 'tap'
import { PacketBatch } from '../../../src/core/packet-batch.js'
import type { TcpSocket } from '../../../src/stack/contract.js'
import { tcpSourcePort } from '../../../src/wire/tcp.js'
import { Pair } from '../../sim/pair.js'
import { SeededRandom } from '../../sim/random.js'

/** A pair with connections from `a` that are open and idle. */
function opened(count: number) {
  const random = new SeededRandom(3)
  const pair = new Pair({ random, there: { delay: 0.1 }, pacing: false })
  pair.b.tcp.listen({ port: 80, backlog: 1024 }).onConnection = () => undefined
  const sockets = Array.from({ length: count }, () =>
    pair.a.tcp.connect({ address: pair.b.address, port: 80 }, pair.now),
  )
  pair.run(() => sockets.every((s) => s.state === 'ESTABLISHED'))
  pair.run(() => false, 500)
  return { pair, sockets }
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
