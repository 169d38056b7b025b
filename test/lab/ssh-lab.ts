/**
 * Debian's sshd at the lab's router, office and site, with accounts of its own (mounted over passwd
 * and shadow in each namespace): ann has keys, bob a key and a password one after the other, carol
 * is asked by keyboard-interactive, eve may log in and reach nothing.
 */
import { type ChildProcess, execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, type Namespace } from '../support/namespace.js'
import type { VpnLab } from '../support/vpn-lab.js'

export const SSH_PROGRAMS = ['sshd', 'ssh', 'ssh-keygen', 'ssh-agent', 'ssh-add', 'ssh-keyscan']
export const PASSWORD = 'right-horse'

/** sshd changes to the accounts' users: it needs a root that is one. */
export const sshSkip = process.getuid?.() === 0 ? false : 'sshd needs root'

const ACCOUNTS = { ann: 64001, bob: 64002, carol: 64003, eve: 64004 } as const

const PAM = `auth required pam_unix.so
account required pam_permit.so
session required pam_permit.so
`

export class SshLab {
  readonly lab: VpnLab
  readonly folder: string
  /** By namespace. */
  readonly servers = new Map<Namespace, ChildProcess>()
  /** What all servers have logged. */
  log = ''

  constructor(lab: VpnLab) {
    this.lab = lab
    this.folder = join(lab.folder, 'ssh')
    mkdirSync(this.folder, { mode: 0o755 })
    for (const name of ['office', 'site', 'router', 'other']) this.hostKey(name, 'ed25519')
    this.hostKey('office', 'rsa')
    this.hostKey('office', 'ecdsa')
    this.key('id', '-t', 'ed25519')
    this.key('locked', '-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', 'open-sesame')
    this.key('locked2', '-t', 'ecdsa', '-N', 'open-sesame')
    this.key('inagent', '-t', 'ed25519')
    this.key('stranger', '-t', 'ed25519')
    const keys = ['id', 'locked', 'locked2', 'inagent'].map((name) => this.read(`${name}.pub`))
    this.#place('authorized', keys.join(''))
    const hash = execFileSync('openssl', ['passwd', '-6', PASSWORD], { encoding: 'utf8' }).trim()
    const users = Object.entries(ACCOUNTS)
    const passwd = users.map(([name, id]) => `${name}:x:${id}:${id}::/:/bin/sh\n`).join('')
    const shadow = users.map(([name]) => `${name}:${hash}:20000:0:99999:7:::\n`).join('')
    this.#place('passwd', readFileSync('/etc/passwd', 'utf8') + passwd)
    this.#place('shadow', readFileSync('/etc/shadow', 'utf8') + shadow)
    this.#place('pam', PAM)
  }

  hostKey(name: string, type: string): void {
    this.key(`host-${name}-${type}`, '-t', type)
  }

  /** `ssh-keygen`; without `-N` the key has no password. */
  key(name: string, ...args: readonly string[]): void {
    const password = args.includes('-N') ? [] : ['-N', '']
    execFileSync('ssh-keygen', [
      '-q',
      '-f',
      join(this.folder, name),
      '-C',
      name,
      ...password,
      ...args,
    ])
  }

  read(name: string): string {
    return readFileSync(join(this.folder, name), 'utf8')
  }

  #place(name: string, text: string): string {
    const path = join(this.folder, name)
    writeFileSync(path, text)
    chmodSync(path, 0o644)
    return path
  }

  /** Starts sshd on every address of a namespace; `keys` are its host keys. `resolver`: what names are asked of there. */
  async start(
    ns: Namespace,
    keys: readonly string[],
    options: {
      readonly lines?: readonly string[]
      readonly resolver?: string
      readonly port?: number
    } = {},
  ): Promise<void> {
    const { port = 22 } = options
    const path = (name: string) => join(this.folder, name)
    if (!this.servers.has(ns)) {
      const mounts = [
        `mount --bind ${path('passwd')} /etc/passwd`,
        `mount --bind ${path('shadow')} /etc/shadow`,
        `mount --bind ${path('pam')} /etc/pam.d/sshd`,
      ]
      if (options.resolver !== undefined) {
        const file = this.#place(`resolv-${ns.name}`, `nameserver ${options.resolver}\n`)
        mounts.push(`mount --bind ${file} "$(readlink -f /etc/resolv.conf)"`)
      }
      // Last: resolv.conf may be a link into the very folder that is covered.
      mounts.push('mount -t tmpfs none /run', 'mkdir /run/sshd')
      await ns.check(['sh', '-c', mounts.join(' && ')])
    }
    const file = this.#place(
      `sshd-${ns.name}`,
      [
        `Port ${port}`,
        ...keys.map((key) => `HostKey ${path(`host-${key}`)}`),
        'PidFile none',
        'StrictModes no',
        'UsePAM yes',
        'LogLevel VERBOSE',
        `AuthorizedKeysFile ${path('authorized')}`,
        'AllowTcpForwarding yes',
        'GatewayPorts clientspecified',
        'MaxAuthTries 4',
        'MaxStartups 100:30:200',
        ...(options.lines ?? []),
        'Match User bob',
        '  AuthenticationMethods publickey,password',
        'Match User carol',
        '  AuthenticationMethods keyboard-interactive',
        'Match User eve',
        '  AllowTcpForwarding no',
        '',
      ].join('\n'),
    )
    const sshd = execFileSync('sh', ['-c', 'command -v sshd || echo /usr/sbin/sshd'], {
      encoding: 'utf8',
    }).trim()
    const child = ns.spawn([sshd, '-D', '-e', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr?.on('data', (b: Buffer) => {
      this.log += b.toString()
    })
    this.servers.set(ns, child)
    const listens = await eventually(async () =>
      (await ns.run(['ss', '-ltn'])).stdout.includes(`:${port} `),
    )
    if (!listens) throw new Error(`sshd does not start in ${ns.name}: ${this.log}`)
  }

  /** Ends the server and all of its connections. */
  async stop(ns: Namespace): Promise<void> {
    const child = this.servers.get(ns)
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const sessions = childrenOf(child.pid)
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGKILL')
    for (const pid of sessions) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended with its parent.
      }
    }
    await ended
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.servers.keys()].map((ns) => this.stop(ns)))
  }

  /** A line for known_hosts. */
  known(names: string, key: string): string {
    return `${names} ${this.read(`host-${key}.pub`)}`
  }
}

/** Process ids below one, at any depth. */
function childrenOf(pid: number): readonly number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
  const own = stdout
    .split('\n')
    .map(Number)
    .filter((id) => id > 0)
  return [...own, ...own.flatMap(childrenOf)]
}
