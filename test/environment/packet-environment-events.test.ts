import t from 'tap'
import { PvpnError } from '../../src/core/errors.js'
import { KnownSecrets } from '../../src/core/known-secrets.js'
import { type Logger, silentLogger } from '../../src/core/log.js'
import { type Answers, askFor, question } from '../../src/core/question.js'
import { socketAddressEndpoint } from '../../src/core/socket-address.js'
import type { PacketTunnel, TunnelEvent } from '../../src/core/tunnel.js'
import type { LinkInfo } from '../../src/core/types.js'
import { PacketEnvironment } from '../../src/environment/packet-environment.js'
import { createStack } from '../../src/stack/stack.js'
import { seededRandom } from '../support/seeded.js'
import { outcome } from './packet-world.js'
import { settled, VirtualClock } from './virtual-clock.js'

const LINK: LinkInfo = {
  addresses: ['10.0.0.1/24'],
  dns: ['10.0.0.53'],
  search: ['lab'],
  mtu: 1420,
}
/** A question for the address of `a`. */
const QUERY = Buffer.from('123401000001000000000000016100 00010001'.replace(' ', ''), 'hex')
const SERVFAIL = 2

/** An environment whose tunnel says what the test wants. */
function bench(resolve: (host: string) => Promise<readonly string[]> = async () => []) {
  const clock = new VirtualClock()
  const events: TunnelEvent[] = []
  const resolved: string[] = []
  const said: Answers[] = []
  const lines: string[] = []
  const infos: string[] = []
  const logger: Logger = {
    ...silentLogger,
    info: (_fields, text) => void infos.push(text),
    warn: (fields, text) => void lines.push(JSON.stringify([fields, text])),
    error: (fields, text) => void lines.push(JSON.stringify([fields, text])),
  }
  const tunnel: PacketTunnel = {
    link: { addresses: [], dns: [], search: [], mtu: 1500 },
    open: () => undefined,
    close: () => undefined,
    receive: () => undefined,
    // What goes in is lost.
    transmit: (batch) => batch.length.fill(0),
    poll: () => undefined,
    deadline: () => Number.POSITIVE_INFINITY,
    tick: () => undefined,
    takeEvent: () => events.shift(),
    resolved: (id, addresses) => {
      const texts = addresses.map((record) => {
        const { address, port } = socketAddressEndpoint(record)
        return `${address} ${port}`
      })
      resolved.push(`${id}: ${texts.join(', ')}`)
    },
    routes: () => true,
    counters: { bytesIn: 0, bytesOut: 0, packetsIn: 0, packetsOut: 0, drops: {} },
    lastHandshake: undefined,
    endpoint: undefined,
    answer: (answers) => void said.push(answers),
  }
  let states = 0
  const environment = new PacketEnvironment({
    name: 'lab',
    tunnelType: 'openvpn',
    dns: { servers: undefined, search: undefined, zones: {}, hosts: {}, listen: [] },
    connectTimeout: 5,
    tunnel,
    stack: createStack({ random: seededRandom(1) }),
    socket: {
      localPort: 1,
      send: (batch) => batch.count,
      onBatch: () => undefined,
      onWritable: () => undefined,
      onError: () => undefined,
      close: () => undefined,
    },
    clock,
    random: seededRandom(2),
    logger,
    secrets: new KnownSecrets(['right horse']),
    soon: (run) => void clock.at(clock.now(), run),
    resolveEndpoint: resolve,
    onState: () => states++,
  })
  const say = async (event: TunnelEvent) => {
    events.push(event)
    tunnel.onReady?.()
    await clock.advance(0)
  }
  return { clock, environment, say, resolved, said, lines, infos, states: () => states }
}

t.test('a tunnel brings addresses and DNS, and takes them away when it ends', async (t) => {
  const gone = new PvpnError('ERR_DOWN', 'gone')
  for (const kind of ['down', 'failed'] as const) {
    const { clock, environment, say } = bench()
    await environment.start()
    t.same(environment.dns.servers, [])
    await say({ kind: 'up', link: LINK })
    t.same(environment.dns, { servers: ['10.0.0.53'], search: ['lab'] })
    t.same(environment.link, LINK)
    const open = outcome(environment.exchange(QUERY, 'udp'))
    await clock.advance(10)
    t.same(open, {}, 'asked inside')
    await say({ kind, error: gone })
    t.equal(environment.state, kind)
    t.equal(environment.error, gone)
    t.same(environment.dns.servers, [], `${kind}: nobody is left to ask`)
    await settled()
    t.equal((open.value?.[3] ?? 0) & 15, SERVFAIL, `${kind}: who waited is told at once`)
    const next = await environment.exchange(QUERY, 'udp')
    t.equal((next[3] ?? 0) & 15, SERVFAIL)
    await environment.stop()
  }
})

