/** Reading messages: against dns-packet on good ones, and unharmed by bad ones. */
import { type Answer, decode, encode } from 'dns-packet'
import fc from 'fast-check'
import t from 'tap'
import { set16 } from '../../src/core/bytes.js'
import type { Bytes } from '../../src/core/types.js'
import { interpret, lifetime } from '../../src/dns/answer.js'
import { DNS_POINTERS } from '../../src/dns/limits.js'
import { optRecord, parseMessage, readName } from '../../src/dns/message.js'
import { a, aaaa, cname, DnsWorld, endpoint, ptr, soa } from './dns-world.js'

const FUZZ_MS = Number(process.env.FUZZ_SECONDS ?? 3) * 1000
const ONE = '10.0.0.1:53'

/** A header with these counts and this behind it. */
function message(
  counts: readonly [number, number, number, number],
  ...body: readonly number[]
): Bytes {
  const out = new Uint8Array(12 + body.length)
  set16(out, 2, 0x8180)
  for (const [i, count] of counts.entries()) set16(out, 4 + 2 * i, count)
  out.set(body, 12)
  return out
}

const QUESTION = [1, 0x61, 0, 0, 1, 0, 1]

t.test('a message is read as dns-packet reads it', async (t) => {
  const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/)
  const name = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join('.'))
  const ttl = fc.integer({ min: 0, max: 0x7fffffff })
  const record: fc.Arbitrary<Answer> = fc.oneof(
    fc.tuple(name, fc.ipV4(), ttl).map(([n, data, s]) => a(n, data, s)),
    fc.tuple(name, ttl).map(([n, s]) => aaaa(n, '2001:db8::1', s)),
    fc.tuple(name, name, ttl).map(([n, data, s]) => cname(n, data, s)),
    fc.tuple(name, name, ttl).map(([n, data, s]) => ptr(n, data, s)),
    fc.tuple(name, ttl).map(([n, s]) => soa(n, s, s)),
    fc
      .tuple(name, fc.string({ maxLength: 50 }))
      .map(([n, data]) => ({ type: 'TXT' as const, name: n, data })),
  )
  const records = fc.array(record, { maxLength: 8 })
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(name, records, records, records, (asked, answers, authorities, additionals) => {
        const bytes = encode({
          type: 'response',
          id: 77,
          questions: [{ type: 'A', name: asked }],
          answers,
          authorities,
          additionals,
        })
        const ours = parseMessage(bytes)
        const theirs = decode(bytes)
        if (ours === undefined) return false
        const wanted = [theirs.answers, theirs.authorities, theirs.additionals].flatMap(
          (l) => l ?? [],
        )
        return (
          ours.id === 77 &&
          ours.question?.name === asked &&
          ours.records.length === wanted.length &&
          ours.records.every((r, i) => {
            const w = wanted[i] as { name: string; ttl: number }
            return readName(bytes, r.at) === w.name && r.ttl === w.ttl
          })
        )
      }),
      { interruptAfterTimeLimit: FUZZ_MS, numRuns: 2000 },
    ),
  )
})

t.test('names are compared by their bytes', async (t) => {
  const read = (...bytes: number[]) =>
    readName(new Uint8Array([...new Array(12).fill(0), ...bytes]), 12)
  t.equal(read(0), '')
  t.equal(read(3, 0x57, 0x77, 0x57, 0), 'www', 'letter case does not count')
  t.equal(read(3, 0x61, 0x2e, 0x62, 0), 'a\\046b', 'a dot in a label is no border')
  t.equal(read(1, 0x5c, 0), '\\092')
  t.equal(read(2, 0xc3, 0xbc, 0), '\\195\\188', 'bytes are not taken for UTF-8')
  t.equal(read(1, 0xff, 0), '\\255')
  t.equal(read(1, 0, 0), '\\000')
})

