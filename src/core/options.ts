/**
 * A validated, frozen configuration: what config/ makes of the file, and what gateway, environment
 * and listeners start from. Secrets are here in the clear; nothing of this goes to logs or status.
 */
import type { SshAlgorithmChoice } from './ssh-algorithms.js'
import type { Endpoint, Target } from './types.js'

/** Where something listens: an address and port, or a Unix socket's path. */
export type ListenAddress =
  | { readonly kind: 'tcp'; readonly address: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

export interface ProxyUser {
  readonly name: string
  readonly password: string
}

/** One peer of a WireGuard interface. Keys are 32 bytes. */
export interface WireguardPeerOptions {
  readonly publicKey: Uint8Array
  readonly presharedKey?: Uint8Array
  /** Absent: the peer calls us. The host may be a name. */
  readonly endpoint?: Target
  /** Prefixes as text, e.g. `192.168.11.0/24`. */
  readonly allowedIps: readonly string[]
  /** Seconds; 0 is off. */
  readonly persistentKeepalive: number
}

export interface WireguardOptions {
  readonly type: 'wireguard'
  readonly privateKey: Uint8Array
  /** With prefix length, e.g. `192.168.9.52/24`. */
  readonly addresses: readonly string[]
  readonly dns: readonly string[]
  readonly search: readonly string[]
  /** Bytes; default 1420. */
  readonly mtu: number
  /** UDP port on the host; 0: any. */
  readonly listenPort: number
  readonly peers: readonly WireguardPeerOptions[]
}

export interface DirectOptions {
  readonly type: 'direct'
}

/** One `remote` of an OpenVPN client. */
export interface OpenvpnRemote {
  readonly host: string
  readonly port: number
  readonly transport: 'udp' | 'tcp'
  /** Only addresses of this family; absent: both. */
  readonly family?: 4 | 6
}

/** What protects the control channel before TLS. Keys are the 256 bytes of a static key file. */
export type OpenvpnProtection =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'tls-auth'
      readonly key: Uint8Array
      readonly digest: OpenvpnDigest
      /** `key-direction`; undefined: one key for both ways. */
      readonly direction: 0 | 1 | undefined
    }
  | { readonly kind: 'tls-crypt'; readonly key: Uint8Array }
  | { readonly kind: 'tls-crypt-v2'; readonly key: Uint8Array; readonly wrapped: Uint8Array }

export type OpenvpnDigest = 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512'

/** How the server proves itself, and we to it. Certificates and keys are PEM text. */
export interface OpenvpnTlsOptions {
  readonly ca: readonly string[]
  readonly certificate?: string
  readonly key?: string
  /** Certificate, key and authorities in one file, instead. */
  readonly pkcs12?: Uint8Array
  readonly keyPassword?: string
  /** Revocation lists, PEM. */
  readonly crl?: readonly string[]
  readonly minimum?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'
  readonly maximum?: 'TLSv1.2' | 'TLSv1.3'
  /** `tls-cipher` (TLS 1.2), `tls-ciphersuites` (1.3) and `tls-groups`, in OpenSSL's words; absent: Node's choice. */
  readonly ciphers?: string
  readonly suites?: string
  readonly groups?: string
  /** `tls-cert-profile insecure`: OpenSSL's security level 0, for certificates signed with SHA-1 or short keys. */
  readonly weakCertificates: boolean
  /** `verify-x509-name`: the subject, its common name, or how that begins. */
  readonly name?: { readonly kind: 'subject' | 'name' | 'name-prefix'; readonly value: string }
  /** Extended key usages that the certificate must have, as OIDs. */
  readonly usages: readonly string[]
  /** `remote-cert-tls`: the certificate must say a key usage; that it fits is part of the chain's check. */
  readonly keyUsage?: boolean
  /** `peer-fingerprint`: SHA-256 as lower-case hexadecimal digits; without `ca` they replace the chain's check. */
  readonly fingerprints: readonly string[]
}

