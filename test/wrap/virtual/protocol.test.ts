import { constants } from 'node:os'
import fc from 'fast-check'
import t from 'tap'
import { PvpnError } from '../../../src/core/errors.js'
import { MAX_QUERY_DATA } from '../../../src/wrap/virtual/limits.js'
import {
  ADDRESS_SIZE,
  Errno,
  encodeReply,
  encodeState,
  errnoOf,
  marker,
  PHASE,
  parseRequest,
  REQUEST_HEADER,
  readAddress,
  writeAddress,
} from '../../../src/wrap/virtual/protocol.js'
import { fuzzRun } from '../../support/fuzz.js'

/** A request as native/preload/query.c writes it. */
function request(length: number): Uint8Array {
  const out = new Uint8Array(REQUEST_HEADER)
  const view = new DataView(out.buffer)
  view.setUint32(0, 0x314e5650, true)
  view.setUint16(4, 2, true)
  view.setUint16(6, 1, true)
  view.setBigUint64(8, 0x0123456789abcdefn, true)
  view.setUint32(16, 77, true)
  view.setUint32(20, length, true)
  return out
}

t.test('a request', async (t) => {
  const header = { kind: 2, flags: 1, id: '0123456789abcdef', value: 77, length: 24 }
  t.same(parseRequest(request(24)), header)
  t.equal(parseRequest(request(MAX_QUERY_DATA + 1)), undefined)
  const foreign = request(24)
  foreign[0] = 0
  t.equal(parseRequest(foreign), undefined)
})

t.test('addresses there and back', async (t) => {
  const out = new Uint8Array(ADDRESS_SIZE)
  for (const address of ['192.168.9.52', 'fd00:9::52', '::', '0.0.0.0']) {
    writeAddress(out, 0, { address, port: 65_535 })
    t.same(readAddress(out), { address, port: 65_535 })
  }
  writeAddress(out, 0, undefined)
  t.same(out, new Uint8Array(ADDRESS_SIZE))
  t.equal(readAddress(out), undefined)
  t.equal(readAddress(marker()), undefined)
  t.equal(readAddress(new Uint8Array(ADDRESS_SIZE - 1).fill(4)), undefined)
})

t.test('replies and states', async (t) => {
  const reply = encodeReply({ error: 111, value: 5, data: new Uint8Array([1, 2]) })
  const view = new DataView(reply.buffer)
  t.equal(reply.length, 18)
  t.same(
    [4, 8, 12].map((at) => view.getUint32(at, true)),
    [111, 5, 2],
  )
  const remote = { address: '10.0.0.1', port: 80 }
  const state = encodeState({ phase: PHASE.connected, error: 0, local: undefined, remote })
  t.equal(state.length, 8 + 2 * ADDRESS_SIZE)
  t.same(readAddress(state, 8 + ADDRESS_SIZE), remote)
})

t.test('failures as the C library tells them', async (t) => {
  const { errno } = constants
  t.equal(errnoOf(new Errno(errno.EALREADY)), errno.EALREADY)
  t.equal(errnoOf(new PvpnError('ERR_REFUSED', '')), errno.ECONNREFUSED)
  t.equal(errnoOf(new PvpnError('ERR_DOWN', '')), errno.ENETDOWN)
  t.equal(errnoOf(new PvpnError('ERR_NET_UNREACHABLE', '')), errno.ENETUNREACH)
  t.equal(errnoOf(new PvpnError('ERR_TIMEOUT', '')), errno.ETIMEDOUT)
  t.equal(errnoOf(new TypeError('x')), errno.EIO)
})

t.test('fuzz: any bytes are a request with bounds, or none', async (t) => {
  const bytes = fc.uint8Array({ minLength: REQUEST_HEADER, maxLength: 64 })
  const near = bytes.map((b) => {
    b.set([0x50, 0x56, 0x4e, 0x31])
    return b
  })
  fc.assert(
    fc.property(fc.oneof(bytes, near), fc.nat(64), (b, at) => {
      const header = parseRequest(b)
      if (header !== undefined && (header.length > MAX_QUERY_DATA || header.id.length !== 16)) {
        throw new Error(`length ${header.length}`)
      }
      const address = readAddress(b, at)
      if (address === undefined) return
      const again = new Uint8Array(ADDRESS_SIZE)
      writeAddress(again, 0, address)
      t.same(readAddress(again), address)
    }),
    fuzzRun,
  )
})
