/** A stack whose checksums are made and tested by batches behaves as one that does so by packets. */
import t from 'tap'
import { PacketBatch } from '../../src/core/packet-batch.js'
import type { PacketChecksums } from '../../src/core/packet-checksums.js'
import type { Bytes } from '../../src/core/types.js'
import type { Stack } from '../../src/stack/contract.js'
import { createStack } from '../../src/stack/stack.js'
import { CHECKSUMS } from '../support/packet-checksums.js'
import { PoisonedMemory } from '../support/poisoned-memory.js'
import { seededRandom } from '../support/seeded.js'

const SIZE = 100_000
const LINKS = [
  { addresses: ['10.0.0.1/24', 'fd00::1/64'], dns: [], search: [], mtu: 1420 },
  { addresses: ['10.0.0.2/24', 'fd00::2/64'], dns: [], search: [], mtu: 1420 },
] as const

interface Seen {
  readonly packets: Buffer[]
  readonly received: Bytes
  readonly badChecksums: number | undefined
}

/**
 * Sends SIZE bytes to `host`; `change` sees each packet on its way. A datagram goes first in each
 * batch of the client's, so that TCP does not have it to itself.
 */
function transfer(
  checksums: PacketChecksums | undefined,
  host: string,
  change: (packet: Bytes, number: number) => void,
): Seen {
  const [client, server] = [0, 1].map((i) => {
    const stack = createStack({
      random: seededRandom(i + 1),
      checksums,
      // What was in the memory before must not be seen.
      allocator: new PoisonedMemory(),
    })
    stack.configure(LINKS[i] as (typeof LINKS)[number], 0)
    return stack
  }) as [Stack, Stack]
  const batch = new PacketBatch({ capacity: 8, packetSize: 1500 })
  const received: Bytes[] = []
  server.listenTcp({ port: 80 }).onConnection = (stream) => {
    stream.onReadable = () => {
      const bytes = stream.read()
      if (bytes !== undefined) received.push(bytes)
    }
  }
  const datagrams = client.bindUdp({ family: host.includes(':') ? 6 : 4 })
  const socket = client.connectTcp({ address: host, port: 80 }, 0)
  const data = Uint8Array.from({ length: SIZE }, (_, i) => (i * 7) ^ (i >> 8))
  let written = 0
  const pump = () => {
    written += socket.write(data.subarray(written))
  }
  socket.onConnect = pump
  socket.onWritable = pump
  const packets: Buffer[] = []
  let now = 0
  const carry = (from: Stack, to: Stack): number => {
    batch.reset()
    const count = from.output(batch, now)
    for (let i = 0; i < count; i++) {
      packets.push(Buffer.from(batch.view(i)))
      change(batch.view(i), packets.length)
    }
    to.input(batch, now)
    to.notify()
    from.notify()
    return count
  }
  for (let n = 0; n < 5000 && received.reduce((sum, b) => sum + b.length, 0) < SIZE; n++) {
    now += 1
    client.tick(now)
    server.tick(now)
    if (n % 3 === 0) datagrams.send({ address: host, port: 9 }, new Uint8Array(300).fill(n))
    carry(client, server)
    carry(server, client)
  }
  const { drops } = server.counters
  return { packets, received: Buffer.concat(received), badChecksums: drops['tcp-checksum'] }
}

for (const { name, checksums, skip } of CHECKSUMS) {
  t.test(`checksums by batches, ${name}`, { skip }, (t) => {
    for (const host of ['10.0.0.2', 'fd00::2']) {
      const clean = transfer(checksums, host, () => undefined)
      const reference = transfer(undefined, host, () => undefined)
      t.equal(clean.received.length, SIZE)
      t.equal(Buffer.compare(clean.received, reference.received), 0, `${host}: the same data`)
      t.strictSame(clean.packets.length, reference.packets.length)
      const differing = clean.packets.filter((p, i) => !p.equals(reference.packets[i] as Buffer))
      t.equal(differing.length, 0, 'the same packets, bit by bit')
      t.equal(clean.badChecksums, 0)

      const spoil = (packet: Bytes, number: number) => {
        if (number % 10 === 0 && packet.length > 1000) {
          packet[900] = (packet[900] as number) ^ 0x10
        }
      }
      const spoiled = transfer(checksums, host, spoil)
      const asBefore = transfer(undefined, host, spoil)
      t.equal(Buffer.compare(spoiled.received, reference.received), 0, 'what is spoiled is dropped')
      t.ok((spoiled.badChecksums ?? 0) > 0, `${spoiled.badChecksums} dropped`)
      t.equal(spoiled.badChecksums, asBefore.badChecksums)
    }
    t.end()
  })
}

t.test('a sum that counts more than the packet does not condemn it', (t) => {
  // As of a tunnel that pads with anything but zeros: the stack then sums by itself.
  const padded: PacketChecksums = {
    sum(batch, out) {
      for (let i = 0; i < batch.count; i++) out[i] = 0x1234
    },
    complete: (batch, open, from) => CHECKSUMS[0]?.checksums.complete(batch, open, from),
  }
  const { received, badChecksums } = transfer(padded, '10.0.0.2', () => undefined)
  t.equal(received.length, SIZE)
  t.equal(badChecksums, 0)
  t.end()
})
