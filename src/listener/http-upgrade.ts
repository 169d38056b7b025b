/** Upgrade through the proxy (RFC 9110 section 7.8): WebSocket, and whatever else two ends agree on. */
import { type IncomingMessage, ServerResponse } from 'node:http'
import { PvpnError } from '../core/errors.js'
import { StreamDuplex } from '../io/stream-duplex.js'
import { endToEndFields, fieldTokens, fieldValues } from '../wire/http-fields.js'
import type { AbsoluteTarget } from '../wire/http-target.js'
import type { ClientReader } from './client-reader.js'
import type { Connection } from './connection.js'
import { aliasOf } from './host-alias.js'
import { hasBody } from './http-admission.js'
import { passAnswer, requestFields, sendBody, upstreamError } from './http-forward.js'
import { requestOn } from './http-upstream.js'
import { join, type ListenerContext } from './listener-context.js'

/**
 * May this request change protocols through us? HTTP/2 in the clear is an offer to the neighbour,
 * which is us, and a request with a body would have to be sent whole first: those are forwarded
 * without the offer, which RFC 9110 allows always.
 */
export function isUpgradable(request: IncomingMessage): boolean {
  const { rawHeaders } = request
  return !hasBody(rawHeaders) && !fieldTokens(rawHeaders, 'upgrade').includes('h2c')
}

/** The request's head without its offer, for being parsed again. */
export function headWithoutUpgrade(request: IncomingMessage): Buffer {
  const { method, url, httpVersion, rawHeaders } = request
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.toLowerCase() !== 'upgrade') head += `${name}: ${rawHeaders[i + 1]}\r\n`
  }
  return Buffer.from(`${head}\r\n`, 'latin1')
}

/** Resolves when the sides are joined or the answer is out; rejects with a PvpnError before any answer. */
export async function upgrade(
  context: ListenerContext,
  connection: Connection,
  reader: ClientReader,
  request: IncomingMessage,
  where: AbsoluteTarget,
): Promise<void> {
  const stream = await context.dial(connection, where.target, reader.signal)
  const duplex = new StreamDuplex(stream)
  const alias = aliasOf(connection)
  const fields = requestFields(request, where.authority, alias)
  fields.push('Connection', 'Upgrade')
  for (const offer of fieldValues(request.rawHeaders, 'upgrade')) fields.push('Upgrade', offer)
  const out = requestOn(duplex, { method: request.method ?? 'GET', path: where.path, fields })
  const lost = () => out.destroy()
  reader.signal.addEventListener('abort', lost)
  return new Promise((resolve, reject) => {
    duplex.on('error', ignore)
    out.on('error', (error) => {
      if (reader.signal.aborted) reject(new PvpnError('ERR_ABORTED', 'the client has gone'))
      else reject(duplex.failure ?? upstreamError(error))
    })
    out.on('upgrade', (answer, _socket, head) => {
      reader.signal.removeEventListener('abort', lost)
      const unread = duplex.detach()
      const { socket } = connection
      socket.write(upgradeHead(answer))
      if (head.length > 0) socket.write(head)
      if (unread !== undefined) socket.write(unread)
      join(connection, reader, stream)
      resolve()
    })
    out.on('response', (answer) => {
      // Declined: an ordinary answer, and the connection ends with it.
      try {
        const response = answerOn(request)
        response.on('finish', () => {
          response.detachSocket(request.socket)
          connection.refuse(undefined, context.now(), reader)
          resolve()
        })
        passAnswer(request, response, answer, duplex, alias)
      } catch (error) {
        out.destroy()
        answer.on('error', ignore)
        reject(upstreamError(error))
      }
    })
    sendBody(request, out)
  })
}

function answerOn(request: IncomingMessage): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(request.socket)
  return response
}

function upgradeHead(answer: IncomingMessage): Buffer {
  let head = `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n`
  const fields = endToEndFields(answer.rawHeaders, ['content-length'])
  for (let i = 0; i + 1 < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`
  for (const value of fieldValues(answer.rawHeaders, 'upgrade')) head += `Upgrade: ${value}\r\n`
  return Buffer.from(`${head}Connection: Upgrade\r\n\r\n`, 'latin1')
}

function ignore(): void {}
