/** Send buffer, receive buffer with its ranges, and the ring of sent segments, each against a plain model. */
import t from 'tap'
import { OUT_OF_ORDER_RANGES } from '../../../src/stack/tcp/limits.js'
import { OutOfOrder } from '../../../src/stack/tcp/out-of-order.js'
import { ReceiveBuffer } from '../../../src/stack/tcp/receive-buffer.js'
import { SendBuffer } from '../../../src/stack/tcp/send-buffer.js'
import { FIN, LOST, NONE, SACKED, SentSegments } from '../../../src/stack/tcp/sent-segments.js'
import { SharedMemory } from '../../../src/stack/tcp/shared-memory.js'
import { SeededRandom } from '../../sim/random.js'

t.test('send buffer: any piece reads back as written, small and large writes mixed', async (t) => {
  for (let seed = 1; seed <= 50; seed++) {
    const r = new SeededRandom(seed)
    const start = r.word()
    const buffer = new SendBuffer()
    buffer.reset(start)
    let model: number[] = []
    let gone = 0
    let wrong = 0
    for (let step = 0; step < 200; step++) {
      if (r.chance(0.5)) {
        const bytes = new Uint8Array(r.chance(0.7) ? r.between(1, 100) : r.between(1000, 3000))
        for (let i = 0; i < bytes.length; i++) bytes[i] = r.word()
        buffer.append(bytes)
        model.push(...bytes)
      } else if (model.length > 0 && r.chance(0.4)) {
        const n = r.between(1, model.length)
        gone += n
        model = model.slice(n)
        buffer.acknowledge((start + gone) | 0)
      } else if (model.length > 0) {
        const from = r.between(0, model.length - 1)
        const length = r.between(1, model.length - from)
        const out = new Uint8Array(length + 2)
        buffer.copy((start + gone + from) | 0, length, out, 1)
        for (let i = 0; i < length; i++) if (out[i + 1] !== model[from + i]) wrong++
        if (out[0] !== 0 || out[length + 1] !== 0) wrong++
      }
      if (buffer.size !== model.length) wrong++
    }
    t.equal(wrong, 0, `seed ${seed}`)
  }
})

t.test(
  'receive buffer: data in any order comes out in order, held memory is accounted',
  async (t) => {
    for (let seed = 1; seed <= 60; seed++) {
      const r = new SeededRandom(seed)
      const account = new SharedMemory(Number.POSITIVE_INFINITY)
      const buffer = new ReceiveBuffer(account)
      const ranges = new OutOfOrder()
      const base = r.word()
      let next = base
      let read = 0
      const byte = (i: number) => (i * 7 + 3) & 255
      let wrong = 0
      for (let step = 0; step < 300; step++) {
        if (r.chance(0.3)) {
          const bytes = buffer.read(!ranges.empty)
          if (bytes === undefined) continue
          for (const b of bytes) if (b !== byte(read++)) wrong++
          continue
        }
        const offset = r.chance(0.4) ? 0 : r.between(0, 30_000)
        const length = r.between(1, r.chance(0.1) ? 60_000 : 1500)
        const position = (next - base + offset) | 0
        const bytes = Uint8Array.from({ length: length + 3 }, (_, i) => byte(position + i - 3))
        const left = (next + offset) | 0
        if (offset > 0) {
          if (ranges.add(left, (left + length) | 0)) buffer.place(offset, bytes, 3, length)
        } else {
          buffer.place(0, bytes, 3, length)
          const end = ranges.merge((next + length) | 0)
          buffer.advance((end - next) | 0)
          next = end
        }
        if (account.held !== buffer.held) wrong++
      }
      for (let b = buffer.read(!ranges.empty); b !== undefined; b = buffer.read(!ranges.empty)) {
        for (const x of b) if (x !== byte(read++)) wrong++
      }
      t.equal(wrong, 0, `seed ${seed}`)
      t.equal(read, (next - base) | 0)
      buffer.release()
      t.equal(account.held, 0)
    }
  },
)

t.test('receive buffer: little data does not keep much memory', async (t) => {
  const buffer = new ReceiveBuffer(new SharedMemory(Number.POSITIVE_INFINITY))
  for (const size of [200_000, 10, 10]) {
    for (let left = size; left > 0; left -= 1000) {
      const n = Math.min(left, 1000)
      buffer.place(0, new Uint8Array(1000), 0, n)
      buffer.advance(n)
    }
    const bytes = buffer.read(false)
    t.equal(bytes?.length, size)
    t.ok((bytes?.buffer.byteLength ?? 0) <= Math.max(64, 2 * size))
    t.equal(buffer.held, 0, 'nothing is kept when all was read')
  }
})