export interface OpenvpnOptions {
  readonly type: 'openvpn'
  readonly remotes: readonly OpenvpnRemote[]
  readonly remoteRandom: boolean
  readonly protection: OpenvpnProtection
  readonly tls: OpenvpnTlsOptions
  readonly username?: string
  readonly password?: string
  /** `auth-user-pass`: the server wants user name and password; what is not given here is asked for. */
  readonly asksPassword: boolean
  /** `auth-nocache`: what a person typed is good for one connection. */
  readonly forgetsPassword?: boolean
  /** `static-challenge`: what is asked for besides, and how the answer goes with the password. */
  readonly staticChallenge?: {
    readonly text: string
    /** May the answer be seen while it is typed? */
    readonly echo: boolean
    readonly format: 'scrv1' | 'concat'
  }
  /** The answer to it; asked for when absent. */
  readonly challenge?: string
  /** `data-ciphers`, in order of preference: names as OpenVPN writes them. */
  readonly ciphers: readonly string[]
  /** For a server that does not negotiate (`data-ciphers-fallback`, `cipher`). */
  readonly fallbackCipher?: string
  /** `auth`: HMAC of the CBC ciphers. */
  readonly digest: OpenvpnDigest
  /** The file's own lines of what a server may push too (routes, DNS, ifconfig, ping …), as words. */
  readonly directives: readonly (readonly string[])[]
  readonly routeNoPull: boolean
  readonly pullFilters: readonly {
    readonly action: 'accept' | 'ignore' | 'reject'
    readonly prefix: string
  }[]
  /** Lines for the server's eyes: `UV_…=…`. */
  readonly peerInfo: readonly string[]
  /** UDP port on the host; 0: any. */
  readonly localPort: number
  /** Accept the server's packets from another address, when they are authentic. */
  readonly float: boolean
  /** Seconds; absent: the defaults of the tunnel. */
  readonly connectTimeout?: number
  readonly handshakeWindow?: number
  readonly renegotiateSeconds?: number
  readonly transitionWindow?: number
  readonly retrySeconds?: number
  readonly retryMaximum?: number
}

/** How an SSL-VPN server proves itself, and we to it. Certificates and keys are PEM text. */
export interface OpenconnectTlsOptions {
  /** Authorities; absent: the ones that Node trusts. */
  readonly ca?: string
  readonly certificate?: string
  readonly key?: string
  /** Certificate and key in one file, instead. */
  readonly pkcs12?: Uint8Array
  readonly keyPassword?: string
  /** SHA-256 of the server's SubjectPublicKeyInfo, base64; without `ca` it replaces the checks of chain and name. */
  readonly pin?: string
  /** Where these stand, by whole paths: for another program. */
  readonly files?: { readonly ca?: string; readonly certificate?: string; readonly key?: string }
}

/** Protocols of SSL-VPN, by openconnect's names. The native client speaks the first. */
export const SSL_PROTOCOLS = ['anyconnect', 'nc', 'gp', 'pulse', 'f5', 'fortinet', 'array'] as const

/** A client of an SSL-VPN server. */
export interface OpenconnectOptions {
  readonly type: 'openconnect'
  /** `https://HOST:PORT/PATH`, taken apart. */
  readonly place: { readonly host: string; readonly port: number; readonly path: string }
  readonly username?: string
  readonly password?: string
  /** Further fields of the server's forms, by name. */
  readonly form: Readonly<Record<string, string>>
  readonly authgroup?: string
  readonly tls: OpenconnectTlsOptions
  /** Who speaks with the server: this program, or the installed openconnect. */
  readonly engine: 'native' | 'openconnect'
  readonly protocol: (typeof SSL_PROTOCOLS)[number]
  /** Packets by UDP where the server offers it; only openconnect does that. */
  readonly dtls: boolean
}

/** An upstream SOCKS5 server. */
export interface Socks5Options {
  readonly type: 'socks5'
  readonly server: Target
  readonly username?: string
  readonly password?: string
}

/** An upstream HTTP proxy that knows CONNECT. */
export interface HttpProxyOptions {
  readonly type: 'http'
  readonly server: Target
  readonly username?: string
  readonly password?: string
  /** Absent: in the clear. */
  readonly tls?: {
    /** Authorities, PEM; absent: the ones that Node trusts. */
    readonly ca?: string
    /** Who the certificate must name; absent: the server's host. */
    readonly serverName?: string
  }
}

