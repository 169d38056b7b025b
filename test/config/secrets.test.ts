import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Folder, KEY, PEER } from './support.js'

function withUser(password: string): string {
  return `environments:\n  a:\n    tunnel: { type: direct }\n    users: [{ name: ann, ${password} }]\n`
}

async function passwordOf(folder: Folder, password: string, secrets = true) {
  const { options, problems, warnings } = await folder.check(withUser(password), { secrets })
  return { password: options?.environments[0]?.users[0]?.password, problems, warnings }
}

t.test('a secret in the clear needs a file that is private', async (t) => {
  const folder = new Folder(t)
  t.match(await passwordOf(folder, 'password: hunter2'), { password: 'hunter2', problems: [] })
  t.match(await passwordOf(folder, 'password: 0123'), { password: '0123' })
  for (const mode of [0o640, 0o604, 0o644, 0o620, 0o601]) {
    folder.write('pvpn.yaml', withUser('password: hunter2'), mode)
    t.strictSame((await folder.load()).problems, [
      'pvpn.yaml:4:36: "password" stands in the clear, and others may read this file: chmod 600 pvpn.yaml, or use "password_file"',
    ])
  }
  folder.write('pvpn.yaml', withUser('password: hunter2'), 0o400)
  t.strictSame((await folder.load()).problems, [])
})

t.test('a secret in a file: one newline is not part of it, and it is read only once', async (t) => {
  const folder = new Folder(t)
  for (const [content, wanted] of [
    ['hunter2', 'hunter2'],
    ['hunter2\n', 'hunter2'],
    ['hunter2\r\n', 'hunter2'],
    ['hunter2\n\n', 'hunter2\n'],
    [' hunter 2 ', ' hunter 2 '],
  ] as const) {
    folder.write('s', content)
    t.match(await passwordOf(folder, 'password_file: s'), { password: wanted, warnings: [] })
  }
  folder.write('s', 'hunter2', 0o644)
  t.match(await passwordOf(folder, 'password_file: s'), {
    password: 'hunter2',
    warnings: ['pvpn.yaml:4:41: others can read the secret in s: chmod 600 s'],
  })
  folder.write('pvpn.yaml', withUser('password_file: s'), 0o644)
  t.strictSame((await folder.load()).problems, [], 'the configuration itself may be public then')
})

t.test('secrets that can not be used', async (t) => {
  const folder = new Folder(t)
  const problem = async (content: string | Uint8Array | undefined) => {
    if (content !== undefined) folder.write('s', content)
    return (await passwordOf(folder, 'password_file: s', false)).problems
  }
  t.strictSame(await problem(undefined), ['pvpn.yaml:4:41: s does not exist'])
  t.strictSame(await problem(''), ['pvpn.yaml:4:41: the password is empty'])
  t.strictSame(await problem('x'.repeat(256)), [
    'pvpn.yaml:4:41: the password is longer than 255 bytes',
  ])
  t.strictSame(await problem(Uint8Array.of(0xff)), ['pvpn.yaml:4:41: s is not text'])
  t.strictSame(await problem('x'.repeat(65_537)), ['pvpn.yaml:4:41: s is larger than 65536 bytes'])
})

t.test('a command is run to start, and never by check', async (t) => {
  const folder = new Folder(t)
  const command = "password_command: 'touch ran; printf hunter2'"
  t.match(await passwordOf(folder, command, false), { password: '', problems: [] })
  t.throws(() => folder.read('ran'))
  t.match(await passwordOf(folder, command), { password: 'hunter2', problems: [] })
  t.equal(folder.read('ran'), '', "it runs in the configuration's folder")
})

t.test('no command runs for a file that has problems', async (t) => {
  const folder = new Folder(t)
  await folder.check(`${withUser("password_command: 'touch ran; echo x'")}  b: 3\n`, {
    secrets: true,
  })
  t.throws(() => folder.read('ran'))
})

t.test("a client gets its environment's users only", async (t) => {
  const folder = new Folder(t)
  const environment = (name: string) =>
    `  ${name}: { tunnel: { type: direct }, users: [{ name: ann, password_command: 'echo ${name}; touch ${name}' }] }\n`
  const yaml = `environments:\n${environment('x')}${environment('y')}`
  const { options } = await folder.check(yaml, { secrets: true, usersOf: 'y' })
  t.strictSame(
    options?.environments.map(({ users }) => users[0]?.password),
    ['', 'y'],
  )
  t.throws(() => folder.read('x'))
})

t.test('commands that fail are told without command and output', async (t) => {
  const folder = new Folder(t)
  const told = async (command: string) => {
    const { problems } = await passwordOf(folder, `password_command: '${command}'`)
    t.equal(problems.length, 1)
    t.notMatch(problems[0], /hunter2/)
    return problems[0]?.replace(/^.*?: /, '')
  }
  t.equal(await told('echo hunter2; echo hunter2 >&2; exit 3'), 'the command failed with status 3')
  t.equal(await told('kill -TERM $$ # hunter2'), 'the command ended by SIGTERM')
  t.equal(await told('yes hunter2'), 'the command printed more than 65536 bytes')
  t.equal(await told('printf hunter2\\\\377'), 'the command did not print text')
  t.equal(await told('true # hunter2'), 'the password is empty')
})

