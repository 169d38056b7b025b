import { connect } from 'node:net'
import dnsPacket from 'dns-packet'
import t from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { createDnsListener } from '../../src/listener/dns-listener.js'
import { absent, run } from '../support/clients.js'
import { type Cleaner, RawClient } from '../support/proxy.js'
import { udpPeer } from '../support/udp.js'

type Exchange = (
  query: Uint8Array,
  transport: 'udp' | 'tcp',
  options?: { signal?: AbortSignal },
) => Promise<Uint8Array>

/** One A record; the name's first label says how many more bytes of TXT. */
const answering: Exchange = async (bytes) => {
  const query = dnsPacket.decode(Buffer.from(bytes))
  const name = query.questions?.[0]?.name ?? ''
  const extra = Number(/^\d+/.exec(name)?.[0] ?? 0)
  const data: string[] = []
  for (let left = extra; left > 0; left -= 250) data.push('x'.repeat(Math.min(left, 250)))
  return dnsPacket.encode({
    id: query.id ?? 0,
    type: 'response',
    flags: dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE,
    questions: query.questions ?? [],
    answers: [
      { type: 'A', name, data: '10.0.0.7', ttl: 60 },
      ...(extra > 0 ? [{ type: 'TXT' as const, name, data, ttl: 60 }] : []),
    ],
  })
}

async function start(t: Cleaner, exchange: Exchange): Promise<number> {
  const listener = createDnsListener({
    listen: { kind: 'tcp', address: '127.0.0.1', port: 0 },
    environment: { exchange },
    logger: silentLogger,
  })
  await listener.start()
  t.teardown(() => listener.stop())
  return Number(listener.addresses[0]?.split(':')[1])
}

const query = (name: string, id = 7, udpPayloadSize = 0): Buffer =>
  dnsPacket.encode({
    id,
    type: 'query',
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ type: 'A', name }],
    ...(udpPayloadSize === 0
      ? {}
      : {
          additionals: [
            {
              type: 'OPT' as const,
              name: '.',
              udpPayloadSize,
              extendedRcode: 0,
              ednsVersion: 0,
              flags: 0,
              flag_do: false,
              options: [],
            },
          ],
        }),
  })
const framed = (bytes: Buffer) =>
  Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length]), bytes])

t.test('UDP: answered, and cut to what the client can take', async (t) => {
  const port = await start(t, answering)
  const client = await udpPeer(t)
  const ask = async (name: string, size: number) => {
    client.send(query(name, 7, size), port)
    return dnsPacket.decode((await client.next()) ?? Buffer.alloc(0))
  }
  const small = await ask('small.example', 0)
  t.match(small.answers?.[0], { data: '10.0.0.7' })
  t.notOk(small.flag_tc)
  for (const [name, size, cut] of [
    ['400.example', 0, false],
    ['600.example', 0, true],
    ['600.example', 100, true],
    ['600.example', 1232, false],
    ['1200.example', 1232, true],
    ['4500.example', 8000, false],
  ] as const) {
    const answer = await ask(name, size)
    t.equal(answer.flag_tc, cut, `${name} for ${size}`)
    t.equal(answer.answers?.length, cut ? 0 : 2)
    t.match(answer.questions, [{ name }])
    t.equal(answer.id, 7)
  }
})

t.test(
  'TCP: pipelined, in any cut, answers as they come, and all after the client has ended',
  async (t) => {
    const port = await start(t, async (bytes, transport) => {
      const name = dnsPacket.decode(Buffer.from(bytes)).questions?.[0]?.name ?? ''
      if (name.startsWith('slow')) await new Promise((resolve) => setTimeout(resolve, 50))
      t.equal(transport, 'tcp')
      return answering(bytes, transport)
    })
    const client = await RawClient.open(port)
    const all = Buffer.concat([
      framed(query('slow.example', 1)),
      framed(query('1000.example', 2)),
      ...Array.from({ length: 60 }, (_, i) => framed(query('q.example', i + 3))),
    ])
    client.send(all.subarray(0, 1))
    client.send(all.subarray(1, 20))
    client.send(all.subarray(20))
    client.socket.end()
    await client.rest()
    const ids: number[] = []
    for (let at = 0; at < client.received.length; ) {
      const length = client.received.readUInt16BE(at)
      ids.push(client.received.readUInt16BE(at + 2))
      at += 2 + length
    }
    t.same(
      ids.toSorted((a, b) => a - b),
      Array.from({ length: 62 }, (_, i) => i + 1),
    )
    t.equal(ids[0], 2)
  },
)

