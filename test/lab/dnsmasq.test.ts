/** The resolver against Debian's dnsmasq, and dig against the resolver's raw side, on loopback. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import type { DnsOptions } from '../../src/core/options.js'
import type { Endpoint, LinkInfo } from '../../src/core/types.js'
import { DNS_VALUES } from '../../src/dns/limits.js'
import { createResolver, type EnvironmentResolver } from '../../src/environment/resolver.js'
import { type CountingTransport, hostTransport, realClock } from '../dns/host-transport.js'
import { freePort } from '../support/free-port.js'
import { programsMissing } from '../support/namespace.js'

const run = promisify(execFile)
const LINK: LinkInfo = { addresses: ['10.0.0.2/24', 'fd00::2/64'], dns: [], search: [], mtu: 1420 }
const ENV = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
const skip = programsMissing('dnsmasq', 'dig') ?? false

const OFFICE = [
  '--host-record=web.office.example,192.168.11.10,fd00:11::10',
  '--host-record=mail.office.example,192.168.11.25',
  '--cname=www.office.example,alias.office.example',
  '--cname=alias.office.example,web.office.example',
  '--mx-host=office.example,mail.office.example,10',
  '--txt-record=office.example,some text',
  '--srv-host=_ldap._tcp.office.example,mail.office.example,389,1,2',
  '--caa-record=office.example,0,issue,ca.example',
  '--local=/office.example/',
  '--local=/168.192.in-addr.arpa/',
  '--local=/ip6.arpa/',
  ...Array.from(
    { length: 90 },
    (_, i) => `--host-record=many-hosts.office.example,192.168.12.${100 + i}`,
  ),
  ...Array.from(
    { length: 60 },
    (_, i) => `--txt-record=many.office.example,${i} ${'x'.repeat(50)}`,
  ),
]
const LAB = [
  '--host-record=box.lab.example,10.20.0.7',
  '--local=/lab.example/',
  '--local=/10.in-addr.arpa/',
]

/** A dnsmasq on a free loopback port, gone at the test's end. */
async function dnsmasq(
  t: Test,
  options: readonly string[],
  address = '127.0.0.1',
): Promise<Endpoint> {
  const port = await freePort(address)
  const settings = ['--no-daemon', '--conf-file=/dev/null', '--no-resolv', '--no-hosts']
  const listen = ['--bind-interfaces', `--listen-address=${address}`, `--port=${port}`]
  const rest = ['--pid-file=', '--log-facility=-', '--local-ttl=60', ...options]
  const child: ChildProcess = spawn('dnsmasq', [...settings, ...listen, ...rest], {
    env: ENV,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  let words = ''
  child.stderr?.on('data', (chunk) => {
    words += chunk
  })
  while (!words.includes('started') && child.exitCode === null && child.stderr) {
    await Promise.race([once(child.stderr, 'data'), ended])
  }
  t.match(words, /started/, 'dnsmasq runs')
  return { address, port }
}

interface Made {
  readonly resolver: EnvironmentResolver
  readonly transport: CountingTransport
}

function made(t: Test, dns: Partial<DnsOptions>): Made {
  const transport = hostTransport()
  const resolver = createResolver({
    dns: { servers: [], search: undefined, zones: {}, hosts: {}, listen: [], ...dns },
    transport,
    clock: realClock,
    random: (out) => randomFillSync(out),
    logger: silentLogger,
  })
  resolver.configure(LINK)
  t.teardown(() => resolver.close())
  return { resolver, transport }
}

function nothingOpen(t: Test, { resolver, transport }: Made): void {
  resolver.close()
  t.equal(transport.open.size, 0, 'no port or connection is left open')
}

/** A DNS server in front of `exchange`, as the environment's DNS listener is one. */
async function forwarder(t: Test, resolver: EnvironmentResolver): Promise<number> {
  const udp = createSocket('udp4')
  const port = await freePort()
  udp.bind(port, '127.0.0.1')
  await once(udp, 'listening')
  udp.on('message', (query, from) => {
    resolver.exchange(query, 'udp').then(
      (reply) => udp.send(reply, from.port, from.address),
      () => {},
    )
  })
  const tcp = createServer((socket) => {
    socket.once('data', (query) => {
      resolver.exchange(query.subarray(2), 'tcp').then(
        (reply) => {
          const prefix = Buffer.from([reply.length >> 8, reply.length & 255])
          socket.end(Buffer.concat([prefix, reply]))
        },
        () => socket.destroy(),
      )
    })
  })
  tcp.listen(port, '127.0.0.1')
  await once(tcp, 'listening')
  t.teardown(() => {
    udp.close()
    tcp.close()
  })
  return port
}

async function dig(port: number, ...args: string[]): Promise<string> {
  const { stdout } = await run('dig', ['@127.0.0.1', '-p', `${port}`, '+tries=1', ...args])
  return stdout
}

t.test('look-ups by dnsmasq', { skip }, async (t) => {
  const office = await dnsmasq(t, OFFICE)
  const lab = await dnsmasq(t, LAB)
  const it = made(t, {
    servers: [office],
    search: ['office.example'],
    zones: { 'lab.example': [lab], '10.in-addr.arpa': [lab] },
  })
  const { resolver } = it

  t.same(await resolver.lookup('web.office.example'), ['fd00:11::10', '192.168.11.10'])
  t.same(await resolver.lookup('web.office.example', { family: 4 }), ['192.168.11.10'])
  t.same(await resolver.lookup('mail.office.example'), ['192.168.11.25'])
  t.same(await resolver.lookup('WWW.Office.Example.'), ['fd00:11::10', '192.168.11.10'], 'CNAMEs')
  t.same(await resolver.lookup('mail'), ['192.168.11.25'], 'search list')
  t.same(await resolver.lookup('box.lab.example'), ['10.20.0.7'], 'zone')
  t.same(await resolver.reverse('192.168.11.25'), ['mail.office.example'])
  t.same(await resolver.reverse('fd00:11::10'), ['web.office.example'])
  t.same(await resolver.reverse('10.20.0.7'), ['box.lab.example'], 'reverse zone')
  await t.rejects(resolver.lookup('nothere.office.example.'), { code: 'ERR_NAME' })
  await t.rejects(resolver.lookup('nothere'), { code: 'ERR_NAME' })
  await t.rejects(resolver.reverse('192.168.11.77'), { code: 'ERR_NAME' })
  await t.rejects(resolver.lookup('elsewhere.example.'), {
    code: 'ERR_RESOLVER',
    message: /REFUSED/,
  })
  nothingOpen(t, it)
})

t.test('a dead first server', { skip }, async (t) => {
  const office = await dnsmasq(t, OFFICE)
  const silent = createSocket('udp4')
  silent.bind(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const dead = { address: '127.0.0.1', port: silent.address().port }
  const it = made(t, { servers: [dead, office] })
  const { resolver, transport } = it

  t.same(await resolver.lookup('web.office.example', { family: 4 }), ['192.168.11.10'])
  t.same(
    transport.udp.map(({ port }) => port),
    [dead.port, office.port],
  )
  t.same(await resolver.lookup('mail.office.example', { family: 4 }), ['192.168.11.25'])
  t.same(
    transport.udp.map(({ port }) => port),
    [dead.port, office.port, office.port],
    'it is not asked again',
  )
  nothingOpen(t, it)
})

t.test('a server with an IPv6 address, by UDP and TCP', { skip }, async (t) => {
  const office = await dnsmasq(t, OFFICE, '::1')
  const it = made(t, { servers: [office] })
  t.same(await it.resolver.lookup('web.office.example'), ['fd00:11::10', '192.168.11.10'])
  const many = await it.resolver.lookup('many-hosts.office.example', { family: 4 })
  t.equal(many.length, DNS_VALUES, 'so many addresses are taken')
  t.same(it.transport.tcp, [office], 'too large for UDP')
  nothingOpen(t, it)
})

t.test('dig through exchange', { skip }, async (t) => {
  const office = await dnsmasq(t, OFFICE)
  const it = made(t, {
    servers: [office],
    hosts: { 'build.office.example': ['192.168.11.20'] },
  })
  const { resolver, transport } = it
  const port = await forwarder(t, resolver)
  const short = async (...args: string[]) => (await dig(port, '+short', ...args)).trim()

  t.equal(await short('web.office.example'), '192.168.11.10')
  t.equal(await short('web.office.example'), '192.168.11.10', 'from the cache')
  t.equal(await short('+nocookie', '+noedns', 'web.office.example'), '192.168.11.10')
  t.ok(resolver.stats().cacheHits >= 2)
  t.equal(await short('WEB.office.example', 'AAAA'), 'fd00:11::10')
  t.match(await short('www.office.example'), /192\.168\.11\.10/)
  t.equal(await short('office.example', 'MX'), '10 mail.office.example.')
  t.equal(await short('office.example', 'TXT'), '"some text"')
  t.equal(await short('_ldap._tcp.office.example', 'SRV'), '1 2 389 mail.office.example.')
  t.equal(await short('office.example', 'CAA'), '0 issue "ca.example"')
  t.equal(await short('-x', '192.168.11.25'), 'mail.office.example.')
  t.equal(await short('build.office.example'), '192.168.11.20', 'hosts')
  t.equal(await short('-x', '192.168.11.20'), 'build.office.example.', 'hosts in reverse')
  t.match(await dig(port, 'nothere.office.example'), /NXDOMAIN/)
  t.match(await dig(port, 'elsewhere.example'), /REFUSED/)
  t.match(await dig(port, 'office.example', 'AXFR', '+tcp'), /NOTIMP|failed/)
  t.match(await dig(port, '+opcode=status', 'web.office.example'), /NOTIMP/)

  t.same(transport.tcp, [])
  t.match(await dig(port, '+ignore', 'many.office.example', 'TXT'), /flags: [a-z ]*\btc\b/)
  t.same(transport.tcp, [], 'a truncated answer is passed back as it is')
  const whole = await dig(port, 'many.office.example', 'TXT')
  t.match(whole, /ANSWER: 60\b/, 'dig asks again by TCP')
  t.equal(transport.tcp.length, 1)
  const cached = await dig(port, '+ignore', 'many.office.example', 'TXT')
  t.match(cached, /flags: [a-z ]*\btc\b/, 'the cached answer is truncated for UDP')
  t.match(await dig(port, '+tcp', 'many.office.example', 'TXT'), /ANSWER: 60\b/)
  t.equal(transport.tcp.length, 1, 'and whole for TCP')
  nothingOpen(t, it)
})
