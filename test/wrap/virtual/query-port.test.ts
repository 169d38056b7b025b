import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { PvpnError } from '../../../src/core/errors.js'
import { systemClock } from '../../../src/io/clock.js'
import { accel } from '../../../src/native/accel.js'
import { MAX_QUERY_DATA } from '../../../src/wrap/virtual/limits.js'
import { REQUEST_HEADER } from '../../../src/wrap/virtual/protocol.js'
import { QueryPort } from '../../../src/wrap/virtual/query-port.js'
import { FUZZ_MS, pieces } from '../../support/fuzz.js'

const skip = accel()?.channel?.channelSend === undefined && 'the addon is not built'
const folder = mkdtempSync(join(tmpdir(), 'pvpn-query-'))
const path = join(folder, 'lab.query')
const port = new QueryPort(systemClock)
t.teardown(() => {
  port.close()
  rmSync(folder, { recursive: true, force: true })
})

function request(kind: number, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(REQUEST_HEADER + data.length)
  const view = new DataView(out.buffer)
  view.setUint32(0, 0x314e5650, true)
  view.setUint16(4, kind, true)
  view.setUint32(20, data.length, true)
  out.set(data, REQUEST_HEADER)
  return out
}

/** All that comes back until it is closed; `end` closes our side after the parts. */
function exchange(parts: readonly Uint8Array[], end = false): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = connect({ path, allowHalfOpen: true })
    const got: Buffer[] = []
    socket.on('data', (chunk: Buffer) => got.push(chunk))
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.on('close', () => resolve(Buffer.concat(got)))
    const next = (i: number) => {
      const part = parts[i]
      if (part !== undefined) socket.write(part, () => setImmediate(() => next(i + 1)))
      else if (end) socket.end()
    }
    socket.on('connect', () => next(0))
  })
}

t.test('questions', { skip }, async (t) => {
  port.answer(40, ({ data }) => ({ value: 7, data: data.toReversed() }))
  port.answer(41, () => {
    throw new PvpnError('ERR_REFUSED', 'no')
  })
  await port.listen(path)

  await t.test('whole, and byte by byte', async (t) => {
    const whole = request(40, new Uint8Array([1, 2, 3]))
    for (const parts of [[whole], [...whole].map((byte) => new Uint8Array([byte]))]) {
      const reply = await exchange(parts)
      t.equal(reply.readUInt32LE(4), 0)
      t.equal(reply.readUInt32LE(8), 7)
      t.same([...reply.subarray(16)], [3, 2, 1])
    }
  })

  await t.test('as long as may be', async (t) => {
    const reply = await exchange([request(40, new Uint8Array(MAX_QUERY_DATA).fill(9))])
    t.equal(reply.length, 16 + MAX_QUERY_DATA)
  })

  await t.test('a failure is an errno', async (t) => {
    t.equal((await exchange([request(41, new Uint8Array(0))])).readUInt32LE(4), 111)
  })

  await t.test('what is none is closed', async (t) => {
    const foreign = request(40, new Uint8Array(0))
    foreign[0] = 0
    for (const bytes of [foreign, request(39, new Uint8Array(3))]) {
      t.equal((await exchange([bytes])).length, 0)
    }
  })

  await t.test('fuzz: any bytes, in any pieces, end', async (t) => {
    const until = Date.now() + FUZZ_MS
    const bytes = fc.uint8Array({ maxLength: 100 })
    const sent = fc.oneof(
      bytes,
      fc.tuple(fc.constantFrom(39, 40, 41), bytes).map(([k, b]) => request(k, b)),
    )
    const samples = fc.sample(fc.tuple(sent, fc.array(fc.nat(200), { maxLength: 4 })), 500)
    let tried = 0
    for (const [all, cuts] of samples) {
      if (Date.now() > until) break
      await exchange(pieces(all, cuts), true)
      tried++
    }
    t.ok(tried > 0)
    const reply = await exchange([request(40, new Uint8Array([1]))])
    t.equal(reply.length, 17, 'it still answers')
  })
})
