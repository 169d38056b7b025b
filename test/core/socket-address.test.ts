import fc from 'fast-check'
import t from 'tap'
import { formatIp, parseIp } from '../../src/core/ip.js'
import {
  ADDRESS_SIZE,
  formatSocketAddress,
  parseSocketAddress,
  sameSocketAddress,
  socketAddress,
  socketAddressEndpoint,
  socketAddressIp,
  writeSocketAddress,
} from '../../src/core/socket-address.js'
import type { Bytes } from '../../src/core/types.js'

function record(text: string, port: number, scope?: number): Bytes {
  return socketAddress(parseIp(text) as Bytes, port, scope)
}

t.test('the layout', async (t) => {
  t.same(
    [...record('192.0.2.1', 0x1234).subarray(0, 12)],
    [4, 0, 0x12, 0x34, 0, 0, 0, 0, 192, 0, 2, 1],
  )
  t.same([...record('fe80::1', 80, 7).subarray(0, 10)], [6, 0, 0, 80, 0, 0, 0, 7, 0xfe, 0x80])
  t.equal(record('::1', 1).length, ADDRESS_SIZE)
})

t.test('records are equal when the addresses are, whatever stood there before', async (t) => {
  const out = new Uint8Array(3 * ADDRESS_SIZE).fill(0xff)
  writeSocketAddress(out, ADDRESS_SIZE, parseIp('10.0.0.1') as Bytes, 53, 9)
  t.ok(sameSocketAddress(out, ADDRESS_SIZE, record('10.0.0.1', 53), 0))
  t.ok(sameSocketAddress(out, ADDRESS_SIZE, record('::ffff:10.0.0.1', 53), 0), 'mapped is IPv4')
  t.notOk(sameSocketAddress(out, ADDRESS_SIZE, record('10.0.0.1', 54), 0))
  t.notOk(
    sameSocketAddress(record('fe80::1', 1, 2), 0, record('fe80::1', 1, 3), 0),
    'another scope',
  )
  t.ok(
    out.subarray(0, ADDRESS_SIZE).every((b) => b === 0xff),
    'neighbours are untouched',
  )
  t.ok(out.subarray(2 * ADDRESS_SIZE).every((b) => b === 0xff))
})

t.test('text and back', async (t) => {
  t.equal(formatSocketAddress(record('::1', 53)), '[::1]:53')
  t.equal(formatSocketAddress(record('::ffff:1.2.3.4', 53)), '1.2.3.4:53')
  t.equal(parseSocketAddress({ address: 'name', port: 1 }), undefined)
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16, size: 'max' }),
  )
  fc.assert(
    fc.property(address, fc.nat(65_535), fc.nat(0xffffffff), (ip, port, scope) => {
      const r = socketAddress(ip, port, scope)
      const back = socketAddressEndpoint(r)
      return (
        Buffer.compare(socketAddressIp(r), ip) === 0 &&
        back.address === formatIp(ip) &&
        back.port === port &&
        back.scope === (ip.length === 4 ? 0 : scope) &&
        Buffer.compare(parseSocketAddress(back)?.subarray(8) as Bytes, r.subarray(8)) === 0
      )
    }),
    { numRuns: 500 },
  )
})
