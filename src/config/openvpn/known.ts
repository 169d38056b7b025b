/** What becomes of the directives that the reader does nothing with: why each is ignored or refused. */
import { SCRIPT_REASON } from '../directive.js'

const HOST = 'nothing changes on the host'
const LOG = "pvpn's own log is used"
const DEFAULT = 'pvpn always does'
const TUNED = 'pvpn chooses it itself'
const WINDOWS = "Windows' own"
const SERVER = "a server's directive"

function each(names: string, reason: string): Record<string, string> {
  return Object.fromEntries(names.split(' ').map((name) => [name, reason]))
}

export const IGNORED: Readonly<Record<string, string>> = {
  ...each('client tls-client pull nobind', DEFAULT),
  ...each('persist-key persist-tun persist-local-ip persist-remote-ip resolv-retry', DEFAULT),
  ...each('mute-replay-warnings push-peer-info', DEFAULT),
  'auth-retry': 'a refused password is never tried again by itself',
  ...each(
    'user group chroot daemon nice mlock writepid cd setcon',
    'pvpn needs no privileges to drop',
  ),
  ...each('verb mute log log-append syslog status suppress-timestamps status-version', LOG),
  ...each('machine-readable-output errors-to-stderr echo parameter', LOG),
  ...each('dev-node lladdr txqueuelen iproute ifconfig-nowarn ifconfig-noexec route-noexec', HOST),
  ...each('route-delay route-metric route-gateway route-method show-net-up mark bind-dev', HOST),
  ...each('redirect-private block-ipv6 passtos shaper', HOST),
  ...each(
    'sndbuf rcvbuf socket-flags fast-io multihome mtu-disc mtu-test link-mtu tun-mtu-extra',
    TUNED,
  ),
  ...each(
    'tls-timeout reneg-bytes reneg-pkts replay-window connect-retry-max single-session',
    TUNED,
  ),
  ...each(
    'disable-dco keysize prng ncp-disable tls-exit remap-usr1 inactive session-timeout',
    TUNED,
  ),
  ...each('ecdh-curve', "Node's TLS chooses among strong ones"),
  ...each('allow-compression allow-pull-fqdn remote-random-hostname opt-verify', TUNED),
  ...each('local bind lport-shared proto-force', TUNED),
  ...each('block-outside-dns register-dns ip-win32 tap-sleep win-sys service', WINDOWS),
  ...each('dhcp-renew dhcp-release windows-driver dhcp-pre-release pause-exit', WINDOWS),
  ...each('dh duplicate-cn client-to-client ifconfig-pool-persist max-clients', SERVER),
  ...each('push ifconfig-pool auth-gen-token verify-client-cert username-as-common-name', SERVER),
}

const MANAGEMENT = 'pvpn has its own control port'
const PROXY = 'use `through: ENV` with an environment of type http or socks5'
const CHECK = 'this check is not there; remote-cert-tls and verify-x509-name are'

export const REFUSED: Readonly<Record<string, string>> = {
  ...each('up down up-restart up-delay down-pre ipchange route-up route-pre-down', SCRIPT_REASON),
  ...each('tls-verify auth-user-pass-verify client-connect client-disconnect', SCRIPT_REASON),
  ...each('learn-address script-security tls-export-cert tls-crypt-v2-verify', SCRIPT_REASON),
  ...each('plugin engine providers pkcs11-providers pkcs11-id', 'foreign code is never loaded'),
  ...each('pkcs11-id-management pkcs11-cert-private pkcs11-pin-cache', 'no smart cards'),
  ...each('http-proxy http-proxy-option http-proxy-user-pass socks-proxy', PROXY),
  ...each('remote-cert-ku x509-track tls-remote', CHECK),
  ...each('config', 'write its lines into this file'),
  ...each('client-nat', 'addresses are not translated'),
  ...each('no-replay replay-persist', 'replayed packets are always dropped'),
  ...each('scramble', 'not a directive of OpenVPN itself'),
}

/** Without these there is no tunnel that could work. */
export const IMPOSSIBLE: Readonly<Record<string, string>> = {
  secret: 'static keys are not supported: OpenVPN itself has given them up; use TLS',
  fragment: 'changes every packet, and is not supported: ask for a server without it',
  server: "is a server's file, not a client's",
  'server-ipv6': "is a server's file, not a client's",
  'server-bridge': "is a server's file, not a client's",
  'tls-server': "is a server's file, not a client's",
}

/** The reason to refuse what begins like this. */
export function refusedPrefix(name: string): string | undefined {
  return name.startsWith('management') ? MANAGEMENT : undefined
}