t.test('malformed messages are refused', async (t) => {
  const cases: Record<string, Bytes> = {
    'no bytes': new Uint8Array(0),
    '11 bytes': new Uint8Array(11),
    'a question that is not there': message([1, 0, 0, 0]),
    '65535 questions': message([65535, 0, 0, 0], ...QUESTION),
    '65535 answers': message([1, 65535, 0, 0], ...QUESTION),
    '65535 of everything': message([65535, 65535, 65535, 65535], ...QUESTION),
    'two questions': message([2, 0, 0, 0], ...QUESTION, ...QUESTION),
    'a question cut short': message([1, 0, 0, 0], 1, 0x61, 0, 0, 1, 0),
    'a name without end': message([1, 0, 0, 0], 3, 0x61, 0x61, 0x61, 3, 0x61),
    'a label of type 01': message([1, 0, 0, 0], 0x41, 0x61, 0, 0, 1, 0, 1),
    'a label of type 10': message([1, 0, 0, 0], 0x81, 0x61, 0, 0, 1, 0, 1),
    'a pointer to itself': message([1, 0, 0, 0], 0xc0, 12, 0, 1, 0, 1),
    'a pointer forwards': message([1, 0, 0, 0], 0xc0, 20, 0, 1, 0, 1, 0, 0, 0),
    'a pointer into the header': message([1, 0, 0, 0], 0xc0, 0, 0, 1, 0, 1),
    'a pointer cut in two': message([1, 0, 0, 0], 0, 0, 1, 0xc0),
    'a record cut short': message([1, 1, 0, 0], ...QUESTION, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0),
    'data longer than the message': message(
      [1, 1, 0, 0],
      ...QUESTION,
      0,
      0,
      1,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      4,
      1,
      2,
      3,
    ),
    'an A record of 5 bytes': message(
      [1, 1, 0, 0],
      ...QUESTION,
      0,
      0,
      1,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      5,
      1,
      2,
      3,
      4,
      5,
    ),
    'an AAAA record of 4': message(
      [1, 1, 0, 0],
      ...QUESTION,
      0,
      0,
      28,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      4,
      1,
      2,
      3,
      4,
    ),
    'a CNAME that loops': message(
      [1, 1, 0, 0],
      ...QUESTION,
      0,
      0,
      5,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      2,
      0xc0,
      30,
    ),
    'a CNAME behind which data goes on': message(
      [1, 1, 0, 0],
      ...QUESTION,
      0,
      0,
      5,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      2,
      0,
      0,
    ),
    'a CNAME that goes on behind its data': message(
      [1, 1, 0, 0],
      ...QUESTION,
      0,
      0,
      5,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      1,
      1,
      0x61,
      0,
    ),
  }
  for (const [what, bytes] of Object.entries(cases)) t.equal(parseMessage(bytes), undefined, what)
  const long = [...new Array(128).fill([1, 0x61]).flat(), 0]
  t.equal(
    parseMessage(message([1, 0, 0, 0], ...long, 0, 1, 0, 1)),
    undefined,
    'a name of 257 bytes',
  )
  t.ok(
    parseMessage(message([1, 0, 0, 0], ...long.slice(2), 0, 1, 0, 1)),
    'one of 255 is the longest',
  )
})

t.test('bytes behind the message are cut off', async (t) => {
  const bytes = message([1, 0, 0, 0], ...QUESTION)
  t.same(parseMessage(message([1, 0, 0, 0], ...QUESTION, 1, 2, 3))?.bytes, bytes)
})

t.test('only a sole OPT record with the root as its name counts', async (t) => {
  const opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]
  const read = (n: number, ...body: number[]) => {
    const parsed = parseMessage(message([1, 0, 0, n], ...QUESTION, ...body))
    return parsed && optRecord(parsed)
  }
  t.equal(read(1, ...opt)?.klass, 1232)
  t.equal(read(2, ...opt, ...opt), undefined)
  t.equal(read(1, 1, 0x61, ...opt), undefined)
})

/**
 * 64 KiB in which every record costs the reader as much as can be: CNAMEs whose owner and target are
 * the longest name there is, behind as many pointers as are allowed, and which lead in a circle.
 */
