/** All implementations, fed the same batches, good and hostile, must do the same. */
import fc from 'fast-check'
import t from 'tap'
import { PacketBatch } from '../../src/core/packet-batch.js'
import type { PacketCipher } from '../../src/core/packet-cipher.js'
import { CIPHERS, nodeCipher } from '../support/ciphers.js'

const FUZZ_MS = Number(process.env.FUZZ_SECONDS ?? 2) * 1000
const SLOTS = 6
const PACKET = 120

/** Mostly right, so that checks behind the first are reached. */
const offset = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.integer({ min: -70, max: 1600 }) },
  { weight: 1, arbitrary: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }) },
)
const length = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -2, max: PACKET + 64 }) },
  { weight: 1, arbitrary: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }) },
)
const counter = fc.oneof(
  fc.nat(5),
  fc.maxSafeNat(),
  fc.double(),
  fc.constantFrom(-1, 2 ** 53 - SLOTS, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 2 ** 64),
)
const bound = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0, max: SLOTS }) },
  { weight: 1, arbitrary: fc.oneof(fc.integer({ min: -3, max: 20 }), fc.double()) },
)
const step = fc.record({
  seal: fc.boolean(),
  from: bound,
  to: bound,
  counter,
  counters: fc.array(counter, { minLength: SLOTS - 1, maxLength: SLOTS }),
  /** Open with the counters that were used for sealing. */
  honest: fc.boolean(),
  slots: fc.array(fc.record({ offset, length }), { minLength: 0, maxLength: SLOTS }),
  flip: fc.option(fc.nat(1500)),
})
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

function batchOf(seed: number): PacketBatch {
  const batch = new PacketBatch({ capacity: SLOTS, packetSize: PACKET })
  for (let k = 0; k < batch.bytes.length; k++) batch.bytes[k] = (seed + k * 7) & 255
  for (let i = 0; i < SLOTS; i++) {
    batch.place()
    batch.commit(20 + i * 15)
  }
  return batch
}

/** Do two slots share bytes? Then a forgery in one, decrypted in place, spoils the other. */
function overlapping(batch: PacketBatch): boolean {
  const ends = [...batch.offset].map((at, i) => ({ at, end: at + (batch.length[i] as number) }))
  const full = ends.filter(({ at, end }) => end > at).sort((a, b) => a.at - b.at)
  return full.some(({ at }, i) => i > 0 && at < (full[i - 1]?.end ?? 0) + 16)
}

function prepare(batch: PacketBatch, s: Step): void {
  for (const [i, slot] of s.slots.entries()) {
    if (slot.offset !== undefined) batch.offset[i] = slot.offset
    batch.length[i] = slot.length
  }
  if (s.flip !== null && s.flip < batch.bytes.length) {
    batch.bytes[s.flip] = (batch.bytes[s.flip] as number) ^ 1
  }
}

/** Does one step; true when it threw. */
function apply(cipher: PacketCipher, batch: PacketBatch, s: Step, last: number): boolean {
  const counters = s.honest ? s.counters.map((_, i) => last + i) : s.counters
  try {
    if (s.seal) cipher.seal(batch, s.from, s.to, s.counter)
    else cipher.open(batch, s.from, s.to, Float64Array.from(counters))
    return false
  } catch {
    return true
  }
}

t.setTimeout(2 * FUZZ_MS + 30_000)

for (const { name, make, skip } of CIPHERS.slice(1)) {
  t.test(`${name} and node:crypto agree on every batch`, { skip }, (t) => {
    const result = fc.check(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), fc.nat(255), (steps, seed) => {
        const key = new Uint8Array(32).fill(seed)
        const sides = [nodeCipher, make].map((make) => ({
          cipher: make(key),
          batch: batchOf(seed),
        }))
        let last = 0
        for (const s of steps) {
          for (const { batch } of sides) prepare(batch, s)
          const unclear = !s.seal && sides.some(({ batch }) => overlapping(batch))
          const [a, b] = sides.map(({ cipher, batch }) => ({
            threw: apply(cipher, batch, s, last),
            batch,
          }))
          if (a === undefined || b === undefined) throw new Error('two sides')
          if (unclear) return
          if (a.threw !== b.threw) throw new Error(`threw: ${a.threw} and ${b.threw}`)
          if (a.batch.length.join() !== b.batch.length.join()) {
            throw new Error(`lengths ${a.batch.length} and ${b.batch.length}`)
          }
          // A forgery's bytes are undefined: the addon has decrypted in place what it then refused.
          if (!a.threw && !s.seal && a.batch.length.includes(-1)) return
          if (Buffer.compare(a.batch.bytes, b.batch.bytes) !== 0) throw new Error('bytes differ')
          if (s.seal && !a.threw) last = s.counter - s.from
        }
      }),
      { numRuns: Number.POSITIVE_INFINITY, interruptAfterTimeLimit: FUZZ_MS },
    )
    t.comment(`seed ${result.seed}, ${result.numRuns} runs`)
    t.notOk(result.failed, fc.defaultReportMessage(result) ?? 'no counterexample')
    t.ok(result.numRuns > 10, 'has run')
    t.end()
  })
}
