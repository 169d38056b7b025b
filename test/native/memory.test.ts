import { getHeapSpaceStatistics } from 'node:v8'
import t from 'tap'
import { accel } from '../../src/native/accel.js'

const memory = accel()?.memory
const skip = memory === undefined ? 'needs the addon' : false
const PAGE = 4096

function youngGeneration(): number {
  return getHeapSpaceStatistics().find((s) => s.space_name === 'new_space')?.space_size ?? 0
}

t.test('releasePages empties whole pages inside, and nothing beside them', { skip }, async (t) => {
  const whole = new Uint8Array(64 * PAGE).fill(7)
  const part = whole.subarray(10, whole.length - 10)
  memory?.releasePages(part)
  const kept = whole.reduce((sum, byte) => sum + (byte === 7 ? 1 : 0), 0)
  t.ok(kept >= 20 && kept <= 2 * PAGE, `${kept} bytes are as before`)
  t.ok(part.includes(0))
  t.same([...whole.subarray(0, 10), ...whole.subarray(-10)], new Array(20).fill(7))
  for (const size of [0, 1, 100]) {
    const small = new Uint8Array(size).fill(7)
    memory?.releasePages(small)
    t.same(small, new Uint8Array(size).fill(7), `${size} bytes: less than a page`)
  }
  t.throws(() => memory?.releasePages([1] as unknown as Uint8Array<ArrayBuffer>), TypeError)
})

t.test('releaseMemory shrinks the young generation that a load has grown', { skip }, async (t) => {
  let kept: object[] = []
  for (let round = 0; round < 20; round++) {
    kept = Array.from({ length: 20_000 }, (_, i) => ({ i, text: `${i} ${round}` }))
  }
  t.equal(kept.length, 20_000)
  const before = youngGeneration()
  t.equal(memory?.releaseMemory(), true)
  const after = youngGeneration()
  t.ok(after < before && after <= 4 * 1_048_576, `${before} to ${after} bytes`)
})
