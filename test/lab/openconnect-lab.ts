/**
 * Debian's ocserv as the second site of the lab, with the very addresses that the WireGuard of the
 * first one has: tunnel 192.168.9.52, web 192.168.11.10, DNS 192.168.10.1.
 */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { createHash, createHmac, X509Certificate } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { LabGateway, PORTS } from '../support/lab-gateway.js'
import { eventually } from '../support/namespace.js'
import { type Identity, Pki } from '../support/pki.js'
import { LAB_PROGRAMS, SITES, TUNNEL, VpnLab, WEB } from '../support/vpn-lab.js'

export const OPENCONNECT_PROGRAMS = [...LAB_PROGRAMS, 'ocserv', 'ocpasswd', 'openssl']
export const SERVER_ADDRESS = SITES.site.public
export const SERVER = 'vpn.example'

export interface ServerOptions {
  /** Default: a password. */
  readonly auth?: readonly string[]
  /** Further lines. */
  readonly lines?: readonly string[]
  readonly identity?: Identity
  /** Default: 443. */
  readonly port?: number
}

/** The configuration with this tunnel for the second site. */
export function configuration(tunnel: Readonly<Record<string, string>>, more = ''): string {
  const fields = { type: 'openconnect', url: `https://${SERVER}`, ...tunnel }
  const text = Object.entries(fields).map(([key, value]) => `${key}: ${value}`)
  return `version: 1
environments:
  office:
    tunnel: { type: wireguard, file: office.conf }
    listen: 127.0.0.1:${PORTS.office}
  site:
    tunnel: { ${text.join(', ')} }
    listen: 127.0.0.1:${PORTS.site}
${more}`
}

export const PASSWORD = { username: 'ann', password_file: 'pw', ca: 'ca.pem' }

export class OpenconnectLab {
  readonly lab: VpnLab
  readonly pki = new Pki()
  readonly server: Identity
  readonly client: Identity
  readonly passwords: string
  readonly #codes: string
  readonly #folder: string
  #process: ChildProcess | undefined
  #ended: Promise<unknown> | undefined
  /** What the server has printed. */
  log = ''

