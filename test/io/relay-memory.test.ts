/** Memory is used again across connections: whatever becomes of one, no other sees its bytes. */
import t from 'tap'
import { PacketBatch } from '../../src/core/packet-batch.js'
import type { ByteStream } from '../../src/core/stream.js'
import { rawMemory } from '../../src/io/raw-memory.js'
import { Relay } from '../../src/io/relay.js'
import { createTcpLayer } from '../../src/stack/tcp/layer.js'
import type { TcpLayer } from '../../src/stack/tcp-contract.js'
import { deliver, FakeIp } from '../sim/pair.js'
import { SeededRandom } from '../sim/random.js'
import { LEAN_IMPLEMENTATIONS, leanPair } from '../support/lean-sockets.js'
import type { Cleaner } from '../support/proxy.js'

const PORT = 80
const MTU = 1420
const CLIENTS = 24
const ROUNDS = 4
/** Of packets; so that much is acknowledged late, sent again, and read with gaps behind it. */
const LOSS = 0.02
const BLOCK = 4

/** Two TCP layers that keep their data in the process's memory; driven until the test is over. */
function joinedLayers(t: Cleaner, random: SeededRandom): readonly [TcpLayer, TcpLayer] {
  const make = (last: number) =>
    createTcpLayer(new FakeIp(new Uint8Array([10, 0, 0, last]), MTU), {
      random: random.fill,
      ephemeralPorts: [32_768, 60_999],
      pacing: true,
      congestion: 'bbr',
      allocator: rawMemory,
    })
  const [a, b] = [make(1), make(2)]
  const batch = new PacketBatch({ capacity: 64, packetSize: MTU })
  const pump = (from: TcpLayer, to: TcpLayer) => {
    const now = performance.now()
    if (from.deadline() <= now) from.tick(now)
    from.notify()
    for (;;) {
      batch.reset()
      if (from.output(batch, now) === 0) return
      for (let i = 0; i < batch.count; i++) {
        if (!random.chance(LOSS)) deliver(to, batch.view(i), now)
      }
    }
  }
  const timer = setInterval(() => {
    pump(a, b)
    pump(b, a)
  }, 1)
  t.teardown(() => clearInterval(timer))
  return [a, b]
}

/** Sends back what comes, a part of it at a time, as the far side takes it. */
function echo(stream: ByteStream): void {
  let rest: Uint8Array | undefined
  const go = () => {
    for (rest ??= stream.read(); rest !== undefined; rest = stream.read()) {
      rest = rest.subarray(stream.write(rest))
      if (rest.length > 0) return
    }
    if (stream.ended) stream.end()
  }
  stream.onReadable = go
  stream.onWritable = go
  go()
}

/** Every four bytes say whose they are, and at which place of the transfer. */
function marked(id: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i += BLOCK) bytes.writeUInt32BE(((id << 24) | (at + i)) >>> 0, i)
  return bytes
}

for (const twin of LEAN_IMPLEMENTATIONS) {
  t.test(`over ${twin.name}`, { skip: twin.skip }, async (t) => {
    const random = new SeededRandom(7)
    const [near, far] = joinedLayers(t, random)
    far.listen({ port: PORT }).onConnection = echo
    let whole = 0
    const foreign: string[] = []

    const one = async (id: number) => {
      const { client, socket } = await leanPair(t, twin)
      const ended = new Promise<void>((resolve) => {
        new Relay(socket, near.connect({ address: '10.0.0.2', port: PORT }, performance.now()), {
          onDone: () => resolve(),
        })
      })
      const size = BLOCK * random.between(1, 200_000)
      const resetAt = random.chance(0.5) ? random.between(0, size) : Number.POSITIVE_INFINITY
      let seen = Buffer.alloc(0)
      let got = 0
      client.socket.removeAllListeners('data')
      client.socket.on('data', (chunk) => {
        seen = Buffer.concat([seen, chunk])
        const length = seen.length - (seen.length % BLOCK)
        if (!seen.subarray(0, length).equals(marked(id, got, length))) {
          foreign.push(`${id} at ${got}`)
        }
        seen = seen.subarray(length)
        got += length
        if (got >= resetAt) client.reset()
        else if (random.chance(0.2)) {
          // A slow reader: the relay's socket is stuck meanwhile.
          client.socket.pause()
          setTimeout(() => client.socket.resume(), random.between(1, 20))
        }
      })
      for (let at = 0; at < size && !client.socket.destroyed; ) {
        const length = Math.min(
          size - at,
          BLOCK * random.between(1, random.chance(0.5) ? 500 : 30_000),
        )
        const flows = client.socket.write(marked(id, at, length))
        at += length
        if (flows && random.chance(0.7)) continue
        await new Promise((resolve) => setTimeout(resolve, random.between(0, 3)))
      }
      client.socket.end()
      await ended
      if (resetAt > size) {
        await client.until(() => client.closed, 'the end')
        if (got === size) whole++
        else foreign.push(`${id}: ${got} of ${size}`)
      }
    }

    let id = 1
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(Array.from({ length: CLIENTS }, () => one(id++)))
    }
    t.same(foreign, [])
    t.ok(whole > (CLIENTS * ROUNDS) / 4, `${whole} were whole`)
  })
}
