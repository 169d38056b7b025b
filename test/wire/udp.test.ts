import fc from 'fast-check'
import t from 'tap'
import { set16, u16 } from '../../src/core/bytes.js'
import type { Bytes } from '../../src/core/types.js'
import {
  UDP_HEADER,
  UDP_MAXIMUM_PAYLOAD,
  udpDestinationPort,
  udpLength,
  udpSourcePort,
  udpValid,
  writeUdp,
} from '../../src/wire/udp.js'
import { fuzzRun } from '../support/fuzz.js'
import { fenced, hex } from './wire.js'

/** Two addresses of `size` bytes in front, then the datagram. */
function datagram(size: number, data: Bytes, from = 1000, to = 53): Bytes {
  const b = new Uint8Array(2 * size + UDP_HEADER + data.length)
  b.fill(0x20, 0, size).fill(0x30, size, 2 * size)
  b.set(data, 2 * size + UDP_HEADER)
  writeUdp(b, 2 * size, from, to, UDP_HEADER + data.length, 0, size, size)
  return b
}

function valid(b: Bytes, size: number, length = b.length - 2 * size): boolean {
  return udpValid(b, 2 * size, length, 0, size, size)
}

t.test('the checksum is that of a worked example', async (t) => {
  // 152.1.51.27 to 152.14.94.75, ports 41103 and 9874, data "bb": the words add up to 0xeb1f.
  const b = hex('9801331b 980e5e4b a08f 2692 000a 0000 6262')
  writeUdp(b, 8, 0xa08f, 0x2692, 10, 0, 4, 4)
  t.equal(u16(b, 14), 0x14e0)
  t.ok(udpValid(b, 8, 10, 0, 4, 4))
})

t.test('a sum of zero goes out as its other form', async (t) => {
  for (const size of [4, 16]) {
    const plain = datagram(size, new Uint8Array(2))
    // Data that makes everything else come to zero.
    const data = new Uint8Array(2)
    set16(data, 0, u16(plain, 2 * size + 6))
    const b = datagram(size, data)
    t.equal(u16(b, 2 * size + 6), 0xffff)
    t.ok(valid(b, size))
  }
})

t.test('no checksum is allowed over IPv4 only', async (t) => {
  const four = datagram(4, hex('0102'))
  set16(four, 8 + 6, 0)
  t.ok(valid(four, 4))
  const six = datagram(16, hex('0102'))
  set16(six, 32 + 6, 0)
  t.notOk(valid(six, 16))
})

t.test('lengths', async (t) => {
  const b = datagram(4, hex('01020304'))
  t.ok(valid(b, 4))
  t.ok(valid(b, 4, 20), 'the packet may be longer than the datagram')
  t.notOk(valid(b, 4, 11), 'but not shorter')
  t.notOk(valid(b, 4, 7), 'less than a header')
  set16(b, 8 + 4, 7)
  set16(b, 8 + 6, 0)
  t.notOk(valid(b, 4), 'a length below the header')
  set16(b, 8 + 4, 8)
  t.ok(valid(b, 4), 'no data')
  t.equal(udpLength(b, 8), 8)
  const largest = datagram(4, new Uint8Array(UDP_MAXIMUM_PAYLOAD).fill(0xff), 65_535, 65_535)
  t.ok(valid(largest, 4))
  t.equal(udpLength(largest, 8), 65_515)
  t.equal(udpSourcePort(largest, 8), 65_535)
})

t.test('what is written reads back, and each changed byte is noticed', async (t) => {
  const port = fc.nat(65_535)
  const data = fc.uint8Array({ maxLength: 200, size: 'max' })
  fc.assert(
    fc.property(fc.constantFrom(4, 16), port, port, data, fc.nat(), (size, from, to, bytes, n) => {
      const b = datagram(size, bytes, from, to)
      const at = 2 * size
      const right =
        valid(b, size) && udpSourcePort(b, at) === from && udpDestinationPort(b, at) === to
      const place = n % b.length
      // Not the length and checksum themselves: they may come to mean "none".
      if (place >= at + 4 && place < at + 8) return right
      b[place] = (b[place] as number) ^ 1
      return right && !valid(b, size)
    }),
    { numRuns: 500 },
  )
  t.pass('500 datagrams')
})

t.test('fuzz: nothing outside of datagram and addresses is read', async (t) => {
  let accepted = 0
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 8, maxLength: 60, size: 'max' }),
      fc.nat(1),
      (bytes, kind) => {
        const size = kind === 0 ? 4 : 16
        if (bytes.length < 2 * size) return true
        if (bytes.length >= 2 * size + 8 && (bytes[0] as number) & 1) {
          const length = bytes.length - 2 * size - ((bytes[1] as number) & 3)
          if (length >= 8) writeUdp(bytes, 2 * size, 1, 2, length, 0, size, size)
        }
        const b = fenced(bytes, 0)
        if (!udpValid(b, 2 * size, bytes.length - 2 * size, 0, size, size)) return true
        accepted++
        return udpLength(bytes, 2 * size) <= bytes.length - 2 * size
      },
    ),
    fuzzRun,
  )
  t.ok(accepted > 0, `${accepted} valid ones among them`)
})