  private constructor(lab: VpnLab) {
    this.lab = lab
    this.#folder = join(lab.folder, 'ocserv')
    for (const kind of ['users', 'groups']) {
      mkdirSync(join(this.#folder, kind), { recursive: true })
    }
    this.server = this.pki.issue(SERVER)
    this.client = this.pki.issue('ann', { usage: 'clientAuth' })
    this.passwords = join(this.#folder, 'passwords')
    execFileSync('ocpasswd', ['-c', this.passwords, '-g', 'staff,guests', 'ann'], {
      input: 'right horse\nright horse\n',
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#codes = join(this.#folder, 'codes')
    this.user(`explicit-ipv4 = ${TUNNEL}`)
  }

  static async create(): Promise<OpenconnectLab> {
    const lab = await VpnLab.create()
    await lab.endWireguard('site')
    return new OpenconnectLab(lab)
  }

  async destroy(): Promise<void> {
    await this.stopServer()
    await this.lab.destroy()
    this.pki.remove()
  }

  /** What the server has for this user alone. */
  user(lines: string): void {
    this.#write('users/ann', `${lines}\n`)
  }

  /** What the server has for this group alone. */
  group(name: string, lines: string): void {
    this.#write(`groups/${name}`, `${lines}\n`)
  }

  /** `auth` of a server that wants a password, then a code: those of `oneTimeCode`, from the first on. */
  withCodes(): readonly string[] {
    this.#write('codes', `HOTP ann - ${CODE_KEY.toString('hex')}\n`)
    return [`auth = "plain[passwd=${this.passwords},otp=${this.#codes}]"`]
  }

  /** `server_pin` of the usual certificate. */
  get pin(): string {
    return pinOf(this.server)
  }

  /** Starts the server and waits until it listens. */
  async startServer(options: ServerOptions = {}): Promise<void> {
    const { identity = this.server, lines = [], port = 443 } = options
    const { auth = [`auth = "plain[passwd=${this.passwords}]"`] } = options
    this.#write('ca.crt', this.pki.ca)
    this.#write('server.crt', identity.certificate)
    this.#write('server.key', identity.key)
    this.#write(
      'ocserv.conf',
      [
        ...auth,
        `tcp-port = ${port}`,
        `udp-port = ${port}`,
        'run-as-user = root',
        'run-as-group = root',
        `socket-file = ${this.#folder}/socket`,
        `server-cert = ${this.#folder}/server.crt`,
        `server-key = ${this.#folder}/server.key`,
        `ca-cert = ${this.#folder}/ca.crt`,
        'cert-user-oid = 2.5.4.3',
        'isolate-workers = false',
        'max-clients = 16',
        'max-same-clients = 4',
        'keepalive = 300',
        'try-mtu-discovery = false',
        'max-ban-score = 0',
        'auth-timeout = 60',
        'cookie-timeout = 300',
        'rekey-method = new-tunnel',
        'use-occtl = false',
        'device = oc',
        'predictable-ips = true',
        'cisco-client-compat = true',
        'ping-leases = false',
        'default-domain = site.example',
        'banner = "Welcome to the site"',
        'ipv4-network = 192.168.9.0',
        'ipv4-netmask = 255.255.255.0',
        'ipv6-network = fd00:9::/64',
        'dns = 192.168.10.1',
        'route = 192.168.10.0/255.255.255.0',
        'route = 192.168.11.0/255.255.255.0',
        'no-route = 192.168.11.200/255.255.255.255',
        'route = fd00:11::/64',
        `config-per-user = ${this.#folder}/users/`,
        `config-per-group = ${this.#folder}/groups/`,
        ...(lines.some((line) => line.startsWith('dpd')) ? [] : ['dpd = 60', 'mobile-dpd = 60']),
        ...lines,
      ].join('\n'),
    )
    await this.restartServer()
  }

  /** The same once more; sessions are lost, as after a crash. */
  async restartServer(): Promise<void> {
    await this.stopServer()
    this.log = ''
    const { site } = this.lab.sites
    const child = site.spawn(['ocserv', '-f', '-d', '2', '-c', join(this.#folder, 'ocserv.conf')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const output of [child.stdout, child.stderr]) {
      output?.on('data', (b: Buffer) => {
        this.log += b.toString()
      })
    }
    this.#process = child
    this.#ended = new Promise((resolve) => child.once('exit', resolve))
    const listens = await eventually(async () =>
      /listening \(TCP\)|initialized ocserv/.test(this.log),
    )
    if (!listens) throw new Error(`ocserv does not start:\n${this.log}`)
  }

  async stopServer(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await this.#ended
  }

  /** A gateway with both environments. */
  gateway(text = configuration(PASSWORD)): LabGateway {
    const gateway = new LabGateway(this.lab, text)
    gateway.write('pw', 'right horse\n')
    gateway.write('ca.pem', this.pki.ca)
    gateway.write('ann.pem', this.client.certificate)
    gateway.write('ann.key', this.client.key)
    return gateway
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.#folder, name), text, { mode: 0o600 })
  }
}

const CODE_KEY = Buffer.from('a key of twenty bytes')

/** RFC 4226, six digits. */
export function oneTimeCode(counter: number): string {
  const moving = Buffer.alloc(8)
  moving.writeUInt32BE(counter, 4)
  const mac = createHmac('sha1', CODE_KEY).update(moving).digest()
  const at = (mac[19] as number) & 15
  return `${(mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000}`.padStart(6, '0')
}

/** `pin-sha256:…` of a certificate. */
export function pinOf({ certificate }: Identity): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' })
  return `pin-sha256:${createHash('sha256').update(key).digest('base64')}`
}

/** What the tests do with the second site's tunnel, and what they look at each time. */
export function stepsOf(gateway: LabGateway) {
  const use = async (tunnel: Readonly<Record<string, string>>): Promise<void> => {
    gateway.write('pvpn.yaml', configuration(tunnel))
    await gateway.pvpn('reload')
    await gateway.pvpn('restart', 'site')
  }
  const says = (t: Test, state: string, words: RegExp) => gateway.siteSays(t, state, words)
  const works = async (t: Test) => {
    t.ok(await gateway.reaches('site', 'up', 20_000), 'it comes up')
    t.match((await gateway.curl('site', `http://${WEB}/`)).stdout, /^site /)
    t.match((await gateway.curl('office', `http://${WEB}/`)).stdout, /^office /)
  }
  return { use, says, works }
}
