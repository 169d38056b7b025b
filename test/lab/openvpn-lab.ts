/**
 * Debian's openvpn as the second site of the lab, with the very addresses that the WireGuard of the
 * first one has: tunnel 192.168.9.52, web 192.168.11.10, DNS 192.168.10.1.
 */
import type { ChildProcess } from 'node:child_process'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LabGateway, PORTS } from '../support/lab-gateway.js'
import { eventually } from '../support/namespace.js'
import { type Identity, Pki } from '../support/pki.js'
import { LAB_PROGRAMS, SITES, TUNNEL, VpnLab } from '../support/vpn-lab.js'

export const OPENVPN_PROGRAMS = [...LAB_PROGRAMS, 'openvpn', 'openssl']
export const SERVER_ADDRESS = SITES.site.public
export const SERVER_ADDRESS_6 = 'fd42:2::6'
export const SERVER_PORT = 1194

export type Protection = 'none' | 'tls-auth' | 'tls-crypt' | 'tls-crypt-v2'

export interface ServerOptions {
  readonly transport?: 'udp' | 'tcp'
  readonly protection?: Protection
  /** Further lines. */
  readonly lines?: readonly string[]
  readonly identity?: Identity
  /** Default: subnet. */
  readonly topology?: 'subnet' | 'net30'
  /** At SERVER_ADDRESS_6; `joinByIpv6` comes before. */
  readonly ipv6?: boolean
}

export interface ClientOptions {
  readonly transport?: 'udp' | 'tcp'
  readonly protection?: Protection
  readonly lines?: readonly string[]
  readonly identity?: Identity | null
  readonly remotes?: readonly string[]
}

export const CONFIGURATION = `version: 1
environments:
  office:
    tunnel: { type: wireguard, file: office.conf }
    listen: 127.0.0.1:${PORTS.office}
  site:
    tunnel: { type: openvpn, file: site.ovpn }
    listen: 127.0.0.1:${PORTS.site}
`

export class OpenvpnLab {
  readonly lab: VpnLab
  readonly pki = new Pki()
  readonly server: Identity
  readonly client: Identity
  readonly #folder: string
  #process: ChildProcess | undefined
  /** What the server has printed. */
  log = ''

