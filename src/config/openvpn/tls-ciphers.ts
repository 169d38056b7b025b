/** `tls-cipher`, `tls-ciphersuites`, `tls-groups`: OpenVPN's names as OpenSSL, and so Node, takes them. */
import { createSecureContext, getCiphers } from 'node:tls'

/** What a colon-separated list came to. */
export interface TlsList {
  /** For OpenSSL; undefined: nothing of it can be used. */
  readonly text: string | undefined
  /** Names that this OpenSSL does not have. */
  readonly unknown: readonly string[]
}

/** TLS 1.2: names of IANA (`TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384`) or OpenSSL, and OpenSSL's words. */
export function tlsCiphers(list: string): TlsList {
  const known = new Set(getCiphers().map((name) => name.toUpperCase()))
  return usable(
    list.split(':').map((name) => [name, cipherName(name, known)] as const),
    'ciphers',
  )
}

/** TLS 1.3: `TLS_AES_256_GCM_SHA384` and its like. */
export function tlsSuites(list: string): TlsList {
  const known = new Set(getCiphers().map((name) => name.toUpperCase()))
  const suite = (name: string) => (/^TLS_/.test(name) && known.has(name) ? name : undefined)
  return usable(
    list.split(':').map((name) => [name, suite(name)] as const),
    'ciphers',
  )
}

/** Groups of the key exchange, such as `X25519:secp384r1`. */
export function tlsGroups(list: string): TlsList {
  const group = (name: string) =>
    /^[\w-]+$/.test(name) && accepted({ ecdhCurve: name }) ? name : undefined
  return usable(
    list.split(':').map((name) => [name, group(name)] as const),
    'ecdhCurve',
  )
}

function usable(
  names: readonly (readonly [given: string, name: string | undefined])[],
  option: 'ciphers' | 'ecdhCurve',
): TlsList {
  const unknown = names.flatMap(([given, name]) => (name === undefined ? [given] : []))
  const text = names.flatMap(([, name]) => name ?? []).join(':')
  return { text: text !== '' && accepted({ [option]: text }) ? text : undefined, unknown }
}

function cipherName(name: string, known: ReadonlySet<string>): string | undefined {
  // DEFAULT, !aNULL, @SECLEVEL=1: OpenSSL's own words.
  if (/^[!+-]?[A-Za-z0-9+]+$/.test(name) || /^@(SECLEVEL=[0-5]|STRENGTH)$/.test(name)) return name
  const plain = name
    .toUpperCase()
    .replace(/^TLS-/, '')
    .replace(/^RSA-WITH-/, '')
    .replace('-WITH-', '-')
    .replace(/(AES|CAMELLIA)-(128|256)/, '$1$2')
    .replace('-CBC-', '-')
    .replace('CHACHA20-POLY1305-SHA256', 'CHACHA20-POLY1305')
  return known.has(plain) ? plain : undefined
}

function accepted(options: { readonly ciphers?: string; readonly ecdhCurve?: string }): boolean {
  try {
    createSecureContext(options)
    return true
  } catch {
    return false
  }
}
