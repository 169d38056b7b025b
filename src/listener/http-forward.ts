/** One HTTP request passed on, and its answer passed back. */
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { PvpnError } from '../core/errors.js'
import { resetSocket } from '../io/socket-reset.js'
import type { StreamDuplex } from '../io/stream-duplex.js'
import {
  endToEndFields,
  fieldTokens,
  fieldValues,
  trailerFields,
  withoutTrailer,
} from '../wire/http-fields.js'
import type { AbsoluteTarget } from '../wire/http-target.js'
import type { Connection } from './connection.js'
import { aliasOf, type HostAlias } from './host-alias.js'
import { hasBody } from './http-admission.js'
import { requestOn, type Upstream } from './http-upstream.js'
import { type ListenerContext, targetText } from './listener-context.js'

/** Methods that may be sent again without harm when a kept connection turns out to be closed (RFC 9110 section 9.2.2). */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/**
 * Resolves when the answer is out or the client's connection is lost. Rejects with a PvpnError while
 * nothing has been answered yet. An answer that breaks off resets the client's connection.
 */
export async function forward(
  context: ListenerContext,
  connection: Connection,
  upstream: Upstream,
  request: IncomingMessage,
  response: ServerResponse,
  where: AbsoluteTarget,
): Promise<void> {
  const gone = new AbortController()
  const onClose = () => gone.abort()
  response.once('close', onClose)
  const method = request.method ?? ''
  const repeatable = REPEATABLE.has(method) && !hasBody(request.rawHeaders)
  const dial = () => context.dial(connection, where.target, gone.signal)
  connection.target = where.target
  const alias = aliasOf(connection)
  try {
    for (let fresh = false; ; fresh = true) {
      const key = targetText(where.target)
      const { duplex, reused } = await upstream.take(key, { repeatable, fresh }, dial)
      const out = requestOn(duplex, {
        method,
        path: where.path,
        fields: requestFields(request, where.authority, alias),
      })
      const outcome = await exchange(request, response, out, duplex, alias)
      if (outcome === 'answered') return
      if (!reused || fresh) throw outcome
      if (!repeatable) {
        // The server closed the kept connection as the request was on its way: the client sees
        // what it would see without us, and knows itself whether to send it again.
        connection.socket.reset()
        return
      }
    }
  } finally {
    response.removeListener('close', onClose)
  }
}

/** Fields to send: end-to-end ones in their order, Host from the target, and the body's length as we understood it. */
export function requestFields(
  request: IncomingMessage,
  authority: string,
  alias?: HostAlias,
): string[] {
  const { rawHeaders } = request
  const chunked = fieldValues(rawHeaders, 'transfer-encoding').length > 0
  const length = fieldValues(rawHeaders, 'content-length')[0]
  const without = ['host', 'content-length', 'max-forwards', ...withoutTrailer(chunked)]
  if (!hasBody(rawHeaders) || request.httpVersion === '1.0') without.push('expect')
  const host = alias?.authority(authority) ?? authority
  const fields = ['Host', host, ...endToEndFields(rawHeaders, without)]
  alias?.request(fields)
  const forwards = Number(fieldValues(rawHeaders, 'max-forwards')[0] ?? Number.NaN)
  if (forwards > 0) fields.push('Max-Forwards', String(forwards - 1))
  if (chunked) fields.push('Transfer-Encoding', 'chunked')
  else if (length !== undefined) fields.push('Content-Length', length)
  else if (!['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'].includes(request.method ?? '')) {
    fields.push('Content-Length', '0')
  }
  return fields
}

/** Fields of the answer; node:http adds the framing that this client understands. HTTP/1.0 knows no chunks. */
export function answerFields(
  answer: IncomingMessage,
  version: string,
  alias?: HostAlias,
): string[] {
  const chunked = fieldValues(answer.rawHeaders, 'transfer-encoding').length > 0
  const without = withoutTrailer(chunked && version !== '1.0')
  const fields = endToEndFields(
    answer.rawHeaders,
    chunked ? ['content-length', ...without] : without,
  )
  alias?.answer(fields)
  return fields
}

