import fc from 'fast-check'
import t from 'tap'
import type { Bytes } from '../../src/core/types.js'
import {
  REASSEMBLY_BYTES,
  REASSEMBLY_DATAGRAMS,
  REASSEMBLY_FRAGMENTS,
  REASSEMBLY_TIME,
} from '../../src/stack/limits.js'
import { Reassembly } from '../../src/stack/reassembly.js'
import { ipv4Valid } from '../../src/wire/ipv4.js'
import { ipv6Valid } from '../../src/wire/ipv6.js'
import { fuzzRun } from '../support/fuzz.js'
import { fragment4, fragment6, type Piece, walked6 } from './fragments.js'

interface Family {
  readonly name: string
  readonly header: number
  readonly add: (r: Reassembly, piece: Piece, now?: number) => Bytes | undefined
}

const FAMILIES: readonly Family[] = [
  {
    name: 'IPv4',
    header: 20,
    add: (r, piece, now = 0) => {
      const whole = r.ipv4(fragment4(piece), 0, now)
      if (whole !== undefined && !ipv4Valid(whole, 0, whole.length)) throw new Error('not valid')
      return whole
    },
  },
  {
    name: 'IPv6',
    header: 40,
    add: (r, piece, now = 0) => {
      const packet = fragment6(piece)
      const whole = r.ipv6(packet, 0, walked6(packet), now)
      if (whole !== undefined && !ipv6Valid(whole, 0, whole.length)) throw new Error('not valid')
      return whole
    },
  },
]

function bytes(length: number, first = 0): Bytes {
  return new Uint8Array(length).map((_, i) => first + i * 3)
}

/** A piece of `data` from byte `from` to `to`. */
function cut(data: Bytes, from: number, to: number, more: Partial<Piece> = {}): Piece {
  return { from, data: data.slice(from, to), more: to < data.length, ...more }
}

for (const { name, header, add } of FAMILIES) {
  t.test(`${name}: pieces in any order, some of them twice, make the datagram`, async (t) => {
    const orders = fc.integer({ min: 1, max: 40 }).chain((words) =>
      fc.record({
        extra: fc.nat(7),
        words: fc.constant(words),
        cuts: fc.array(fc.integer({ min: 0, max: words }), { maxLength: 6 }),
        twice: fc.array(fc.nat(10), { maxLength: 4 }),
        order: fc.infiniteStream(fc.nat(1000)),
      }),
    )
    fc.assert(
      fc.property(orders, ({ words, extra, cuts, twice, order }) => {
        const data = bytes(words * 8 + extra)
        const places = [...new Set([0, ...cuts.map((c) => c * 8), data.length])]
          .filter((place) => place <= data.length)
          .toSorted((a, b) => a - b)
        // One whole piece would be no fragment.
        if (places.length < 3) return
        const pieces = places.slice(1).map((to, i) => cut(data, places[i] as number, to))
        const sent = [...pieces, ...twice.flatMap((i) => pieces[i % pieces.length] ?? [])]
          .map((piece) => ({ piece, rank: order.next().value as number }))
          .toSorted((a, b) => a.rank - b.rank)
        const r = new Reassembly()
        const whole = sent.map(({ piece }) => add(r, piece)).find((w) => w !== undefined)
        t.same(whole?.subarray(header), data)
      }),
      { numRuns: 200 },
    )
    t.pass('200 datagrams')
  })

  const data = bytes(64)
  const broken: Readonly<Record<string, readonly Piece[]>> = {
    'a piece inside another (teardrop)': [cut(data, 0, 32), cut(data, 8, 24, { more: true })],
    'a piece that begins inside another': [cut(data, 0, 32), cut(data, 24, 64)],
    'a piece that ends inside another': [cut(data, 16, 32), cut(data, 8, 24)],
    'a piece around another': [cut(data, 16, 24), cut(data, 8, 32)],
    'the same start with another length': [cut(data, 0, 16), cut(data, 0, 24)],
    'data behind the end': [cut(data, 32, 64), { from: 64, data: bytes(8), more: true }],
    'an end before data that came': [cut(data, 32, 56), { from: 16, data: bytes(8), more: false }],
    'two ends': [cut(data, 32, 64), { from: 64, data: bytes(8), more: false }],
  }
  for (const [what, pieces] of Object.entries(broken)) {
    t.test(`${name}: ${what} ends the datagram`, async (t) => {
      const r = new Reassembly()
      for (const piece of pieces) t.equal(add(r, piece), undefined)
      // Not even all the honest pieces make it whole again: they can't be told from the others.
      for (const piece of [cut(data, 0, 32), cut(data, 32, 64)]) t.equal(add(r, piece), undefined)
      r.tick(REASSEMBLY_TIME)
      t.equal(r.deadline(), Number.POSITIVE_INFINITY, 'and nothing is kept of it')
      add(r, cut(data, 0, 32), REASSEMBLY_TIME)
      t.ok(add(r, cut(data, 32, 64), REASSEMBLY_TIME), 'then its identification is usable again')
    })
  }

  const ignored: Readonly<Record<string, Piece>> = {
    'a piece without data': { from: 8, data: bytes(0), more: true },
    'a middle piece of no multiple of 8': { from: 0, data: bytes(12), more: true },
    'a piece beyond the largest packet': { from: 65_528, data: bytes(8), more: false },
  }
  for (const [what, piece] of Object.entries(ignored)) {
    t.test(`${name}: ${what} is ignored, and harms nobody`, async (t) => {
      const r = new Reassembly()
      t.equal(add(r, piece), undefined)
      t.equal(r.deadline(), Number.POSITIVE_INFINITY)
      add(r, cut(data, 0, 32))
      t.equal(add(r, piece), undefined)
      t.ok(add(r, cut(data, 32, 64)))
    })
  }

  t.test(`${name}: what differs in source or identification is kept apart`, async (t) => {
    const r = new Reassembly()
    const other = bytes(64, 100)
    add(r, cut(data, 0, 32, { id: 1 }))
    add(r, cut(other, 0, 32, { id: 2 }))
    add(r, cut(other, 0, 32, { id: 1, source: 9 }))
    t.same(add(r, cut(data, 32, 64, { id: 1 }))?.subarray(header), data)
    t.same(add(r, cut(other, 32, 64, { id: 1, source: 9 }))?.subarray(header), other)
    t.same(add(r, cut(other, 32, 64, { id: 2 }))?.subarray(header), other)
    t.equal(r.deadline(), Number.POSITIVE_INFINITY)
  })

  t.test(`${name}: time and number are bounded`, async (t) => {
    const r = new Reassembly()
    add(r, cut(data, 0, 32, { id: 1 }), 100)
    add(r, cut(data, 0, 32, { id: 2 }), 200)
    t.equal(r.deadline(), 100 + REASSEMBLY_TIME)
    r.tick(100 + REASSEMBLY_TIME - 1)
    t.equal(r.deadline(), 100 + REASSEMBLY_TIME, 'not a moment too early')
    r.tick(100 + REASSEMBLY_TIME)
    t.equal(add(r, cut(data, 32, 64, { id: 1 }), 100 + REASSEMBLY_TIME), undefined, 'given up')
    t.ok(add(r, cut(data, 32, 64, { id: 2 }), 100 + REASSEMBLY_TIME))

    const full = new Reassembly()
    for (let id = 0; id <= REASSEMBLY_DATAGRAMS; id++) add(full, cut(data, 0, 32, { id }))
    t.ok(add(full, cut(data, 32, 64, { id: 1 })), 'the second oldest is still there')
    t.equal(add(full, cut(data, 32, 64, { id: 0 })), undefined, 'the oldest made room')
  })

  t.test(`${name}: so many pieces of one datagram, and no more`, async (t) => {
    for (const count of [REASSEMBLY_FRAGMENTS, REASSEMBLY_FRAGMENTS + 1]) {
      const r = new Reassembly()
      const long = bytes(count * 8)
      let whole: Bytes | undefined
      for (let i = 0; i < count; i++) whole = add(r, cut(long, i * 8, i * 8 + 8))
      t.equal(whole !== undefined, count === REASSEMBLY_FRAGMENTS, `${count} pieces`)
    }
  })

  t.test(`${name}: small pieces at the far end don't hold more memory than allowed`, async (t) => {
    const r = new Reassembly()
    const most = Math.floor(REASSEMBLY_BYTES / 65_535)
    for (let id = 0; id <= most; id++) {
      add(r, { id, from: 65_480, data: bytes(8), more: true })
    }
    // The first has made room for the last: its other half comes too late.
    t.equal(add(r, { id: 0, from: 65_488, data: bytes(7), more: false }), undefined)
  })
}

