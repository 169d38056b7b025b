import { constants } from 'node:os'
import t from 'tap'
import { DatagramPlaces } from '../../../src/wrap/virtual/datagram-places.js'
import type { VirtualDatagrams } from '../../../src/wrap/virtual/virtual-datagrams.js'

const TAKEN = { message: `errno ${constants.errno.EADDRINUSE}` }
const program = (only6 = false) => {
  const options = new Map<string, Uint8Array>()
  if (only6) options.set('0000001a00000029', new Uint8Array([1, 0, 0, 0]))
  return { options } as unknown as VirtualDatagrams
}
const at = (address: string, port = 99) => ({ address, port })

t.test('who gets what is sent there', async (t) => {
  const places = new DatagramPlaces()
  const [any, local] = [program(), program()]
  places.reserve(any, at('0.0.0.0'))
  places.reserve(local, at('127.0.0.1', 98))
  t.equal(places.find(at('127.0.0.1')), any)
  t.equal(places.find(at('::1')), undefined)
  t.equal(places.find(at('127.0.0.1', 98)), local)
  t.equal(places.find(at('127.0.0.2', 98)), undefined)
  places.release(any)
  t.equal(places.find(at('127.0.0.1')), undefined)
})

t.test('a place is given once', async (t) => {
  const places = new DatagramPlaces()
  places.reserve(program(), at('127.0.0.1'))
  t.throws(() => places.reserve(program(), at('127.0.0.1')), TAKEN)
  t.throws(() => places.reserve(program(), at('0.0.0.0')), TAKEN)
  t.throws(() => places.reserve(program(), at('::')), TAKEN)
  t.ok(places.reserve(program(true), at('::')))
  t.throws(() => places.reserve(program(), at('::1')), TAKEN)
  const given = places.reserve(program(), at('127.0.0.1', 0))
  t.ok(given.port >= 16_384 && given.port < 32_768)
})