t.test('many questions under way on one connection are no leak to warn of', async (t) => {
  const warnings: Error[] = []
  const warned = (warning: Error) => warnings.push(warning)
  process.on('warning', warned)
  t.teardown(() => process.removeListener('warning', warned))
  const port = await start(t, (bytes, _transport, options) => {
    // As the environment does, which gives up when the client goes.
    options?.signal?.addEventListener('abort', () => {})
    return answering(bytes, 'tcp')
  })
  const client = await RawClient.open(port)
  const one = query('a.example')
  client.send(Buffer.concat(Array.from({ length: 30 }, () => framed(one))))
  await client.take(30 * (2 + (await answering(one, 'tcp')).length))
  client.close()
  t.same(warnings, [])
})

t.test('what is not a question is refused or dropped', async (t) => {
  const port = await start(t, answering)
  const client = await udpPeer(t)
  const answer = Buffer.from(query('a.example'))
  answer[2] = (answer[2] ?? 0) | 0x80
  client.send(answer, port)
  client.send([1, 2, 3], port)
  const two = Buffer.from(query('a.example'))
  two[5] = 2
  client.send(two, port)
  const cut = query('a.example').subarray(0, 20)
  client.send(cut, port)
  for (let i = 0; i < 2; i++) t.equal(((await client.next()) ?? [])[3], 0x81, 'FORMERR')
  t.equal(await client.next(50), undefined)
  const tcp = await RawClient.open(port)
  tcp.send([0, 3, 1, 2, 3])
  await tcp.until(() => tcp.closed, 'reset')
})

t.test('a failing environment is SERVFAIL, and questions are bounded', async (t) => {
  let waiting = 0
  const port = await start(t, async (bytes) => {
    const name = dnsPacket.decode(Buffer.from(bytes)).questions?.[0]?.name
    if (name === 'fail.example') throw new Error('down')
    waiting++
    return new Promise(() => {})
  })
  const client = await udpPeer(t)
  client.send(query('fail.example'), port)
  t.match(dnsPacket.decode((await client.next()) ?? Buffer.alloc(0)), { rcode: 'SERVFAIL' })
  for (let i = 0; i < 40; i++) {
    for (let n = 0; n < 50; n++) client.send(query('wait.example', n), port)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  t.equal(waiting, 1024)
  const tcp = connect(port, '127.0.0.1')
  tcp.on('error', () => {})
  await new Promise((resolve) => {
    tcp.on('close', resolve)
    tcp.write(framed(query('more.example')))
  })
  t.pass('a TCP client is reset then')
})

t.test('off loopback it needs the option', async (t) => {
  const listener = createDnsListener({
    listen: { kind: 'tcp', address: '0.0.0.0', port: 0 },
    environment: { exchange: answering },
    logger: silentLogger,
  })
  await t.rejects(listener.start(), { code: 'ERR_CONFIG' })
})

t.test('dig is answered, by TCP where UDP is too small', { skip: absent('dig') }, async (t) => {
  const port = await start(t, answering)
  const dig = (...args: string[]) =>
    run('dig', ['@127.0.0.1', '-p', `${port}`, '+tries=1', '+time=5', ...args])
  t.equal((await dig('+short', 'a.example')).stdout, '10.0.0.7\n')
  t.match((await dig('5000.example')).stdout, /Truncated, retrying in TCP[\s\S]*10\.0\.0\.7/)
  t.equal((await dig('+tcp', '+short', 'a.example')).stdout, '10.0.0.7\n')
})
