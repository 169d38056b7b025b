/** SSH: Debian's sshd at the far side; pvpn and OpenSSH's own client as a SOCKS proxy (`ssh -D`) in front of it. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { programsMissing } from '../../test/support/namespace.js'
import { type Contestant, ended, type Kind, listening, pids } from './contestants.js'
import { FarServer, type Reach } from './far-server.js'
import { type BenchLab, CONTESTANT_CORE, type Path } from './topology.js'

const PORT = 22
/** sshd changes to the account's user; root is the one that is everywhere. */
const USER = 'root'
/** Options of OpenSSH's client, by the contestant's name: its own choice, and the cipher that pvpn prefers. */
const CLIENTS: Readonly<Record<string, readonly string[]>> = {
  'ssh -D': [],
  'ssh -D, aes128-gcm': ['-c', 'aes128-gcm@openssh.com'],
}

/** Starts the server, which lets in who has a key. */
export async function sshKinds(lab: BenchLab): Promise<readonly Kind[]> {
  const far = new SshFar(lab, 'ssh')
  await far.start()
  const clients = Object.entries(CLIENTS).map(([name, options]) => ({
    name,
    missing: () => programsMissing('ssh'),
    start: (_lab: BenchLab, path: Path, port: number) => far.ssh(name, path, port, options),
  }))
  return [...far.pvpnKinds((path) => far.reach(path)), ...clients]
}

class SshFar extends FarServer {
  async start(): Promise<void> {
    for (const name of ['host', 'id']) {
      const argv = ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', this.path(name)]
      execFileSync('ssh-keygen', argv)
    }
    const file = this.write(
      'sshd_config',
      [
        ...[`Port ${PORT}`, `HostKey ${this.path('host')}`, 'PidFile none', 'LogLevel INFO'],
        ...['PermitRootLogin prohibit-password', `AuthorizedKeysFile ${this.path('id.pub')}`],
        ...['StrictModes no', 'UsePAM no', 'AllowTcpForwarding yes', 'MaxStartups 100:30:200'],
      ].join('\n'),
    )
    // Where it puts itself before anybody has logged in.
    await this.lab.far.check(['sh', '-c', 'mount -t tmpfs none /run && mkdir /run/sshd'])
    // It wants its full path, and says so on standard error.
    const argv = [
      'sh',
      '-c',
      `exec "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f '${file}' 2>&1`,
    ]
    await this.lab.startFar(argv, /Server listening/)
  }

  async reach(path: Path): Promise<Reach> {
    const [host, port] = await this.byTcp('client', path, PORT)
    return {
      tunnel: `{ type: ssh, host: ${host}, port: ${port}, username: ${USER}, key: id, agent: false, known_hosts: known }`,
      files: { id: readFileSync(this.path('id'), 'utf8'), known: this.#known(host) },
    }
  }

  async ssh(name: string, path: Path, port: number, more: readonly string[]): Promise<Contestant> {
    const { kernel: namespace } = this.lab
    const [host, at] = await this.byTcp('kernel', path, PORT)
    const known = this.write(`known-${port}`, this.#known(host))
    const options = [`UserKnownHostsFile=${known}`, 'GlobalKnownHostsFile=none', 'BatchMode=yes']
    const argv = [
      ...['ssh', '-F', 'none', '-N', '-D', `127.0.0.1:${port}`, '-i', this.path('id')],
      ...[...options, 'StrictHostKeyChecking=yes', 'IdentitiesOnly=yes'].flatMap((o) => ['-o', o]),
      ...[...more, '-p', String(at), `${USER}@${host}`],
    ]
    const child = namespace.spawn([...CONTESTANT_CORE, ...argv], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    await listening(namespace, port)
    return { name, namespace, port, roots: pids(child), stop: () => ended(child) }
  }

  #known(host: string): string {
    return `${host} ${readFileSync(this.path('host.pub'), 'utf8').trim()}`
  }
}