t.test('new addresses while it is up are the link from then on', async (t) => {
  const { environment, say, states } = bench()
  await environment.start()
  await say({ kind: 'up', link: LINK })
  const before = states()
  await say({ kind: 'up', link: { ...LINK, addresses: ['10.0.0.7/24'], dns: ['10.0.0.54'] } })
  t.same(environment.link.addresses, ['10.0.0.7/24'])
  t.same(environment.dns.servers, ['10.0.0.54'])
  t.equal(states(), before, 'its state is the same')
  const port = await environment.bindUdp()
  t.equal(port.local.address, '10.0.0.7')
})

t.test('what was tried is told while it is not up', async (t) => {
  const { environment, say } = bench()
  await environment.start()
  await say({ kind: 'trying', error: new PvpnError('ERR_TIMEOUT', 'no answer') })
  t.equal(environment.state, 'starting')
  await t.rejects(environment.dial({ host: '10.0.0.2', port: 80 }), {
    code: 'ERR_DOWN',
    message: /no answer/,
  })
})

t.test('the name of an endpoint: literals and what resolves, none when it does not', async (t) => {
  const { environment, say, resolved } = bench(async (host) => {
    if (host === 'broken.example') throw Object.assign(new Error('no'), { code: 'ENOTFOUND' })
    return ['192.0.2.1', 'not an address', '2001:db8::1']
  })
  await environment.start()
  await say({ kind: 'resolve', host: 'vpn.example', port: 1194, id: 3 })
  await settled()
  await say({ kind: 'resolve', host: 'broken.example', port: 1194, id: 4 })
  await settled()
  t.same(resolved, ['3: 192.0.2.1 1194, 2001:db8::1 1194', '4: '])
})

t.test('a name that resolves after the stop is nobody’s any more', async (t) => {
  let answer: (addresses: readonly string[]) => void = () => undefined
  const { environment, say, resolved } = bench(() => new Promise((done) => (answer = done)))
  await environment.start()
  await say({ kind: 'resolve', host: 'vpn.example', port: 1194, id: 3 })
  await environment.stop()
  answer(['192.0.2.1'])
  await settled()
  t.same(resolved, [])
})

t.test('what a server repeats of a secret is nowhere to be seen', async (t) => {
  const { environment, say, said, lines } = bench()
  await environment.start()
  const echo = new PvpnError('ERR_DOWN', 'refused: right horse', { hint: 'right horse is wrong' })
  await say({ kind: 'trying', error: echo })
  await t.rejects(environment.dial({ host: '10.0.0.2', port: 80 }), {
    message: /refused: \*\*\*/,
    hint: '*** is wrong',
  })
  await say({ kind: 'up', link: LINK })
  await say({ kind: 'down', error: echo })
  const asks = [question('response', 'Code for right horse', { secret: false, once: true })]
  await say({ kind: 'failed', error: askFor('right horse', asks) })
  t.equal(environment.error?.asks[0]?.label, 'Code for ***')
  environment.answer({ response: '471100' })
  t.same(said, [{ response: '471100' }])
  await say({ kind: 'failed', error: new PvpnError('ERR_AUTH', 'not 471100 of right horse') })
  t.equal(environment.error?.message, 'not *** of ***')
  t.equal(lines.length, 4)
  t.notMatch(lines.join(), /horse|4711/)
})

t.test('what a server says to people is in the log, without what is secret', async (t) => {
  const { environment, say, infos } = bench()
  await environment.start()
  await say({ kind: 'up', link: { ...LINK, banner: 'Welcome, right horse' } })
  t.same(infos, ['the server says: Welcome, ***', 'tunnel up'])
})

t.test('what a server gives and can not be is in the log', async (t) => {
  const { environment, say, lines } = bench()
  await environment.start()
  await say({ kind: 'up', link: { ...LINK, leftOut: ['DNS server 127.0.0.1', 'right horse'] } })
  t.same(lines, [
    `[{},"the server gives what can't be, left out: DNS server 127.0.0.1"]`,
    `[{},"the server gives what can't be, left out: ***"]`,
  ])
})