t.test('commands run at the same time, and what they started ends with them', async (t) => {
  const folder = new Folder(t)
  const begun = join(folder.path, 'begun')
  const users = Array.from({ length: 5 }, (_, i) => {
    // Each ends when all have begun.
    const wait = `echo >> ${begun}; until [ $(wc -l < ${begun}) = 5 ]; do sleep 0.05; done`
    return `{ name: u${i}, password_command: '${wait}; echo p${i}' }`
  })
  const { options } = await folder.check(
    `environments: { a: { tunnel: { type: direct }, users: [${users.join(', ')}] } }`,
    { secrets: true },
  )
  t.strictSame(
    options?.environments[0]?.users.map(({ password }) => password),
    ['p0', 'p1', 'p2', 'p3', 'p4'],
  )
  await passwordOf(folder, `password_command: '(sleep 1; touch late) & yes'`)
  await sleep(1300)
  t.throws(() => folder.read('late'))
})

t.test('WireGuard fields take their keys from files and commands', async (t) => {
  const folder = new Folder(t)
  folder.write('site.key', `${KEY}\n`)
  const yaml = (psk: string) => `environments:
  site:
    tunnel:
      type: wireguard
      private_key_file: site.key
      addresses: 192.168.9.52/24
      peers:
        - public_key: ${PEER}
          ${psk}
          allowed_ips: [0.0.0.0/0]
          persistent_keepalive: off
`
  const good = await folder.check(yaml(`preshared_key_command: 'echo ${PEER}'`), { secrets: true })
  t.strictSame(good.problems, [])
  const tunnel = good.options?.environments[0]?.tunnel
  t.match(tunnel, { type: 'wireguard', mtu: 1420, listenPort: 0, search: [] })
  const encode = (key: Uint8Array | undefined) => Buffer.from(key ?? []).toString('base64')
  if (tunnel?.type === 'wireguard') {
    t.equal(encode(tunnel.privateKey), KEY)
    t.equal(encode(tunnel.peers[0]?.presharedKey), PEER)
  }
  const put = await folder.check(yaml(`preshared_key_command: 'exit 1'`), { secrets: false })
  t.strictSame(put.problems, [], 'check does not run it')
  const bad = await folder.check(yaml('preshared_key: hunter2'), { secrets: true })
  t.strictSame(bad.problems, [
    'pvpn.yaml:9:26: "preshared_key" is not a key: 44 characters of base64 (wg genkey)',
  ])
})

t.test('no message holds a secret, however the YAML around it is broken', async (t) => {
  const folder = new Folder(t)
  for (const value of [
    '*hunter2',
    '!hunter2',
    '&hunter2',
    '[hunter2]',
    '{ hunter2: 1 }',
    '%hunter2',
    '@hunter2',
    '"hunter2',
    "'hunter2",
    '`hunter2',
    '"\\hunter2"',
    'hunter2: x',
    '- hunter2',
    '|hunter2',
    '#hunter2',
  ]) {
    for (const key of ['password', 'private_key']) {
      const yaml = `environments:\n  a:\n    tunnel:\n      type: wireguard\n      ${key}: ${value}\n    users:\n      - name: ann\n        ${key}: ${value}\n`
      const { problems } = await folder.check(yaml, { secrets: true })
      t.ok(problems.length > 0, value)
      t.notMatch(problems.join('\n'), /hunter2/, value)
    }
  }
})

t.test(
  "what a tunnel's fields do not say is looked for in systemd's credentials folder",
  async (t) => {
    const folder = new Folder(t)
    const { CREDENTIALS_DIRECTORY: before } = process.env
    t.teardown(() => {
      if (before === undefined) delete process.env.CREDENTIALS_DIRECTORY
      else process.env.CREDENTIALS_DIRECTORY = before
    })
    const yaml = (tunnel: string) =>
      `environments:\n  a:\n    tunnel: { type: socks5, server: 'gate.example:1080', ${tunnel} }\n`
    const passwordOf = async (tunnel: string) => {
      const { options, problems, warnings } = await folder.check(yaml(tunnel), { secrets: true })
      return { tunnel: options?.environments[0]?.tunnel, problems, warnings }
    }
    folder.write('a.password', 'right horse\n', 0o400)
    folder.write('b.password', 'of another')
    folder.write('own', 'own')
    t.match(await passwordOf('username: ann'), { tunnel: { username: 'ann', password: undefined } })
    process.env.CREDENTIALS_DIRECTORY = folder.path
    t.match(await passwordOf('username: ann'), {
      tunnel: { password: 'right horse' },
      warnings: [],
    })
    t.match(await passwordOf('username: ann, password_file: own'), { tunnel: { password: 'own' } })
    t.match(await passwordOf(''), {
      problems: ['pvpn.yaml:3:13: "$CREDENTIALS_DIRECTORY/a.password" needs a "username"'],
    })
    folder.write('a.password', Uint8Array.of(0xff), 0o600)
    t.match(await passwordOf('username: ann'), {
      problems: ['pvpn.yaml:3:13: $CREDENTIALS_DIRECTORY/a.password is not text'],
    })
    folder.write('a.password', 'x', 0o644)
    const { warnings } = await passwordOf('username: ann')
    t.match(warnings, [
      /others can read the secret in \$CREDENTIALS_DIRECTORY\/a.password: chmod 600/,
    ])

    folder.write('k.private_key', `${KEY}\n`, 0o600)
    folder.write('k.preshared_key', `${PEER}\n`, 0o600)
    const { options } = await folder.check(
      `environments:\n  k:\n    tunnel: { type: wireguard, addresses: 10.0.0.2/32, peers: [{ public_key: '${PEER}', allowed_ips: 0.0.0.0/0 }] }\n`,
      { secrets: true },
    )
    t.match(options?.environments[0]?.tunnel, {
      type: 'wireguard',
      privateKey: Uint8Array.from(Buffer.from(KEY, 'base64')),
      peers: [{ presharedKey: undefined }],
    })
  },
)
