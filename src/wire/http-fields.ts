/**
 * Which fields of an HTTP message a proxy may pass on (RFC 9110 section 7.6, RFC 9112 section 6).
 * Fields are flat lists, name and value in turn, in the order and case of the wire.
 */

/** Between us and our neighbour only, or never meant for anybody behind us. */
const HOP_BY_HOP = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'proxy-authorization',
  'proxy-authenticate',
  'proxy-authentication-info',
])

/** What may not come in a trailer (RFC 9110 section 6.5.1): framing, routing, credentials. */
const NOT_IN_TRAILERS = new Set([
  'content-length',
  'content-encoding',
  'content-type',
  'content-range',
  'host',
  'trailer',
  'authorization',
  'set-cookie',
  'cookie',
  'max-forwards',
  'expect',
  'range',
])

export type FieldList = readonly string[]

/** All values of a field, by its lower-case name. */
export function fieldValues(fields: FieldList, name: string): string[] {
  const values: string[] = []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if ((fields[i] as string).toLowerCase() === name) values.push(fields[i + 1] as string)
  }
  return values
}

/** Members of a comma-separated field, lower-case. */
export function fieldTokens(fields: FieldList, name: string): string[] {
  return fieldValues(fields, name)
    .flatMap((value) => value.split(','))
    .map((token) => token.trim().toLowerCase())
    .filter((token) => token !== '')
}

/** The fields without those between neighbours, those that Connection names, and `without`. */
export function endToEndFields(fields: FieldList, without: readonly string[] = []): string[] {
  const dropped = new Set([...fieldTokens(fields, 'connection'), ...without])
  const out: string[] = []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase()
    if (!HOP_BY_HOP.has(name) && !dropped.has(name)) {
      out.push(fields[i] as string, fields[i + 1] as string)
    }
  }
  return out
}

/**
 * What `endToEndFields` is to leave out besides: only a chunked body has a trailer section, and so only
 * its head can announce one (RFC 9110 section 6.6.2).
 */
export function withoutTrailer(chunked: boolean): readonly string[] {
  return chunked ? [] : ['trailer']
}

/** Trailer fields that may be passed on, as pairs. */
export function trailerFields(fields: FieldList): [string, string][] {
  const out: [string, string][] = []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase()
    if (!HOP_BY_HOP.has(name) && !NOT_IN_TRAILERS.has(name)) {
      out.push([fields[i] as string, fields[i + 1] as string])
    }
  }
  return out
}

export interface FieldProblem {
  readonly status: number
  readonly reason: string
}

/**
 * What makes the length or destination of a request ambiguous. An answer of undefined means that the
 * body is as long as its one Content-Length says, or chunked, or absent: nobody behind us can see
 * another request in it.
 */
export function requestProblem(version: string, fields: FieldList): FieldProblem | undefined {
  const lengths = fieldValues(fields, 'content-length')
  const codings = fieldValues(fields, 'transfer-encoding')
  const hosts = fieldValues(fields, 'host')
  if (hosts.length > 1) return bad('more than one Host field')
  if (hosts.length === 0 && version === '1.1') return bad('no Host field')
  if (lengths.length > 1) return bad('more than one Content-Length field')
  if (lengths[0] !== undefined && !/^[0-9]{1,15}$/.test(lengths[0])) {
    return bad('a Content-Length that is not a number')
  }
  if (codings.length > 0) {
    if (lengths.length > 0) return bad('both Content-Length and Transfer-Encoding')
    if (version !== '1.1') return bad('Transfer-Encoding in a message of HTTP/1.0')
    if (codings.length > 1 || codings[0]?.toLowerCase() !== 'chunked') {
      return { status: 501, reason: 'a Transfer-Encoding other than chunked' }
    }
  }
  for (const value of fields) {
    if (/[\r\n\0]/.test(value)) return bad('a field that is folded over lines')
  }
  return undefined
}

function bad(reason: string): FieldProblem {
  return { status: 400, reason }
}
