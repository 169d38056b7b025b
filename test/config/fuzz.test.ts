/** Hostile configurations and tunnel files: nothing throws, hangs or leaks; every problem has a place. */
import fc from 'fast-check'
import t from 'tap'
import { addEnvironment, examine } from '../../src/config/import/edit.js'
import { fileKind } from '../../src/config/import/kind.js'
import { nameFromFile } from '../../src/config/import/name.js'
import { readWireproxy } from '../../src/config/import/wireproxy.js'
import { nearest } from '../../src/config/nearest.js'
import type { Problem } from '../../src/config/problem.js'
import { Report } from '../../src/config/reader.js'
import { parseWireguardFile } from '../../src/config/wireguard-file.js'
import { parseYaml } from '../../src/config/yaml.js'
import { Folder, KEY, PEER, WG } from './support.js'

const FUZZ_MS = Number(process.env.FUZZ_SECONDS ?? 1.5) * 1000
/** Of processor time: far more than any input needs here; a hang or a blow-up is what is looked for. */
const SLOW_MS = 5000

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)
t.setTimeout(FUZZ_MS * 5 + 60_000)
t.comment(`seed ${seed}`)
const bounded = { seed, numRuns: 1_000_000, interruptAfterTimeLimit: FUZZ_MS, endOnFailure: true }

/** Milliseconds of processor time since then: whatever else the machine does. */
function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1000
}

/** Words of the formats, so that random texts get past the first check. */
const YAML_WORDS = [
  ...['version', 'control', 'environments', 'policy', 'tunnel', 'type', 'wireguard', 'direct'],
  ...['listen', 'users', 'dns', 'servers', 'zones', 'hosts', 'rules', 'through', 'file', 'peers'],
  ...['password_file', 'password', 'private_key', 'forwards', 'publish', 'office.conf', '<<'],
  ...[
    ': ',
    ':',
    '- ',
    '\n',
    '\n  ',
    '\n    ',
    '\n\t',
    ' ',
    ', ',
    '{ ',
    ' }',
    '[',
    ']',
    '&a ',
    '*a',
  ],
  ...['"', "'", '|', '>', '#', '!x ', '%', '@', '---', '...', '~', '127.0.0.1:1081', '[::1]:1'],
  ...[
    '0.0.0.0:1081',
    'unix:x',
    '1',
    '-1',
    '1e9',
    '.inf',
    'true',
    'office',
    'a',
    '\u0000',
    'é',
    '\r',
  ],
]
const WG_WORDS = [
  ...[
    '[Interface]',
    '[Peer]',
    '[Socks5]',
    '[connection]',
    '[wireguard]',
    `[wireguard-peer.${PEER}]`,
  ],
  ...['PrivateKey', 'Address', 'DNS', 'MTU', 'ListenPort', 'PublicKey', 'AllowedIPs', 'Endpoint'],
  ...['PersistentKeepalive', 'PostUp', 'Table', 'BindAddress', 'type', 'private-key', 'Target'],
  ...[' = ', '=', '\n', '\n', '\n', ',', ' ', '#', ';', KEY, PEER, '10.0.0.1/24', '::/0', 'a:1'],
  ...[
    '51820',
    'off',
    'wireguard',
    '\r\n',
    '\u0000',
    '\ufeff',
    '[',
    ']',
    '99999999999',
    '300.1.1.1',
  ],
]

function salad(words: readonly string[]): fc.Arbitrary<string> {
  const word = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...words) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
  )
  return fc.array(word, { maxLength: 60 }).map((parts) => parts.join(''))
}

/** A good text with a piece cut out or something put in. */
function damaged(good: string, words: readonly string[]): fc.Arbitrary<string> {
  const spot = fc.nat(good.length)
  return fc
    .tuple(spot, fc.nat(12), fc.option(fc.constantFrom(...words), { nil: '' }))
    .map(([at, cut, put]) => good.slice(0, at) + put + good.slice(at + cut))
}

const GOOD = `version: 1
control: { listen: 127.0.0.1:1090 }
environments:
  office: &o
    tunnel: { type: wireguard, file: office.conf }
    listen: 127.0.0.1:1081
    users: [{ name: ann, password: hunter2 }]
    dns: { servers: [192.168.10.1], zones: { lab.example: [192.168.10.7] }, listen: 127.0.0.1:5381 }
    forwards: [{ listen: 127.0.0.1:15432, to: 'db.office.example:5432' }]
  site: { <<: *o, listen: ['127.0.0.1:1082', 'unix:x'], dns: {}, forwards: [] }
policy:
  rules: [{ domain: [a, .b], environment: office }, { port: 1, environment: deny }]
  default: site
`

function wellPlaced(problems: readonly Problem[], text: string): boolean {
  const lines = text.split(/\r\n|\n|\r/).length
  return problems.every(({ line, column, message }) => {
    return line <= lines + 1 && column >= 0 && message.length > 0 && message.length < 600
  })
}

t.test('configurations', async (t) => {
  const folder = new Folder(t)
  let slowest = 0
  const text = fc.oneof(salad(YAML_WORDS), damaged(GOOD, YAML_WORDS), fc.string({ unit: 'binary' }))
  await fc.assert(
    fc.asyncProperty(text, async (yaml) => {
      const began = performance.now()
      const { options, problems } = await folder.check(yaml)
      slowest = Math.max(slowest, performance.now() - began)
      if ((options === undefined) !== problems.length > 0) return false
      return !problems.some((line) => line.includes('hunter2') && !yaml.includes('hunter2:'))
    }),
    bounded,
  )
  t.ok(slowest < SLOW_MS, `slowest took ${Math.round(slowest)} ms`)
})

