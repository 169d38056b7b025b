import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import t from 'tap'
import { set64le } from '../../src/core/bytes.js'
import { PacketBatch } from '../../src/core/packet-batch.js'
import { TAG_SIZE } from '../../src/core/packet-cipher.js'
import type { Bytes } from '../../src/core/types.js'
import { createPacketCipher } from '../../src/crypto/packet-cipher.js'
import { CIPHERS } from '../support/ciphers.js'

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i * 7)
const LENGTHS = [1, 15, 16, 17, 63, 64, 65, 200, 1420, 1500]

/** What RFC 8439 wants, from a third implementation. */
function expected(plain: Bytes, counter: number): Bytes {
  const nonce = new Uint8Array(12)
  set64le(nonce, 4, counter)
  return chacha20poly1305(KEY, nonce).encrypt(plain)
}

function plain(i: number, length: number): Bytes {
  return Uint8Array.from({ length }, (_, k) => (i * 31 + k * 5) & 255)
}

function filled(lengths = LENGTHS): PacketBatch {
  const batch = new PacketBatch({ capacity: 16, packetSize: 1500 })
  for (const [i, length] of lengths.entries()) batch.push(plain(i, length))
  return batch
}

function sealed(make: (typeof CIPHERS)[number]['make'], counter = 0): PacketBatch {
  const batch = filled()
  make(KEY).seal(batch, 0, batch.count, counter)
  return batch
}

function counters(first = 0): Float64Array {
  return Float64Array.from({ length: 16 }, (_, i) => first + i)
}

