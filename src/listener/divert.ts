/**
 * Connections that are only looked at here, and served by somebody else (the policy port): the head is
 * read, what it asks for is decided, and socket and head are given away. What is not let in gets its
 * answer here, in the words of its own protocol.
 */
import type { Socket } from 'node:net'
import type { Session } from '../core/environment.js'
import { PvpnError, toPvpnError } from '../core/errors.js'
import type { Bytes, Target } from '../core/types.js'
import type { LeanSocket } from '../io/lean-socket.js'
import { fieldValues } from '../wire/http-fields.js'
import { parseAbsoluteTarget, parseAuthority } from '../wire/http-target.js'
import type { Parsed } from '../wire/parsed.js'
import type { ClientReader } from './client-reader.js'
import type { Connection } from './connection.js'
import { badRequest } from './http-admission.js'
import { encodeAnswer, errorAnswer } from './http-error.js'
import { type HttpHead, parseHttpHead } from './http-head.js'
import { MAX_HTTP_HEAD } from './limits.js'
import { checkTarget, type ListenerContext } from './listener-context.js'

export interface Diverted {
  /** `resolve`: a name or address alone, the port means nothing. `bind`: who is to come, perhaps anybody. */
  readonly kind: 'connect' | 'bind' | 'resolve'
  readonly target: Target
}

export interface DivertedClient {
  readonly socket: LeanSocket
  readonly session: Session
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal
}

export interface DatagramDecision {
  readonly environment: string
  /** The host that is meant there: an address, where the policy decided by addresses. */
  readonly host: string
}

/** Who decides, and where it goes. Rejections are PvpnErrors, and are told to the client. */
export interface Divert {
  /**
   * Resolves with what takes the socket over, together with the bytes that were read of the request
   * and behind it.
   */
  connection(
    client: DivertedClient,
    request: Diverted,
  ): Promise<(socket: Socket, head: Bytes) => void>
  /** Where datagrams of this client for this target go. */
  datagram(client: DivertedClient, target: Target): Promise<DatagramDecision>
  /** A connection on which that environment serves a SOCKS5 request of this client, past negotiation. */
  enter(client: DivertedClient, environment: string): Promise<Socket>
}

/** Rejects as the decision does. `bytes` are those of the request itself. */
export async function handOver(
  divert: Divert,
  connection: Connection,
  reader: ClientReader,
  request: Diverted,
  bytes: Bytes,
): Promise<void> {
  const { socket, session } = connection
  if (request.kind === 'connect') checkTarget(request.target)
  if (request.kind === 'resolve' || request.kind === 'bind')
    checkTarget({ host: request.target.host, port: 1 })
  const { signal } = reader
  const take = await divert.connection({ socket, session, signal }, request)
  if (signal.aborted) throw new PvpnError('ERR_ABORTED', 'the client has gone')
  connection.deadline = Number.POSITIVE_INFINITY
  const { node, bytes: behind } = reader.take()
  connection.handed = true
  take(node, bytes.length === 0 ? behind : Buffer.concat([bytes, behind]))
}

/**
 * A connection whose first byte is not SOCKS. False: nothing could be decided, or it was decided
 * against, and the HTTP proxy of this port is to say so.
 */
export async function divertHttp(
  context: ListenerContext,
  divert: Divert,
  connection: Connection,
  reader: ClientReader,
): Promise<boolean> {
  // Never served here, whatever comes: not even what only the other parser understands.
  connection.refusal = new PvpnError('ERR_DENIED', 'the request cannot be understood')
  connection.onDeadline = (now) => {
    const late = badRequest('the request did not come to its end in time', 'Try again.', 408)
    connection.refuse(encodeAnswer(errorAnswer(context.place, late, undefined)), now, reader)
  }
  let head: HttpHead
  try {
    head = await reader.parse((bytes) => parseHttpHead(bytes, MAX_HTTP_HEAD))
  } catch {
    return connection.socket.ending
  }
  const target = targetOf(head)
  if (target === undefined || !admits(context, connection, head)) return false
  connection.begins()
  connection.target = target
  try {
    await handOver(divert, connection, reader, { kind: 'connect', target }, NOTHING)
    return true
  } catch (thrown) {
    connection.refusal = toPvpnError(thrown)
    return false
  }
}

const NOTHING = new Uint8Array(0)

function targetOf({ method, url }: HttpHead): Target | undefined {
  if (method === 'CONNECT') return parseAuthority(url)
  const parsed = parseAbsoluteTarget(method, url)
  return typeof parsed === 'string' ? undefined : parsed.target
}

function admits(
  { authenticator }: ListenerContext,
  connection: Connection,
  { rawHeaders }: HttpHead,
): boolean {
  if (authenticator.open) return true
  const [given, ...more] = fieldValues(rawHeaders, 'proxy-authorization')
  if (given === undefined || more.length > 0) return false
  connection.user = authenticator.checkBasic(given)
  return connection.user !== undefined
}

/** Parses, and keeps the bytes that were parsed. */
export function withBytes<T>(
  parser: (bytes: Bytes) => Parsed<T>,
): (bytes: Bytes) => Parsed<{ readonly value: T; readonly bytes: Bytes }> {
  return (bytes) => {
    const parsed = parser(bytes)
    if (parsed?.kind !== 'done') return parsed
    const { value, length } = parsed
    return { kind: 'done', value: { value, bytes: bytes.subarray(0, length) }, length }
  }
}