t.test('IPv4: the fragment fields go, the rest of the header stays', async (t) => {
  const r = new Reassembly()
  const data = bytes(32)
  r.ipv4(fragment4({ from: 16, data: data.slice(16), more: false, id: 7 }), 0, 0)
  const first = fragment4({ from: 0, data: data.slice(0, 16), more: true, id: 7 })
  const whole = r.ipv4(first, 0, 0)
  t.equal(whole?.length, 52)
  t.same([...(whole?.subarray(2, 10) ?? [])], [0, 52, 0, 7, 0, 0, 64, 17])
})

t.test('IPv4: a packet that would be larger than a packet can be is none', async (t) => {
  const r = new Reassembly()
  const step = 8184
  let whole: Bytes | undefined
  for (let from = 0; from < 65_520; from += step) {
    const data = bytes(Math.min(step, 65_520 - from))
    whole = r.ipv4(fragment4({ from, data, more: from + data.length < 65_520 }), 0, 0)
  }
  t.equal(whole, undefined, '65,520 bytes of payload and a header')
  t.equal(r.deadline(), Number.POSITIVE_INFINITY)
})

t.test('IPv6: an atomic fragment stands for itself (RFC 6946)', async (t) => {
  const r = new Reassembly()
  const add = FAMILIES[1]?.add as Family['add']
  const data = bytes(64)
  add(r, cut(data, 0, 32))
  t.same(add(r, { from: 0, data: bytes(5), more: false })?.subarray(40), bytes(5))
  t.same(add(r, cut(data, 32, 64))?.subarray(40), data, 'and others of its identification live on')
})

t.test('fuzz: whatever comes, packets are valid and what is held stays bounded', async (t) => {
  const r = new Reassembly()
  let now = 0
  let made = 0
  const piece = fc.record({
    id: fc.nat(90),
    from: fc.oneof(fc.nat(8), fc.nat(8191)).map((words) => words * 8),
    data: fc.integer({ min: 0, max: 5 }).map((words) => bytes(words * 8)),
    more: fc.boolean(),
    source: fc.nat(1),
  })
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 50, size: 'max' }), fc.nat(2000), (pieces, pass) => {
      now += pass
      r.tick(now)
      for (const p of pieces) {
        for (const { add } of FAMILIES) if (add(r, p, now) !== undefined) made++
      }
      const due = r.deadline()
      return due === Number.POSITIVE_INFINITY || (due > now && due <= now + REASSEMBLY_TIME)
    }),
    fuzzRun,
  )
  t.ok(made > 0, `${made} packets were put together`)
})