t.test('tunnel files', async (t) => {
  let slowest = 0
  const text = fc.oneof(salad(WG_WORDS), damaged(WG, WG_WORDS), fc.string({ unit: 'binary' }))
  fc.assert(
    fc.property(text, (file) => {
      const began = performance.now()
      fileKind(file)
      const { options, directives, report, others } = parseWireguardFile(file, 'x.conf')
      readWireproxy(others, report)
      slowest = Math.max(slowest, performance.now() - began)
      const told = JSON.stringify([directives, report.problems, report.warnings])
      return (
        (options !== undefined || report.problems.length > 0) &&
        !told.includes(KEY) &&
        wellPlaced(report.problems, file)
      )
    }),
    bounded,
  )
  t.ok(slowest < SLOW_MS, `slowest took ${Math.round(slowest)} ms`)
})

t.test('an environment added to any text leaves the rest as it means', async (t) => {
  const text = fc.oneof(damaged(GOOD, YAML_WORDS), salad(YAML_WORDS))
  let added = 0
  fc.assert(
    fc.property(text, (yaml) => {
      if (parseYaml(yaml, 'x').problems.length > 0) return true
      if (examine(yaml).names.has('new')) return true
      const body = { tunnel: { type: 'wireguard', file: 'n.conf' }, listen: '127.0.0.1:1083' }
      const after = addEnvironment(yaml, 'new', body)
      if (after === undefined) return true
      added++
      return parseYaml(after, 'x').problems.length === 0 && examine(after).names.has('new')
    }),
    bounded,
  )
  t.ok(added > 0, `added ${added} times`)
})

t.test('names and nearest words', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (file) => {
      const name = nameFromFile(file, new Set(['vpn', 'a']))
      nearest(file, YAML_WORDS)
      return /^[a-z0-9][a-z0-9-]{0,31}$/.test(name) && name !== 'vpn'
    }),
    { ...bounded, interruptAfterTimeLimit: FUZZ_MS / 4 },
  )
  t.pass()
})

t.test('inputs made to cost time or memory', async (t) => {
  const folder = new Folder(t)
  const laughs = Array.from({ length: 30 }, (_, i) => {
    const before = i === 0 ? '{ tunnel: { type: direct } }' : `[${`*a${i - 1}, `.repeat(9)}]`
    return `a${i}: &a${i} ${before}\n`
  }).join('')
  const merges = Array.from({ length: 30 }, (_, i) => {
    return `  e${i}: &e${i} { ${i === 0 ? 'x: 1' : `<<: [${`*e${i - 1}, `.repeat(9)}]`} }\n`
  }).join('')
  const cases: Readonly<Record<string, string>> = {
    'aliases of aliases': laughs,
    'merges of merges': `environments:\n${merges}`,
    'a merge of itself': 'environments: &a { <<: *a }',
    'an anchor inside itself': 'environments: { a: &a { tunnel: *a } }',
    'many aliases': `environments: { a: &a { tunnel: { type: direct } }, ${Array.from({ length: 20_000 }, (_, i) => `b${i}: *a`).join(', ')} }`,
    'deep lists': '['.repeat(100_000),
    'deep maps': '{ a: '.repeat(40_000),
    'deep blocks': '- '.repeat(100_000),
    'deep keys': '? '.repeat(100_000),
    'many keys': Array.from({ length: 40_000 }, (_, i) => `k${i}:\n`).join(''),
    'many equal keys': 'a:\n'.repeat(80_000),
    'one long word': 'x'.repeat(262_000),
    'a long key': `${'x'.repeat(262_000)}: 1`,
    'open quotes': '"a\n'.repeat(60_000),
    'many documents': '---\n'.repeat(60_000),
    'many anchors': Array.from({ length: 20_000 }, (_, i) => `- &a${i} 1\n`).join(''),
    'many colons': ':'.repeat(262_000),
    'many problems': `environments:\n${Array.from({ length: 5000 }, (_, i) => `  E${i}: 1\n`).join('')}`,
  }
  for (const [what, yaml] of Object.entries(cases)) {
    const began = process.cpuUsage()
    const { problems } = await folder.check(yaml.slice(0, 262_144))
    const took = cpuMs(began)
    t.ok(problems.length > 0 && problems.length <= 201, `${what}: ${problems.length} problems`)
    t.ok(problems.every((line) => line.length < 600))
    t.ok(took < SLOW_MS, `${what}: ${Math.round(took)} ms`)
  }
  const files = ['[Interface]\n'.repeat(20_000), `${'='.repeat(262_000)}`, '#\n'.repeat(131_000)]
  files.push(`[Peer]\nAllowedIPs = ${','.repeat(262_000)}`, `[${'a'.repeat(262_000)}]`)
  for (const text of files) {
    const began = process.cpuUsage()
    parseWireguardFile(text, 'x')
    fileKind(text)
    t.ok(cpuMs(began) < SLOW_MS, text.slice(0, 20))
  }
})

t.test('reports of too many problems end', async (t) => {
  const report = new Report()
  for (let i = 1; i < 1000; i++) report.problem({ file: 'x', line: i, column: 1 }, 'm')
  t.equal(report.problems.length, 201)
  t.match(report.problems.at(-1), { line: 0, message: 'more of the kind is left out' })
})
