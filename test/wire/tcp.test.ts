import fc from 'fast-check'
import t from 'tap'
import {
  sealTcp,
  tcpAcknowledgment,
  tcpChecksum,
  tcpDestinationPort,
  tcpFlags,
  tcpHeaderLength,
  tcpHeaderValid,
  tcpPorts,
  tcpSequence,
  tcpSourcePort,
  tcpWindow,
  writeTcp,
} from '../../src/wire/tcp.js'
import {
  parseTcpOptions,
  SACK_BLOCKS,
  TcpOptions,
  writeMss,
  writeSack,
  writeSackPermitted,
  writeTimestamps,
  writeWindowScale,
} from '../../src/wire/tcp-options.js'

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const uint16 = fc.nat(0xffff)

t.test('a header reads back as written, and its checksum is right', async (t) => {
  fc.assert(
    fc.property(
      uint16,
      uint16,
      int32,
      int32,
      fc.nat(63),
      uint16,
      fc.uint8Array({ maxLength: 300 }),
      (source, destination, sequence, ack, flags, window, data) => {
        const b = new Uint8Array(8 + 20 + data.length)
        b.set([10, 0, 0, 1, 10, 0, 0, 2])
        b.set(data, 28)
        writeTcp(b, 8, source, destination, sequence, ack, 20, flags, window)
        sealTcp(b, 0, 4, 8, 20 + data.length)
        t.equal(tcpChecksum(b, 0, 4, 8, 20 + data.length), 0)
        b[10] = (b[10] as number) ^ 1
        t.not(tcpChecksum(b, 0, 4, 8, 20 + data.length), 0)
        b[10] = (b[10] as number) ^ 1
        return (
          tcpHeaderValid(b, 8, 20 + data.length) &&
          tcpHeaderLength(b, 8) === 20 &&
          tcpSourcePort(b, 8) === source &&
          tcpDestinationPort(b, 8) === destination &&
          tcpPorts(b, 8) === ((source << 16) | destination) &&
          tcpSequence(b, 8) === sequence &&
          tcpAcknowledgment(b, 8) === ack &&
          tcpFlags(b, 8) === flags &&
          tcpWindow(b, 8) === window
        )
      },
    ),
  )
})

t.test('headers that do not fit are not valid', async (t) => {
  const b = new Uint8Array(60)
  b[12] = 0x50
  t.notOk(tcpHeaderValid(b, 0, 19))
  t.ok(tcpHeaderValid(b, 0, 20))
  b[12] = 0x60
  t.notOk(tcpHeaderValid(b, 0, 20))
  t.ok(tcpHeaderValid(b, 0, 24))
  b[12] = 0x40
  t.notOk(tcpHeaderValid(b, 0, 60))
})

t.test('options read back as written, in any order and padded', async (t) => {
  const b = new Uint8Array(60)
  let at = writeSack(b, 20, Int32Array.from([1, 2, -3, 4]), 2)
  at = writeTimestamps(b, at, -5, 6)
  at = writeMss(b, at, 1400)
  const o = new TcpOptions()
  parseTcpOptions(b, 0, at, o)
  t.equal(o.sackCount, 2)
  t.same([...o.sack.subarray(0, 4)], [1, 2, -3, 4])
  t.ok(o.timestamps)
  t.equal(o.timestampValue, -5)
  t.equal(o.timestampEcho, 6)
  t.equal(o.mss, 1400)
  t.equal(o.windowScale, -1)
  at = writeWindowScale(b, writeSackPermitted(b, 20), 9)
  parseTcpOptions(b, 0, at, o)
  t.ok(o.sackPermitted)
  t.equal(o.windowScale, 9)
  t.equal(o.mss, 0, 'nothing is left of the last parse')
  t.notOk(o.timestamps)
  t.equal(o.sackCount, 0)
})

t.test('malformed options end the parse, unknown ones are skipped', async (t) => {
  const parse = (...options: number[]) => {
    const b = new Uint8Array(20 + Math.ceil(options.length / 4) * 4)
    b.set(options, 20)
    const o = new TcpOptions()
    parseTcpOptions(b, 0, b.length, o)
    return o
  }
  t.equal(parse(254, 4, 9, 9, 2, 4, 5, 0xb4).mss, 1460)
  t.equal(parse(254, 0, 2, 4, 5, 0xb4).mss, 0, 'length 0')
  t.equal(parse(254, 1, 2, 4, 5, 0xb4).mss, 0, 'length 1')
  t.equal(parse(254, 60, 2, 4, 5, 0xb4).mss, 0, 'length beyond the header')
  t.equal(parse(0, 2, 4, 5, 0xb4, 0, 0, 0).mss, 0, 'behind the end')
  t.equal(parse(1, 1, 1, 2).mss, 0, 'kind without length')
  t.equal(parse(2, 3, 5, 3, 3, 7).mss, 0, 'MSS of a wrong length')
  t.equal(parse(2, 3, 5, 3, 3, 7).windowScale, 7, 'what follows it counts')
  t.equal(parse(3, 3, 200, 0).windowScale, 14)
  t.equal(parse(5, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1).sackCount, 0)
})

t.test('no option bytes make the parser throw or lie', async (t) => {
  const o = new TcpOptions()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (options) => {
      const header = 20 + (options.length & ~3)
      const b = new Uint8Array(60)
      b.set(options, 20)
      parseTcpOptions(b, 0, header, o)
      return o.sackCount <= SACK_BLOCKS && o.windowScale <= 14 && o.mss <= 65_535
    }),
    { numRuns: 20_000 },
  )
  t.pass('20,000 cases')
})
