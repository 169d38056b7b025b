import t from 'tap'
import type { PolicyRule } from '../../src/core/options.js'
import {
  type Caller,
  type Decision,
  NOBODY,
  PolicyEngine,
  type Question,
} from '../../src/policy/engine.js'

const ENVIRONMENTS = ['office', 'site', 'home']

function engine(
  rules: readonly Omit<PolicyRule, 'source'>[],
  options: { names?: boolean; default?: string; resolvePath?: (path: string) => string } = {},
): PolicyEngine {
  const { names = true, default: fallback = 'deny', resolvePath } = options
  return new PolicyEngine({
    policy: {
      names,
      default: fallback,
      rules: rules.map((rule, i) => ({ ...rule, source: `pvpn.yaml:${i + 1}` })),
    },
    environments: ENVIRONMENTS,
    ...(resolvePath === undefined ? {} : { resolvePath }),
  })
}

/** `office by 1`, `deny by default`, `ask site`, with the host where it is another one. */
function brief(result: Decision | Question, asked?: string): string {
  if (result.kind === 'resolve') return `ask ${result.environment}`
  const by = result.by.kind === 'rule' ? result.by.source.replace('pvpn.yaml:', '') : result.by.kind
  if (result.kind === 'deny') return `deny by ${by}`
  const host = asked === undefined || result.host === asked ? '' : ` as ${result.host}`
  return `${result.environment} by ${by}${host}`
}

const normal = (host: string) => host.toLowerCase().replace(/\.$/, '')
const caller = (some: Partial<Caller>): Caller => ({ ...NOBODY, ...some })

t.test('domains: exact, below, pattern; case and the dot at the end do not matter', async (t) => {
  const e = engine([
    { domain: ['office.example', '.office.example'], environment: 'office' },
    { domain: ['*.lab-*.example'], environment: 'site' },
    { domain: ['a.b*'], environment: 'home' },
  ])
  const table: Record<string, string> = {
    'office.example': 'office by 1',
    'OFFICE.Example.': 'office by 1',
    'a.b.office.example': 'office by 1',
    'notoffice.example': 'deny by default',
    'office.example.com': 'deny by default',
    'x.lab-3.example': 'site by 2',
    'lab-3.example': 'deny by default',
    'a.b': 'home by 3',
    axb: 'deny by default',
  }
  for (const [host, expected] of Object.entries(table)) {
    t.equal(brief(e.decide({ host, port: 80, caller: NOBODY }), normal(host)), expected, host)
  }
})

t.test('addresses: literals of both families, mapped ones as what they mean', async (t) => {
  const e = engine([
    { address: ['10.20.0.0/16', 'fd00:11::/32'], port: [5432, 443], environment: 'site' },
    { address: ['10.0.0.0/8'], environment: 'deny' },
    { address: ['0.0.0.0/0', '::/0'], environment: 'office' },
  ])
  const table: [string, number, string][] = [
    ['10.20.1.1', 5432, 'site by 1'],
    ['10.20.1.1', 80, 'deny by 2'],
    ['::ffff:10.20.1.1', 443, 'site by 1'],
    ['::ffff:a14:101', 80, 'deny by 2'],
    ['[fd00:11::10]', 443, 'site by 1'],
    ['FD00:0011::10', 443, 'site by 1'],
    ['fd00:12::1', 443, 'office by 3'],
    ['192.168.1.1', 1, 'office by 3'],
  ]
  for (const [host, port, expected] of table) {
    t.equal(brief(e.decide({ host, port, caller: NOBODY })).replace(/ as .*/, ''), expected, host)
  }
})

