import dnsPacket from 'dns-packet'
import fc from 'fast-check'
import t from 'tap'
import {
  answersQuery,
  dnsFailure,
  fitUdpAnswer,
  isDnsQuery,
  udpAnswerSize,
} from '../../src/wire/dns-raw.js'
import { fuzzRun } from '../support/fuzz.js'

const opt = (udpPayloadSize: number) => ({
  type: 'OPT' as const,
  name: '.',
  udpPayloadSize,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
})
const query = (name: string, size?: number) =>
  dnsPacket.encode({
    id: 0x1234,
    type: 'query',
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ type: 'A', name }],
    additionals: size === undefined ? [] : [opt(size)],
  })
const answer = (name: string, count: number, size?: number) =>
  dnsPacket.encode({
    id: 0x1234,
    type: 'response',
    questions: [{ type: 'A', name }],
    answers: Array.from({ length: count }, (_, i) => ({
      type: 'A' as const,
      name,
      data: `10.0.0.${i % 256}`,
    })),
    additionals: size === undefined ? [] : [opt(size)],
  })

t.test('queries and their answers', async (t) => {
  t.ok(isDnsQuery(query('a.example')))
  t.notOk(isDnsQuery(answer('a.example', 1)))
  t.notOk(isDnsQuery(query('a.example').subarray(0, 20)))
  t.ok(answersQuery(answer('A.EXAMPLE', 1), query('a.example')))
  t.notOk(answersQuery(answer('b.example', 1), query('a.example')))
  t.notOk(answersQuery(query('a.example'), query('a.example')))
  const other = answer('a.example', 1)
  other[0] = 0
  t.notOk(answersQuery(other, query('a.example')))
})

t.test('failures say what was asked', async (t) => {
  const failed = dnsPacket.decode(Buffer.from(dnsFailure(query('a.example', 1232), 2)))
  t.match(failed, {
    id: 0x1234,
    type: 'response',
    rcode: 'SERVFAIL',
    flag_rd: true,
    questions: [{ name: 'a.example', type: 'A' }],
    answers: [],
    additionals: [],
  })
})

t.test('sizes for UDP', async (t) => {
  t.equal(udpAnswerSize(query('a.example')), 512)
  t.equal(udpAnswerSize(query('a.example', 100)), 512)
  t.equal(udpAnswerSize(query('a.example', 1232)), 1232)
  const big = answer('a.example', 100, 4096)
  t.equal(fitUdpAnswer(big, big.length), big)
  const cut = dnsPacket.decode(Buffer.from(fitUdpAnswer(big, 512)))
  t.match(cut, { flag_tc: true, answers: [], questions: [{ name: 'a.example' }] })
  t.match(cut.additionals, [{ type: 'OPT', udpPayloadSize: 4096 }])
})

t.test('anything is survived', async (t) => {
  const real = fc.constantFrom(query('a.example', 1232), answer('a.example', 3, 1232))
  const broken = fc
    .tuple(real, fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 8 }), fc.nat(120))
    .map(([bytes, changes, cut]) => {
      const out = Uint8Array.from(bytes)
      for (const [at, value] of changes) out[at % out.length] = value
      return out.subarray(0, Math.max(12, cut))
    })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 600 }), broken), fc.nat(600), (bytes, size) => {
      isDnsQuery(bytes)
      answersQuery(bytes, query('a.example'))
      answersQuery(answer('a.example', 1), bytes)
      udpAnswerSize(bytes)
      if (dnsFailure(bytes, 1).length < 12) throw new Error('failure without a header')
      if (bytes.length < 12) return
      const fitted = fitUdpAnswer(bytes, size)
      if (fitted.length > Math.max(size, 12 + 255 + 4 + 11)) throw new Error('does not fit')
      if (bytes.length > size && ((fitted[2] ?? 0) & 2) === 0) throw new Error('not marked')
    }),
    fuzzRun,
  )
  t.pass()
})