for (const { name, make, skip } of CIPHERS) {
  t.test(`packet cipher by ${name}`, { skip }, (t) => {
    t.test('seals as RFC 8439 says, slot by slot', (t) => {
      for (const first of [0, 1, 2 ** 32 - 3, 2 ** 40 + 1, 2 ** 53 - 1 - LENGTHS.length]) {
        const batch = sealed(make, first)
        for (const [i, length] of LENGTHS.entries()) {
          t.strictSame(
            batch.view(i),
            expected(plain(i, length), first + i),
            `${length} at ${first}`,
          )
        }
      }
      t.end()
    })

    t.test('opens what it has sealed, in any order of counters', (t) => {
      const batch = sealed(make, 1000)
      const last = LENGTHS.length - 1
      const reversed = new PacketBatch({ capacity: 16, packetSize: 1600 })
      for (let i = last; i >= 0; i--) reversed.push(batch.view(i))
      make(KEY).open(
        reversed,
        0,
        reversed.count,
        counters(1000).map((_, i) => 1000 + last - i),
      )
      for (const [i, length] of LENGTHS.entries()) {
        t.strictSame(reversed.view(last - i), plain(i, length))
      }
      t.end()
    })

    t.test('touches nothing but the packets and their tags', (t) => {
      const batch = filled()
      const before = batch.bytes.slice()
      make(KEY).seal(batch, 0, batch.count, 0)
      const inside = new Set<number>()
      for (const [i, length] of LENGTHS.entries()) {
        const at = batch.offset[i] as number
        for (let k = 0; k < length + TAG_SIZE; k++) inside.add(at + k)
      }
      const changed = batch.bytes.findIndex((b, k) => b !== before[k] && !inside.has(k))
      t.equal(changed, -1)
      t.end()
    })

    t.test('leaves empty and dropped slots alone, which keep their turn', (t) => {
      const batch = filled()
      batch.length[2] = 0
      batch.length[3] = -1
      const cipher = make(KEY)
      cipher.seal(batch, 1, 6, 77)
      t.equal(batch.length[0], LENGTHS[0], 'before the range')
      t.equal(batch.length[2], 0)
      t.equal(batch.length[3], -1)
      t.strictSame(batch.view(4), expected(plain(4, 63), 77 + 3))
      t.equal(batch.length[6], LENGTHS[6], 'behind the range')
      cipher.open(batch, 1, 6, counters(76))
      t.equal(batch.length[2], 0)
      t.equal(batch.length[3], -1)
      t.strictSame(batch.view(5), plain(5, 64))
      t.end()
    })

    t.test('carries empty packets: a tag alone opens to length 0', (t) => {
      const batch = filled([])
      batch.push(expected(new Uint8Array(0), 5))
      make(KEY).open(batch, 0, 1, counters(5))
      t.equal(batch.length[0], 0)
      t.end()
    })

    t.test('refuses forgeries one by one', (t) => {
      const cipher = make(KEY)
      for (const at of [0, 7, 1419, 1420, 1435]) {
        const batch = sealed(make)
        const place = (batch.offset[8] as number) + at
        batch.bytes[place] = (batch.bytes[place] as number) ^ 0x40
        cipher.open(batch, 0, batch.count, counters())
        t.strictSame(
          [...batch.length.subarray(0, batch.count)],
          LENGTHS.map((length, i) => (i === 8 ? -1 : length)),
          `byte ${at}`,
        )
      }
      const wrong = sealed(make)
      cipher.open(wrong, 0, wrong.count, counters(1))
      t.ok(
        wrong.length.subarray(0, wrong.count).every((length) => length === -1),
        'other counters',
      )
      const short = filled([15, 1])
      cipher.open(short, 0, 2, counters())
      t.strictSame([...short.length.subarray(0, 2)], [-1, -1], 'shorter than a tag')
      t.end()
    })

    t.test('refuses counters that are none', (t) => {
      for (const counter of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 64]) {
        const batch = sealed(make)
        make(KEY).open(batch, 0, 1, Float64Array.of(counter))
        t.equal(batch.length[0], -1, String(counter))
      }
      t.end()
    })

    t.test('drops slots that reach outside the memory', (t) => {
      const cipher = make(KEY)
      const size = filled().bytes.length
      const places = [
        [-1, 20],
        [size, 1],
        [size - 20, 5],
        [size - 20, 20],
        [0, 2 ** 31 - 1],
        [2 ** 31 - 1, 2 ** 31 - 1],
        [-(2 ** 31), 16],
      ] as const
      for (const [offset, length] of places) {
        for (const seal of [true, false]) {
          const batch = filled()
          batch.offset[0] = offset
          batch.length[0] = length
          if (seal) cipher.seal(batch, 0, 2, 0)
          else cipher.open(batch, 0, 1, counters())
          t.equal(batch.length[0], -1, `${seal ? 'seal' : 'open'} ${length} at ${offset}`)
          if (seal) t.strictSame(batch.view(1), expected(plain(1, 15), 1))
        }
      }
      const batch = filled()
      batch.offset[0] = size - 36
      batch.length[0] = 20
      cipher.seal(batch, 0, 1, 0)
      t.equal(batch.length[0], 36, 'the last place that fits')
      t.end()
    })

    t.test('throws for slots and counters out of range, before it changes anything', (t) => {
      const cipher = make(KEY)
      const batch = filled()
      const before = batch.bytes.slice()
      const ranges = [
        [-1, 2],
        [3, 2],
        [0, 17],
        [0.5, 2],
        [0, Number.NaN],
        [0, 2 ** 40],
      ] as const
      for (const [from, to] of ranges) {
        t.throws(() => cipher.seal(batch, from, to, 0), `seal ${from} … ${to}`)
        t.throws(() => cipher.open(batch, from, to, counters()), `open ${from} … ${to}`)
      }
      for (const counter of [-1, 0.5, Number.NaN, 2 ** 53 - 2, 2 ** 53]) {
        t.throws(() => cipher.seal(batch, 0, 2, counter), `counter ${counter}`)
      }
      t.throws(() => cipher.open(batch, 0, 5, new Float64Array(4)), 'fewer counters than slots')
      t.strictSame(batch.bytes, before)
      t.end()
    })

    t.test('has no key after destroy, and takes none of another size', (t) => {
      const cipher = make(KEY)
      cipher.destroy()
      t.throws(() => cipher.seal(filled(), 0, 1, 0))
      t.throws(() => cipher.open(filled(), 0, 1, counters()))
      t.doesNotThrow(() => cipher.destroy(), 'twice')
      for (const size of [0, 31, 33]) t.throws(() => make(new Uint8Array(size)), `${size} bytes`)
      t.end()
    })

    t.test('keeps its own copy of the key', (t) => {
      const key = Uint8Array.from(KEY)
      const cipher = make(key)
      key.fill(0)
      const batch = filled()
      cipher.seal(batch, 0, 1, 3)
      t.strictSame(batch.view(0), expected(plain(0, 1), 3))
      t.end()
    })
    t.end()
  })
}

t.test('the chosen cipher seals', (t) => {
  const batch = filled()
  createPacketCipher(KEY).seal(batch, 0, 1, 9)
  t.strictSame(batch.view(0), expected(plain(0, 1), 9))
  t.end()
})
