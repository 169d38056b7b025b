/** Connections and listeners of the host's own network as the contracts of core. */
import { connect, createServer, type Socket } from 'node:net'
import { PvpnError } from '../core/errors.js'
import { formatHostPort } from '../core/ip.js'
import { plainAddress } from '../core/listen-address.js'
import type { ByteStream, StreamListener } from '../core/stream.js'
import type { Millis, Target } from '../core/types.js'
import { HOST_ATTEMPT_DELAY, READ_AHEAD } from './limits.js'
import { socketStream } from './socket-stream.js'
import { fromSystemError } from './system-error.js'

export interface ConnectOptions {
  readonly timeout: Millis
  readonly signal?: AbortSignal
}

/** Like `connectHostSocket`, as a stream. */
export async function connectHost(target: Target, options: ConnectOptions): Promise<ByteStream> {
  return socketStream(await connectHostSocket(target, options))
}

/**
 * Connects with the host's resolver and routes, trying a name's addresses of both families; half-close
 * is on. Rejects with ERR_NAME, ERR_RESOLVER, ERR_REFUSED, ERR_*_UNREACHABLE, ERR_TIMEOUT or ERR_ABORTED.
 */
export function connectHostSocket(target: Target, options: ConnectOptions): Promise<Socket> {
  const { timeout, signal } = options
  const where = formatHostPort(target.host, target.port)
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(new PvpnError('ERR_ABORTED', `${where}: given up`))
      return
    }
    const socket = connect({
      host: target.host,
      port: target.port,
      allowHalfOpen: true,
      noDelay: true,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: HOST_ATTEMPT_DELAY,
      // Part of the socket's stream options, which @types/node leaves out here.
      ...{ readableHighWaterMark: READ_AHEAD },
    })
    const settle = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', aborted)
      socket.removeListener('error', failed)
      socket.removeListener('connect', connected)
    }
    const giveUp = (error: PvpnError) => {
      settle()
      socket.on('error', () => {})
      socket.destroy()
      reject(error)
    }
    const failed = (error: Error) => giveUp(fromSystemError(error, where))
    const aborted = () => giveUp(new PvpnError('ERR_ABORTED', `${where}: given up`))
    const connected = () => {
      settle()
      resolve(socket)
    }
    const timer = setTimeout(() => {
      giveUp(new PvpnError('ERR_TIMEOUT', `${where}: no answer within ${timeout / 1000} s`))
    }, timeout)
    socket.on('error', failed)
    socket.on('connect', connected)
    signal?.addEventListener('abort', aborted)
  })
}

/** Accepts on all of the host's addresses of one family, or of both. Rejects with ERR_LIMIT when the port is taken. */
export function listenHost(options: {
  readonly port: number
  readonly backlog?: number
  readonly family?: 4 | 6
}): Promise<StreamListener> {
  const { port, backlog, family } = options
  const server = createServer({ allowHalfOpen: true, noDelay: true, highWaterMark: READ_AHEAD })
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(fromSystemError(error, `port ${port}`)))
    const host = family === 4 ? '0.0.0.0' : family === 6 ? '::' : undefined
    server.listen(
      {
        port,
        ipv6Only: family === 6,
        ...(host === undefined ? {} : { host }),
        ...(backlog === undefined ? {} : { backlog }),
      },
      () => {
        server.removeAllListeners('error')
        server.on('error', () => {})
        const bound = server.address()
        const listener: StreamListener = {
          local:
            typeof bound === 'object' && bound !== null
              ? { address: plainAddress(bound.address), port: bound.port }
              : { address: host ?? '::', port },
          close: () => server.close(),
          onConnection: (stream) => stream.abort(),
        }
        server.on('connection', (socket) => listener.onConnection(socketStream(socket)))
        resolve(listener)
      },
    )
  })
}
