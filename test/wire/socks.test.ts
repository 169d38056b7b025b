import fc from 'fast-check'
import t from 'tap'
import type { Parsed } from '../../src/wire/parsed.js'
import { encodeSocks4Reply, parseSocks4Request } from '../../src/wire/socks4.js'
import {
  encodeSocks5Datagram,
  encodeSocks5Reply,
  parseSocks5Credentials,
  parseSocks5Datagram,
  parseSocks5Greeting,
  parseSocks5Request,
} from '../../src/wire/socks5.js'
import { FUZZ_MS, fuzzRun } from '../support/fuzz.js'

const bytes = (...values: (number | string)[]) =>
  Uint8Array.from(values.flatMap((v) => (typeof v === 'number' ? [v] : [...Buffer.from(v)])))

t.test('SOCKS5 messages of the RFCs', async (t) => {
  t.same(parseSocks5Greeting(bytes(5, 2, 0, 2, 99)), {
    kind: 'done',
    value: bytes(0, 2),
    length: 4,
  })
  t.match(parseSocks5Greeting(bytes(4, 1)), { kind: 'invalid' })
  t.same(parseSocks5Credentials(bytes(1, 3, 'ann', 2, 'pw', 5)), {
    kind: 'done',
    value: { name: bytes('ann'), password: bytes('pw') },
    length: 8,
  })
  t.match(parseSocks5Credentials(bytes(5, 0)), { kind: 'invalid' })
  const request = (...address: (number | string)[]) =>
    parseSocks5Request(bytes(5, 1, 0, ...address))
  t.match(request(1, 10, 0, 0, 7, 1, 187), {
    value: { command: 1, target: { host: '10.0.0.7', port: 443 } },
    length: 10,
  })
  t.match(request(3, 9, 'a.example', 0, 80, 'rest'), {
    value: { target: { host: 'a.example', port: 80 } },
    length: 16,
  })
  t.match(request(4, 0xfd, ...new Array<number>(14).fill(0), 7, 0, 80), {
    value: { target: { host: 'fd00::7', port: 80 } },
    length: 22,
  })
  t.match(request(2, 1, 2), { kind: 'done', value: { command: 1, target: undefined } })
})

t.test('SOCKS5 replies', async (t) => {
  t.same([...encodeSocks5Reply(0)], [5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  t.same(
    [...encodeSocks5Reply(0, { address: '10.0.0.7', port: 443 })],
    [5, 0, 0, 1, 10, 0, 0, 7, 1, 187],
  )
  t.same(
    encodeSocks5Reply(0, { address: 'a.example', port: 0 }),
    bytes(5, 0, 0, 3, 9, 'a.example', 0, 0),
  )
  t.equal(encodeSocks5Reply(0, { address: 'x'.repeat(300), port: 0 }).length, 262)
})

t.test('SOCKS4 and 4a', async (t) => {
  t.match(parseSocks4Request(bytes(4, 1, 0, 80, 10, 0, 0, 7, 'me', 0, 'rest')), {
    value: { command: 1, target: { host: '10.0.0.7', port: 80 } },
    length: 11,
  })
  t.match(parseSocks4Request(bytes(4, 1, 0, 80, 0, 0, 0, 1, 0, 'a.example', 0, 'x')), {
    value: { target: { host: 'a.example', port: 80 } },
    length: 19,
  })
  t.match(parseSocks4Request(bytes(4, 1, 0, 80, 0, 0, 0, 0, 0)), {
    value: { target: { host: '0.0.0.0' } },
  })
  t.equal(parseSocks4Request(bytes(4, 1, 0, 80, 0, 0, 0, 1, 0, 'a')), undefined)
  t.match(parseSocks4Request(bytes(4, 1, 0, 80, 1, 2, 3, 4, 'x'.repeat(256))), { kind: 'invalid' })
  t.same([...encodeSocks4Reply(90, { address: '10.0.0.7', port: 80 })], [0, 90, 0, 80, 10, 0, 0, 7])
  t.same([...encodeSocks4Reply(90, { address: 'fd00::7', port: 80 })], [0, 90, 0, 80, 0, 0, 0, 0])
})

const parsers: Record<string, (bytes: Uint8Array) => Parsed<unknown>> = {
  parseSocks5Greeting,
  parseSocks5Credentials,
  parseSocks5Request,
  parseSocks4Request,
}
/** Longest message of any of them, by their formats. */
const LONGEST = 520

for (const [name, parse] of Object.entries(parsers)) {
  t.test(`${name}: anything, whole and byte by byte`, { timeout: FUZZ_MS + 60_000 }, async (t) => {
    const version = name === 'parseSocks4Request' ? 4 : name.endsWith('Credentials') ? 1 : 5
    const input = fc
      .tuple(fc.boolean(), fc.uint8Array({ maxLength: 700 }))
      .map(([right, rest]) => (right ? Uint8Array.from([version, ...rest]) : rest))
    fc.assert(
      fc.property(input, (all) => {
        const whole = parse(all)
        if (whole?.kind === 'done' && whole.length > all.length) throw new Error('used too much')
        if (whole === undefined && all.length > LONGEST) throw new Error('never content')
        let first: Parsed<unknown>
        let n = 0
        while (first === undefined && n < all.length) first = parse(all.subarray(0, ++n))
        if (JSON.stringify(first) !== JSON.stringify(whole)) {
          throw new Error('differs byte by byte')
        }
        if (first?.kind === 'done' && first.length > n) throw new Error('decided too early')
      }),
      fuzzRun,
    )
    t.pass()
  })
}

t.test('UDP headers: anything, and back again', { timeout: 2 * FUZZ_MS + 60_000 }, async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (rest, right) => {
      const all = right ? Uint8Array.from([0, 0, 0, ...rest]) : rest
      const header = parseSocks5Datagram(all)
      if (header !== undefined && header.payloadAt > all.length) throw new Error('beyond the end')
    }),
    fuzzRun,
  )
  fc.assert(
    fc.property(
      fc.oneof(fc.ipV4(), fc.constantFrom('fd00::7', '2001:db8::1')),
      fc.integer({ min: 0, max: 65535 }),
      fc.uint8Array({ maxLength: 1500 }),
      (address, port, payload) => {
        const all = encodeSocks5Datagram({ address, port }, payload)
        const header = parseSocks5Datagram(all)
        if (header?.target.host !== address || header.target.port !== port)
          throw new Error('target')
        if (Buffer.compare(all.subarray(header.payloadAt), payload) !== 0)
          throw new Error('payload')
      },
    ),
    fuzzRun,
  )
  t.pass()
})