t.test('a domain is decided before any resolver is asked', async (t) => {
  const e = engine([
    { domain: ['.office.example'], environment: 'office' },
    { address: ['10.20.0.0/16'], environment: 'site' },
    { domain: ['late.example'], environment: 'office' },
  ])
  const ask = (host: string, known?: [string, string[]][]) =>
    brief(e.decide({ host, port: 80, caller: NOBODY }, new Map(known)))
  t.equal(ask('a.office.example'), 'office by 1')
  t.equal(ask('db.example'), 'ask site', 'only the environment that the rule names')
  t.equal(ask('db.example', [['site', ['10.20.0.7']]]), 'site by 2')
  t.equal(ask('db.example', [['site', ['10.99.0.7', '10.20.0.7']]]), 'site by 2')
  t.equal(ask('db.example', [['site', ['10.99.0.7']]]), 'deny by default')
  t.equal(ask('late.example', [['site', []]]), 'office by 3', 'no such name there')
})

t.test('where addresses decide, only those are meant', async (t) => {
  const e = engine(
    [
      { address: ['10.99.0.0/16'], environment: 'office' },
      { address: ['10.20.0.0/16'], environment: 'site' },
      { address: ['10.0.0.0/8'], environment: 'deny' },
      { domain: ['plain.example'], environment: 'home' },
    ],
    { default: 'home' },
  )
  const decide = (host: string, known: Record<string, string[]>) =>
    e.decide({ host, port: 80, caller: NOBODY }, new Map(Object.entries(known)))
  t.match(decide('db.example', { office: [], site: ['10.20.0.7', '11.1.1.1', '10.20.0.8'] }), {
    environment: 'site',
    addresses: ['10.20.0.7', '10.20.0.8'],
  })
  const home = ['192.0.2.1', '2001:db8::1']
  t.match(decide('x.example', { office: ['1.1.1.1'], site: [], home }), {
    environment: 'home',
    addresses: home,
  })
  t.match(decide('x.example', { office: [], site: [], home: [] }), { addresses: [] })
  const plain = engine([{ domain: ['plain.example'], environment: 'home' }])
  const decided = plain.decide({ host: 'plain.example', port: 80, caller: NOBODY })
  t.notOk('addresses' in decided)
})

t.test('an address rule that other fields exclude asks nobody', async (t) => {
  const e = engine([{ address: ['10.20.0.0/16'], port: [22], user: 'ann', environment: 'site' }])
  const request = { host: 'db.example', caller: caller({ users: ['ann'] }) }
  t.equal(brief(e.decide({ ...request, port: 80 })), 'deny by default')
  t.equal(brief(e.decide({ ...request, port: 22, caller: NOBODY })), 'deny by default')
  t.equal(brief(e.decide({ ...request, port: 22 })), 'ask site')
})

t.test('denied addresses are denied by name too, as the chosen environment knows it', async (t) => {
  const e = engine(
    [
      { address: ['10.0.0.0/8'], environment: 'deny' },
      { domain: ['.site.example'], environment: 'site' },
    ],
    { default: 'office' },
  )
  const ask = (host: string, known?: [string, string[]][]) =>
    brief(e.decide({ host, port: 80, caller: NOBODY }, new Map(known)))
  t.equal(ask('x.site.example'), 'ask site')
  t.equal(ask('x.site.example', [['site', ['10.1.1.1']]]), 'deny by 1')
  t.equal(ask('x.site.example', [['site', ['192.168.1.1']]]), 'site by 2')
  t.equal(ask('10.1'), 'ask office', 'what only a resolver takes for an address')
  t.equal(ask('10.1', [['office', ['10.0.0.1']]]), 'deny by 1')
})

