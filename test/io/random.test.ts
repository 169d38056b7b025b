import t from 'tap'
import { systemRandom } from '../../src/io/random.js'

t.test('random fills arrays of any size, across its pool', (t) => {
  const seen = new Set<string>()
  for (const size of [0, 1, 8, 32, 1000, 1024, 1025, 5000, 32, 32, 32]) {
    const out = new Uint8Array(size + 8)
    systemRandom(out)
    const text = Buffer.from(out).toString('hex')
    t.notOk(seen.has(text), `${size} bytes`)
    seen.add(text)
  }
  t.end()
})

t.test('random gives no bytes twice', (t) => {
  const seen = new Set<string>()
  const out = new Uint8Array(12)
  for (let n = 0; n < 20_000; n++) {
    systemRandom(out)
    seen.add(Buffer.from(out).toString('latin1'))
  }
  t.equal(seen.size, 20_000)
  t.end()
})

t.test('random is spread evenly', (t) => {
  const counts = new Float64Array(256)
  const out = new Uint8Array(97)
  const draws = 4000
  for (let n = 0; n < draws; n++) {
    systemRandom(out)
    for (const b of out) counts[b] = (counts[b] ?? 0) + 1
  }
  const mean = (draws * out.length) / 256
  // 255 degrees of freedom: a fair source exceeds 400 once in 10^8 runs.
  const chi = counts.reduce((sum, c) => sum + (c - mean) ** 2 / mean, 0)
  t.ok(chi < 400, `chi squared ${chi.toFixed(0)}`)
  t.end()
})

t.test('random leaves memory around the given view alone', (t) => {
  const memory = new Uint8Array(64)
  systemRandom(memory.subarray(16, 48))
  t.ok(memory.subarray(0, 16).every((b) => b === 0))
  t.ok(memory.subarray(48).every((b) => b === 0))
  t.ok(memory.some((b) => b !== 0))
  t.end()
})
