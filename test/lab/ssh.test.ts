/** Debian's sshd as a tunnel, behind NAT, beside a WireGuard environment with the very same numbers. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { LabGateway, PVPN, unprivileged } from '../support/lab-gateway.js'
import { eventually, labSkip } from '../support/namespace.js'
import { LAB_PROGRAMS, SITES, serve, VpnLab, WEB } from '../support/vpn-lab.js'
import { PASSWORD, SSH_PROGRAMS, SshLab, sshSkip } from './ssh-lab.js'

const skip = labSkip(...LAB_PROGRAMS, ...SSH_PROGRAMS, 'nc') || sshSkip

const OFFICE = SITES.office.public
const SITE = SITES.site.public
const ROUTER = '192.168.12.1'

/** Environment to its tunnel; ports from 1091 on. */
const TUNNELS: Readonly<Record<string, string>> = {
  key: `host: ${OFFICE}, username: ann, key: id, known_hosts: known`,
  rsa: `host: ${OFFICE}, username: ann, key: locked, key_password_file: sesame, known_hosts: known`,
  ecdsa: `host: ${OFFICE}, username: ann, key: locked2, key_password_file: sesame, known_hosts: known`,
  agent: `host: ${OFFICE}, username: ann, agent: agent.sock, known_hosts: known`,
  password: `host: ${OFFICE}, username: ann, password_file: pw, known_hosts: known`,
  keyboard: `host: ${OFFICE}, username: carol, password_file: pw, known_hosts: known`,
  both: `host: ${OFFICE}, username: bob, key: id, password_file: pw, known_hosts: known`,
  jumps: 'file: ssh_config, host: far',
  jumped: `host: ${SITE}, username: ann, key: id, known_hosts: known, jump: 'ann@${OFFICE}'`,
  eve: `host: ${OFFICE}, username: eve, key: id, known_hosts: known`,
  deep: `host: 192.168.10.1, username: ann, key: id, known_hosts: known, through: office`,
  unknown: `host: ${OFFICE}, username: ann, key: id, known_hosts: empty`,
  changed: `host: ${OFFICE}, username: ann, key: id, known_hosts: changed`,
  revoked: `host: ${OFFICE}, username: ann, key: id, known_hosts: revoked`,
  wrongpw: `host: ${OFFICE}, username: ann, password_file: wrong, known_hosts: known`,
  wrongkey: `host: ${OFFICE}, username: ann, key: stranger, known_hosts: known`,
}
const NAMES = Object.keys(TUNNELS)
const PORTS = Object.fromEntries(NAMES.map((name, i) => [name, 1091 + i]))

function configuration(extra: Readonly<Record<string, string>> = {}): string {
  return `version: 1
environments:
  office: { tunnel: { type: wireguard, file: office.conf }, listen: 127.0.0.1:1081 }
${NAMES.map((name) => `  ${name}: { tunnel: { type: ssh, ${TUNNELS[name]} }, listen: 127.0.0.1:${PORTS[name]}${extra[name] ?? ''} }`).join('\n')}
`
}

const PUBLISH = ", publish: [{ port: 8080, to: '127.0.0.1:8088' }]"

/** Waits for the end of what comes, then says how much it was. */
const COUNTER = `require('net').createServer({ allowHalfOpen: true }, (s) => {
  let n = 0
  s.on('data', (b) => { n += b.length }).on('end', () => s.end('got ' + n))
}).listen(7777, '${WEB}', () => console.log('ready'))`