/** Sends and waits: for the end of the exchange, or the error that came before any answer. */
function exchange(
  request: IncomingMessage,
  response: ServerResponse,
  out: ClientRequest,
  duplex: StreamDuplex,
  alias: HostAlias | undefined,
): Promise<'answered' | PvpnError> {
  return new Promise((resolve) => {
    let answered: IncomingMessage | undefined
    const stop = () => {
      request.unpipe(out)
      response.removeListener('close', clientGone)
    }
    const clientGone = () => {
      stop()
      if (!response.writableFinished || !out.writableFinished) out.destroy()
      // What is left of a request that was answered early is thrown away.
      request.resume()
      resolve('answered')
    }
    response.once('close', clientGone)
    out.on('error', (error) => {
      if (answered !== undefined) {
        // A late failure to send the request does not spoil an answer that is complete.
        if (!answered.complete && response.socket !== null) resetSocket(response.socket)
        return
      }
      stop()
      resolve(duplex.failure ?? upstreamError(error))
    })
    out.on('upgrade', (_answer, socket) => {
      socket.destroy()
      stop()
      resolve(new PvpnError('ERR_PROTOCOL', 'the server switched protocols unasked'))
    })
    if (request.headers.expect !== undefined) out.on('continue', () => response.writeContinue())
    out.on('information', (information) => passInformation(response, information))
    out.on('response', (answer) => {
      answered = answer
      try {
        passAnswer(request, response, answer, duplex, alias)
      } catch (error) {
        out.destroy()
        answer.on('error', ignore)
        stop()
        resolve(upstreamError(error))
      }
    })
    sendBody(request, out)
  })
}

/** Pipes the body; a body that breaks off breaks the request off. */
export function sendBody(request: IncomingMessage, out: ClientRequest): void {
  if (!hasBody(request.rawHeaders)) {
    out.end()
    request.resume()
    return
  }
  request.on('end', () => {
    const trailers = trailerFields(request.rawTrailers)
    if (trailers.length > 0) out.addTrailers(trailers)
    out.end()
  })
  request.on('close', () => {
    if (!request.complete) out.destroy()
  })
  request.on('error', ignore)
  request.pipe(out, { end: false })
  // The server may want to see the head before the client sends a first byte of the body.
  setImmediate(() => {
    if (!out.destroyed && !out.writableEnded) out.flushHeaders()
  })
}

/** Passes the answer on as it comes. Throws when its head cannot be passed on honestly. */
export function passAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  answer: IncomingMessage,
  duplex: StreamDuplex,
  alias?: HostAlias,
): void {
  const codings = fieldTokens(answer.rawHeaders, 'transfer-encoding')
  if (codings.length > 0 && (codings.length > 1 || codings[0] !== 'chunked')) {
    throw new PvpnError('ERR_PROTOCOL', 'the answer has a Transfer-Encoding other than chunked')
  }
  if (fieldValues(answer.rawHeaders, 'content-length').length > 1) {
    throw new PvpnError('ERR_PROTOCOL', 'the answer has more than one Content-Length')
  }
  response.sendDate = false
  // The rest of the request would be read as the next one if the client stops sending it now.
  if (hasBody(request.rawHeaders) && !request.complete) response.shouldKeepAlive = false
  const fields = answerFields(answer, request.httpVersion, alias)
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', fields)
  const broken = () => {
    if (response.socket !== null) resetSocket(response.socket)
  }
  answer.on('error', broken)
  answer.on('close', () => {
    if (!answer.complete) broken()
  })
  answer.on('end', () => {
    // node:http takes a reset for the end of a body without a length: we know better.
    if (!answer.complete || duplex.failure !== undefined) {
      broken()
      return
    }
    const trailers = trailerFields(answer.rawTrailers)
    if (trailers.length > 0) response.addTrailers(trailers)
    response.end()
  })
  answer.pipe(response, { end: false })
  // With the first part of the body where that is there, alone where it is not.
  setImmediate(() => {
    if (!response.writableEnded && !response.destroyed) response.flushHeaders()
  })
}

/** 1xx answers (RFC 9110 section 15.2); 100 goes its own way, and others than these are unknown. */
function passInformation(
  response: ServerResponse,
  information: { statusCode: number; headers: NodeJS.Dict<string | string[]> },
): void {
  if (response.headersSent || response.req.httpVersion === '1.0') return
  try {
    if (information.statusCode === 102) response.writeProcessing()
    if (information.statusCode === 103) {
      const { link } = information.headers
      if (link !== undefined) response.writeEarlyHints({ link })
    }
  } catch {
    // Only a hint: one that cannot be written is left out.
  }
}

/** What node:http says of a server, as ours. */
export function upstreamError(thrown: unknown): PvpnError {
  if (thrown instanceof PvpnError) return thrown
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  if (code.startsWith('HPE_') || code.startsWith('ERR_')) {
    return new PvpnError('ERR_PROTOCOL', 'the server did not answer with proper HTTP', {
      cause: thrown,
    })
  }
  return new PvpnError('ERR_RESET', 'the server closed the connection without an answer', {
    cause: thrown,
  })
}

function ignore(): void {}
