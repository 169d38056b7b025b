/** Makes an .ovpn file whole: what it names in other files is put into it, as it is copied away from them. */
import { dirname, resolve } from 'node:path'
import { decodeText, readBounded } from '../files.js'
import { MAX_TUNNEL_FILE_BYTES } from '../limits.js'
import { type OvpnLine, readOvpnLines } from './lines.js'

const FILES = new Set([
  ...['ca', 'cert', 'key', 'extra-certs', 'pkcs12', 'crl-verify', 'auth-user-pass', 'askpass'],
  ...['tls-auth', 'tls-crypt', 'tls-crypt-v2'],
])

/** The text with the files beside `path` put in; the text itself when it names none that can be read. */
export function inlineFiles(text: string, path: string): string {
  const source = text.split('\n')
  const { lines } = readOvpnLines(text)
  for (const line of [...lines].reverse()) {
    const block = blockOf(line, path)
    if (block !== undefined) source.splice(line.line - 1, 1, ...block)
  }
  return source.join('\n')
}

function blockOf(line: OvpnLine, path: string): readonly string[] | undefined {
  const { name, args } = line
  const [file, second] = args
  if (line.inline !== undefined || file === undefined || !FILES.has(name)) return undefined
  if (name === 'crl-verify' && second === 'dir') return undefined
  const found = readBounded(resolve(dirname(path), file), MAX_TUNNEL_FILE_BYTES)
  if (typeof found === 'string') return undefined
  const content =
    name === 'pkcs12' ? Buffer.from(found.bytes).toString('base64') : decodeText(found.bytes)
  if (content === undefined) return undefined
  const direction = name === 'tls-auth' && second !== undefined ? [`key-direction ${second}`] : []
  return [...direction, `<${name}>`, content.trimEnd(), `</${name}>`]
}