function bomb(): { bytes: Bytes; name: string } {
  const out = new Uint8Array(65_535)
  set16(out, 2, 0x8180)
  set16(out, 4, 1)
  let at = 12
  for (const length of [63, 63, 63, 61]) {
    out[at] = length
    out.fill(0x62, at + 1, at + 1 + length)
    at += length + 1
  }
  set16(out, at + 1, 1)
  set16(out, at + 3, 1)
  at += 5
  let target = 12
  let records = 0
  for (; at + 14 <= out.length; at += 14) {
    set16(out, at, 0xc000 | target)
    if (records < DNS_POINTERS - 2) target = at
    set16(out, at + 2, 5)
    set16(out, at + 4, 1)
    set16(out, at + 6, 1)
    set16(out, at + 10, 2)
    set16(out, at + 12, 0xc000 | target)
    records++
  }
  set16(out, 6, records)
  return { bytes: out.subarray(0, at), name: [63, 63, 63, 61].map((n) => 'b'.repeat(n)).join('.') }
}

t.test('a compression bomb costs bounded work', async (t) => {
  const { bytes, name } = bomb()
  const parsed = parseMessage(bytes)
  t.ok(parsed, 'it is well-formed')
  if (parsed === undefined) return
  t.equal(parsed.records.length, 4661)
  t.same(interpret(parsed, name, 'A', 0), { kind: 'endless' })
  t.equal(lifetime(parsed), 0)
})

t.test('pointers in one name are bounded', async (t) => {
  const bytes = new Uint8Array(13 + 2 * (DNS_POINTERS + 2))
  const pointer = (i: number) => 11 + 2 * i
  for (let i = 1; i <= DNS_POINTERS + 1; i++) {
    set16(bytes, pointer(i), 0xc000 | (i === 1 ? 12 : pointer(i - 1)))
  }
  t.equal(readName(bytes, pointer(DNS_POINTERS)), '')
  t.equal(readName(bytes, pointer(DNS_POINTERS + 1)), undefined)
})

t.test('no bytes make the reader throw or wander', async (t) => {
  const valid = encode({
    type: 'response',
    questions: [{ type: 'A', name: 'www.example' }],
    answers: [cname('www.example', 'b.example'), a('b.example', '192.0.2.1'), ptr('x', 'y.z')],
    authorities: [soa('example')],
    additionals: [aaaa('b.example', '2001:db8::1')],
  })
  const read = (bytes: Bytes) => {
    const parsed = parseMessage(bytes)
    if (parsed === undefined) return
    for (const record of parsed.records) readName(bytes, record.at)
    interpret(parsed, 'www.example', 'A', 0)
    interpret(parsed, 'www.example', 'PTR', 0)
    const seconds = lifetime(parsed)
    if (!(seconds >= 0 && seconds <= 3600)) throw new Error(`lifetime ${seconds}`)
  }
  const flips = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 6 })
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(flips, fc.nat(valid.length), (changes, cut) => {
        const bytes = new Uint8Array(valid)
        for (const [at, byte] of changes) bytes[at] = byte
        read(bytes)
        read(bytes.subarray(0, cut))
      }),
      { interruptAfterTimeLimit: FUZZ_MS, numRuns: 1_000_000 },
    ),
  )
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => read(noise)),
      { interruptAfterTimeLimit: FUZZ_MS / 3, numRuns: 1_000_000 },
    ),
  )
})

t.test('no answer makes the machine throw, hang or keep anything', async (t) => {
  const flips = fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 4 })
  const good = (query: Bytes) => {
    const { questions = [], id = 0 } = decode(Buffer.from(query))
    return encode({
      type: 'response',
      id,
      questions,
      answers: [cname(questions[0]?.name ?? '', 'b.example'), a('b.example', '192.0.2.1')],
    })
  }
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(flips, fc.nat(120), fc.boolean()), { maxLength: 6 }),
        (answers) => {
          const world = new DnsWorld(
            {
              [ONE]: (asked) =>
                answers.map(([changes, cut, whole], i) => {
                  const bytes = new Uint8Array(good(asked.bytes))
                  for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte
                  return { bytes: whole ? bytes : bytes.subarray(0, cut), after: i }
                }),
            },
            { servers: [endpoint(ONE)] },
          )
          const { error, values } = world.lookup('www.example', ['A', 'AAAA'])
          if (error === undefined && values.A === undefined && values.AAAA === undefined)
            return false
          return world.open.size === 0 && world.machine.deadline() === Number.POSITIVE_INFINITY
        },
      ),
      { interruptAfterTimeLimit: FUZZ_MS, numRuns: 100_000 },
    ),
  )
})
