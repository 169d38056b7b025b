/** BIND of SOCKS4 and SOCKS5: one connection that comes from inside, as active FTP wants it. */
import { PvpnError } from '../core/errors.js'
import { formatIp, parseIp } from '../core/ip.js'
import type { ByteStream, StreamListener } from '../core/stream.js'
import type { Bytes, Endpoint, Millis, Target } from '../core/types.js'
import type { ClientReader } from './client-reader.js'
import type { Connection } from './connection.js'
import { join, type ListenerContext } from './listener-context.js'

/**
 * Opens a port inside, tells it with the first reply, waits for the connection of `target` (an
 * address of zeros, or a name: of anybody), tells its address with the second reply and joins.
 * Rejects with a PvpnError when no port can be had, or nobody comes in time.
 */
export async function bindInside(
  context: ListenerContext,
  connection: Connection,
  reader: ClientReader,
  target: Target,
  reply: (bound: Endpoint) => Bytes,
): Promise<void> {
  const { socket } = connection
  const environment = await context.route(connection, target, reader.signal)
  const ip = parseIp(target.host)
  const listener = await environment.listenTcp({
    port: 0,
    backlog: 1,
    ...(ip === undefined ? {} : { family: ip.length === 4 ? 4 : 6 }),
  })
  try {
    const expected = ip?.some((byte) => byte !== 0) ? formatIp(ip) : undefined
    const coming = accept(listener, expected, connection.timeouts.bind, reader.signal)
    socket.write(reply(listener.local))
    const stream = await coming
    socket.write(reply(stream.remote))
    join(connection, reader, stream)
  } finally {
    listener.close()
  }
}

function accept(
  listener: StreamListener,
  expected: string | undefined,
  timeout: Millis,
  signal: AbortSignal,
): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', gone)
      listener.onConnection = (late) => late.abort()
    }
    const gone = () => {
      settle()
      reject(new PvpnError('ERR_ABORTED', 'the client has gone'))
    }
    const timer = setTimeout(() => {
      settle()
      reject(new PvpnError('ERR_TIMEOUT', 'nobody has connected'))
    }, timeout)
    listener.onConnection = (stream) => {
      if (expected !== undefined && stream.remote.address !== expected) {
        stream.abort()
        return
      }
      settle()
      resolve(stream)
    }
    signal.addEventListener('abort', gone)
    if (signal.aborted) gone()
  })
}
