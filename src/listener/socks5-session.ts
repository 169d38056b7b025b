/** A SOCKS5 client (RFC 1928, 1929) from its first byte until it is joined with what it asked for. */
import { toPvpnError } from '../core/errors.js'
import { formatIp, parseIp } from '../core/ip.js'
import type { Bytes, Target } from '../core/types.js'
import {
  COMMAND_BIND,
  COMMAND_CONNECT,
  COMMAND_RESOLVE,
  COMMAND_RESOLVE_PTR,
  COMMAND_UDP_ASSOCIATE,
  encodeSocks5CredentialsReply,
  encodeSocks5Method,
  encodeSocks5Reply,
  METHOD_NONE,
  METHOD_PASSWORD,
  METHOD_UNACCEPTABLE,
  parseSocks5Credentials,
  parseSocks5Greeting,
  parseSocks5Request,
  REPLY_ADDRESS_UNSUPPORTED,
  REPLY_COMMAND_UNSUPPORTED,
  REPLY_SUCCEEDED,
} from '../wire/socks5.js'
import type { ClientReader } from './client-reader.js'
import type { Connection } from './connection.js'
import { type Diverted, handOver, withBytes } from './divert.js'
import { admitted, checkTarget, join, type ListenerContext } from './listener-context.js'
import { SOCKS5_REPLIES } from './reply-codes.js'
import { bindInside } from './socks-bind.js'
import { associate } from './socks5-udp.js'
import { divertAssociation } from './socks5-udp-divert.js'

/** Never rejects: every outcome is told to the client. */
export async function serveSocks5(
  context: ListenerContext,
  connection: Connection,
  reader: ClientReader,
): Promise<void> {
  try {
    if (!(await admit(context, connection, reader))) return
    const { value: request, bytes } = await reader.parse(withBytes(parseSocks5Request))
    connection.begins()
    if (request.target === undefined) {
      connection.refuse(encodeSocks5Reply(REPLY_ADDRESS_UNSUPPORTED), context.now(), reader)
      return
    }
    connection.target = request.target
    await obey(context, connection, reader, request.command, request.target, bytes)
  } catch (thrown) {
    // The client broke the protocol or has gone: there is nothing left to say.
    context.logger.debug(
      { ...connection.describe(), error: toPvpnError(thrown).message },
      'refused',
    )
    connection.refuse(undefined, context.now(), reader)
  }
}

/** Negotiates the method. False: the client was turned away. */
async function admit(
  context: ListenerContext,
  connection: Connection,
  reader: ClientReader,
): Promise<boolean> {
  const { authenticator } = context
  const { socket } = connection
  // Done at the policy port.
  if (connection.admission !== undefined) return true
  const offered = await reader.parse(parseSocks5Greeting)
  if (authenticator.open && offered.includes(METHOD_NONE)) {
    socket.write(encodeSocks5Method(METHOD_NONE))
    return true
  }
  if (!offered.includes(METHOD_PASSWORD)) {
    context.unauthenticated()
    connection.refuse(encodeSocks5Method(METHOD_UNACCEPTABLE), context.now(), reader)
    return false
  }
  socket.write(encodeSocks5Method(METHOD_PASSWORD))
  const { name, password } = await reader.parse(parseSocks5Credentials)
  connection.user = authenticator.check(name, password)
  // Some clients offer a password only: with no users configured any will do.
  const accepted = authenticator.open || connection.user !== undefined
  if (accepted) {
    socket.write(encodeSocks5CredentialsReply(true))
    return true
  }
  context.logger.info(connection.describe(), 'wrong user or password')
  context.unauthenticated()
  connection.refuse(encodeSocks5CredentialsReply(false), context.now(), reader)
  return false
}

const KINDS: ReadonlyMap<number, Diverted['kind']> = new Map([
  [COMMAND_CONNECT, 'connect'],
  [COMMAND_BIND, 'bind'],
  [COMMAND_RESOLVE, 'resolve'],
  [COMMAND_RESOLVE_PTR, 'resolve'],
])

async function obey(
  context: ListenerContext,
  connection: Connection,
  reader: ClientReader,
  command: number,
  target: Target,
  bytes: Bytes,
): Promise<void> {
  try {
    const { divert } = context
    if (divert !== undefined && command === COMMAND_UDP_ASSOCIATE) {
      await divertAssociation(context, divert, connection, reader, target)
      return
    }
    const kind = KINDS.get(command)
    if (divert !== undefined && kind !== undefined) {
      await handOver(divert, connection, reader, { kind, target }, bytes)
      return
    }
    switch (command) {
      case COMMAND_CONNECT: {
        const stream = await context.dial(connection, target, reader.signal)
        connection.socket.write(encodeSocks5Reply(REPLY_SUCCEEDED, stream.local))
        join(connection, reader, stream)
        return
      }
      case COMMAND_BIND:
        await bindInside(context, connection, reader, target, (bound) =>
          encodeSocks5Reply(REPLY_SUCCEEDED, bound),
        )
        return
      case COMMAND_UDP_ASSOCIATE:
        await associate(context, connection, reader, target)
        return
      case COMMAND_RESOLVE:
      case COMMAND_RESOLVE_PTR: {
        const answer = await resolve(context, connection, reader.signal, command, target)
        connection.refuse(answer, context.now(), reader)
        return
      }
      default:
        connection.refuse(encodeSocks5Reply(REPLY_COMMAND_UNSUPPORTED), context.now(), reader)
    }
  } catch (thrown) {
    const error = toPvpnError(thrown)
    context.logger.debug({ ...connection.describe(), error: error.message }, 'refused')
    connection.refuse(encodeSocks5Reply(SOCKS5_REPLIES[error.code]), context.now(), reader)
  }
}

/** Tor's extensions: the answer is in the reply's address field. */
async function resolve(
  context: ListenerContext,
  connection: Connection,
  signal: AbortSignal,
  command: number,
  target: Target,
): Promise<Bytes> {
  checkTarget({ host: target.host, port: 1 })
  const environment = await context.route(connection, target, signal)
  const { host } = admitted(connection, target)
  const reverse = command === COMMAND_RESOLVE_PTR
  const found = reverse
    ? await environment.reverse(canonical(host), { signal })
    : await environment.lookup(host, { signal })
  return encodeSocks5Reply(REPLY_SUCCEEDED, { address: found[0] ?? '', port: 0 })
}

function canonical(host: string): string {
  const ip = parseIp(host)
  return ip === undefined ? host : formatIp(ip)
}
