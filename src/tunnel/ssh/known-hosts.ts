/** OpenSSH's known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): which keys a host may have. */
import { matchesPatterns } from '../../core/host-pattern.js'
import type { Bytes } from '../../core/types.js'
import { hmac } from '../../crypto/hmac.js'

export interface KnownHost {
  /** As the user would type it. */
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly marker: 'cert-authority' | 'revoked' | undefined
  readonly names:
    | { readonly kind: 'patterns'; readonly patterns: readonly string[] }
    | { readonly kind: 'hashed'; readonly salt: Bytes; readonly hash: Bytes }
  /** `ssh-ed25519` and the like, as the key itself has it. */
  readonly type: string
  readonly key: Bytes
}

/** Lines that are not understood are left out, as OpenSSH does. Never throws. */
export function parseKnownHosts(text: string, file: string): readonly KnownHost[] {
  const found: KnownHost[] = []
  let line = 0
  for (const raw of text.split('\n')) {
    line++
    const words = raw.trim().split(/[ \t]+/)
    const first = words[0] ?? ''
    if (first === '' || first.startsWith('#')) continue
    const marker =
      first === '@revoked' ? 'revoked' : first === '@cert-authority' ? 'cert-authority' : undefined
    if (marker === undefined && first.startsWith('@')) continue
    const [namesText = '', type = '', keyText = ''] = marker === undefined ? words : words.slice(1)
    const names = parseNames(namesText)
    const key = decodeBase64(keyText)
    if (names === undefined || key === undefined || keyTypeOf(key) !== type) continue
    found.push({ file, line, marker, names, type, key })
  }
  return found
}

function parseNames(text: string): KnownHost['names'] | undefined {
  if (!text.startsWith('|')) {
    const patterns = text.toLowerCase().split(',')
    return text === '' ? undefined : { kind: 'patterns', patterns }
  }
  const [, salt64 = '', hash64 = ''] = /^\|1\|([^|]+)\|([^|]+)$/.exec(text) ?? []
  const [salt, hash] = [decodeBase64(salt64), decodeBase64(hash64)]
  if (salt?.length !== 20 || hash?.length !== 20) return undefined
  return { kind: 'hashed', salt, hash }
}

/** Strict base64; undefined for what is none. */
export function decodeBase64(text: string): Bytes | undefined {
  if (text === '' || text.length % 4 !== 0) return undefined
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
}

/** The type that stands in front of an SSH public key (RFC 4253 section 6.6); empty when there is none. */
export function keyTypeOf(key: Bytes): string {
  if (key.length < 4) return ''
  const length = new DataView(key.buffer, key.byteOffset).getUint32(0)
  if (length > 64 || 4 + length > key.length) return ''
  return new TextDecoder('latin1').decode(key.subarray(4, 4 + length))
}

export interface HostNames {
  readonly host: string
  readonly port: number
  /** HostKeyAlias: stands for host and port alike. */
  readonly alias?: string
}

/** The names under which OpenSSH looks a host up, the first first. */
export function lookupNames({ host, port, alias }: HostNames): readonly string[] {
  if (alias !== undefined) return [alias.toLowerCase()]
  const name = host.toLowerCase()
  return port === 22 ? [name] : [`[${name}]:${port}`, name]
}

function isFor(entry: KnownHost, name: string): boolean {
  const { names } = entry
  if (names.kind === 'patterns') return matchesPatterns(name, names.patterns)
  return sameBytes(hmac('sha1', names.salt, new TextEncoder().encode(name)), names.hash)
}

export type HostKeyVerdict =
  | { readonly kind: 'known' }
  | { readonly kind: 'revoked'; readonly entry: KnownHost }
  /** Another key of this type is known. */
  | { readonly kind: 'changed'; readonly entry: KnownHost }
  | {
      readonly kind: 'unknown'
      /** Entries for the host with keys of other types. */
      readonly others: readonly KnownHost[]
      /** A certificate authority is trusted for the host; certificates are not read. */
      readonly authority: KnownHost | undefined
    }

/** Looks as OpenSSH does: `[host]:port` first, then, when nothing is known there, a match under `host`. */
export function checkHostKey(
  entries: readonly KnownHost[],
  names: HostNames,
  key: Bytes,
): HostKeyVerdict {
  const [first = '', plain] = lookupNames(names)
  const verdict = checkName(entries, first, key)
  if (plain === undefined || verdict.kind !== 'unknown') return verdict
  const second = checkName(entries, plain, key)
  return second.kind === 'known' || second.kind === 'revoked' ? second : verdict
}

function checkName(entries: readonly KnownHost[], name: string, key: Bytes): HostKeyVerdict {
  const mine = entries.filter((entry) => isFor(entry, name))
  const same = mine.filter((entry) => sameBytes(entry.key, key))
  const revoked = same.find((entry) => entry.marker === 'revoked')
  if (revoked !== undefined) return { kind: 'revoked', entry: revoked }
  if (same.some((entry) => entry.marker === undefined)) return { kind: 'known' }
  const plain = mine.filter((entry) => entry.marker === undefined)
  const changed = plain.find((entry) => entry.type === keyTypeOf(key))
  if (changed !== undefined) return { kind: 'changed', entry: changed }
  const authority = mine.find((entry) => entry.marker === 'cert-authority')
  return { kind: 'unknown', others: plain, authority }
}

/** Types of the keys that are known for a host: the server is asked for these first. */
export function knownKeyTypes(entries: readonly KnownHost[], names: HostNames): readonly string[] {
  for (const name of lookupNames(names)) {
    const types = entries
      .filter((entry) => entry.marker === undefined && isFor(entry, name))
      .map((entry) => entry.type)
    if (types.length > 0) return [...new Set(types)]
  }
  return []
}

function sameBytes(a: Bytes, b: Bytes): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
