/** Checksums of batches: the addon's beside sums byte by byte, over batches good and hostile. */
import fc from 'fast-check'
import t from 'tap'
import { PacketBatch } from '../../src/core/packet-batch.js'
import { CHECKSUMS, plainChecksums } from '../support/packet-checksums.js'

const FUZZ_MS = Number(process.env.FUZZ_SECONDS ?? 2) * 1000
const SLOTS = 5
const MEMORY = 140_000

const anyInt = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const slot = fc.record({
  offset: fc.oneof(
    { weight: 6, arbitrary: fc.nat(2000) },
    { weight: 1, arbitrary: fc.integer({ min: MEMORY - 200, max: MEMORY + 1 }) },
    { weight: 1, arbitrary: anyInt },
  ),
  length: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -1, max: 1500 }) },
    { weight: 2, arbitrary: fc.integer({ min: 60_000, max: 65_535 }) },
    { weight: 1, arbitrary: anyInt },
  ),
  open: fc.oneof(
    { weight: 2, arbitrary: fc.constant(0) },
    { weight: 4, arbitrary: fc.constantFrom(20 | (36 << 16), 40 | (56 << 16)) },
    { weight: 2, arbitrary: fc.tuple(fc.nat(1500), fc.nat(1500)).map(([s, f]) => s | (f << 16)) },
    { weight: 1, arbitrary: anyInt },
  ),
})
type Slot = typeof slot extends fc.Arbitrary<infer S> ? S : never

function batchOf(slots: readonly Slot[], fill: number): PacketBatch {
  const batch = new PacketBatch({ capacity: SLOTS, packetSize: 1500, memory: MEMORY })
  for (let k = 0; k < MEMORY; k++) batch.bytes[k] = fill === 255 ? 255 : (fill + k * k) & 255
  for (const [i, { offset, length }] of slots.entries()) {
    batch.offset[i] = offset
    batch.length[i] = length
  }
  batch.count = slots.length
  return batch
}

t.setTimeout(2 * FUZZ_MS + 30_000)

for (const { name, checksums, skip } of CHECKSUMS) {
  t.test(`${name}: sums and checksums of a packet`, { skip }, (t) => {
    const batch = new PacketBatch({ capacity: 3, packetSize: 1500 })
    batch.push(new Uint8Array(1420).fill(255))
    batch.push(new Uint8Array(127).fill(1))
    batch.push(Uint8Array.from({ length: 129 }, (_, i) => (i === 128 ? 3 : 0)))
    const sums = new Int32Array(3)
    checksums.sum(batch, sums)
    t.strictSame([...sums], [0xffff, -1, 0x0300], 'an odd last byte is the high half of its word')
    checksums.complete(batch, Int32Array.of(1, 0, 100 | (126 << 16)), 1)
    t.equal(batch.view(2)[126], 0xfc)
    t.equal(batch.view(2)[127], 0xff)
    t.equal(batch.view(0)[0], 255, 'slots before `from` stay')
    t.throws(() => checksums.sum(batch, new Int32Array(2)), RangeError)
    t.throws(() => checksums.complete(batch, new Int32Array(2), 0), RangeError)
    t.throws(() => checksums.complete(batch, new Int32Array(3), 4), RangeError)
    t.end()
  })
}

for (const { name, checksums, skip } of CHECKSUMS.slice(1)) {
  t.test(`${name} and the plain ones agree on every batch`, { skip }, (t) => {
    const result = fc.check(
      fc.property(
        fc.array(slot, { maxLength: SLOTS }),
        fc.constantFrom(0, 7, 255),
        (slots, fill) => {
          const [a, b] = [batchOf(slots, fill), batchOf(slots, fill)]
          const sums = [new Int32Array(SLOTS), new Int32Array(SLOTS)] as const
          plainChecksums.sum(a, sums[0])
          checksums.sum(b, sums[1])
          if (sums[0].join() !== sums[1].join()) throw new Error(`sums ${sums[0]} and ${sums[1]}`)
          const open = new Int32Array(SLOTS)
          for (const [i, { open: wanted }] of slots.entries()) open[i] = wanted
          plainChecksums.complete(a, open, 0)
          checksums.complete(b, open, 0)
          if (Buffer.compare(a.bytes, b.bytes) !== 0) throw new Error('bytes differ')
        },
      ),
      { numRuns: Number.POSITIVE_INFINITY, interruptAfterTimeLimit: FUZZ_MS },
    )
    t.comment(`seed ${result.seed}, ${result.numRuns} runs`)
    t.notOk(result.failed, fc.defaultReportMessage(result) ?? 'no counterexample')
    t.ok(result.numRuns > 10, 'has run')
    t.end()
  })
}
