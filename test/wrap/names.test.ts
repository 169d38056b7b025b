/** What programs of the preload library are told of names: over a resolver of the test's own. */
import t from 'tap'
import { PvpnError } from '../../src/core/errors.js'
import type { Bytes } from '../../src/core/types.js'
import { parseMessage } from '../../src/dns/message.js'
import { MAX_FOUND } from '../../src/wrap/virtual/limits.js'
import { answerNames } from '../../src/wrap/virtual/names.js'
import {
  ADDRESS_SIZE,
  KIND,
  type QueryHandler,
  type Reply,
  readAddress,
  writeAddress,
} from '../../src/wrap/virtual/protocol.js'
import type { QueryPort } from '../../src/wrap/virtual/query-port.js'

const [NOT_FOUND, TRY_AGAIN, NO_DATA] = [1, 2, 4]
const BOTH = 3

/** Records by name and type; a number is an rcode. */
const ZONE: Record<string, readonly Uint8Array[] | number> = {
  'web.office.example 1': [new Uint8Array([192, 0, 2, 1])],
  'web.office.example 28': [new Uint8Array([0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1])],
  'four.office.example 1': [new Uint8Array([192, 0, 2, 4]), new Uint8Array([192, 0, 2, 5])],
  'four.office.example 28': [],
  'empty.example 1': [],
  'empty.example 28': [],
  'broken.example 1': 2,
  'broken.example 28': 2,
  'many.example 1': Array.from({ length: 100 }, (_, i) => new Uint8Array([10, 0, 0, i])),
  'text.example 16': [new Uint8Array([2, 104, 105])],
  'xn--mnchen-3ya.example 1': [new Uint8Array([192, 0, 2, 9])],
}

function answer(query: Bytes): Bytes {
  const question = parseMessage(query)?.question
  if (question === undefined) throw new PvpnError('ERR_PROTOCOL', 'no query')
  const said = ZONE[`${question.name} ${question.type}`] ?? 3
  const records = typeof said === 'number' ? [] : said
  const head = Buffer.from(query.slice(0, question.end))
  head.writeUInt16BE(0x8180 | (typeof said === 'number' ? said : 0), 2)
  head.writeUInt16BE(records.length, 6)
  const parts = records.map((data) => {
    const record = Buffer.alloc(12)
    record.writeUInt16BE(0xc00c, 0)
    record.writeUInt16BE(question.type, 2)
    record.writeUInt16BE(1, 4)
    record.writeUInt16BE(data.length, 10)
    return Buffer.concat([record, data])
  })
  return Buffer.concat([head, ...parts])
}

function serve(addresses: readonly string[] = ['192.168.9.52/32']) {
  const handlers = new Map<number, QueryHandler>()
  const port = { answer: (kind: number, handler: QueryHandler) => handlers.set(kind, handler) }
  const asked: string[] = []
  answerNames({
    environment: {
      dns: { servers: [], search: ['office.example'] },
      link: { addresses, mtu: 1420 } as never,
      exchange: async (query) => {
        asked.push(parseMessage(query)?.question?.name ?? '?')
        return answer(query)
      },
      reverse: async (address) => {
        if (address === '192.0.2.1') return ['web.office.example']
        throw new PvpnError(address === '192.0.2.2' ? 'ERR_NAME' : 'ERR_RESOLVER', 'no')
      },
    },
    hosts: { 'Build.office.example': ['192.168.11.20', 'fd00::20'], printer: ['192.168.11.30'] },
    random: (out) => out.fill(7),
    port: port as unknown as QueryPort,
  })
  const ask = async (kind: number, data: Bytes, value = 0, flags = 0): Promise<Reply> => {
    const handler = handlers.get(KIND.names + kind)
    if (handler === undefined) throw new Error('nobody answers')
    return handler({ kind, flags, id: '', value, data, takeDescriptor: () => undefined })
  }
  const lookup = async (name: string, want = BOTH) => {
    const { value, data } = await ask(2, Buffer.from(name), want)
    if (value !== undefined) return value
    const bytes = data ?? new Uint8Array(0)
    const end = bytes.indexOf(0)
    const found: (string | undefined)[] = [Buffer.from(bytes.subarray(0, end)).toString()]
    for (let at = end + 1; at < bytes.length; at += ADDRESS_SIZE) {
      found.push(readAddress(bytes, at)?.address)
    }
    return found
  }
  const reverse = async (address: string) => {
    const data = new Uint8Array(ADDRESS_SIZE)
    writeAddress(data, 0, { address, port: 0 })
    const reply = await ask(3, data)
    return reply.value ?? Buffer.from(reply.data ?? '').toString()
  }
  return { ask, asked, lookup, reverse }
}

