/**
 * The paper's first figure as namespaces:
 *
 *   client 192.168.11.51 ──┐ br0                        ┌── office  203.0.113.2   wireguard-go
 *                          ├── router 192.168.11.254 ───┤     192.168.9.1   tunnel    192.168.10.1 DNS
 *   web 192.168.11.10 ─────┘   DNS 192.168.12.1 (NAT)   │     192.168.11.10 web, fd00:11::10 web
 *                              web 192.168.13.10        └── site    203.0.113.6   the very same numbers
 *
 * The client's tunnel address is 192.168.9.52 (fd00:9::52) in both. Every server is Debian's or Node's.
 */
import type { ChildProcess } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually, join2, Namespace } from './namespace.js'
import { keyPair, wg } from './wg.js'
import { startWireguardGo } from './wireguard-go.js'

export const SITES = {
  office: { public: '203.0.113.2', router: '203.0.113.1', port: 51820 },
  site: { public: '203.0.113.6', router: '203.0.113.5', port: 51821 },
} as const
export type SiteName = keyof typeof SITES

export const TUNNEL = '192.168.9.52'
export const TUNNEL_6 = 'fd00:9::52'
export const WEB = '192.168.11.10'
export const WEB_6 = 'fd00:11::10'
export const LAB_PROGRAMS = ['wireguard-go', 'wg', 'dnsmasq', 'curl', 'nft', 'tcpdump', 'setpriv']

const WEB_SERVER = fileURLToPath(new URL('web-server.js', import.meta.url))

export class VpnLab {
  readonly folder: string
  readonly client: Namespace
  readonly router: Namespace
  readonly web: Namespace
  readonly sites: Record<SiteName, Namespace>
  /** wg-quick files for the client, by site. */
  readonly files: Record<SiteName, string>
  /** The wireguard-go process of each site. */
  readonly wireguard = new Map<SiteName, ChildProcess>()

  #names: ChildProcess | undefined

  private constructor(
    folder: string,
    client: Namespace,
    router: Namespace,
    web: Namespace,
    sites: Record<SiteName, Namespace>,
  ) {
    this.folder = folder
    this.client = client
    this.router = router
    this.web = web
    this.sites = sites
    this.files = { office: join(folder, 'office.conf'), site: join(folder, 'site.conf') }
  }

  static async create(): Promise<VpnLab> {
    const folder = mkdtempSync(join(tmpdir(), 'pvpn-lab-'))
    // The gateway runs as another user and must be able to read its configuration.
    chmodSync(folder, 0o711)
    const lab = new VpnLab(
      folder,
      await Namespace.create('client', { resolvConf: 'nameserver 192.168.12.1\n' }),
      await Namespace.create('router'),
      await Namespace.create('web'),
      { office: await Namespace.create('office'), site: await Namespace.create('site') },
    )
    await lab.#localNetwork()
    await lab.#site('office')
    await lab.#site('site')
    return lab
  }

  /** Ends a site's WireGuard, so that another tunnel's server can take its place. */
  async endWireguard(name: SiteName): Promise<void> {
    this.wireguard.get(name)?.kill('SIGKILL')
    const gone = await eventually(
      async () => (await this.sites[name].run(['ip', 'link', 'show', 'wg0'])).code !== 0,
    )
    if (!gone) throw new Error(`the WireGuard of ${name} stays`)
  }

  async destroy(): Promise<void> {
    const all = [this.client, this.router, this.web, this.sites.office, this.sites.site]
    await Promise.all(all.map((n) => n.destroy()))
    // A browser's processes write until the last of them has ended.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10 })
  }

  /** Drops or passes everything between client and one site's public address. */
  async cut(site: SiteName, cut: boolean): Promise<void> {
    const rule = cut
      ? `add rule inet lab forward ip daddr ${SITES[site].public} drop
         add rule inet lab forward ip saddr ${SITES[site].public} drop`
      : 'flush chain inet lab forward'
    await this.router.check(['nft', '-f', '-'], { input: `${rule}\n` })
  }

  /** What the client's own DNS server knows from now on. */
  async names(names: Readonly<Record<string, readonly string[]>>): Promise<void> {
    const before = this.#names
    if (before !== undefined) {
      const ended = new Promise((resolve) => before.once('exit', resolve))
      before.kill('SIGKILL')
      await ended
    }
    this.#names = await dns(this.router, '192.168.12.1', names)
  }

