/** What the demo is made of: two sites with the same addresses, and a gateway with one environment for each. */
import type {
  EnvironmentOptions,
  GatewayOptions,
  ListenAddress,
  PolicyOptions,
} from '../../core/options.js'
import type { Zone } from './site-dns.js'

/** Both sites use the same numbers, as the networks of the paper's first figure do. */
export const TUNNEL_ADDRESS = '192.168.9.1'
export const CLIENT_ADDRESS = '192.168.9.52'
export const DNS_ADDRESS = '192.168.10.1'
export const WEB_ADDRESS = '192.168.11.10'
export const WEB_ADDRESS_6 = 'fd00:11::10'
export const CLIENT_ADDRESS_6 = 'fd00:9::52'
const INSIDE = [
  '192.168.9.0/24',
  '192.168.10.0/24',
  '192.168.11.0/24',
  'fd00:9::/64',
  'fd00:11::/64',
]

export const SITE_NAMES = ['office', 'site'] as const
export type SiteName = (typeof SITE_NAMES)[number]

export interface SiteKeys {
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
}

/** What a site's process is told; keys travel over the IPC channel only. */
export interface SitePlan {
  readonly name: SiteName
  readonly privateKey: Uint8Array
  readonly clientPublicKey: Uint8Array
  readonly proxy: string
  readonly other: { readonly site: SiteName; readonly proxy: string }
}

export const SITE_ADDRESSES = [
  `${TUNNEL_ADDRESS}/24`,
  `${DNS_ADDRESS}/24`,
  `${WEB_ADDRESS}/24`,
  'fd00:9::1/64',
  `${WEB_ADDRESS_6}/64`,
]
export const CLIENT_ALLOWED_IPS = [`${CLIENT_ADDRESS}/32`, `${CLIENT_ADDRESS_6}/128`]

export function siteZone(name: SiteName): Zone {
  return {
    [`www.${name}.example`]: [WEB_ADDRESS, WEB_ADDRESS_6],
    // The same name in both networks, on purpose.
    'intranet.example': [WEB_ADDRESS, WEB_ADDRESS_6],
    [`ns.${name}.example`]: [DNS_ADDRESS],
    [`gateway.${name}.example`]: [TUNNEL_ADDRESS],
  }
}

export function demoEnvironment(
  name: SiteName,
  listen: ListenAddress,
  client: SiteKeys,
  sitePublicKey: Uint8Array,
  sitePort: number,
): EnvironmentOptions {
  return {
    name,
    tunnel: {
      type: 'wireguard',
      privateKey: client.privateKey,
      addresses: [`${CLIENT_ADDRESS}/24`, `${CLIENT_ADDRESS_6}/64`],
      dns: [DNS_ADDRESS],
      search: [`${name}.example`],
      mtu: 1420,
      listenPort: 0,
      peers: [
        {
          publicKey: sitePublicKey,
          endpoint: { host: '127.0.0.1', port: sitePort },
          allowedIps: INSIDE,
          persistentKeepalive: 0,
        },
      ],
    },
    listen: [listen],
    users: [],
    dns: { servers: undefined, search: undefined, zones: {}, hosts: {}, listen: [] },
    forwards: [],
    publish: [],
    start: 'always',
    connectTimeout: 15,
    allowUnauthenticated: false,
  }
}

export function demoGateway(
  environments: readonly EnvironmentOptions[],
  control: ListenAddress,
  policy: ListenAddress,
): GatewayOptions {
  return { file: undefined, control: { listen: control }, environments, policy: demoPolicy(policy) }
}

/** Each site's own names to that site; both networks' names by `HOST.SITE.pvpn.internal`. */
function demoPolicy(listen: ListenAddress): PolicyOptions {
  const rules = SITE_NAMES.map((name) => {
    return { source: `demo: ${name}'s names`, domain: [`.${name}.example`], environment: name }
  })
  const open = { users: [], allowUnauthenticated: false }
  return { listen: [listen], names: true, rules, default: 'deny', ...open }
}
