/**
 * The head of an HTTP/1 request, read only far enough to see where it wants to go (RFC 9112). Whoever
 * serves the request parses it again, strictly; what is unusual here is left to that parser.
 */
import type { Bytes } from '../core/types.js'
import { parseHttpField } from '../wire/http-field.js'
import type { Parsed } from '../wire/parsed.js'

const CAPITAL_C = 0x43
/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i
/** Names, addresses and their marks, as every target of CONNECT is made of. */
const PLAIN_AUTHORITY = /^[-.:[\]_0-9a-z]+$/i

/** With the names of node:http's IncomingMessage. */
export interface HttpHead {
  readonly method: string
  readonly url: string
  readonly httpVersion: string
  /** Name and value in turn. */
  readonly rawHeaders: string[]
}

/**
 * The head of a CONNECT in visible ASCII that is here as a whole, and consumed. Undefined: it is something
 * else, or not whole, or unusual, and the strict parser is to see it.
 */
export function parsePlainConnect(bytes: Bytes, most: number): Parsed<HttpHead> {
  if (bytes[0] !== CAPITAL_C) return undefined
  if (hopeless(bytes)) return undefined
  const end = headEnd(bytes)
  if (end < 0 || end > most) return undefined
  const text = latin1(bytes, end)
  if (!/^[\t\r\n -~]*$/.test(text)) return undefined
  const parsed = parseText(text)
  if (parsed.kind !== 'done') return undefined
  const { method, url, rawHeaders } = parsed.value
  if (method !== 'CONNECT' || !PLAIN_AUTHORITY.test(url)) return undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (!TOKEN.test(rawHeaders[i] as string)) return undefined
  }
  return { ...parsed, length: end + 4 }
}

/** Consumes nothing (`length` is 0). That many bytes (`most`) without its end are too long. */
export function parseHttpHead(bytes: Bytes, most: number): Parsed<HttpHead> {
  if (hopeless(bytes)) return { kind: 'invalid', reason: 'no head of HTTP/1' }
  const end = headEnd(bytes)
  if (end < 0) {
    return bytes.length >= most ? { kind: 'invalid', reason: 'the head is too long' } : undefined
  }
  return parseText(latin1(bytes, end))
}

function parseText(text: string): NonNullable<Parsed<HttpHead>> {
  const [first = '', ...lines] = text.replace(/^(\r\n)+/, '').split('\r\n')
  const match = /^([!-~]+) ([!-~]+) HTTP\/(1\.[01])$/.exec(first)
  if (match === null) return { kind: 'invalid', reason: 'no request line' }
  const rawHeaders: string[] = []
  for (const line of lines) {
    const field = parseHttpField(line)
    if (field === undefined) return { kind: 'invalid', reason: 'a line that is no field' }
    rawHeaders.push(...field)
  }
  return {
    kind: 'done',
    value: {
      method: match[1] as string,
      url: match[2] as string,
      httpVersion: match[3] as string,
      rawHeaders,
    },
    length: 0,
  }
}

/** Can no byte to come make a head of it? A TLS greeting, say, or lines that end without CR: told now, not at the time-out. */
function hopeless(bytes: Bytes): boolean {
  const first = bytes[0]
  if (first !== undefined && first !== 13 && (first < 0x21 || first > 0x7e)) return true
  const lineFeed = bytes.indexOf(10)
  return lineFeed >= 0 && bytes[lineFeed - 1] !== 13
}

/** Where the empty line behind the fields begins. */
function headEnd(bytes: Bytes): number {
  let from = 0
  // Empty lines before the request are no end of it (RFC 9112 section 2.2).
  while (bytes[from] === 13 && bytes[from + 1] === 10) from += 2
  for (let at = bytes.indexOf(13, from); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at
  }
  return -1
}

function latin1(bytes: Bytes, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, end).toString('latin1')
}