  async #localNetwork(): Promise<void> {
    const { client, router, web } = this
    await join2(client, 'eth0', router, 'lan0')
    await join2(web, 'eth0', router, 'lan1')
    await router.ip(`link add br0 type bridge
      link set lan0 master br0
      link set lan1 master br0
      link set br0 up
      address add 192.168.11.254/24 dev br0
      address add 192.168.12.1/24 dev lo
      address add 192.168.13.10/24 dev lo`)
    await client.ip(`address add 192.168.11.51/24 dev eth0
      route add default via 192.168.11.254`)
    await web.ip(`address add ${WEB}/24 dev eth0
      route add default via 192.168.11.254`)
    await router.check(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
    await router.check(['nft', '-f', '-'], {
      input: `add table inet lab
        add chain inet lab forward { type filter hook forward priority 0; }
        add chain inet lab nat { type nat hook postrouting priority 100; }
        add rule inet lab nat ip daddr 203.0.113.0/24 masquerade\n`,
    })
    await serve(web, 'local', `${WEB}:80`)
    await serve(router, 'local-13', '192.168.13.10:80')
    await this.names({
      'www.home.example': [WEB],
      'intranet.example': [WEB],
      'third.home.example': ['192.168.13.10'],
      'office-vpn.example': [SITES.office.public],
      'vpn.example': [SITES.site.public],
    })
  }

  async #site(name: SiteName): Promise<void> {
    const ns = this.sites[name]
    const { public: address, router, port } = SITES[name]
    await join2(this.router, `wan-${name}`, ns, 'eth0')
    await this.router.ip(`address add ${router}/30 dev wan-${name}`)
    await ns.ip(`address add ${address}/30 dev eth0
      route add default via ${router}
      address add 192.168.10.1/24 dev lo
      address add ${WEB}/24 dev lo
      address add ${WEB_6}/64 dev lo nodad`)
    const [server, client, shared] = [keyPair(), keyPair(), wg(['genpsk'])]
    await this.#wireguard(name, server.private, client.public, shared, port)
    writeFileSync(
      this.files[name],
      `# ${name}, as the administrator handed it out
[Interface]
PrivateKey = ${client.private}
Address = ${TUNNEL}/24, ${TUNNEL_6}/64
DNS = 192.168.10.1, ${name}.example

[Peer]
PublicKey = ${server.public}
PresharedKey = ${shared}
Endpoint = ${address}:${port}
AllowedIPs = 192.168.9.0/24, 192.168.10.0/24, 192.168.11.0/24, fd00:9::/64, fd00:11::/64
`,
      { mode: 0o600 },
    )
    await serve(ns, name, `${WEB}:80`, `[${WEB_6}]:80`)
    await dns(ns, '192.168.10.1', {
      [`www.${name}.example`]: [WEB, WEB_6],
      'intranet.example': [WEB, WEB_6],
      [`only6.${name}.example`]: [WEB_6],
    })
  }

  async #wireguard(
    name: SiteName,
    privateKey: string,
    peer: string,
    shared: string,
    port: number,
  ): Promise<void> {
    const ns = this.sites[name]
    const config = `[Interface]
PrivateKey = ${privateKey}
ListenPort = ${port}
[Peer]
PublicKey = ${peer}
PresharedKey = ${shared}
AllowedIPs = ${TUNNEL}/32, ${TUNNEL_6}/128
`
    this.wireguard.set(name, await startWireguardGo(ns, config))
    await ns.ip(`address add 192.168.9.1/24 dev wg0
      address add fd00:9::1/64 dev wg0 nodad
      link set wg0 mtu 1420 up`)
  }
}

/** Starts the lab's web server in a namespace and waits until it listens. */
export async function serve(ns: Namespace, name: string, ...places: string[]): Promise<void> {
  const child = ns.spawn([process.execPath, WEB_SERVER, name, ...places], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve())
    child.once('exit', (code) => reject(new Error(`web server ${name} ended with ${code}`)))
  })
}

/**
 * Starts dnsmasq in a namespace with these names, forward and reverse; anything else is NXDOMAIN, or
 * with `refuse` is refused. `more`: arguments for it, for other records.
 */
export async function dns(
  ns: Namespace,
  address: string,
  names: Readonly<Record<string, readonly string[]>>,
  options: { readonly refuse?: boolean; readonly more?: readonly string[] } = {},
): Promise<ChildProcess> {
  const child = ns.spawn(
    [
      'dnsmasq',
      '--keep-in-foreground',
      '--no-resolv',
      '--no-hosts',
      '--conf-file=/dev/null',
      '--pid-file=',
      '--user=root',
      '--bind-interfaces',
      ...(options.refuse === true ? [] : ['--local=/#/']),
      `--listen-address=${address}`,
      ...(options.more ?? []),
      ...Object.entries(names).map(([name, at]) => `--host-record=${[name, ...at].join(',')}`),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const up = await eventually(async () => {
    const listening = await ns.check(['sh', '-c', 'cat /proc/net/udp'])
    return /:0035 /.test(listening)
  })
  if (!up) throw new Error(`dnsmasq does not start on ${address}`)
  return child
}