t.test('SSH as a tunnel', { skip, timeout: 280_000 }, async (t) => {
  const lab = await VpnLab.create()
  t.teardown(() => lab.destroy())
  const ssh = new SshLab(lab)
  t.teardown(() => ssh.stopAll())
  const { office, site } = lab.sites
  await ssh.start(office, ['office-ed25519', 'office-rsa', 'office-ecdsa'], {
    resolver: '192.168.10.1',
  })
  await ssh.start(site, ['site-ed25519'])
  await ssh.start(lab.router, ['router-ed25519'], { port: 2222 })
  await serve(lab.client, 'client', '127.0.0.1:8088')
  const counter = office.spawn([process.execPath, '-e', COUNTER], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => counter.stdout?.once('data', resolve))

  const gateway = new LabGateway(lab, configuration({ key: PUBLISH }))
  for (const name of ['id', 'locked', 'locked2', 'stranger', 'inagent']) {
    gateway.write(name, ssh.read(name))
  }
  gateway.write('pw', `${PASSWORD}\n`)
  gateway.write('wrong', 'wrong-horse\n')
  gateway.write('sesame', 'open-sesame\n')
  const inner = ssh.known('192.168.10.1', 'office-ed25519')
  const known = `# known\n${ssh.known(`${OFFICE},x.example`, 'office-ed25519')}${ssh.known(SITE, 'site-ed25519')}${inner}`
  gateway.write('known', known)
  gateway.write('empty', '\n')
  gateway.write('changed', ssh.known(OFFICE, 'other-ed25519'))
  gateway.write('revoked', `${known}@revoked ${ssh.known('*', 'office-ed25519')}`)
  gateway.write('hashed', `${ssh.known(`[${ROUTER}]:2222`, 'router-ed25519')}${known}`)
  execFileSync('ssh-keygen', ['-q', '-H', '-f', join(gateway.folder, 'hashed')])
  gateway.write(
    'ssh_config',
    `Host far
  HostName ${SITE}
  ProxyJump gate,middle
Host gate
  HostName ${ROUTER}
  Port 2222
Host middle
  HostName ${OFFICE}
Host *
  User ann
  IdentityFile ${gateway.folder}/id
  UserKnownHostsFile ${gateway.folder}/hashed
  ServerAliveInterval 1
  IdentityAgent none
`,
  )
  gateway.write('hashed', gateway.read('hashed'))
  mkdirSync(join(gateway.folder, 'home'))
  const agent = lab.client.spawn(
    unprivileged(['ssh-agent', '-D', '-a', join(gateway.folder, 'agent.sock')]),
    { stdio: 'ignore' },
  )
  t.teardown(() => agent.kill())
  const sock = { ...gateway.env, SSH_AUTH_SOCK: join(gateway.folder, 'agent.sock') }
  const added = await eventually(async () => {
    const argv = unprivileged(['ssh-add', '-q', join(gateway.folder, 'inagent')])
    return (await lab.client.run(argv, { env: sock })).code === 0
  })
  t.ok(added, 'the agent has a key')

  t.teardown(() => gateway.down())
  // Some are meant to fail, so that it waits in vain for all; here it is enough that they have begun.
  await gateway.up(5)
  const runs = await eventually(
    async () => (await gateway.pvpn('status', '--json')).code === 0,
    30_000,
  )
  t.ok(runs, gateway.stderr)
  const get = async (name: string, url: string, ...more: string[]) => {
    const argv = [
      'curl',
      '-sS',
      '-m',
      '20',
      '-x',
      `socks5h://127.0.0.1:${PORTS[name]}`,
      ...more,
      url,
    ]
    const { stdout, stderr } = await lab.client.run(argv)
    return `${stdout}${stderr}`
  }
  const error = async (name: string) => (await gateway.environment(name)).error?.message ?? ''

  await t.test('every kind of login, and jump hosts', async (t) => {
    const good = ['key', 'rsa', 'ecdsa', 'agent', 'password', 'keyboard', 'both']
    for (const name of good) {
      t.ok(await gateway.reaches(name, 'up', 30_000), `${name}: ${await error(name)}`)
      t.match(await get(name, `http://${WEB}/`), /^office /, name)
    }
    for (const name of ['jumps', 'jumped']) {
      t.ok(await gateway.reaches(name, 'up', 20_000), `${name}: ${await error(name)}`)
      t.match(await get(name, `http://${WEB}/`), /^site /, name)
    }
    t.match((await gateway.environment('key')).tunnel, { type: 'ssh', endpoint: `${OFFICE}:22` })
    t.match(
      await gateway.curl('office', `http://${WEB}/`),
      { stdout: /^office / },
      'WireGuard beside it',
    )
  })

  await t.test('through WireGuard', async (t) => {
    t.ok(await gateway.reaches('deep', 'up', 30_000), await error('deep'))
    t.match(await get('deep', `http://${WEB}/`), /^office /)
    t.match(ssh.log, /Connection from 192\.168\.9\.52/)
  })

  await t.test('what must not be: it fails at once, and says what to do', async (t) => {
    for (const name of ['unknown', 'changed', 'revoked', 'wrongpw', 'wrongkey']) {
      t.ok(await gateway.reaches(name, 'failed', 20_000), `${name}: ${await error(name)}`)
      t.match(await get(name, `http://${WEB}/`), /curl: \(97\)/, 'nothing goes elsewhere')
    }
    const print = execFileSync('ssh-keygen', ['-lf', join(ssh.folder, 'host-office-ed25519.pub')], {
      encoding: 'utf8',
    })
    const fingerprint = print.split(' ')[1] ?? '-'
    const unknown = await error('unknown')
    t.match(unknown, /is not known: /)
    t.match(unknown, /ssh-keyscan -t \w+ -p 22 203\.0\.113\.2 >> .*\/empty/)
    t.match(await error('changed'), /HAS CHANGED/)
    t.ok((await error('changed')).includes(fingerprint), 'the key that is known is asked for')
    t.match(await error('changed'), /changed:1 has another/)
    t.match(await error('revoked'), /REVOKED/)
    t.match(
      await error('wrongpw'),
      /^auth failed: ann@203\.0\.113\.2:22: the server did not accept the password/,
    )
    t.match(await error('wrongkey'), /^auth failed: .*did not accept key stranger/)
    const refused = ssh.log.match(/Failed (password|keyboard-interactive\/pam) for ann/g)?.length
    t.equal(refused, 1, 'a wrong password is sent once')
    t.notMatch(gateway.stdout + gateway.stderr, /horse|sesame/, 'no password in logs')
  })

  await t.test('names, refusals and UDP', async (t) => {
    t.match(await get('key', 'http://www.office.example/'), /^office /, 'names are resolved there')
    t.match(await get('key', `http://${WEB}:9/`), /Connection refused|\(5\)/i, 'refused')
    t.match(await socks('key', 'nowhere.example', 80), /^reply 4/, 'no such name')
    t.match(await socks('key', WEB, 9), /^reply 5/, 'refused')
    t.match(await socks('key', '203.0.113.99', 80), /^reply (3|4)/, 'unreachable')
    t.ok(await gateway.reaches('eve', 'up', 20_000))
    t.match(await socks('eve', WEB, 80), /^reply 2/, 'the server does not allow it')
    t.match(await socks('key', '', 0, 3), /^reply 7/, 'no UDP')
  })

  /** The SOCKS reply to a request. */
  async function socks(name: string, host: string, port: number, command = 1): Promise<string> {
    const code = `const s = require('net').connect(${PORTS[name]}, '127.0.0.1')
      const host = Buffer.from('${host}')
      s.write(Buffer.from([5, 1, 0, 5, ${command}, 0, ...(host.length ? [3, host.length, ...host] : [1, 0, 0, 0, 0]), ${port >> 8}, ${port & 255}]))
      let all = Buffer.alloc(0)
      s.on('data', (b) => { all = Buffer.concat([all, b]); if (all.length > 3) { console.log('reply ' + all[3]); s.destroy() } })
      s.on('end', () => s.destroy())`
    const { stdout, stderr } = await lab.client.run([process.execPath, '-e', code])
    return `${stdout}${stderr}`
  }

  await t.test('half-close, and bytes whole in both directions', async (t) => {
    const sent = 'x'.repeat(300_000)
    const argv = unprivileged([process.execPath, PVPN, 'nc', 'key', WEB, '7777'])
    const { stdout } = await lab.client.run(argv, { env: gateway.env, input: sent })
    t.equal(stdout, 'got 300000')
    const size = 20_000_000
    const down = await lab.client.run([
      'sh',
      '-c',
      `curl -sS -x socks5h://127.0.0.1:${PORTS.key} http://${WEB}/big?n=${size} | md5sum`,
    ])
    const local = await office.run(['sh', '-c', `curl -sS http://${WEB}/big?n=${size} | md5sum`])
    t.equal(down.stdout, local.stdout)
    const up = await lab.client.run([
      'sh',
      '-c',
      `head -c ${size} /dev/zero | curl -sS -x socks5h://127.0.0.1:${PORTS.key} -T - http://${WEB}/`,
    ])
    const zeros = await office.run(['sh', '-c', `head -c ${size} /dev/zero | md5sum`])
    t.match(up.stdout, new RegExp(`^office ${size} ${zeros.stdout.slice(0, 32)}`))
  })

  await t.test('publish: a local service, reachable from inside', async (t) => {
    const reached = await eventually(async () =>
      /^client /.test((await office.run(['curl', '-sS', '-m', '5', `http://${WEB}:8080/`])).stdout),
    )
    t.ok(reached)
  })

  await t.test('pvpn-wrap', async (t) => {
    const wrap = PVPN.replace(/pvpn$/, 'pvpn-wrap')
    for (const via of ['netns', 'preload']) {
      const argv = [wrap, '--via', via, 'key', 'curl', '-sS', '-m', '15', `http://${WEB}/`]
      const { stdout, stderr } = await lab.client.run(unprivileged(argv), { env: gateway.env })
      t.match(`${stdout}${stderr}`, /^office /, via)
    }
  })

  await t.test('dns.servers are asked through it, by TCP', async (t) => {
    gateway.write(
      'pvpn.yaml',
      configuration({ key: `${PUBLISH}, dns: { servers: [192.168.10.1] }` }),
    )
    await gateway.pvpn('reload')
    t.ok(await gateway.reaches('key', 'up', 20_000))
    t.match(await get('key', 'http://www.office.example/'), /^office /)
    t.match(await socks('key', 'www.office.example', 80, 0xf0), /^reply 0/, 'RESOLVE')
    t.match(await socks('key', 'nowhere.example', 80), /^reply 4/)
  })

  await t.test('the server restarts under open connections', { timeout: 60_000 }, async (t) => {
    const slow = lab.client.run([
      'curl',
      '-sS',
      '-m',
      '30',
      '-x',
      `socks5h://127.0.0.1:${PORTS.key}`,
      `http://${WEB}/slow?n=1000000&ms=20000`,
    ])
    await new Promise((resolve) => setTimeout(resolve, 500))
    await ssh.stop(office)
    t.not((await slow).code, 0, 'a cut answer is not passed off as whole')
    t.ok(await gateway.reaches('key', 'down', 10_000))
    t.match(await error('key'), /^server unreachable: /)
    t.match(await get('key', `http://${WEB}/`), /curl: \(97\)/)
    await ssh.start(office, ['office-ed25519'], { resolver: '192.168.10.1' })
    t.ok(await gateway.reaches('key', 'up', 20_000), await error('key'))
    t.match(await get('key', `http://${WEB}/`), /^office /)
    const published = await eventually(async () =>
      /^client /.test((await office.run(['curl', '-sS', '-m', '5', `http://${WEB}:8080/`])).stdout),
    )
    t.ok(published, 'published again')
  })

  await t.test('the way is silent', { timeout: 60_000 }, async (t) => {
    t.ok(await gateway.reaches('jumps', 'up', 40_000), await error('jumps'))
    await lab.cut('site', true)
    await lab.cut('office', true)
    t.ok(await gateway.reaches('jumps', 'down', 20_000), 'noticed by the keep-alive')
    t.match(await error('jumps'), /^server unreachable: no answer/)
    await lab.cut('site', false)
    t.ok(await gateway.reaches('jumps', 'up', 40_000), await error('jumps'))
    t.match(await get('jumps', `http://${WEB}/`), /^site /)
  })

  await t.test('an unknown key is learned, and it comes up', async (t) => {
    gateway.write('empty', ssh.known(OFFICE, 'office-ed25519'))
    await gateway.pvpn('restart', 'unknown')
    t.ok(await gateway.reaches('unknown', 'up', 20_000), await error('unknown'))
  })

  await t.test('memory stays flat', { timeout: 120_000 }, async (t) => {
    const memory = async () => {
      const { pid } = await gateway.environment('key')
      const status = execFileSync('sh', ['-c', `grep VmRSS /proc/${pid}/status`], {
        encoding: 'utf8',
      })
      return Number(/\d+/.exec(status)?.[0]) / 1024
    }
    const load = (n: number) =>
      get('key', `http://${WEB}/big?n=${n}`, '-o', '/dev/null', '-m', '60')
    await load(50_000_000)
    const before = await memory()
    t.equal(await load(400_000_000), '')
    const after = await memory()
    t.comment(`resident: ${Math.round(before)} MB, after 400 MB more ${Math.round(after)} MB`)
    t.ok(after < before + 60)
  })
})
