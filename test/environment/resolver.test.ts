/** The resolver's driver: ports, connections, timers and promises around the machine. */
import { decode, encode } from 'dns-packet'
import t from 'tap'
import { PvpnError } from '../../src/core/errors.js'
import { silentLogger } from '../../src/core/log.js'
import type { DnsOptions } from '../../src/core/options.js'
import type { ByteStream, DatagramPort } from '../../src/core/stream.js'
import type { Bytes, Endpoint, LinkInfo } from '../../src/core/types.js'
import { AnswerReader, type DnsTransport } from '../../src/environment/dns-attempts.js'
import { createResolver } from '../../src/environment/resolver.js'
import { a, aaaa, answerTo, endpoint, type Server, zone } from '../dns/dns-world.js'
import { seededRandom } from '../support/seeded.js'
import { VirtualClock } from './virtual-clock.js'

const LINK: LinkInfo = {
  addresses: ['10.0.0.2/24', 'fd00::2/64'],
  dns: ['10.0.0.1'],
  search: ['office.example'],
  mtu: 1420,
}
const RECORDS = [
  a('web.example', '192.0.2.1'),
  a('web.example', '192.0.2.2'),
  aaaa('web.example', '2001:db8::1'),
  a('host.office.example', '192.0.2.3'),
]

/** A transport to one made-up server that answers after 10 ms. */
class FakeNetwork implements DnsTransport {
  readonly clock = new VirtualClock()
  readonly open = new Set<object>()
  readonly queries: { name: string; type: string; transport: string; to: Endpoint }[] = []
  server: Server = zone(RECORDS)
  openError: PvpnError | undefined
  dialError: PvpnError | undefined
  /** Milliseconds until a port is there. */
  openDelay = 0
  refuseToSend = false
  portError: PvpnError | undefined
  /** How an answer by TCP is cut into pieces. */
  cut: (bytes: Bytes) => readonly Bytes[] = (bytes) => [bytes]

  async openUdp(_family: 4 | 6): Promise<DatagramPort> {
    if (this.openDelay > 0)
      await new Promise<void>((resolve) =>
        this.clock.at(this.clock.now() + this.openDelay, resolve),
      )
    if (this.openError !== undefined) throw this.openError
    const port: DatagramPort = {
      local: endpoint('10.0.0.2:40000'),
      send: (to, bytes) => {
        if (this.refuseToSend) return false
        const { portError } = this
        if (portError !== undefined) this.later(() => port.onError(to, portError))
        else this.answer('udp', to, bytes, (answer) => port.onMessage(to, answer))
        return true
      },
      close: () => void this.open.delete(port),
      onMessage() {},
      onError() {},
    }
    this.open.add(port)
    return port
  }

  async dialTcp(to: Endpoint, signal: AbortSignal): Promise<ByteStream> {
    if (this.dialError !== undefined) throw this.dialError
    const written: number[] = []
    const arrived: Bytes[] = []
    let ended = false
    const stream: ByteStream = {
      local: endpoint('10.0.0.2:40000'),
      remote: to,
      write: (bytes) => {
        // Seven bytes at a time, then "full" for a while.
        const taken = Math.min(7, bytes.length)
        written.push(...bytes.subarray(0, taken))
        if (taken < bytes.length) this.later(() => stream.onWritable(), 1)
        const length = ((written[0] ?? 0) << 8) | (written[1] ?? 0)
        if (written.length === length + 2) {
          this.answer('tcp', to, new Uint8Array(written.slice(2)), (answer) => {
            const framed = new Uint8Array(answer.length + 2)
            framed.set([answer.length >> 8, answer.length & 255])
            framed.set(answer, 2)
            for (const piece of this.cut(framed)) {
              arrived.push(piece)
              stream.onReadable()
            }
            ended = true
            stream.onReadable()
            stream.onClose()
          })
        }
        return taken
      },
      read: () => arrived.shift(),
      get ended() {
        return ended && arrived.length === 0
      },
      end() {},
      abort: () => void this.open.delete(stream),
      onReadable() {},
      onWritable() {},
      onClose() {},
    }
    signal.addEventListener('abort', () => this.open.delete(stream))
    this.open.add(stream)
    return stream
  }

