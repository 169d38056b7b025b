/** SSL-VPN: Debian's ocserv at the far side; pvpn and Debian's own client (its script ocproxy, with and without DTLS) in front of it. */
import { pinOf } from '../../test/lab/openconnect-lab.js'
import { programsMissing } from '../../test/support/namespace.js'
import { Pki } from '../../test/support/pki.js'
import { type Contestant, ended, type Kind, listening, pids } from './contestants.js'
import { FarServer, type Reach } from './far-server.js'
import { type BenchLab, CONTESTANT_CORE, type Path, type Side } from './topology.js'

const PORT = 4443
const NAME = 'vpn.example'
/** Options of Debian's client, by the contestant's name. */
const CLIENTS: Readonly<Record<string, readonly string[]>> = {
  'openconnect, TLS': ['--no-dtls'],
  'openconnect, DTLS': [],
}

/** Starts the server, which lets in who has a certificate. */
export async function openconnectKinds(lab: BenchLab): Promise<readonly Kind[]> {
  const far = new OpenconnectFar(lab)
  await far.start()
  const clients = Object.entries(CLIENTS).map(([name, options]) => ({
    name,
    missing: () => programsMissing('openconnect', 'ocproxy'),
    start: (_lab: BenchLab, path: Path, port: number) => far.openconnect(name, path, port, options),
  }))
  return [...far.pvpnKinds((path) => far.reach(path)), ...clients]
}

class OpenconnectFar extends FarServer {
  readonly #pki = new Pki()
  #identity = ''
  #pin = ''

  constructor(lab: BenchLab) {
    super(lab, 'ocserv')
    lab.atEnd(() => this.#pki.remove())
  }

  async start(): Promise<void> {
    const server = this.#pki.issue(NAME)
    const client = this.#pki.issue('ann', { usage: 'clientAuth' })
    this.write('ca.crt', this.#pki.ca)
    this.write('server.crt', server.certificate)
    this.write('server.key', server.key)
    this.#identity = client.certificate + client.key
    this.#pin = pinOf(server)
    this.write('ann.pem', this.#identity)
    const file = this.write(
      'ocserv.conf',
      [
        ...['auth = "certificate"', 'cert-user-oid = 2.5.4.3', `ca-cert = ${this.folder}/ca.crt`],
        ...[`server-cert = ${this.folder}/server.crt`, `server-key = ${this.folder}/server.key`],
        ...[`tcp-port = ${PORT}`, `udp-port = ${PORT}`, `socket-file = ${this.folder}/socket`],
        ...['run-as-user = root', 'run-as-group = root', 'isolate-workers = false'],
        ...['max-clients = 16', 'max-same-clients = 16', 'max-ban-score = 0', 'use-occtl = false'],
        ...['device = oc', 'ipv4-network = 192.168.9.0/24', 'route = 192.168.11.0/24'],
        ...['dpd = 60', 'keepalive = 300', 'cookie-timeout = 300', 'ping-leases = false'],
      ].join('\n'),
    )
    // It says so on standard error.
    const argv = ['sh', '-c', `exec ocserv -f -d 2 -c '${file}' 2>&1`]
    await this.lab.startFar(argv, /initialized ocserv/)
  }

  async reach(path: Path): Promise<Reach> {
    const url = await this.#url('client', path)
    return {
      tunnel: `{ type: openconnect, url: '${url}', certificate: ann.pem, server_pin: '${this.#pin}' }`,
      files: { 'ann.pem': this.#identity },
    }
  }

  async openconnect(
    name: string,
    path: Path,
    port: number,
    more: readonly string[],
  ): Promise<Contestant> {
    const { kernel: namespace } = this.lab
    const url = await this.#url('kernel', path)
    const options = ['--certificate', this.path('ann.pem'), '--servercert', this.#pin]
    const argv = ['openconnect', '--script-tun', '--script', `ocproxy -D ${port}`, ...options]
    const child = namespace.spawn([...CONTESTANT_CORE, ...argv, '--non-inter', ...more, url], {
      stdio: 'ignore',
    })
    await listening(namespace, port)
    return { name, namespace, port, roots: pids(child), stop: () => ended(child) }
  }

  async #url(side: Side, path: Path): Promise<string> {
    const [address, port] = await this.byTcp(side, path, PORT)
    return `https://${address}:${port}`
  }
}
