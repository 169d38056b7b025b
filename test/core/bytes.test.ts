import fc from 'fast-check'
import t from 'tap'
import {
  equalBytes,
  i32,
  set8,
  set16,
  set32,
  set32le,
  set64le,
  u8,
  u16,
  u32,
  u32le,
  u64le,
} from '../../src/core/bytes.js'

t.test('integers are written and read as DataView does', async (t) => {
  const any32 = fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 })
  fc.assert(
    fc.property(fc.nat(7), any32, (at, value) => {
      const [own, other] = [new Uint8Array(24), new Uint8Array(24)]
      const view = new DataView(other.buffer)
      set8(own, at, value)
      view.setUint8(at, value)
      set16(own, at + 1, value)
      view.setUint16(at + 1, value)
      set32(own, at + 3, value)
      view.setUint32(at + 3, value)
      set32le(own, at + 7, value)
      view.setUint32(at + 7, value, true)
      return (
        Buffer.compare(own, other) === 0 &&
        u8(own, at) === view.getUint8(at) &&
        u16(own, at + 1) === view.getUint16(at + 1) &&
        i32(own, at + 3) === view.getInt32(at + 3) &&
        u32(own, at + 3) === view.getUint32(at + 3) &&
        u32le(own, at + 7) === view.getUint32(at + 7, true)
      )
    }),
  )
  t.pass()
})

t.test('64 bits are exact up to 2^53, and large beyond', async (t) => {
  const b = new Uint8Array(10)
  for (const value of [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1, 2 ** 53]) {
    set64le(b, 1, value)
    t.equal(u64le(b, 1), value)
    t.equal(new DataView(b.buffer).getBigUint64(1, true), BigInt(value))
  }
  b.fill(0xff)
  t.equal(u64le(b, 1), 2 ** 64, 'rounded, never small')
})

t.test('equality looks at the given bytes only', async (t) => {
  const a = new Uint8Array([9, 1, 2, 3, 9])
  const b = new Uint8Array([1, 2, 3, 4])
  t.ok(equalBytes(a, 1, b, 0, 3))
  t.notOk(equalBytes(a, 1, b, 0, 4))
  t.ok(equalBytes(a, 0, b, 0, 0))
})
