/** OpenVPN: Debian's server at the far side; pvpn and Debian's own client (a TUN, and microsocks) in front of it. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { eventually, programsMissing } from '../../test/support/namespace.js'
import { Pki } from '../../test/support/pki.js'
import { type Contestant, ended, type Kind, microsocks, pids } from './contestants.js'
import { FarServer } from './far-server.js'
import { type BenchLab, CONTESTANT_CORE, type Path, type Side } from './topology.js'

const PORT = 1194
/** TUN of Debian's client. */
const DEVICE = 'tun1'

/** Starts the server. UDP, tls-crypt, AES-256-GCM: what most files of today say. */
export async function openvpnKinds(lab: BenchLab): Promise<readonly Kind[]> {
  const far = new OpenvpnFar(lab)
  await far.start()
  return [
    ...far.pvpnKinds(async (path) => ({
      tunnel: '{ type: openvpn, file: far.ovpn }',
      files: { 'far.ovpn': await far.clientFile('client', path, []) },
    })),
    {
      name: 'openvpn',
      missing: () => programsMissing('microsocks'),
      start: (_lab, path, port) => far.openvpn(path, port),
    },
  ]
}

class OpenvpnFar extends FarServer {
  readonly #pki = new Pki()
  #key = ''

  constructor(lab: BenchLab) {
    super(lab, 'openvpn')
    lab.atEnd(() => this.#pki.remove())
  }

  async start(): Promise<void> {
    const { certificate, key } = this.#pki.issue('vpn.example')
    const file = this.path('static.key')
    execFileSync('openvpn', ['--genkey', 'secret', file])
    this.#key = readFileSync(file, 'utf8')
    const lines = [
      ...['dev tun0', 'server 192.168.9.0 255.255.255.0', 'topology subnet', 'duplicate-cn'],
      ...['push "route 192.168.11.0 255.255.255.0"', `port ${PORT}`, 'proto udp', 'dh none'],
      ...['keepalive 10 60', 'verb 3', 'data-ciphers AES-256-GCM'],
    ]
    const text = [...lines, ...this.#identity({ certificate, key })].join('\n')
    const argv = ['openvpn', '--config', this.write('server.conf', text)]
    await this.lab.startFar(argv, /Initialization Sequence Completed/)
  }

  async openvpn(path: Path, port: number): Promise<Contestant> {
    const { kernel: namespace } = this.lab
    const lines = [`dev ${DEVICE}`, 'dev-type tun', 'verb 1']
    const file = this.write(`client-${port}.ovpn`, await this.clientFile('kernel', path, lines))
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

  async clientFile(side: Side, path: Path, lines: readonly string[]): Promise<string> {
    const [address, port] = await this.lab.way(side, path, PORT)
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
}
