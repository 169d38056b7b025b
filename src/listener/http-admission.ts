/** Whether an HTTP request may go on, and where to: checks that hold for forwarding, CONNECT and Upgrade alike. */
import type { IncomingMessage } from 'node:http'
import type { Target } from '../core/types.js'
import { type FieldList, fieldValues, requestProblem } from '../wire/http-fields.js'
import { type AbsoluteTarget, parseAbsoluteTarget, parseAuthority } from '../wire/http-target.js'
import type { Connection } from './connection.js'
import type { HttpRefusal } from './http-error.js'
import { MAX_HTTP_FIELDS } from './limits.js'
import type { ListenerContext } from './listener-context.js'

export type RequestHead = Pick<IncomingMessage, 'method' | 'url' | 'httpVersion' | 'rawHeaders'>

/** Checks framing and the user; sets `connection.user`. */
export function admissionProblem(
  context: ListenerContext,
  connection: Connection,
  request: RequestHead,
): HttpRefusal | undefined {
  const { rawHeaders, httpVersion } = request
  if (rawHeaders.length > 2 * MAX_HTTP_FIELDS) {
    return badRequest('the request has too many fields', 'Remove cookies of this site.', 431)
  }
  if (httpVersion !== '1.1' && httpVersion !== '1.0') {
    return badRequest(`HTTP/${httpVersion} is not spoken here`, 'Use HTTP/1.1.', 505)
  }
  const problem = requestProblem(httpVersion, rawHeaders)
  if (problem !== undefined) {
    return badRequest(
      `the request has ${problem.reason}`,
      'The client is to be mended.',
      problem.status,
    )
  }
  const { authenticator } = context
  if (authenticator.open || connection.admission !== undefined) return undefined
  const [given, ...more] = fieldValues(rawHeaders, 'proxy-authorization')
  connection.user =
    given === undefined || more.length > 0 ? undefined : authenticator.checkBasic(given)
  if (connection.user !== undefined) return undefined
  // Without any it is the question that clients wait for before they tell their password.
  if (given !== undefined) {
    context.logger.info(connection.describe(), 'wrong user or password')
    context.unauthenticated()
  }
  return {
    status: 407,
    error: 'http_request_denied',
    message:
      given === undefined ? 'this proxy wants a user and password' : 'wrong user or password',
    hint: 'Give the user and password of this proxy port.',
    fields: ['Proxy-Authenticate', `Basic realm="pvpn ${context.place}", charset="UTF-8"`],
  }
}

/** The target of a request in absolute-form. */
export function forwardTarget(
  context: ListenerContext,
  request: RequestHead,
): AbsoluteTarget | HttpRefusal {
  const { method = '', url = '' } = request
  if (url === '*') {
    return badRequest('this proxy has nothing to say of itself', 'Ask for http://HOST/.', 501)
  }
  if (['OPTIONS', 'TRACE'].includes(method) && maxForwards(request) === 0) {
    return badRequest(`${method} may go no further`, 'Raise Max-Forwards.', 501)
  }
  if (url.startsWith('/')) {
    const own = `${context.place}: this is a proxy port, not a web server`
    return badRequest(
      own,
      'Set this address as the HTTP or SOCKS proxy of your program, and ask for the page you want there.',
    )
  }
  const parsed = parseAbsoluteTarget(method, url)
  switch (parsed) {
    case 'scheme':
      return badRequest(
        'only http:// can be asked for in the clear',
        'For https:// the client uses CONNECT: set this port as its HTTPS proxy too.',
        501,
      )
    case 'userinfo':
      return badRequest('the address has a user in it', 'Send an Authorization field instead.')
    case 'syntax':
      return badRequest('the address cannot be understood', 'It must be http://HOST[:PORT]/PATH.')
    default:
      return parsed
  }
}

/** RFC 9110 section 7.6.2; undefined where the request does not say. */
function maxForwards(request: RequestHead): number | undefined {
  const [value] = fieldValues(request.rawHeaders, 'max-forwards')
  return value === undefined ? undefined : Number(value)
}

/** The target of CONNECT (RFC 9110 section 9.3.6): `host:port`, and no body. */
export function connectTarget(request: RequestHead): Target | HttpRefusal {
  const { rawHeaders, url = '' } = request
  if (hasBody(rawHeaders)) return badRequest('CONNECT with a body', 'The client is to be mended.')
  return (
    parseAuthority(url) ??
    badRequest('the target of CONNECT cannot be understood', 'It must be HOST:PORT.')
  )
}

/** Does a body follow? Only for fields that `requestProblem` let pass. */
export function hasBody(fields: FieldList): boolean {
  if (fieldValues(fields, 'transfer-encoding').length > 0) return true
  return Number(fieldValues(fields, 'content-length')[0] ?? 0) > 0
}

export function isRefusal(value: object): value is HttpRefusal {
  return 'status' in value
}

export function badRequest(message: string, hint: string, status = 400): HttpRefusal {
  return { status, error: 'http_request_error', message, hint }
}