  later(run: () => void, ms = 10): void {
    this.clock.at(this.clock.now() + ms, run)
  }

  answer(
    transport: 'udp' | 'tcp',
    to: Endpoint,
    bytes: Bytes,
    arrive: (answer: Bytes) => void,
  ): void {
    const query = decode(Buffer.from(bytes))
    const { name = '', type = '' } = query.questions?.[0] ?? {}
    this.queries.push({ name, type, transport, to })
    const asked = { at: 0, server: '', transport, attempt: 0, bytes, query, name, type }
    for (const reply of [this.server(asked) ?? []].flat()) {
      if (reply.bytes !== undefined) {
        const { bytes: answer } = reply
        this.later(() => arrive(answer), reply.after)
      }
    }
  }
}

function made(dns: Partial<DnsOptions> = {}, link: LinkInfo | undefined = LINK) {
  const network = new FakeNetwork()
  const resolver = createResolver({
    dns: { servers: undefined, search: undefined, zones: {}, hosts: {}, listen: [], ...dns },
    transport: network,
    clock: network.clock,
    random: seededRandom(3),
    logger: silentLogger,
  })
  resolver.configure(link)
  /** The promise's outcome once this much time has passed. */
  const within = async <T>(ms: number, promise: Promise<T>): Promise<T | PvpnError | 'pending'> => {
    let outcome: T | PvpnError | 'pending' = 'pending'
    promise.then(
      (value) => {
        outcome = value
      },
      (error: PvpnError) => {
        outcome = error
      },
    )
    await network.clock.advance(ms)
    return outcome
  }
  return { network, resolver, within }
}

t.test('lookup gives both families in turn, the newer first', async (t) => {
  const { network, resolver, within } = made()
  t.same(await within(10, resolver.lookup('web.example')), [
    '2001:db8::1',
    '192.0.2.1',
    '192.0.2.2',
  ])
  t.same(
    network.queries.map(({ type }) => type),
    ['A', 'AAAA'],
  )
  t.same(network.queries[0]?.to, { address: '10.0.0.1', port: 53 })
  t.same(await within(0, resolver.lookup('web.example', { family: 4 })), ['192.0.2.1', '192.0.2.2'])
  t.same(await within(10, resolver.lookup('host')), ['192.0.2.3'], 'the search list of the tunnel')
  t.equal(network.open.size, 0)
  t.equal(network.clock.pending, 0, 'no timer is left')
})

t.test('only families that the environment has addresses of are asked for', async (t) => {
  const { network, resolver, within } = made({}, { ...LINK, addresses: ['10.0.0.2/24'] })
  t.same(await within(10, resolver.lookup('web.example')), ['192.0.2.1', '192.0.2.2'])
  t.same(
    network.queries.map(({ type }) => type),
    ['A'],
  )
  t.same(
    await within(10, resolver.lookup('web.example', { family: 6 })),
    ['2001:db8::1'],
    'or what the caller wants',
  )
})

t.test('IP literals are themselves', async (t) => {
  const { network, resolver } = made()
  t.same(await resolver.lookup('192.0.2.7'), ['192.0.2.7'])
  t.same(await resolver.lookup('2001:DB8:0::7'), ['2001:db8::7'])
  t.same(await resolver.lookup('[2001:db8::7]'), ['2001:db8::7'])
  await t.rejects(resolver.lookup('192.0.2.7', { family: 6 }), { code: 'ERR_NAME' })
  t.same(network.queries, [])
})

t.test('names of other scripts are converted, nonsense is no name', async (t) => {
  const { network, resolver, within } = made()
  await within(10, resolver.lookup('Bücher.example'))
  t.equal(network.queries[0]?.name, 'xn--bcher-kva.example')
  for (const name of ['', 'a b', '\u0000', 'ü'.repeat(300)]) {
    await t.rejects(resolver.lookup(name), { code: 'ERR_NAME' })
  }
})

