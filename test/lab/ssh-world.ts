/**
 * The lab of SSH as a tunnel: Debian's sshd at office, site and router, and a gateway with the
 * environments that a file of tests wants, beside a WireGuard environment with the very same numbers.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { LabGateway, unprivileged } from '../support/lab-gateway.js'
import { eventually, labSkip } from '../support/namespace.js'
import { LAB_PROGRAMS, SITES, VpnLab } from '../support/vpn-lab.js'
import { PASSWORD, SSH_PROGRAMS, SshLab, sshSkip } from './ssh-lab.js'

export const skip = labSkip(...LAB_PROGRAMS, ...SSH_PROGRAMS) || sshSkip

export const OFFICE = SITES.office.public
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
  askpw: `host: ${OFFICE}, username: ann, known_hosts: known`,
  askkey: `host: ${OFFICE}, username: ann, key: locked, known_hosts: known`,
  askcode: `host: ${OFFICE}, username: carol, known_hosts: known`,
  wrongpw: `host: ${OFFICE}, username: ann, password_file: wrong, known_hosts: known`,
  wrongkey: `host: ${OFFICE}, username: ann, key: stranger, known_hosts: known`,
}
const PORTS = Object.fromEntries(Object.keys(TUNNELS).map((name, i) => [name, 1091 + i]))

/** `extra`: further settings of an environment, after a comma. */
export function configuration(
  names: readonly string[],
  extra: Readonly<Record<string, string>> = {},
): string {
  const line = (name: string) =>
    `  ${name}: { tunnel: { type: ssh, ${TUNNELS[name]} }, listen: 127.0.0.1:${PORTS[name]}${extra[name] ?? ''} }`
  return `version: 1
environments:
  office: { tunnel: { type: wireguard, file: office.conf }, listen: 127.0.0.1:1081 }
${names.map(line).join('\n')}
`
}

export class SshWorld {
  readonly lab: VpnLab
  readonly ssh: SshLab
  readonly gateway: LabGateway

  private constructor(lab: VpnLab, ssh: SshLab, gateway: LabGateway) {
    this.lab = lab
    this.ssh = ssh
    this.gateway = gateway
  }

  /** Servers, an agent with a key, and a gateway with these environments, which have begun to connect. */
  static async create(
    t: Test,
    names: readonly string[],
    extra: Readonly<Record<string, string>> = {},
  ): Promise<SshWorld> {
    const lab = await VpnLab.create()
    t.teardown(() => lab.destroy())
    const ssh = new SshLab(lab)
    t.teardown(() => ssh.stopAll())
    await ssh.start(lab.sites.office, ['office-ed25519', 'office-rsa', 'office-ecdsa'], {
      resolver: '192.168.10.1',
    })
    await ssh.start(lab.sites.site, ['site-ed25519'])
    await ssh.start(lab.router, ['router-ed25519'], { port: 2222 })
    const gateway = new LabGateway(lab, configuration(names, extra))
    place(gateway, ssh)
    const world = new SshWorld(lab, ssh, gateway)
    if (names.includes('agent')) await world.#agent(t)
    t.teardown(() => gateway.down())
    // Some are meant to fail, so that it waits in vain for all; here it is enough that they have begun.
    await gateway.up(1)
    return world
  }

  port(name: string): number {
    return PORTS[name] ?? 0
  }

  /** What curl prints, errors too. */
  async get(name: string, url: string, ...more: string[]): Promise<string> {
    const proxy = ['-x', `socks5h://127.0.0.1:${this.port(name)}`]
    const argv = ['curl', '-sS', '-m', '20', ...proxy, ...more, url]
    const { stdout, stderr } = await this.lab.client.run(argv)
    return `${stdout}${stderr}`
  }

  async error(name: string): Promise<string> {
    return (await this.gateway.environment(name)).error?.message ?? ''
  }

  /** The SOCKS reply to a request. */
  async socks(name: string, host: string, port: number, command = 1): Promise<string> {
    const code = `const s = require('net').connect(${this.port(name)}, '127.0.0.1')
      const host = Buffer.from('${host}')
      s.write(Buffer.from([5, 1, 0, 5, ${command}, 0, ...(host.length ? [3, host.length, ...host] : [1, 0, 0, 0, 0]), ${port >> 8}, ${port & 255}]))
      let all = Buffer.alloc(0)
      s.on('data', (b) => { all = Buffer.concat([all, b]); if (all.length > 3) { console.log('reply ' + all[3]); s.destroy() } })
      s.on('end', () => s.destroy())`
    const { stdout, stderr } = await this.lab.client.run([process.execPath, '-e', code])
    return `${stdout}${stderr}`
  }

  async #agent(t: Test): Promise<void> {
    const { gateway, lab } = this
    const socket = join(gateway.folder, 'agent.sock')
    const agent = lab.client.spawn(unprivileged(['ssh-agent', '-D', '-a', socket]), {
      stdio: 'ignore',
    })
    t.teardown(() => agent.kill())
    const argv = unprivileged(['ssh-add', '-q', join(gateway.folder, 'inagent')])
    const env = { ...gateway.env, SSH_AUTH_SOCK: socket }
    const added = await eventually(async () => (await lab.client.run(argv, { env })).code === 0)
    if (!added) throw new Error('the agent takes no key')
  }
}

/** Keys, passwords, known_hosts and ssh_config beside the configuration. */
function place(gateway: LabGateway, ssh: SshLab): void {
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
}
