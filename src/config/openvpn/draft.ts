/** What the reader of an .ovpn file gathers on its way. */
import type { OpenvpnDigest, OpenvpnOptions, OpenvpnRemote } from '../../core/options.js'
import type { OvpnLine } from './lines.js'

export interface RemoteDraft {
  readonly host: string
  readonly port: number | undefined
  readonly proto: string | undefined
  readonly line: OvpnLine
}

/** Defaults are OpenVPN's own (2.6). */
export class OvpnDraft {
  readonly remotes: RemoteDraft[] = []
  port = 1194
  proto = 'udp'
  remoteRandom = false
  localPort: { readonly port: number; readonly line: OvpnLine } | undefined
  float = false

  tlsAuth:
    | { readonly line: OvpnLine; readonly key: Uint8Array; readonly direction: 0 | 1 | undefined }
    | undefined
  tlsCrypt: Uint8Array | undefined
  tlsCryptV2: { readonly key: Uint8Array; readonly wrapped: Uint8Array } | undefined
  keyDirection: 0 | 1 | undefined
  digest: OpenvpnDigest = 'sha1'
  ciphers: readonly string[] = ['AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305']
  cipher: string | undefined
  fallback: string | undefined

  readonly ca: string[] = []
  readonly crl: string[] = []
  certificate = ''
  extraCertificates = ''
  key: string | undefined
  pkcs12: Uint8Array | undefined
  keyPassword: string | undefined
  minimum: OpenvpnOptions['tls']['minimum'] | undefined
  maximum: OpenvpnOptions['tls']['maximum'] | undefined
  weakCertificates = false
  tlsCiphers: string | undefined
  tlsSuites: string | undefined
  tlsGroups: string | undefined
  name: OpenvpnOptions['tls']['name'] | undefined
  readonly usages: string[] = []
  keyUsage = false
  readonly fingerprints: string[] = []

  asksPassword = false
  forgetsPassword = false
  challenge: OpenvpnOptions['staticChallenge']
  username: string | undefined
  password: string | undefined

  readonly directives: (readonly string[])[] = []
  routeNoPull = false
  readonly pullFilters: OpenvpnOptions['pullFilters'][number][] = []
  readonly peerInfo: string[] = []
  connectTimeout: number | undefined
  handshakeWindow: number | undefined
  renegotiateSeconds: number | undefined
  retrySeconds: number | undefined
  retryMaximum: number | undefined
}

/** `udp`, `tcp-client`, `tcp4` …; undefined for what is neither. */
export function transportOf(
  proto: string,
): Pick<OpenvpnRemote, 'transport' | 'family'> | undefined {
  const [, transport, family] = /^(udp|tcp)([46])?(?:-client)?$/.exec(proto) ?? []
  if (transport !== 'udp' && transport !== 'tcp') return undefined
  if (family === undefined) return { transport }
  return { transport, family: family === '4' ? 4 : 6 }
}
