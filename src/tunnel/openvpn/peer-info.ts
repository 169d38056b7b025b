/** What the client tells the server about itself before the push: peer info and the options string. */
import type { OpenvpnOptions } from '../../core/options.js'

/** Bits of IV_PROTO. */
const DATA_V2 = 1 << 1
const REQUEST_PUSH = 1 << 2
const TLS_KEY_EXPORT = 1 << 3
const AUTH_PENDING_KEYWORDS = 1 << 4
const DNS_OPTION = 1 << 6
const CONTROL_CHANNEL_EXIT = 1 << 7
const AUTH_FAILED_TEMPORARY = 1 << 8
const DYNAMIC_TLS_CRYPT = 1 << 9
const DNS_OPTION_V2 = 1 << 11

const PROTOCOL =
  DATA_V2 |
  REQUEST_PUSH |
  TLS_KEY_EXPORT |
  AUTH_PENDING_KEYWORDS |
  DNS_OPTION |
  CONTROL_CHANNEL_EXIT |
  AUTH_FAILED_TEMPORARY |
  DYNAMIC_TLS_CRYPT |
  DNS_OPTION_V2

/** The release whose protocol this is; servers look at it for what a client can do. */
const PROTOCOL_VERSION = '2.6.0'

export function peerInfo(options: OpenvpnOptions, mostMtu: number): readonly string[] {
  return [
    `IV_VER=${PROTOCOL_VERSION}`,
    'IV_PLAT=linux',
    'IV_TCPNL=1',
    `IV_MTU=${mostMtu}`,
    'IV_NCP=2',
    `IV_CIPHERS=${options.ciphers.join(':')}`,
    `IV_PROTO=${PROTOCOL}`,
    // Framing that compression leaves, without any.
    'IV_LZO_STUB=1',
    'IV_COMP_STUB=1',
    'IV_COMP_STUBv2=1',
    'IV_GUI_VER=pvpn',
    // What a server may want while it waits: a login in a browser, an answer.
    'IV_SSO=webauth,openurl,crtext',
    ...options.peerInfo,
  ]
}

/** Servers compare it with their own and warn; only `opt-verify` refuses by it. */
export function optionsString(options: OpenvpnOptions, transport: 'udp' | 'tcp'): string {
  const { protection, fallbackCipher, ciphers, digest } = options
  const cipher = fallbackCipher ?? ciphers[0] ?? 'AES-256-GCM'
  const aead = /GCM|POLY1305/.test(cipher.toUpperCase())
  return [
    'V4',
    'dev-type tun',
    `link-mtu ${aead ? 1549 : 1569}`,
    'tun-mtu 1500',
    `proto ${transport === 'udp' ? 'UDPv4' : 'TCPv4_CLIENT'}`,
    ...(protection.kind === 'tls-auth' && protection.direction !== undefined
      ? [`keydir ${protection.direction}`]
      : []),
    `cipher ${cipher}`,
    `auth ${aead ? '[null-digest]' : digest.toUpperCase()}`,
    `keysize ${/128/.test(cipher) ? 128 : 256}`,
    ...(protection.kind === 'tls-auth' ? ['tls-auth'] : []),
    'key-method 2',
    'tls-client',
  ].join(',')
}
