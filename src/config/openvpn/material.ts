/** Keys and certificates of an .ovpn file: inline, or in files beside it. */
import { dirname, resolve } from 'node:path'
import { decodeText, othersCanRead, readBounded } from '../files.js'
import { MAX_TUNNEL_FILE_BYTES } from '../limits.js'
import type { OvpnLine } from './lines.js'

/** How files are found that the .ovpn file names. */
export interface FileSource {
  /** The .ovpn file's path, to find others beside it. */
  readonly path: string
  /** Called with the reason when a file can't be read, or others can read it. */
  problem(line: OvpnLine, message: string): undefined
  warning(line: OvpnLine, message: string): void
}

/** Which directives hold a secret, of those that name a file. */
const SECRET = new Set([
  'key',
  'pkcs12',
  'tls-auth',
  'tls-crypt',
  'tls-crypt-v2',
  'auth-user-pass',
  'askpass',
])

/** Bytes of the file that the line names; undefined was reported. */
export function bytesOf(line: OvpnLine, source: FileSource): Uint8Array | undefined {
  const [name] = line.args
  if (line.inline !== undefined || name === undefined) {
    return source.problem(line, `"${line.name}" needs a file, or <${line.name}> … </${line.name}>`)
  }
  const found = readBounded(resolve(dirname(source.path), name), MAX_TUNNEL_FILE_BYTES)
  if (typeof found === 'string') return source.problem(line, `${name} ${found}`)
  if (SECRET.has(line.name) && othersCanRead(found.mode)) {
    source.warning(line, `others can read the secret in ${name}: chmod 600 ${name}`)
  }
  return found.bytes
}

/** The text, inline or of the file; undefined was reported. */
export function textOf(line: OvpnLine, source: FileSource): string | undefined {
  if (line.inline !== undefined) return line.inline
  const bytes = bytesOf(line, source)
  if (bytes === undefined) return undefined
  return decodeText(bytes) ?? source.problem(line, `${line.args[0]} is not text`)
}

const PEM = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g

/** PEM blocks of the kinds that the pattern matches. */
export function pemBlocks(text: string, kind: RegExp): readonly string[] {
  return [...text.matchAll(PEM)]
    .filter(([, label = '']) => kind.test(label))
    .map(([block]) => `${block}\n`)
}

/** The 256 bytes of a static key file; undefined when it is none. */
export function staticKey(text: string): Uint8Array | undefined {
  const body = /-----BEGIN OpenVPN Static key V1-----([\s\S]*?)-----END/.exec(text)?.[1]
  const digits = body?.replace(/\s+/g, '')
  if (digits === undefined || !/^[0-9a-fA-F]{512}$/.test(digits)) return undefined
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}

/** A tls-crypt-v2 client key: 256 bytes, and the same wrapped for the server. */
export function clientKeyV2(
  text: string,
): { readonly key: Uint8Array; readonly wrapped: Uint8Array } | undefined {
  const label = 'OpenVPN tls-crypt-v2 client key'
  const body = new RegExp(`-----BEGIN ${label}-----([\\s\\S]*?)-----END`).exec(text)?.[1]
  const digits = body?.replace(/\s+/g, '')
  if (digits === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(digits)) return undefined
  const bytes = Uint8Array.from(Buffer.from(digits, 'base64'))
  const wrapped = bytes.subarray(256)
  // The wrapped key ends with its own length.
  const length = ((wrapped.at(-2) ?? 0) << 8) | (wrapped.at(-1) ?? 0)
  if (wrapped.length < 2 || wrapped.length > 1024 || length !== wrapped.length) return undefined
  return { key: bytes.slice(0, 256), wrapped: wrapped.slice() }
}
