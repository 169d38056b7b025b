/** `someSources`: what the plain socket reads past Node has no source, and is whole. */
import t from 'tap'
import type { DatagramSocket } from '../../src/core/datagram-socket.js'
import { EMPTY_DATAGRAM, type PacketBatch } from '../../src/core/packet-batch.js'
import { formatSocketAddress, hasSocketAddress } from '../../src/core/socket-address.js'
import { PLAIN_RECEIVE_SLOTS } from '../../src/io/limits.js'
import { openUdp } from '../../src/io/udp-socket.js'
import { batchOf, sendAll } from '../support/datagram-sockets.js'

const LOOPBACK = '127.0.0.1'

interface Got {
  readonly from: string | undefined
  readonly length: number
  readonly first: number | undefined
}

async function pair(t: Tap, packetSize = 2048): Promise<{ a: DatagramSocket; b: DatagramSocket }> {
  const options = { family: 4, address: LOOPBACK, packetSize, someSources: true } as const
  const [a, b] = [
    await openUdp({ ...options, packetSize: 2048 }, null),
    await openUdp(options, null),
  ]
  t.teardown(() => {
    a.close()
    b.close()
  })
  return { a, b }
}

interface Tap {
  teardown(run: () => void): void
}

function read(batch: PacketBatch): Got[] {
  return Array.from({ length: batch.count }, (_, i) => ({
    from: hasSocketAddress(batch.address, i * 24)
      ? formatSocketAddress(batch.address, i * 24)
      : undefined,
    length: batch.length[i] as number,
    first: batch.view(i)[0],
  }))
}

function datagrams(port: number, sizes: readonly number[]) {
  return batchOf(
    sizes.map((size, i) => ({ to: LOOPBACK, port, bytes: new Uint8Array(size).fill(i) })),
  )
}

t.test('all come, in order, the first of each batch with its source', async (t) => {
  const { a, b } = await pair(t)
  const got: Got[] = []
  const batches: number[] = []
  const begin = new Set<string | undefined>()
  const count = 5 * PLAIN_RECEIVE_SLOTS + 7
  await new Promise<void>((resolve) => {
    b.onBatch = (batch) => {
      batches.push(batch.count)
      const taken = read(batch)
      begin.add(taken[0]?.from)
      got.push(...taken)
      if (got.length >= count) resolve()
    }
    void sendAll(
      a,
      datagrams(
        b.localPort,
        Array.from({ length: count }, (_, i) => 1 + (i % 1500)),
      ),
    )
  })
  t.same(
    got.map(({ length, first }) => [length, first]),
    Array.from({ length: count }, (_, i) => [1 + (i % 1500), i & 255]),
  )
  t.same([...begin], [`${LOOPBACK}:${a.localPort}`], 'each batch begins with a source')
  t.ok(got.every(({ from }) => from === undefined || begin.has(from)))
  t.ok(got.filter(({ from }) => from === undefined).length > count / 2, 'most were read past Node')
  t.ok(Math.max(...batches) <= PLAIN_RECEIVE_SLOTS)
})

t.test('one at a time each has its source', async (t) => {
  const { a, b } = await pair(t)
  for (let n = 0; n < 5; n++) {
    const got = new Promise<Got[]>((resolve) => {
      b.onBatch = (batch) => resolve(read(batch))
    })
    await sendAll(a, datagrams(b.localPort, [100]))
    t.same(await got, [{ from: `${LOOPBACK}:${a.localPort}`, length: 100, first: 0 }])
  }
})

t.test('empty ones and too long ones, the longest that fits', async (t) => {
  const { a, b } = await pair(t, 100)
  const sizes = [5, 100, 101, 0, 2000, 100, 6]
  const batch = datagrams(b.localPort, sizes)
  batch.length[3] = EMPTY_DATAGRAM
  const got: Got[] = []
  await new Promise<void>((resolve) => {
    b.onBatch = (taken) => {
      got.push(...read(taken))
      if (got.at(-1)?.length === 6) resolve()
    }
    void sendAll(a, batch)
  })
  t.same(
    got.map(({ length }) => length),
    [5, 100, EMPTY_DATAGRAM, 100, 6],
  )
})

t.test('too long ones are read for one turn only', async (t) => {
  const { a, b } = await pair(t, 100)
  const batches: number[] = []
  const both = new Promise<void>((resolve) => {
    b.onBatch = ({ count }) => {
      batches.push(count)
      if (batches.length === 2) resolve()
    }
  })
  const long = datagrams(b.localPort, new Array(PLAIN_RECEIVE_SLOTS).fill(150))
  const one = datagrams(b.localPort, [5])
  // All of it is there before the first is read.
  for (const batch of [one, long, long, long, one]) t.equal(a.send(batch, 0), batch.count)
  await both
  t.same(batches, [1, 1])
})

t.test('closed while it delivers: nothing is read any more', async (t) => {
  const { a, b } = await pair(t)
  let batches = 0
  b.onBatch = () => {
    batches++
    b.close()
  }
  await sendAll(a, datagrams(b.localPort, new Array(4 * PLAIN_RECEIVE_SLOTS).fill(50)))
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.equal(batches, 1)
})

t.test('programs get their turn between two batches', async (t) => {
  const { a, b } = await pair(t)
  const story: string[] = []
  const count = 4 * PLAIN_RECEIVE_SLOTS
  let came = 0
  await new Promise<void>((resolve) => {
    b.onArrival = () => story.push('arrival')
    b.onBatch = (batch) => {
      came += batch.count
      story.push('batch')
      setImmediate(() => story.push('others'))
      if (came >= count) resolve()
    }
    void sendAll(a, datagrams(b.localPort, new Array(count).fill(50)))
  })
  t.notMatch(story.join(' '), /batch batch/)
})
