import t from 'tap'
import { InitialSequence } from '../../../src/stack/tcp/initial-sequence.js'
import { sipHash } from '../../../src/stack/tcp/sip-hash.js'

/** First eight of vectors_sip64 of the reference implementation: key 00 … 0f, input 00 01 … of growing length. */
const VECTORS = [
  '310e0edd47db6f72',
  'fd67dc93c539f874',
  '5a4fa9d909806c0d',
  '2d7efbd796666785',
  'b7877127e09427cf',
  '8da699cd64557618',
  'cee3fe586e46c9cb',
  '37d1018bf50002ab',
]

t.test('SipHash-2-4 gives the reference values', async (t) => {
  const key = Uint8Array.from({ length: 16 }, (_, i) => i)
  const out = new Int32Array(2)
  for (const [length, want] of VECTORS.entries()) {
    sipHash(
      key,
      Uint8Array.from({ length }, (_, i) => i),
      out,
    )
    const bytes = new Uint8Array(out.buffer)
    const hex = [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('')
    t.equal(hex, want, `${length} bytes`)
  }
  // The paper's own example: 15 bytes.
  sipHash(
    key,
    Uint8Array.from({ length: 15 }, (_, i) => i),
    out,
  )
  t.equal((out[1] as number) >>> 0, 0xa129ca61)
  t.equal((out[0] as number) >>> 0, 0x49be45e5)
})

t.test(
  'initial sequence numbers grow with time for the same ends and differ between ends',
  async (t) => {
    const initial = new InitialSequence((out) => out.fill(7))
    const a = new Uint8Array([10, 0, 0, 1])
    const b = new Uint8Array([10, 0, 0, 2])
    initial.choose(a, 1000, b, 80, 5)
    const first = initial.sequence
    const offset = initial.timestampOffset
    initial.choose(a, 1000, b, 80, 6)
    t.equal((initial.sequence - first) | 0, 250, '4 µs a tick')
    t.equal(initial.timestampOffset, offset)
    initial.choose(a, 1001, b, 80, 6)
    t.not((initial.sequence - first) | 0, 250)
    t.not(initial.timestampOffset, offset)
  },
)