t.test('ranges: merged ones are told once (equal blocks would be taken for a DSACK)', async (t) => {
  const ranges = new OutOfOrder()
  const out = new Int32Array(8)
  ranges.add(10, 20)
  ranges.add(30, 40)
  ranges.add(20, 30)
  t.equal(ranges.blocks(out, 0, 4), 1)
  t.same([...out.subarray(0, 2)], [10, 40])
  t.equal(ranges.bytes, 30)
})

t.test('ranges are bounded in number, and their bytes are counted', async (t) => {
  const ranges = new OutOfOrder()
  for (let i = 0; i < OUT_OF_ORDER_RANGES; i++) t.ok(ranges.add(10 * i, 10 * i + 5))
  t.notOk(ranges.add(-10, -5))
  t.ok(ranges.add(5, 10), 'one that closes a gap is welcome')
  t.equal(ranges.bytes, 5 * OUT_OF_ORDER_RANGES + 5)
  t.ok(ranges.contains(0, 15))
  t.notOk(ranges.contains(0, 16))
  ranges.clear()
  t.ok(ranges.empty)
  t.equal(ranges.bytes, 0)
})

t.test('sent segments: counts, look-ups and both orders agree with a plain list', async (t) => {
  for (let seed = 1; seed <= 150; seed++) {
    const r = new SeededRandom(seed)
    const sent = new SentSegments()
    interface Plain {
      sequence: number
      length: number
      sacked: boolean
      lost: boolean
    }
    let model: Plain[] = []
    let end = r.word()
    let time = 0
    for (let step = 0; step < 300; step++) {
      const i = r.between(0, Math.max(0, model.length - 1))
      const plain = model[i]
      const n = (sent.first + i) & 0x3fffffff
      const what = r.between(0, 8)
      time++
      if (what <= 2) {
        const length = r.between(1, 1400)
        sent.push(end, length, 0, time)
        model.push({ sequence: end, length, sacked: false, lost: false })
        end = (end + length) | 0
      } else if (plain === undefined) continue
      else if (what === 3 && !plain.sacked) {
        sent.markSacked(n)
        plain.sacked = true
        plain.lost = false
      } else if (what === 4) {
        sent.markLost(n)
        if (!plain.sacked) plain.lost = true
      } else if (what === 5 && !plain.sacked) {
        sent.markRetransmitted(n, time)
        plain.lost = false
      } else if (what === 6) {
        sent.shift()
        model.shift()
      } else if (what === 7 && r.chance(0.2)) {
        sent.split(500)
        model = model.flatMap((p) => {
          const pieces: Plain[] = []
          const lost = p.lost || (p.length > 500 && !p.sacked)
          for (let at = 0; at < p.length; at += 500) {
            const length = Math.min(500, p.length - at)
            pieces.push({ ...p, sequence: (p.sequence + at) | 0, length, lost })
          }
          return pieces
        })
      } else if (what === 8 && r.chance(0.1)) {
        if (r.chance(0.5)) {
          sent.unmarkLost()
          for (const p of model) p.lost = false
        } else {
          sent.forgetSacked()
          for (const p of model) p.sacked = false
        }
      }
      const sum = (f: (p: Plain) => boolean) => model.reduce((s, p) => s + (f(p) ? p.length : 0), 0)
      const lowest = model.findIndex((p) => p.lost)
      let listed = 0
      let backwards = 0
      for (let k = sent.oldest; k !== NONE; k = sent.later(k)) {
        listed++
        if (sent.flags(k) & (SACKED | LOST)) backwards++
      }
      const probe = model[r.between(0, Math.max(0, model.length - 1))]
      const found = probe === undefined ? NONE : sent.find(probe.sequence)
      const problems = [
        sent.count !== model.length,
        sent.sackedBytes !== sum((p) => p.sacked),
        sent.lostBytes !== sum((p) => p.lost),
        sent.sackedCount !== model.filter((p) => p.sacked).length,
        (sent.nextLost() === NONE) !== lowest < 0,
        lowest >= 0 && sent.sequence(sent.nextLost()) !== model[lowest]?.sequence,
        listed !== model.filter((p) => !p.sacked && !p.lost).length,
        backwards > 0,
        probe !== undefined && sent.sequence(found) !== probe.sequence,
      ]
      if (problems.includes(true)) {
        t.fail(`seed ${seed} step ${step}: ${problems.join()}`)
        return
      }
    }
  }
  t.pass()
})

t.test('sent segments: a FIN alone, and one with data', async (t) => {
  const sent = new SentSegments()
  sent.push(100, 11, FIN, 1)
  t.equal(sent.end(sent.first), 111)
  t.equal(sent.dataEnd(sent.first), 110)
  sent.markSacked(sent.first)
  sent.trim(110)
  t.equal(sent.flags(sent.first) & SACKED, 0, 'SACKed and yet not acknowledged whole')
  t.equal(sent.sackedBytes, 0)
  t.equal(sent.dataEnd(sent.first), 111)
})