/** One private key of SSH; which of several are tried is the server's choice. */
export interface SshKeyOptions {
  /** As the user would type it. */
  readonly file: string
  readonly text: string
  /** Of an encrypted one. */
  readonly password?: string
  /** It is encrypted; without a password a person is asked for it. */
  readonly locked?: boolean
}

/** One server on the way; the last one is the tunnel's. */
export interface SshHopOptions {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly keys: readonly SshKeyOptions[]
  /** Socket of an agent. */
  readonly agent?: string
  /** Public keys (lines of `.pub` files) that alone may be used of the agent; absent: all of its keys. */
  readonly agentKeys?: readonly string[]
  readonly password?: string
  /** Absolute paths; read at each connection. The first is where a new key would be written. */
  readonly knownHosts: readonly string[]
  /** Name that stands for the host in known_hosts. */
  readonly hostKeyAlias?: string
  readonly algorithms: SshAlgorithmChoice
  /** Seconds for the connection; absent: the environment's. */
  readonly connectTimeout?: number
  /** Seconds of silence before the server is asked whether it is there; 0: never. */
  readonly aliveInterval: number
  /** Questions without an answer that end the connection. */
  readonly aliveCount: number
}

export interface SshOptions {
  readonly type: 'ssh'
  /** In the order in which they are reached; at least one. */
  readonly hops: readonly SshHopOptions[]
}

/** Grows by one member per tunnel type. */
export type TunnelOptions =
  | WireguardOptions
  | OpenvpnOptions
  | OpenconnectOptions
  | SshOptions
  | Socks5Options
  | HttpProxyOptions
  | DirectOptions

export interface DnsOptions {
  /** Undefined: what the tunnel brings. Each `address` with port 53 unless said otherwise. */
  readonly servers: readonly Endpoint[] | undefined
  readonly search: readonly string[] | undefined
  /** Zone (lower case, no dots at the ends) to its servers. */
  readonly zones: Readonly<Record<string, readonly Endpoint[]>>
  /** Name (lower case) to addresses. */
  readonly hosts: Readonly<Record<string, readonly string[]>>
  readonly listen: readonly ListenAddress[]
}

export interface ForwardOptions {
  readonly listen: ListenAddress
  readonly to: Target
  readonly protocol: 'tcp' | 'udp'
}

export interface PublishOptions {
  /** Port inside. */
  readonly port: number
  /** Service on the host. */
  readonly to: Target
  readonly protocol: 'tcp' | 'udp'
}

export interface EnvironmentOptions {
  readonly name: string
  readonly tunnel: TunnelOptions
  /** The environment that carries the tunnel's own packets; absent: the host's network does. */
  readonly through?: string
  readonly listen: readonly ListenAddress[]
  readonly users: readonly ProxyUser[]
  readonly dns: DnsOptions
  readonly forwards: readonly ForwardOptions[]
  readonly publish: readonly PublishOptions[]
  readonly start: 'always' | 'on-demand'
  /** Seconds until "no answer". */
  readonly connectTimeout: number
  readonly allowUnauthenticated: boolean
}

export interface PolicyRule {
  /** `FILE:LINE` of the rule, for `pvpn explain`. */
  readonly source: string
  readonly program?: string
  readonly children?: boolean
  readonly user?: string
  readonly group?: string
  readonly domain?: readonly string[]
  readonly address?: readonly string[]
  readonly port?: readonly number[]
  readonly environment: string
}

export interface PolicyOptions {
  readonly listen: readonly ListenAddress[]
  readonly names: boolean
  readonly users: readonly ProxyUser[]
  readonly allowUnauthenticated: boolean
  readonly rules: readonly PolicyRule[]
  /** `deny`, or an environment's name. */
  readonly default: string
}

export interface GatewayOptions {
  /** The configuration file's absolute path; undefined for a configuration made in memory (demo). */
  readonly file: string | undefined
  /** Undefined: `listen: none`. */
  readonly control: { readonly listen: ListenAddress | undefined }
  readonly environments: readonly EnvironmentOptions[]
  readonly policy: PolicyOptions | undefined
}
