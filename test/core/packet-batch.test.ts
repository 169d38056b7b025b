import t from 'tap'
import {
  ADDRESS_SIZE,
  EMPTY_DATAGRAM,
  HEADROOM,
  PacketBatch,
  TAILROOM,
} from '../../src/core/packet-batch.js'

t.test('slots do not touch each other, with room in front and behind', async (t) => {
  for (const packetSize of [1, 63, 64, 1420, 1536, 65_535]) {
    const batch = new PacketBatch({ capacity: 3, packetSize })
    const places: number[] = []
    while (!batch.full) {
      places.push(batch.place())
      batch.commit(packetSize)
    }
    t.equal(batch.count, 3)
    for (const [i, at] of places.entries()) {
      t.equal(batch.offset[i], at)
      const before = i === 0 ? 0 : (places[i - 1] as number) + packetSize + TAILROOM
      t.ok(at - HEADROOM >= before, `slot ${i} of ${packetSize}`)
    }
    t.ok((places[2] as number) + packetSize + TAILROOM <= batch.bytes.length)
    t.equal(batch.slotSize % 64, 0)
    t.equal(batch.address.length, 3 * ADDRESS_SIZE)
  }
})

t.test('push copies what fits, and refuses what does not', async (t) => {
  const batch = new PacketBatch({ capacity: 2, packetSize: 4 })
  const packet = new Uint8Array([1, 2, 3, 4])
  t.notOk(batch.push(new Uint8Array(5)))
  t.equal(batch.count, 0)
  t.ok(batch.push(packet))
  packet.fill(0)
  t.same(batch.view(0), new Uint8Array([1, 2, 3, 4]))
  t.ok(batch.push(new Uint8Array(0)))
  t.notOk(batch.push(new Uint8Array(1)), 'full')
  t.equal(batch.view(1).length, 0)
})

t.test('a view of a dropped packet and of an empty datagram is empty', async (t) => {
  const batch = new PacketBatch({ capacity: 1, packetSize: 100 })
  batch.push(new Uint8Array(10))
  for (const length of [0, EMPTY_DATAGRAM]) {
    batch.length[0] = length
    t.equal(batch.view(0).length, 0)
  }
})

t.test('reset makes it as new, wherever a tunnel moved the packets', async (t) => {
  const batch = new PacketBatch({ capacity: 2, packetSize: 100 })
  batch.push(new Uint8Array(10))
  const usual = batch.offset[0] as number
  batch.offset[0] = usual - 16
  batch.length[0] = 42
  batch.reset()
  t.same([batch.count, batch.full, batch.offset[0], batch.length[0]], [0, false, usual, 0])
})

t.test('a batch of one region has the memory it was given', async (t) => {
  const batch = new PacketBatch({ capacity: 64, packetSize: 2048, memory: 70_000 })
  t.equal(batch.bytes.length, 70_000)
})
