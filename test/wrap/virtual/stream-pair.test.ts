import t from 'tap'
import type { ByteStream } from '../../../src/core/stream.js'
import { PAIR_BYTES } from '../../../src/wrap/virtual/limits.js'
import { streamPair } from '../../../src/wrap/virtual/stream-pair.js'

const A = { address: '127.0.0.1', port: 1 }
const B = { address: '127.0.0.1', port: 2 }
const text = (stream: ByteStream) => Buffer.from(stream.read() ?? '').toString()
const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('bytes, both ends, and their closes', async (t) => {
  const [a, b] = streamPair(A, B)
  t.same([a.local, a.remote, b.local, b.remote], [A, B, B, A])
  const seen: string[] = []
  a.onClose = (error) => seen.push(`a ${error?.code}`)
  b.onClose = (error) => seen.push(`b ${error?.code}`)
  let readable = 0
  b.onReadable = () => readable++
  t.equal(a.write(Buffer.from('one')), 3)
  t.equal(a.write(Buffer.from('two')), 3)
  t.equal(readable, 0, 'never from inside a method')
  await turn()
  t.ok(readable > 0)
  t.equal(text(b), 'onetwo')
  a.end()
  t.equal(a.write(Buffer.from('x')), 0)
  await turn()
  t.ok(b.ended)
  t.same(seen, [])
  t.equal(b.write(Buffer.from('answer')), 6)
  b.end()
  await turn()
  t.notOk(a.ended, 'there is something to be read')
  t.equal(text(a), 'answer')
  t.ok(a.ended)
  t.same(seen.toSorted(), ['a undefined', 'b undefined'])
})

t.test('a reader that does not read holds the writer back', async (t) => {
  const [a, b] = streamPair(A, B)
  let writable = 0
  a.onWritable = () => writable++
  t.equal(a.write(new Uint8Array(PAIR_BYTES + 9)), PAIR_BYTES)
  t.equal(a.write(new Uint8Array(1)), 0)
  await turn()
  t.equal(writable, 0)
  t.equal(b.read()?.length, PAIR_BYTES)
  await turn()
  t.equal(writable, 1)
  t.equal(a.write(new Uint8Array(1)), 1)
})

t.test('an abort is a reset at the other end, and silent at its own', async (t) => {
  const [a, b] = streamPair(A, B)
  const seen: string[] = []
  a.onClose = () => seen.push('a')
  a.abort()
  a.abort()
  await turn()
  b.onClose = (error) => seen.push(`b ${error?.code}`)
  await turn()
  t.same(seen, ['b ERR_RESET'], 'told to who came later')
  t.equal(b.write(new Uint8Array(1)), 0)
})
