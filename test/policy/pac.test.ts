import { createContext, runInContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import type { EnvironmentOptions, GatewayOptions, PolicyRule } from '../../src/core/options.js'
import { NOBODY, PolicyEngine } from '../../src/policy/engine.js'
import { type PacReader, pacFile } from '../../src/policy/pac.js'
import { environmentOptions } from '../gateway/support.js'
import { fuzzRun } from '../support/fuzz.js'

const wireguard = (search: string[]): EnvironmentOptions['tunnel'] => ({
  type: 'wireguard',
  privateKey: new Uint8Array(32),
  addresses: ['192.168.9.52/24'],
  dns: [],
  search,
  mtu: 1420,
  listenPort: 0,
  peers: [],
})

const ENVIRONMENTS = [
  environmentOptions('office', 1081, {
    tunnel: wireguard(['office.example', 'both.example']),
    dns: {
      servers: undefined,
      search: undefined,
      zones: { 'lab.example': [] },
      hosts: { 'build.example': ['10.0.0.1'] },
      listen: [],
    },
  }),
  environmentOptions('site', 1082, {
    tunnel: wireguard(['site.example', 'both.example']),
    dns: {
      servers: undefined,
      search: undefined,
      zones: {},
      hosts: { 'two.lab.example': ['10.0.0.2'] },
      listen: [],
    },
  }),
  environmentOptions('home', 1089),
  environmentOptions('hidden', 0, { listen: [{ kind: 'unix', path: '/run/x' }] }),
]

function configuration(
  rules: readonly Omit<PolicyRule, 'source'>[] | undefined,
  fallback = 'deny',
): GatewayOptions {
  return {
    file: undefined,
    control: { listen: { kind: 'tcp', address: '127.0.0.1', port: 1090 } },
    environments: ENVIRONMENTS,
    policy:
      rules === undefined
        ? undefined
        : {
            listen: [{ kind: 'tcp', address: '0.0.0.0', port: 1080 }],
            names: true,
            users: [],
            allowUnauthenticated: true,
            rules: rules.map((rule, i) => ({ ...rule, source: `pvpn.yaml:${i + 1}` })),
            default: fallback,
          },
  }
}

type Find = (url: string, host: string) => string

function load(options: GatewayOptions, reader?: PacReader): Find {
  const context = createContext(Object.create(null))
  runInContext(pacFile(options, reader).text, context)
  return (url, host) => {
    Object.assign(context, { url, host })
    return runInContext('FindProxyForURL(url, host)', context)
  }
}

const POLICY = 'PROXY 127.0.0.1:1080'
const OFFICE = 'PROXY 127.0.0.1:1081'
const SITE = 'PROXY 127.0.0.1:1082'
const HOME = 'PROXY 127.0.0.1:1089'

t.test('a table of URLs', async (t) => {
  const find = load(
    configuration(
      [
        { domain: ['intranet', 'www.shop.example', '.dots.example'], environment: 'office' },
        { domain: ['a*.trap.example', 'x.y-example'], environment: 'site' },
        { address: ['10.20.0.0/15', 'fd00:11::/33'], port: [80, 8443], environment: 'site' },
        { domain: ['bad.example'], environment: 'deny' },
        { domain: ['quiet.example'], environment: 'hidden' },
        { program: '/usr/bin/git', domain: ['git.example'], environment: 'office' },
        { domain: ['git.example'], environment: 'site' },
      ],
      'home',
    ),
  )
  const table: [url: string, host: string, expected: string][] = [
    ['http://intranet/', 'intranet', OFFICE],
    ['http://INTRANET./', 'INTRANET.', OFFICE],
    ['https://intranet:8443/', 'intranet', OFFICE],
    ['https://intranet.example/', 'intranet.example', 'DIRECT'],
    ['https://dots.example/', 'dots.example', 'DIRECT'],
    ['https://a.b.dots.example/', 'a.b.dots.example', OFFICE],
    ['https://xdots.example/', 'xdots.example', 'DIRECT'],
    // What shExpMatch gets wrong in one browser or another.
    ['http://a1.trap.example/', 'a1.trap.example', SITE],
    ['https://a1xtrap.example/', 'a1xtrap.example', 'DIRECT'],
    ['https://ba.trap.example/', 'ba.trap.example', 'DIRECT'],
    ['https://a.trap.example.evil/', 'a.trap.example.evil', 'DIRECT'],
    ['https://xzy-example/', 'xzy-example', 'DIRECT'],
    // Addresses: the edges of the prefix, mapped, brackets or none, and the port.
    ['http://10.20.0.0/', '10.20.0.0', SITE],
    ['http://10.21.255.255/', '10.21.255.255', SITE],
    ['http://10.22.0.0/', '10.22.0.0', 'DIRECT'],
    ['https://10.20.0.1/', '10.20.0.1', 'DIRECT'],
    ['https://10.20.0.1:8443/', '10.20.0.1', SITE],
    ['http://[::ffff:a14:1]/', '::ffff:a14:1', SITE],
    ['http://[::ffff:10.20.0.1]/', '[::ffff:10.20.0.1]', SITE],
    ['http://[fd00:11:7fff::1]/', 'fd00:11:7fff::1', SITE],
    ['http://[fd00:11:8000::1]/', '[fd00:11:8000::1]', 'DIRECT'],
    ['http://[fd00:11::10]:8443/', '[fd00:11::10]', SITE],
    ['http://[fd00:11::10]:81/', '[fd00:11::10]', 'DIRECT'],
    // Only the policy port can find out which addresses a name has, or who asks.
    ['http://some.example/', 'some.example', POLICY],
    ['https://some.example/', 'some.example', 'DIRECT'],
    ['https://git.example/', 'git.example', SITE],
    ['https://bad.example/', 'bad.example', POLICY],
    ['https://quiet.example/', 'quiet.example', POLICY],
    ['https://www.office.pvpn.internal/', 'www.office.pvpn.internal', POLICY],
    ['https://192.168.11.10.site.pvpn.internal/', '192.168.11.10.site.pvpn.internal', POLICY],
    // What environments bring.
    ['https://a.office.example/x?y#z', 'a.office.example', OFFICE],
    ['https://office.example/', 'office.example', OFFICE],
    ['wss://build.example/', 'build.example', OFFICE],
    ['https://x.lab.example/', 'x.lab.example', OFFICE],
    ['https://a.site.example/', 'a.site.example', SITE],
    ['http://a.site.example/', 'a.site.example', SITE],
    ['https://two.lab.example/', 'two.lab.example', POLICY],
    ['https://a.both.example/', 'a.both.example', POLICY],
    ['https://other/', 'other', 'DIRECT'],
    ['ftp://other.example/', 'other.example', 'DIRECT'],
    ['rubbish', '', 'DIRECT'],
  ]
  for (const [url, host, expected] of table) t.equal(find(url, host), expected, url)
})

t.test('fails closed: DIRECT only where the default is a direct environment', async (t) => {
  const other = (options: GatewayOptions) =>
    load(options)('https://other.example/', 'other.example')
  t.equal(other(configuration([], 'deny')), POLICY)
  t.equal(other(configuration([], 'office')), POLICY)
  t.equal(other(configuration([], 'home')), 'DIRECT')
  t.equal(other(configuration(undefined)), 'PROXY 127.0.0.1:1090', 'the control port is no proxy')
  t.equal(
    load(configuration(undefined))('http://a.site.example/', 'a.site.example'),
    SITE,
    'environments without a policy',
  )
  t.equal(
    load(configuration([{ domain: ['h.example'], environment: 'home' }]))(
      'http://h.example/',
      'h.example',
    ),
    HOME,
  )
  for (const options of [configuration([]), configuration([], 'home')]) {
    t.notMatch(pacFile(options).text, /PROXY [^"]*DIRECT|dnsResolve|isInNet|shExpMatch/)
  }
})

t.test('rules about who asks are decided for who reads the file', async (t) => {
  const options = configuration([
    { program: 'firefox', environment: 'site' },
    { program: '/usr/bin/git', children: true, environment: 'home' },
    { user: 'builder', environment: 'home' },
    { group: 'staff', domain: ['x.example'], environment: 'deny' },
    { domain: ['x.example'], environment: 'office' },
  ])
  const find = (reader?: PacReader) => load(options, reader)('https://x.example/', 'x.example')
  const program = (path: string, ...ancestors: string[]) => ({ program: { path, ancestors } })
  const ann = { users: ['ann', '1000'], groups: ['users'] }
  t.equal(find({ ...ann, ...program('/usr/lib/firefox/firefox') }), SITE)
  t.equal(find({ ...ann, ...program('/usr/bin/chromium', '/usr/bin/git') }), HOME)
  t.equal(find({ ...ann, ...program('/usr/bin/chromium') }), OFFICE)
  t.equal(find({ ...ann, groups: ['staff'], ...program('/usr/bin/chromium') }), POLICY)
  t.equal(find({ users: ['builder'], groups: [], ...program('/usr/bin/chromium') }), HOME)
  t.equal(find(program('/usr/bin/chromium')), POLICY, 'the user is not known')
  t.equal(find(ann), POLICY, 'it may be Firefox')
  const without = configuration(options.policy?.rules.slice(1))
  t.equal(load(without, ann)('https://x.example/', 'x.example'), OFFICE, 'no browser is git')
})

t.test('the tag is the content’s', async (t) => {
  const [a, b] = [pacFile(configuration([])), pacFile(configuration([], 'home'))]
  t.match(a.etag, /^"[\w-]{22}"$/)
  t.equal(a.etag, pacFile(configuration([])).etag)
  t.not(a.etag, b.etag)
})

t.test('what the file decides by a rule, the policy port decides alike', async () => {
  const label = fc.constantFrom('a', 'b', 'www', 'x-1')
  const name = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'))
  const pattern = fc.oneof(
    name,
    name.map((n) => `.${n}`),
    name.map((n) => `*${n}`),
    fc.constantFrom('a.*', '*', 'w*.b'),
  )
  const v4 = fc
    .tuple(fc.constantFrom(10, 11), fc.constantFrom(0, 128, 255))
    .map(([a, b]) => `${a}.${b}.0.1`)
  const v6 = fc.constantFrom('fd00::1', 'fd00:8000::1', '::1', '::ffff:10.128.0.1')
  const prefix = fc.oneof(
    fc.tuple(v4, fc.integer({ min: 0, max: 32 })).map(([a, n]) => `${a}/${n}`),
    fc
      .tuple(
        v6.filter((a) => !a.includes('ffff')),
        fc.integer({ min: 0, max: 128 }),
      )
      .map(([a, n]) => `${a}/${n}`),
  )
  const rule = fc
    .record(
      {
        domain: fc.array(pattern, { minLength: 1, maxLength: 2 }),
        address: fc.array(prefix, { minLength: 1, maxLength: 2 }),
        port: fc.constantFrom([80], [443, 8080]),
        program: fc.constant('/bin/x'),
        environment: fc.constantFrom('office', 'site', 'home', 'deny'),
      },
      { requiredKeys: ['environment'] },
    )
    .map((made) => made as Omit<PolicyRule, 'source'>)
  const request = fc.record({ host: fc.oneof(name, v4, v6), port: fc.constantFrom(80, 443, 8080) })
  const ports: Record<string, string> = { office: OFFICE, site: SITE, home: HOME }
  fc.assert(
    fc.property(
      fc.array(rule, { maxLength: 4 }),
      fc.array(request, { minLength: 1 }),
      (rules, requests) => {
        const options = configuration(rules, 'home')
        const finders = ['/usr/bin/firefox', '/bin/x'].map(
          (path) => [path, load(options, { program: { path, ancestors: [] } })] as const,
        )
        const policy = options.policy
        if (policy === undefined) return
        const engine = new PolicyEngine({ policy, environments: Object.keys(ports) })
        for (const { host, port } of requests) {
          const text = host.includes(':') ? `[${host}]` : host
          for (const [program, find] of finders) {
            const said = find(`https://${text}:${port}/`, host)
            const decided = engine.decide({ host, port, caller: { ...NOBODY, program } })
            const expected =
              decided.kind === 'allow' &&
              (decided.by.kind === 'default' ? 'DIRECT' : ports[decided.environment])
            if (said !== POLICY && said !== expected)
              throw new Error(`${said} for ${host}:${port}, ${JSON.stringify(decided)}`)
          }
        }
      },
    ),
    fuzzRun,
  )
})