t.test('programs: path, pattern, bare name, children; unknown matches nothing', async (t) => {
  const e = engine(
    [
      { program: '/usr/bin/git', children: true, environment: 'office' },
      { program: 'curl', environment: 'site' },
      { program: '/opt/*/bin/tool', environment: 'home' },
      { program: '/usr/bin/python3', environment: 'site' },
    ],
    { resolvePath: (path) => (path === '/usr/bin/python3' ? '/usr/bin/python3.11' : path) },
  )
  const table: [Partial<Caller>, string][] = [
    [{ program: '/usr/bin/git' }, 'office by 1'],
    [
      { program: '/usr/lib/git-core/git-remote-http', ancestors: ['/usr/bin/git', '/bin/sh'] },
      'office by 1',
    ],
    [{ program: '/usr/bin/curl', ancestors: ['/bin/sh', '/usr/bin/git'] }, 'office by 1'],
    [{ program: '/usr/bin/curl', ancestors: ['/bin/sh'] }, 'site by 2'],
    [{ program: '/home/ann/curl' }, 'site by 2'],
    [{ program: '/usr/bin/curly' }, 'deny by default'],
    [{ program: '/bin/sh', ancestors: ['/usr/bin/curl'] }, 'deny by default'],
    [{ program: '/opt/a/b/bin/tool' }, 'home by 3'],
    [{ program: '/usr/bin/python3.11' }, 'site by 4'],
    [{ program: undefined, ancestors: ['/usr/bin/git'] }, 'deny by default'],
    [{}, 'deny by default'],
  ]
  for (const [who, expected] of table) {
    const result = e.decide({ host: 'a.example', port: 80, caller: caller(who) })
    t.equal(brief(result), expected, JSON.stringify(who))
  }
})

t.test('users and groups, by name or number; fields of one rule are and-ed', async (t) => {
  const e = engine([
    { user: 'builder', domain: ['a.example'], port: [80], environment: 'site' },
    { group: 'staff', environment: 'office' },
    { user: '1000', environment: 'home' },
  ])
  const decide = (host: string, port: number, who: Partial<Caller>) =>
    brief(e.decide({ host, port, caller: caller(who) }))
  const builder = { users: ['builder', '1001'] }
  t.equal(decide('a.example', 80, builder), 'site by 1')
  t.equal(decide('a.example', 81, builder), 'deny by default')
  t.equal(decide('b.example', 80, builder), 'deny by default')
  t.equal(decide('a.example', 80, { groups: ['50', 'staff'] }), 'office by 2')
  t.equal(decide('a.example', 80, { users: ['ann', '1000'] }), 'home by 3')
})

t.test('names below pvpn.internal choose before the rules', async (t) => {
  const e = engine([{ domain: ['*'], environment: 'deny' }])
  const table: Record<string, string> = {
    'www.office.pvpn.internal': 'office by name as www',
    'WWW.Shop.Example.SITE.pvpn.internal.': 'site by name as www.shop.example',
    '192.168.11.10.office.pvpn.internal': 'office by name as 192.168.11.10',
    'fd00-11--10.site.pvpn.internal': 'site by name as fd00:11::10',
    '0--1.site.pvpn.internal': 'site by name as ::1',
    'www.nowhere.pvpn.internal': 'deny by name',
    'office.pvpn.internal': 'deny by name',
    'pvpn.internal': 'deny by name',
    '.office.pvpn.internal': 'deny by name',
    'notpvpn.internal': 'deny by 1',
  }
  for (const [host, expected] of Object.entries(table)) {
    t.equal(brief(e.decide({ host, port: 80, caller: NOBODY }), normal(host)), expected, host)
  }
  const off = engine([], { names: false, default: 'home' })
  const request = { host: 'www.office.pvpn.internal', port: 80, caller: NOBODY }
  t.equal(brief(off.decide(request), request.host), 'home by default')
})

t.test('a refusal names the rule', async (t) => {
  const e = engine([{ domain: ['bad.example'], environment: 'deny' }])
  const decide = (host: string) => e.decide({ host, port: 80, caller: NOBODY })
  t.match(decide('bad.example'), { reason: 'bad.example is denied by the rule at pvpn.yaml:1' })
  t.match(decide('x.example'), { reason: /no rule of the policy allows x\.example/ })
  t.match(decide('x.nowhere.pvpn.internal'), { reason: /no environment nowhere/ })
})