  private constructor(lab: VpnLab) {
    this.lab = lab
    this.#folder = join(lab.folder, 'openvpn')
    mkdirSync(this.#folder)
    this.server = this.pki.issue('vpn.example')
    this.client = this.pki.issue('ann', { usage: 'clientAuth' })
    const make = (...args: string[]) => execFileSync('openvpn', args, { cwd: this.#folder })
    make('--genkey', 'secret', 'static.key')
    make('--genkey', 'tls-crypt-v2-server', 'v2-server.key')
    make('--tls-crypt-v2', 'v2-server.key', '--genkey', 'tls-crypt-v2-client', 'v2-client.key')
  }

  static async create(): Promise<OpenvpnLab> {
    const lab = await VpnLab.create()
    await lab.endWireguard('site')
    return new OpenvpnLab(lab)
  }

  async destroy(): Promise<void> {
    await this.stopServer()
    await this.lab.destroy()
    this.pki.remove()
  }

  /** Outside there is IPv6 as well, between the client and this server. */
  async joinByIpv6(): Promise<void> {
    const { client, router, sites } = this.lab
    await router.ip(`address add fd42:1::fe/64 dev br0 nodad
      address add fd42:2::5/64 dev wan-site nodad`)
    await client.ip(`address add fd42:1::51/64 dev eth0 nodad
      route add fd42:2::/64 via fd42:1::fe`)
    await sites.site.ip(`address add ${SERVER_ADDRESS_6}/64 dev eth0 nodad
      route add fd42:1::/64 via fd42:2::5`)
    await router.check(['sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'])
  }

  /** Starts the server and waits until it listens. */
  async startServer(options: ServerOptions = {}): Promise<void> {
    const { transport = 'udp', protection = 'none', lines = [], topology = 'subnet' } = options
    const { identity = this.server, ipv6 = false } = options
    const proto = transport === 'udp' ? ['udp', 'udp6'] : ['tcp-server', 'tcp6-server']
    this.#write('ca.crt', this.pki.ca)
    this.#write('server.crt', identity.certificate)
    this.#write('server.key', identity.key)
    const last = topology === 'subnet' ? '192.168.9.99' : '192.168.9.59'
    this.#write(
      'server.conf',
      [
        'dev tun0',
        'dev-type tun',
        'mode server',
        'tls-server',
        `topology ${topology}`,
        `push "topology ${topology}"`,
        `ifconfig 192.168.9.1 ${topology === 'subnet' ? '255.255.255.0' : '192.168.9.2'}`,
        `ifconfig-pool ${topology === 'subnet' ? TUNNEL : '192.168.9.48'} ${last}`,
        ...(topology === 'subnet' ? [] : ['route 192.168.9.0 255.255.255.0']),
        'server-ipv6 fd00:9::/64',
        ...['192.168.10.0 255.255.255.0', '192.168.11.0 255.255.255.0', '192.168.9.1'].map(
          (route) => `push "route ${route}"`,
        ),
        'push "route-ipv6 fd00:11::/64"',
        'push "dhcp-option DNS 192.168.10.1"',
        'push "dhcp-option DOMAIN site.example"',
        `local ${ipv6 ? SERVER_ADDRESS_6 : SERVER_ADDRESS}`,
        `port ${SERVER_PORT}`,
        `proto ${proto[ipv6 ? 1 : 0]}`,
        'ca ca.crt',
        'cert server.crt',
        'key server.key',
        'dh none',
        'keepalive 1 5',
        'verb 4',
        ...this.#protection(protection, '0', 'v2-server.key force-cookie'),
        ...lines,
      ].join('\n'),
    )
    await this.restartServer()
  }

  /** The same once more; open sessions are lost, as after a crash. */
  async restartServer(): Promise<void> {
    await this.stopServer()
    this.log = ''
    const child = this.lab.sites.site.spawn(
      ['sh', '-c', `cd '${this.#folder}' && exec openvpn --config server.conf`],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    child.stdout?.on('data', (b: Buffer) => {
      this.log += b.toString()
    })
    this.#process = child
    if (!(await eventually(() => /Initialization Sequence Completed/.test(this.log)))) {
      throw new Error(`openvpn does not start:\n${this.log}`)
    }
  }

  async stopServer(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  /** The client's file, everything inline. */
  clientFile(options: ClientOptions = {}): string {
    const { transport = 'udp', protection = 'none', lines = [], identity = this.client } = options
    const { remotes = [`${SERVER_ADDRESS} ${SERVER_PORT}`] } = options
    const block = (name: string, text: string) => `<${name}>\n${text.trim()}\n</${name}>`
    const key = (file: string) => readFileSync(join(this.#folder, file), 'utf8')
    return `${[
      'client',
      'dev tun',
      `proto ${transport}`,
      ...remotes.map((remote) => `remote ${remote}`),
      'nobind',
      'remote-cert-tls server',
      'verify-x509-name vpn.example name',
      'script-security 2',
      'up /nonexistent',
      ...lines,
      block('ca', this.pki.ca),
      ...(identity === null
        ? []
        : [block('cert', identity.certificate), block('key', identity.key)]),
      ...(protection === 'tls-auth'
        ? ['key-direction 1', block('tls-auth', key('static.key'))]
        : []),
      ...(protection === 'tls-crypt' ? [block('tls-crypt', key('static.key'))] : []),
      ...(protection === 'tls-crypt-v2' ? [block('tls-crypt-v2', key('v2-client.key'))] : []),
    ].join('\n')}\n`
  }

  /** A gateway with both environments and this client file. */
  gateway(file: string, configuration = CONFIGURATION): LabGateway {
    const gateway = new LabGateway(this.lab, configuration)
    gateway.write('site.ovpn', file)
    return gateway
  }

  /** A file that the server's configuration may name. */
  serverFile(name: string, text: string, mode = 0o600): void {
    this.#write(name, text)
    chmodSync(join(this.#folder, name), mode)
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.#folder, name), text, { mode: 0o600 })
  }

  #protection(protection: Protection, direction: string, v2: string): readonly string[] {
    if (protection === 'none') return []
    if (protection === 'tls-auth') return [`tls-auth static.key ${direction}`]
    return [protection === 'tls-crypt' ? 'tls-crypt static.key' : `tls-crypt-v2 ${v2}`]
  }
}
