import fc from 'fast-check'
import t from 'tap'
import { checksum, checksumAdd, checksumAddPlain, checksumFold } from '../../src/wire/checksum.js'

t.test('the example of RFC 1071', async (t) => {
  const bytes = new Uint8Array([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])
  t.equal(checksum(bytes, 0, 8), ~0xddf2 & 0xffff)
})

t.test('sums by words equal sums by bytes, wherever the region lies', async (t) => {
  const memory = new Uint8Array(70_000)
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 64 }),
      fc.nat(64),
      fc.nat(64),
      fc.nat(3000),
      fc.nat(0xffff),
      (fill, viewAt, at, length, start) => {
        for (let i = 0; i < 4000; i++) memory[i] = (fill[i % fill.length] as number) ^ (i >> 3)
        const view = memory.subarray(viewAt)
        const fast = checksumFold(checksumAdd(start, view, at, length))
        const plain = checksumFold(checksumAddPlain(start, view, at, length))
        return fast === plain
      },
    ),
  )
  memory.fill(0xff)
  const most = checksumFold(checksumAdd(0, memory, 0, 65_535))
  t.equal(most, checksumFold(checksumAddPlain(0, memory, 0, 65_535)), 'largest packet, all ones')
})

t.test('memory that is no multiple of four bytes long', async (t) => {
  const bytes = new Uint8Array(203).fill(7)
  t.equal(
    checksumFold(checksumAdd(0, bytes, 0, 203)),
    checksumFold(checksumAddPlain(0, bytes, 0, 203)),
  )
})
