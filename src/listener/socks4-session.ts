/** A SOCKS4 or SOCKS4a client from its first byte until it is joined with what it asked for. */
import { toPvpnError } from '../core/errors.js'
import {
  encodeSocks4Reply,
  parseSocks4Request,
  SOCKS4_BIND,
  SOCKS4_CONNECT,
  SOCKS4_GRANTED,
  SOCKS4_REJECTED,
  SOCKS4_UNIDENTIFIED,
} from '../wire/socks4.js'
import type { ClientReader } from './client-reader.js'
import type { Connection } from './connection.js'
import { type Diverted, handOver, withBytes } from './divert.js'
import { join, type ListenerContext } from './listener-context.js'
import { bindInside } from './socks-bind.js'

const KINDS: ReadonlyMap<number, Diverted['kind']> = new Map([
  [SOCKS4_CONNECT, 'connect'],
  [SOCKS4_BIND, 'bind'],
])

/** Never rejects: every outcome is told to the client. */
export async function serveSocks4(
  context: ListenerContext,
  connection: Connection,
  reader: ClientReader,
): Promise<void> {
  try {
    const { value: request, bytes } = await reader.parse(withBytes(parseSocks4Request))
    connection.begins()
    connection.target = request.target
    if (!context.authenticator.open && connection.admission === undefined) {
      // SOCKS4 has no password: where users are wanted nobody can be let in by it.
      context.logger.info(connection.describe(), 'SOCKS4 cannot carry the password that is needed')
      connection.refuse(encodeSocks4Reply(SOCKS4_UNIDENTIFIED), context.now(), reader)
      return
    }
    const kind = KINDS.get(request.command)
    if (context.divert !== undefined && kind !== undefined) {
      const { target } = request
      await handOver(context.divert, connection, reader, { kind, target }, bytes)
      return
    }
    switch (request.command) {
      case SOCKS4_CONNECT: {
        const stream = await context.dial(connection, request.target, reader.signal)
        connection.socket.write(encodeSocks4Reply(SOCKS4_GRANTED, stream.local))
        join(connection, reader, stream)
        return
      }
      case SOCKS4_BIND:
        await bindInside(context, connection, reader, request.target, (bound) =>
          encodeSocks4Reply(SOCKS4_GRANTED, bound),
        )
        return
      default:
        connection.refuse(encodeSocks4Reply(SOCKS4_REJECTED), context.now(), reader)
    }
  } catch (thrown) {
    context.logger.debug(
      { ...connection.describe(), error: toPvpnError(thrown).message },
      'refused',
    )
    connection.refuse(encodeSocks4Reply(SOCKS4_REJECTED), context.now(), reader)
  }
}
