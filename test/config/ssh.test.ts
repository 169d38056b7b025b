/** `type: ssh`: its fields, and what an ssh_config file says of a host. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import ssh2 from 'ssh2'
import t, { type Test } from 'tap'
import { importFile } from '../../src/config/import/import.js'
import { sshChain } from '../../src/config/ssh/chain.js'
import { evaluateSsh } from '../../src/config/ssh/evaluate.js'
import { parseJump } from '../../src/config/ssh/jump.js'
import { isLocked } from '../../src/config/ssh/key-text.js'
import { readSshLines } from '../../src/config/ssh/lines.js'
import type { Surroundings } from '../../src/config/ssh/surroundings.js'
import type { SshOptions } from '../../src/core/options.js'
import { holds } from '../support/fuzz.js'
import { Folder } from './support.js'

const AROUND: Surroundings = {
  home: '/home/ann',
  user: 'ann',
  uid: 1000,
  hostname: 'desk.home.example',
  env: { KEYS: '/keys', SSH_AUTH_SOCK: '/run/agent' },
}

const chain = (text: string, name: string, around = AROUND) =>
  sshChain(text, 'config', { name, user: undefined, port: undefined }, around)
const last = (text: string, name: string, around?: Surroundings) => {
  const { hops, problems } = chain(text, name, around)
  const plan = hops.at(-1)
  if (plan === undefined || problems.length > 0) throw new Error(problems[0]?.message)
  return plan
}
const says = (text: string, name = 'x') =>
  chain(text, name).problems.map((p) => `${p.line}: ${p.message}`)

t.test('lines', async (t) => {
  const words = (line: string) => readSshLines(line).lines[0]?.args
  t.same(words('Port=22'), ['22'])
  t.same(words('  port\t= "2 2" # no'), ['2 2'])
  t.same(words('IdentityFile "/a b/c" \'d e\' f\\ g'), ['/a b/c', 'd e', 'f g'])
  t.same(words('User a#b'), ['a#b'])
  t.same(
    readSshLines('Port "22\n!!\n# fine\n\n').mistakes.map((m) => m.line),
    [1, 2],
  )
})

t.test('the first value counts, patterns and negation', async (t) => {
  const text = `User early
Host office *.example !bad.example
  HostName gate.%h
  Port 2222
  Port 3333
  User late
Host *
  Port 4444
  ServerAliveInterval 2m
`
  t.match(last(text, 'office'), {
    host: 'gate.office',
    port: 2222,
    username: 'early',
    aliveInterval: 120,
  })
  t.match(last(text, 'bad.example'), { host: 'bad.example', port: 4444 })
  t.match(last('', 'plain'), {
    host: 'plain',
    port: 22,
    username: 'ann',
    aliveInterval: 15,
    aliveCount: 3,
  })
})

t.test('paths and tokens', async (t) => {
  const text = `Host x
  HostName gate
  User bob
  Port 23
  IdentityFile ~/.ssh/%n-%h-%p-%r-%u-%%-%i-%L
  IdentityFile %d/two
  IdentityFile \${KEYS}/three
  UserKnownHostsFile ~/mine /other
  GlobalKnownHostsFile none
  HostKeyAlias stable
  IdentityAgent ~/agent.sock
  IdentitiesOnly yes
  ConnectTimeout 7
`
  const plan = last(text, 'x')
  t.same(
    plan.identities.map((key) => key.path),
    ['/home/ann/.ssh/x-gate-23-bob-ann-%-1000-desk', '/home/ann/two', '/keys/three'],
  )
  t.match(plan, {
    knownHosts: ['/home/ann/mine', '/other'],
    hostKeyAlias: 'stable',
    agent: '/home/ann/agent.sock',
    identitiesOnly: true,
    connectTimeout: 7,
  })
  t.equal(last('IdentityAgent none', 'x').agent, undefined)
  t.equal(last('', 'x').agent, '/run/agent')
  t.same(
    says('IdentityFile %Z\nPort no'),
    ['1: %Z is not known here', '2: port must be a number from 1 to 65535'].toReversed(),
  )
  t.match(says(`IdentityFile $${'{NOWHERE}'}/a`), [/the variable NOWHERE is not set/])
})

t.test('algorithms', async (t) => {
  const ciphers = (value: string) => last(`Ciphers ${value}`, 'x').algorithms.cipher
  t.same(ciphers('aes256-ctr,nothing,aes128-gcm@openssh.com'), [
    'aes256-ctr',
    'aes128-gcm@openssh.com',
  ])
  t.equal(ciphers('^chacha*')?.[0], 'chacha20-poly1305@openssh.com')
  t.notOk(ciphers('-aes*')?.some((name) => name.startsWith('aes')))
  t.ok((ciphers('+3des-cbc')?.length ?? 0) > 3)
  t.match(says('Ciphers 3des-cbc'), [/none of ciphers is supported/])
})

t.test('Match', async (t) => {
  const text = `Match host gate.example user ann
  Port 1
Match originalhost other
  Port 2
Match !host gate.* all
  Port 3
Match exec "touch /tmp/never"
  Port 4
Match all
  Port 5
`
  t.equal(last(text, 'gate.example').port, 1)
  t.equal(last(text, 'other').port, 2)
  t.equal(last(text, 'third').port, 3)
  t.equal(last(text, 'gate.two').port, 5)
  t.match(chain(text, 'gate.two').warnings, [
    { line: 7, message: /Match exec is left out: programs/ },
  ])
})

t.test('ProxyJump: chains, entries of their own, loops', async (t) => {
  const text = `Host inner
  ProxyJump bob@first:2200,second
Host first
  HostName 192.0.2.1
  ProxyJump zero
Host second
  HostName 192.0.2.2
  ProxyJump never
Host round
  ProxyJump turn
Host turn
  ProxyJump round
`
  t.same(
    chain(text, 'inner').hops.map(({ host, port, username }) => `${username}@${host}:${port}`),
    ['ann@zero:22', 'bob@192.0.2.1:2200', 'ann@192.0.2.2:22', 'ann@inner:22'],
  )
  t.match(says(text, 'round'), [/ProxyJump makes a loop: round -> turn -> round/])
  t.match(says(`Host x\n  ProxyJump ${Array(20).fill('h').join(',')}`), [/more than 8 jump hosts/])
  t.match(says('ProxyJump a b\nProxyCommand nc'), [])
  t.match(says('ProxyJump @'), [/is not \[USER@\]HOST/])
  t.same(parseJump('ssh://bob@[2001:db8::1]:2200'), {
    host: '2001:db8::1',
    user: 'bob',
    port: 2200,
  })
  t.same(parseJump('2001:db8::1'), { host: '2001:db8::1', user: undefined, port: undefined })
  for (const bad of ['', 'a:0', 'a:99999', '-oProxyCommand=x', 'a b'])
    t.equal(parseJump(bad), undefined, bad)
})

t.test('what is never done', async (t) => {
  t.match(says('ProxyCommand ssh -W %h:%p gate'), [
    /ProxyCommand of "x" is refused.*use ProxyJump HOST/,
  ])
  t.same(says('ProxyCommand none'), [])
  const { directives } = chain(
    'StrictHostKeyChecking no\nLocalCommand rm\nTunnel yes\nFoo 1\nUser a\nUser b\n',
    'x',
  ).entry
  t.match(directives, [
    { name: 'StrictHostKeyChecking', verdict: 'ignored', reason: /always checked/ },
    { verdict: 'refused' },
    { verdict: 'refused' },
    { verdict: 'ignored', reason: 'not known' },
    { verdict: 'honoured' },
    { verdict: 'ignored', reason: 'an earlier line says it' },
  ])
})

t.test('Include: wildcards, places, bounds', async (t) => {
  const folder = new Folder(t)
  const around = { ...AROUND, home: folder.path }
  folder.write('.ssh/config.d/10-a', 'Host x\n  Port 10\n')
  folder.write('.ssh/config.d/20-b', 'Port 20\nUser b\n')
  folder.write('.ssh/config.d/.hidden', 'Port 30\n')
  folder.write('.ssh/round', 'Include round\nCompression yes\n')
  const plan = last('Include config.d/*\nInclude nowhere ~/.ssh/round\n', 'x', around)
  t.match(plan, { port: 10, username: 'b' })
  t.equal(
    last('Host other\n  Include config.d/*\nHost *\n', 'x', around).port,
    22,
    'only where the Host fits',
  )
  const { warnings, directives } = chain('Include round', 'x', around).entry
  t.match(warnings, [/./, /./].slice(0, warnings.length))
  t.match(warnings[0]?.message, /too many files/)
  t.ok(directives.some(({ name }) => name === 'Compression (round)'))
  mkdirSync(join(folder.path, '.ssh/folder'))
  t.match(chain('Include folder', 'x', around).warnings[0]?.message, /is not a regular file/)
})

t.test('whatever stands in the file', async () => {
  const word = fc.oneof(
    fc.constantFrom(
      'Host',
      'Match',
      'host',
      'all',
      'ProxyJump',
      'Include',
      '*',
      '!x',
      'x',
      'User',
      'IdentityFile',
      'Port',
      '=',
      '"',
      '%h',
      `$${'{X}'}`,
      'Ciphers',
      '^a',
      'none',
    ),
    fc.string({ maxLength: 12 }),
  )
  const text = fc
    .array(fc.array(word, { maxLength: 5 }).map((words) => words.join(' ')))
    .map((lines) => lines.join('\n'))
  const around = { ...AROUND, home: '/nonexistent' }
  holds(
    t,
    fc.property(fc.oneof(text, fc.string({ unit: 'binary' })), fc.string(), (content, name) => {
      if (/include/i.test(content)) return
      chain(content, name, around)
      evaluateSsh(content, 'config', {
        host: name,
        user: undefined,
        localUser: 'a',
        home: '/nonexistent',
      })
    }),
  )
})

const KEY = ssh2.utils.generateKeyPairSync('ed25519')
const LOCKED = ssh2.utils.generateKeyPairSync('ed25519', {
  passphrase: 'x',
  cipher: 'aes256-ctr',
} as never)

async function tunnel(t: Test, fields: string, write: (folder: Folder) => void = () => {}) {
  const folder = new Folder(t)
  folder.write('id', KEY.private)
  folder.write('id.pub', KEY.public)
  folder.write('locked', LOCKED.private)
  folder.write('known', '')
  folder.write('pw', 'horse\n')
  write(folder)
  const loaded = await folder.check(
    `version: 1\nenvironments:\n  a: { tunnel: { type: ssh, ${fields} } }\n`,
  )
  const options = loaded.options?.environments[0]?.tunnel as SshOptions | undefined
  return { ...loaded, hops: options?.hops ?? [], folder }
}

t.test('fields', async (t) => {
  t.ok(isLocked(LOCKED.private))
  t.notOk(isLocked(KEY.private))
  const key = await tunnel(
    t,
    'host: gate.example, port: 2222, username: bob, key: id, known_hosts: known',
  )
  t.match(key.hops, [{ host: 'gate.example', port: 2222, username: 'bob', keys: [{ file: 'id' }] }])
  t.equal(key.hops[0]?.agent, undefined, 'a key stands alone')
  t.same(key.hops[0]?.knownHosts, [join(key.folder.path, 'known')])
  const password = await tunnel(t, 'host: gate.example, username: bob, password_file: pw')
  t.match(password.hops, [{ password: 'horse', keys: [] }])
  const locked = await tunnel(t, 'host: g, key: [id, locked], key_password_file: pw')
  t.match(locked.hops[0]?.keys, [{ file: 'id' }, { file: 'locked', password: 'horse' }])
  t.notOk('password' in (locked.hops[0]?.keys[0] ?? {}))

  const wrong = async (fields: string) => (await tunnel(t, fields)).problems
  t.match(await wrong('username: a'), [/"host" is missing/])
  t.match(await wrong('host: "a b"'), [/is not a host name/])
  t.match(await wrong('host: g, key: nowhere'), [/nowhere does not exist/])
  t.match(await wrong('host: g, key: pw'), [/pw is no private key/])
  t.same(await wrong('host: g, key: locked, agent: false'), [], 'its password is asked for')
  t.match(await wrong('host: g, known_hosts: nowhere'), [/nowhere does not exist/])
  t.match(await wrong('host: g, jump: "a b"'), [/is not \[USER@\]HOST/])
  t.match(await wrong('host: g, jump: { port: 22 }'), [/"host" is missing/])
})

t.test('jump hosts: keys are shared, the password is not', async (t) => {
  const { hops } = await tunnel(
    t,
    "host: g, username: bob, password_file: pw, key: id, jump: ['ann@one:2200, two', { host: three, username: eve, password_file: pw }]",
  )
  t.match(
    hops.map(({ host, username, password, keys }) => [host, username, password, keys.length]),
    [
      ['one', 'ann', undefined, 1],
      ['two', /./, undefined, 1],
      ['three', 'eve', 'horse', 0],
      ['g', 'bob', 'horse', 1],
    ],
  )
})

t.test('an entry of an ssh_config file', async (t) => {
  const write = (folder: Folder) => {
    folder.write(
      'config',
      `Host office\n  HostName gate.example\n  User bob\n  IdentityFile ${folder.path}/id\n  UserKnownHostsFile ${folder.path}/known\n  StrictHostKeyChecking no\n  ProxyJump hop\nHost hop\n  IdentityFile ${folder.path}/id\n  IdentityFile ${folder.path}/gone\n`,
    )
  }
  const good = await tunnel(t, 'file: config, host: office, agent: false', write)
  t.same(good.problems, [])
  t.match(good.hops, [
    { host: 'hop', keys: [{}] },
    { host: 'gate.example', username: 'bob', keys: [{}] },
  ])
  t.ok(good.warnings.some((text) => /gone does not exist/.test(text)))
  t.ok(
    good.warnings.some((text) => /StrictHostKeyChecking.*host keys are always checked/.test(text)),
    'a relaxation is not silent',
  )
  const over = await tunnel(
    t,
    'file: config, host: office, username: eve, port: 99, key: id, jump: other',
    write,
  )
  t.match(over.hops, [{ host: 'other' }, { username: 'eve', port: 99 }])
  t.match((await tunnel(t, 'file: config, host: offic', write)).problems, [
    /no entry for host "offic"; did you mean "office"\?/,
  ])
  t.match((await tunnel(t, 'file: nowhere, host: x')).problems, [/nowhere does not exist/])
})

t.test('what does not go with each other', async (t) => {
  const folder = new Folder(t)
  folder.write('id', KEY.private)
  const { problems } = await folder.check(`version: 1
environments:
  s: { tunnel: { type: ssh, host: g, key: id }, publish: [{ port: 80, to: 'localhost:80' }, { port: 53, to: 'localhost:53', protocol: udp }] }
  w: { tunnel: { type: wireguard, file: office.conf, through: s } }
  p: { tunnel: { type: http, server: 'p:80' }, publish: [{ port: 80, to: 'localhost:80' }] }
  q: { tunnel: { type: socks5, server: 'p:80', through: s }, publish: [{ port: 80, to: 'localhost:80' }] }
  v: { tunnel: { type: wireguard, file: office.conf, through: p } }
`)
  t.equal(problems.length, 5)
  t.match(problems, [
    /:3:.*a tunnel of type ssh takes no datagrams from inside: udp can not be published/,
    /:4:.*wireguard needs UDP, and "s" carries none \(type ssh\)/,
    /:5:.*a proxy as tunnel takes no connections/,
    /:6:.*a proxy as tunnel takes no connections/,
    /:7:.*wireguard needs UDP, and "p" carries none \(type http\)/,
  ])
})

t.test(
  "OpenSSH's own reading of the same file",
  { skip: hasSsh() ? false : 'ssh is not installed' },
  async (t) => {
    const folder = new Folder(t)
    const file = folder.write(
      'config',
      `Host a*\n  HostName %h.example\n  Port 2200\nMatch originalhost abc\n  User matched\nHost *\n  User all\n  ServerAliveInterval 5\n  IdentityFile /keys/%n-%r\n`,
    )
    for (const name of ['abc', 'axy', 'other']) {
      const text = execFileSync('ssh', ['-G', '-F', file, name], { encoding: 'utf8' })
      const told = (key: string) => new RegExp(`^${key} (.*)$`, 'm').exec(text)?.[1]
      const plan = last(folder.read('config'), name)
      t.equal(plan.host, told('hostname'), name)
      t.equal(String(plan.port), told('port'), name)
      t.equal(plan.username, told('user'), name)
      t.equal(String(plan.aliveInterval), told('serveraliveinterval'), name)
    }
  },
)

function hasSsh(): boolean {
  try {
    execFileSync('ssh', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

t.test('import: the host that is named, or the only one', async (t) => {
  const folder = new Folder(t)
  const known = folder.write('known', '')
  const text = `Host office gate.example\n  User bob\n  UserKnownHostsFile ${known}\n  LocalCommand rm\nHost other\n  ProxyCommand nc\n`
  const file = folder.write('ssh/config', text)
  const config = join(folder.path, 'pvpn.yaml')
  const add = (name?: string, from = file) =>
    importFile({ file: from, name, config, dryRun: false })
  t.throws(() => add(), {
    code: 'ERR_CONFIG',
    message: /has several hosts: office, gate\.example, other/,
    hint: /--name HOST/,
  })
  t.throws(() => add('other'), {
    code: 'ERR_CONFIG',
    message: /ProxyCommand of "other" is refused/,
  })
  const result = add('office')
  t.match(result, { name: 'office', kind: 'an ssh_config file', copy: 'config' })
  t.match(result.directives, [
    { name: 'Host', verdict: 'honoured' },
    { name: 'User', verdict: 'honoured' },
    { name: 'UserKnownHostsFile', verdict: 'honoured' },
    { name: 'LocalCommand', verdict: 'refused', reason: /never run/ },
  ])
  t.match(add('gate').lines, /type: ssh, file: config, host: gate\.example/)
  const single = folder.write('one', 'Host lab.example\n  HostName 192.0.2.1\nHost *\n  User ann\n')
  t.match(add(undefined, single), { name: 'lab', listen: ['127.0.0.1:1083'] })
  const { options, problems } = await folder.load()
  t.same(problems, [])
  t.same(
    options?.environments.map(({ name, tunnel }) => [name, tunnel.type]),
    [
      ['office', 'ssh'],
      ['gate', 'ssh'],
      ['lab', 'ssh'],
    ],
  )
})