t.test('addresses: the search list, both families, the name that has them', async (t) => {
  const { lookup, asked } = serve()
  t.strictSame(await lookup('web'), ['web.office.example', '192.0.2.1', '2001:db8::1'])
  t.strictSame(await lookup('WEB.office.example.', 2), ['web.office.example', '2001:db8::1'])
  asked.length = 0
  t.strictSame(await lookup('web.office.example', 1), ['web.office.example', '192.0.2.1'])
  t.strictSame(asked, ['web.office.example'], 'nothing but what was asked for')
  t.equal(((await lookup('many.example')) as string[]).length, 1 + MAX_FOUND)
  t.strictSame(await lookup('münchen.example', BOTH | 8), ['xn--mnchen-3ya.example', '192.0.2.9'])
})

t.test('no such name, no data and try again are kept apart', async (t) => {
  const { lookup } = serve()
  t.equal(await lookup('nosuch.example'), NOT_FOUND)
  t.equal(await lookup('four', 2), NO_DATA)
  t.equal(await lookup('empty.example'), NO_DATA)
  t.equal(await lookup('broken.example'), TRY_AGAIN)
  for (const name of ['', '..', 'a'.repeat(64), 'a b', 'x\0y']) {
    t.equal(await lookup(name), NOT_FOUND, JSON.stringify(name))
  }
})

t.test("the environment's hosts and localhost are asked of nobody", async (t) => {
  const { lookup, reverse, asked } = serve()
  t.strictSame(await lookup('build.office.example', 1), ['build.office.example', '192.168.11.20'])
  t.strictSame(await lookup('build', 2), ['build.office.example', 'fd00::20'])
  t.strictSame(await lookup('printer'), ['printer', '192.168.11.30'])
  t.equal(await lookup('printer', 2), NO_DATA)
  t.strictSame(await lookup('localhost'), ['localhost', '::1', '127.0.0.1'])
  t.equal(await reverse('192.168.11.20'), 'build.office.example\0')
  t.equal(await reverse('127.0.0.5'), 'localhost\0')
  t.strictSame(asked, [])
})

t.test('the order, and only families that there are', async (t) => {
  const six = serve(['192.0.2.52/32', '2001:db8:1::1/128'])
  t.strictSame((await six.lookup('web')).toString(), 'web.office.example,2001:db8::1,192.0.2.1')
  const local = serve(['192.0.2.52/32', 'fd00::1/128'])
  t.strictSame((await local.lookup('web')).toString(), 'web.office.example,192.0.2.1,2001:db8::1')
  t.strictSame((await serve().lookup('web', BOTH | 4)).toString(), 'web.office.example,192.0.2.1')
})

t.test('names of addresses', async (t) => {
  const { reverse } = serve()
  t.equal(await reverse('192.0.2.1'), 'web.office.example\0')
  t.equal(await reverse('192.0.2.2'), NOT_FOUND)
  t.equal(await reverse('192.0.2.3'), TRY_AGAIN)
})

t.test('questions of other types, and whole messages', async (t) => {
  const { ask } = serve()
  const question = (name: string, search = 0) => ask(1, Buffer.from(name), 16 | (1 << 16), search)
  t.ok(Buffer.from((await question('text.example')).data ?? '').includes('hi'))
  t.equal((await question('nosuch.example', 1)).value, NOT_FOUND)
  t.equal((await ask(1, Buffer.from('web'), 1 | (1 << 16), 0)).value, NOT_FOUND)
  t.ok((await ask(1, Buffer.from('web'), 1 | (1 << 16), 1)).data)
  const message = Buffer.from('0007010000010000000000000474657874076578616d706c650000100001', 'hex')
  t.equal(parseMessage((await ask(0, message)).data ?? new Uint8Array(0))?.id, 7)
  await t.rejects(ask(0, new Uint8Array(5)))
})
