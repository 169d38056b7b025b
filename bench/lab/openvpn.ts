/** OpenVPN: Debian's server at the far side; pvpn and Debian's own client (a TUN, and microsocks) in front of it. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, programsMissing } from '../../test/support/namespace.js'
import { Pki } from '../../test/support/pki.js'
import { type Contestant, ended, type Kind, microsocks, pids, startPvpn } from './contestants.js'
import { type BenchLab, CONTESTANT_CORE, type Path, type Side } from './topology.js'

const PORT = 1194
/** TUN of Debian's client. */
const DEVICE = 'tun1'

/** Starts the server. UDP, tls-crypt, AES-256-GCM: what most files of today say. */
export async function openvpnKinds(lab: BenchLab): Promise<readonly Kind[]> {
  const far = new OpenvpnFar(lab)
  await far.start()
  return [
    {
      name: 'pvpn',
      missing: () => undefined,
      start: (_lab, path, port) => far.pvpn('pvpn', path, port, {}),
    },
    {
      name: 'pvpn, addon off',
      missing: () => undefined,
      start: (_lab, path, port) => far.pvpn('pvpn, addon off', path, port, { PVPN_ACCEL: 'off' }),
    },
    {
      name: 'openvpn',
      missing: () => programsMissing('microsocks'),
      start: (_lab, path, port) => far.openvpn(path, port),
    },
  ]
}

class OpenvpnFar {
  readonly #lab: BenchLab
  readonly #folder: string
  readonly #pki = new Pki()
  #key = ''

  constructor(lab: BenchLab) {
    this.#lab = lab
    this.#folder = join(lab.folder, 'openvpn')
    mkdirSync(this.#folder, { mode: 0o700 })
    lab.atEnd(() => this.#pki.remove())
  }

  async start(): Promise<void> {
    const { certificate, key } = this.#pki.issue('vpn.example')
    const file = join(this.#folder, 'static.key')
    execFileSync('openvpn', ['--genkey', 'secret', file])
    this.#key = readFileSync(file, 'utf8')
    const lines = [
      ...['dev tun0', 'server 192.168.9.0 255.255.255.0', 'topology subnet', 'duplicate-cn'],
      ...['push "route 192.168.11.0 255.255.255.0"', `port ${PORT}`, 'proto udp', 'dh none'],
      ...['keepalive 10 60', 'verb 3', 'data-ciphers AES-256-GCM'],
    ]
    const text = [...lines, ...this.#identity({ certificate, key })].join('\n')
    const argv = ['openvpn', '--config', this.#write('server.conf', text)]
    await this.#lab.startFar(argv, /Initialization Sequence Completed/)
  }

  async pvpn(name: string, path: Path, port: number, env: NodeJS.ProcessEnv): Promise<Contestant> {
    const files = { 'far.ovpn': await this.#clientFile('client', path, []) }
    const tunnel = '{ type: openvpn, file: far.ovpn }'
    return await startPvpn({ name, lab: this.#lab, port, tunnel, files, env })
  }

  async openvpn(path: Path, port: number): Promise<Contestant> {
    const { kernel: namespace } = this.#lab
    const lines = [`dev ${DEVICE}`, 'dev-type tun', 'verb 1']
    const file = this.#write(`client-${port}.ovpn`, await this.#clientFile('kernel', path, lines))
    const client = namespace.spawn([...CONTESTANT_CORE, 'openvpn', '--config', file], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const routed = ['sh', '-c', `ip route show dev ${DEVICE} | grep -q 192.168.11`]
    if (!(await eventually(async () => (await namespace.run(routed)).code === 0, 15_000))) {
      throw new Error('the openvpn client does not come up')
    }
    const socks = await microsocks(namespace, port)
    return {
      name: 'openvpn',
      namespace,
      port,
      roots: pids(client, socks),
      stop: async () => {
        await Promise.all([ended(socks), ended(client)])
      },
    }
  }

  async #clientFile(side: Side, path: Path, lines: readonly string[]): Promise<string> {
    const [address, port] = await this.#lab.way(side, path, PORT)
    const { certificate, key } = this.#pki.issue('ann', { usage: 'clientAuth' })
    return [
      ...['client', ...(lines.length === 0 ? ['dev tun'] : lines), 'proto udp', 'nobind'],
      ...[
        `remote ${address} ${port}`,
        'verify-x509-name vpn.example name',
        'data-ciphers AES-256-GCM',
      ],
      ...this.#identity({ certificate, key }),
    ].join('\n')
  }

  #identity({ certificate, key }: { readonly certificate: string; readonly key: string }) {
    const parts = { ca: this.#pki.ca, cert: certificate, key, 'tls-crypt': this.#key }
    return Object.entries(parts).map(([name, text]) => `<${name}>\n${text.trim()}\n</${name}>`)
  }

  #write(name: string, text: string): string {
    const file = join(this.#folder, name)
    writeFileSync(file, `${text}\n`, { mode: 0o600 })
    return file
  }
}