t.test('a slow family does not hold up the other for long', async (t) => {
  const { network, resolver, within } = made()
  const quick = zone(RECORDS)
  network.server = (asked) => (asked.type === 'AAAA' ? undefined : quick(asked))
  const seen: unknown[] = []
  const each = resolver.lookupEach('web.example', (addresses, family) =>
    seen.push([family, ...addresses]),
  )
  const both = resolver.lookup('web.example')
  t.equal(await within(10, each), 'pending')
  t.same(seen, [[4, '192.0.2.1', '192.0.2.2']])
  t.same(await within(500, both), ['192.0.2.1', '192.0.2.2'])
  t.equal(await within(10_000, each), undefined, 'resolved, though AAAA failed')
  t.equal(network.clock.pending, 0)
})

t.test('reverse', async (t) => {
  const { network, resolver, within } = made({ hosts: { 'build.example': ['192.168.11.20'] } })
  t.same(await within(0, resolver.reverse('192.168.11.20')), ['build.example'])
  t.match(await within(10, resolver.reverse('192.168.11.21')), { code: 'ERR_NAME' })
  t.same(
    network.queries.map(({ name }) => name),
    ['21.11.168.192.in-addr.arpa'],
  )
})

t.test('exchange', async (t) => {
  const { resolver, within } = made()
  const query = encode({ type: 'query', id: 7, questions: [{ name: 'web.example', type: 'A' }] })
  const reply = await within(10, resolver.exchange(query, 'udp'))
  t.ok(reply instanceof Uint8Array)
  t.equal(decode(Buffer.from(reply as Bytes)).answers?.length, 2)
  await t.rejects(resolver.exchange(new Uint8Array(2), 'udp'), { code: 'ERR_PROTOCOL' })
})

t.test('a call can be given up', async (t) => {
  const { network, resolver, within } = made()
  network.server = () => undefined
  const abort = new AbortController()
  const { signal } = abort
  const query = encode({ type: 'query', id: 7, questions: [{ name: 'web.example', type: 'A' }] })
  const calls: Promise<unknown>[] = [
    resolver.lookup('web.example', { signal }),
    resolver.lookupEach('web.example', () => {}, { signal }),
    resolver.reverse('192.0.2.1', { signal }),
    resolver.exchange(query, 'udp', { signal }),
  ]
  await network.clock.advance(20)
  t.ok(network.open.size > 0)
  abort.abort()
  for (const call of calls) await t.rejects(call as Promise<void>, { code: 'ERR_ABORTED' })
  t.equal(network.open.size, 0)
  t.equal(network.clock.pending, 0)
  t.match(await within(0, resolver.lookup('web.example', { signal })), { code: 'ERR_ABORTED' })
})

t.test('a port that comes when nobody wants it any more is closed', async (t) => {
  const { network, resolver } = made()
  network.openDelay = 50
  const abort = new AbortController()
  const call = resolver.lookup('web.example', { signal: abort.signal })
  await network.clock.advance(10)
  abort.abort()
  await t.rejects(call, { code: 'ERR_ABORTED' })
  await network.clock.advance(100)
  t.equal(network.open.size, 0)
})

t.test('failures of the way to the server are reported at once', async (t) => {
  const refused = new PvpnError('ERR_HOST_UNREACHABLE', 'port unreachable')
  const ways: [string, (network: FakeNetwork) => void][] = [
    [
      'no port',
      (network) => Object.assign(network, { openError: new PvpnError('ERR_LIMIT', 'no ports') }),
    ],
    ['not sent', (network) => Object.assign(network, { refuseToSend: true })],
    ['ICMP', (network) => Object.assign(network, { portError: refused })],
    [
      'no TCP either',
      (network) =>
        Object.assign(network, {
          openError: new PvpnError('ERR_UNSUPPORTED', 'no'),
          dialError: refused,
        }),
    ],
  ]
  for (const [what, change] of ways) {
    const { network, resolver, within } = made()
    change(network)
    t.match(await within(20, resolver.lookup('web.example')), { code: 'ERR_RESOLVER' }, what)
    t.equal(network.open.size, 0, what)
    t.equal(network.clock.pending, 0, what)
  }
})

