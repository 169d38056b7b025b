/** The addon and node:crypto must do the same with OpenVPN's frames, good and hostile. */
import fc from 'fast-check'
import t from 'tap'
import { PacketBatch } from '../../src/core/packet-batch.js'
import {
  AEAD_KEY_SIZE,
  type AeadAlgorithm,
  createFrameOpener,
  createFrameSealer,
  FRAME_OVERHEAD,
  NodeFrames,
} from '../../src/crypto/framed-aead.js'
import { accel, accelProblem } from '../../src/native/accel.js'
import { fuzzRun } from '../support/fuzz.js'

const ALGORITHMS = Object.keys(AEAD_KEY_SIZE) as AeadAlgorithm[]
const KEY = Uint8Array.from({ length: 64 }, (_, i) => i * 5 + 1)
const IMPLICIT = Uint8Array.from({ length: 64 }, (_, i) => 200 - i)
const HEADER = Uint8Array.of(0x48, 0, 0, 7)
const SLOTS = 5

function batchOf(sizes: readonly number[]): PacketBatch {
  const batch = new PacketBatch({ capacity: SLOTS, packetSize: 120 })
  for (const [i, size] of sizes.entries()) {
    batch.bytes.fill(i + 65, batch.place(), batch.place() + size)
    batch.commit(size)
  }
  return batch
}

const plain = (algorithm: AeadAlgorithm) =>
  new NodeFrames(algorithm, KEY.subarray(0, AEAD_KEY_SIZE[algorithm]), IMPLICIT.subarray(0, 8))

for (const algorithm of ALGORITHMS) {
  t.test(`${algorithm}: there and back, forgeries, ids`, (t) => {
    for (const header of [HEADER, HEADER.subarray(0, 1)]) {
      const batch = batchOf([20, 0, 120, 1])
      const before = [0, 2, 3].map((i) => Buffer.from(batch.view(i)).toString('hex'))
      const sealer = createFrameSealer(algorithm, KEY, IMPLICIT)
      t.equal(sealer.seal(batch, 0, 4, header, 0xfffffffd), 0x100000000)
      t.same(
        [...batch.length.subarray(0, 4)],
        [20, 0, 120, 1].map((n) => (n === 0 ? 0 : n + header.length + FRAME_OVERHEAD)),
      )
      const forged = batch.bytes.slice()
      const ids = new Float64Array(SLOTS)
      const opener = createFrameOpener(algorithm, KEY, IMPLICIT)
      opener.open(batch, 0, 4, header.length, ids)
      t.same(
        [0, 2, 3].map((i) => Buffer.from(batch.view(i)).toString('hex')),
        before,
      )
      t.same([...ids.subarray(0, 4)], [0xfffffffd, 0, 0xfffffffe, 0xffffffff])
      const again = batchOf([20, 0, 120, 1])
      again.bytes.set(forged)
      again.offset[0] = 64 - header.length - FRAME_OVERHEAD
      again.length[0] = 20 + header.length + FRAME_OVERHEAD
      again.bytes[again.offset[0] + header.length] = 1
      opener.open(again, 0, 1, header.length, ids)
      t.equal(again.length[0], -1, 'another id')
      const last = batchOf([9, 9])
      t.equal(sealer.seal(last, 0, 2, header, 0xffffffff), 0x100000000)
      t.equal(last.length[1], -1, 'the ids are used up')
      sealer.destroy()
      opener.destroy()
    }
    t.end()
  })

  const skip =
    accel()?.framed === undefined ? (accelProblem() ?? 'switched off by PVPN_ACCEL') : false
  t.test(`${algorithm}: the addon and node:crypto agree`, { skip }, (t) => {
    const slot = fc.record({
      offset: fc.oneof(fc.constant(undefined), fc.integer({ min: -50, max: 1300 })),
      length: fc.integer({ min: -2, max: 200 }),
    })
    const slots = fc.array(slot, { maxLength: SLOTS })
    fc.assert(
      fc.property(
        slots,
        fc.boolean(),
        fc.boolean(),
        fc.nat(0xffffffff),
        (list, short, seal, id) => {
          const sides = [plain(algorithm), undefined].map((twin) => {
            const batch = batchOf([20, 30, 40, 50, 60])
            for (const [i, { offset, length }] of list.entries()) {
              if (offset !== undefined) batch.offset[i] = offset
              batch.length[i] = length
            }
            const header = short ? HEADER.subarray(0, 1) : HEADER
            const ids = new Float64Array(SLOTS)
            let next = 0
            if (seal)
              next = (twin ?? createFrameSealer(algorithm, KEY, IMPLICIT)).seal(
                batch,
                0,
                SLOTS,
                header,
                id,
              )
            else
              (twin ?? createFrameOpener(algorithm, KEY, IMPLICIT)).open(
                batch,
                0,
                SLOTS,
                header.length,
                ids,
              )
            const bytes = seal ? Buffer.from(batch.bytes).toString('hex') : ''
            return [next, batch.length.join(), batch.offset.join(), ids.join(), bytes].join(' ')
          })
          if (sides[0] !== sides[1]) throw new Error(`${sides[0]}\n${sides[1]}`)
        },
      ),
      fuzzRun as fc.Parameters<
        [{ offset: number | undefined; length: number }[], boolean, boolean, number]
      >,
    )
    t.end()
  })
}

t.test('the addon refuses what can not be', { skip: accel()?.framed === undefined }, (t) => {
  const native = accel()?.framed
  if (native === undefined) throw new Error('skipped')
  const key = KEY.subarray(0, 32)
  const iv = IMPLICIT.subarray(0, 8)
  t.throws(() => native.framedNew(9, key, iv, true))
  t.throws(() => native.framedNew(0, key, iv, true), { code: 'ERR_CRYPTO_INVALID_KEYLEN' })
  t.throws(() => native.framedNew(2, key, key, true), { code: 'ERR_CRYPTO_INVALID_KEYLEN' })
  const handle = native.framedNew(2, key, iv, true)
  const { bytes, offset, length } = batchOf([20])
  const seal = (from: number, to: number, header: Uint8Array, id: number) => () =>
    native.framedSeal(handle, bytes, offset, length, from, to, header, id)
  t.throws(seal(0, 99, HEADER, 1))
  t.throws(seal(0, 1, HEADER.subarray(0, 3), 1))
  t.throws(seal(0, 1, HEADER, 2 ** 32 + 1))
  t.throws(seal(0, 1, HEADER, -1))
  t.throws(() => native.framedOpen(handle, bytes, offset, length, 0, 1, 4, new Float64Array(1)))
  native.framedFree(handle)
  t.throws(seal(0, 1, HEADER, 1), { code: 'ERR_INVALID_STATE' })
  t.end()
})
