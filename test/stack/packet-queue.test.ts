import fc from 'fast-check'
import t from 'tap'
import { PacketBatch } from '../../src/core/packet-batch.js'
import { PacketQueue } from '../../src/stack/packet-queue.js'

t.test('a queue is first in, first out, within its bounds, as a plain list would be', async (t) => {
  const PACKETS = 37
  const BYTES = 20_000
  const step = fc.oneof(
    fc.record({ place: fc.integer({ min: 1, max: 1500 }) }),
    fc.record({ drain: fc.nat(12), room: fc.integer({ min: 1, max: 16 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const queue = new PacketQueue(PACKETS, BYTES)
      const model: { length: number; mark: number }[] = []
      let mark = 0
      for (const s of steps) {
        if ('place' in s) {
          const held = model.reduce((sum, p) => sum + p.length, 0)
          const fits = model.length < PACKETS && held + s.place <= BYTES
          const place = queue.place(s.place)
          if ((place !== undefined) !== fits) return false
          if (place === undefined) continue
          mark = (mark + 1) & 0xff
          place.fill(mark, 0, s.place)
          model.push({ length: s.place, mark })
        } else {
          const batch = new PacketBatch({ capacity: s.room, packetSize: 1500 })
          const moved = queue.drain(batch, s.drain)
          const expected = model.splice(0, Math.min(s.drain, s.room))
          if (moved !== expected.length || batch.count !== moved) return false
          for (const [i, p] of expected.entries()) {
            const view = batch.view(i)
            if (view.length !== p.length || !view.every((byte) => byte === p.mark)) return false
          }
        }
        if (queue.length !== model.length) return false
      }
      return true
    }),
    { numRuns: 200 },
  )
  t.pass('200 runs')
})

t.test('a packet larger than the batch takes is dropped, the next one goes', async (t) => {
  const queue = new PacketQueue(8, 10_000)
  queue.place(1000)?.fill(1)
  queue.place(100)?.fill(2)
  const batch = new PacketBatch({ capacity: 4, packetSize: 500 })
  t.equal(queue.drain(batch, 4), 1)
  t.equal(batch.view(0).length, 100)
  t.equal(batch.view(0)[0], 2)
  t.equal(queue.length, 0)
  t.ok(queue.place(9999), 'and its bytes are free again')
})