t.test('by TCP', async (t) => {
  const pieces: Record<string, (bytes: Bytes) => readonly Bytes[]> = {
    whole: (bytes) => [bytes],
    'byte by byte': (bytes) => [...bytes].map((byte) => new Uint8Array([byte])),
    'with more behind it': (bytes) => [new Uint8Array([...bytes, 1, 2, 3])],
  }
  for (const [what, cut] of Object.entries(pieces)) {
    const { network, resolver, within } = made()
    network.openError = new PvpnError('ERR_UNSUPPORTED', 'no datagrams')
    network.cut = cut
    t.same(
      await within(40, resolver.lookup('web.example')),
      ['2001:db8::1', '192.0.2.1', '192.0.2.2'],
      what,
    )
    t.equal(network.open.size, 0)
  }
  const { network, resolver, within } = made()
  network.openError = new PvpnError('ERR_UNSUPPORTED', 'no datagrams')
  network.cut = (bytes) => [bytes.subarray(0, 20)]
  t.match(await within(40, resolver.lookup('web.example')), {
    code: 'ERR_RESOLVER',
    message: /closed/,
  })
  t.equal(network.open.size, 0)
})

t.test('a truncated answer goes by TCP', async (t) => {
  const { network, resolver, within } = made()
  const whole = zone(RECORDS)
  network.server = (asked) =>
    asked.transport === 'udp' ? { bytes: answerTo(asked, { tc: true }) } : whole(asked)
  t.same(await within(60, resolver.lookup('web.example', { family: 4 })), [
    '192.0.2.1',
    '192.0.2.2',
  ])
  t.same(
    network.queries.map(({ transport }) => transport),
    ['udp', 'tcp'],
  )
})

t.test('the stream reader holds one message at most', async (t) => {
  const reader = new AnswerReader()
  t.equal(reader.push(new Uint8Array([0])), undefined)
  t.equal(reader.push(new Uint8Array([3, 1])), undefined)
  t.same(reader.push(new Uint8Array([2, 3, 4, 5])), new Uint8Array([1, 2, 3]))
  t.same(new AnswerReader().push(new Uint8Array([0, 0])), new Uint8Array(0))
})

t.test('the configuration goes before what the tunnel brings', async (t) => {
  const { network, resolver, within } = made({
    servers: [endpoint('10.9.9.9:5353'), endpoint('[fd00::53]:53')],
    search: [],
  })
  t.same(resolver.current, { servers: ['10.9.9.9:5353', 'fd00::53'], search: [] })
  t.match(await within(10, resolver.lookup('host')), { code: 'ERR_NAME' })
  t.same(network.queries[0]?.to, { address: '10.9.9.9', port: 5353 })
  t.same(made().resolver.current, { servers: ['10.0.0.1'], search: ['office.example'] })
})

t.test('without any server the error says what to do', async (t) => {
  const { resolver, within } = made({}, { ...LINK, dns: [], search: [] })
  t.match(await within(0, resolver.lookup('web.example')), {
    code: 'ERR_NAME',
    hint: /dns\.servers/,
  })
  t.same(await resolver.lookup('192.0.2.1'), ['192.0.2.1'], 'addresses need none')
})

t.test('down and up', async (t) => {
  const { network, resolver, within } = made()
  network.server = () => undefined
  const waiting = resolver.lookup('web.example')
  await network.clock.advance(5)
  resolver.configure(undefined)
  await t.rejects(waiting, { code: 'ERR_DOWN' })
  t.equal(network.open.size, 0)
  t.equal(network.clock.pending, 0)
  await t.rejects(resolver.lookup('web.example'), { code: 'ERR_DOWN' })
  network.server = zone(RECORDS)
  resolver.configure(LINK)
  await within(10, resolver.lookup('web.example'))
  resolver.configure({ ...LINK, mtu: 1280 })
  t.equal(resolver.stats().cacheEntries, 2, 'the same servers again: answers are kept')
  resolver.configure({ ...LINK, dns: ['10.0.0.9'] })
  t.equal(resolver.stats().cacheEntries, 0, 'others: forgotten')
  await within(10, resolver.lookup('web.example'))
  t.equal(network.queries.at(-1)?.to.address, '10.0.0.9')
  resolver.flush()
  t.equal(resolver.stats().cacheEntries, 0)
  resolver.close()
  resolver.configure(LINK)
  await t.rejects(resolver.lookup('web.example'), { code: 'ERR_DOWN' }, 'closed for good')
})
