/** Two connected sockets in one process: one to keep, one to hand to another process. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { PvpnError } from '../core/errors.js'
import { fromSystemError } from './system-error.js'

export interface SocketPair {
  readonly ours: Socket
  /** Paused and unread, with half-close on. */
  readonly theirs: Socket
}

/** By a port on loopback that is open for one connection, which must be our own. Rejects with a PvpnError. */
export async function socketPair(): Promise<SocketPair> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
  try {
    server.listen(0, '127.0.0.1', 1)
    await once(server, 'listening')
    const ours = connect({
      port: (server.address() as AddressInfo).port,
      host: '127.0.0.1',
      allowHalfOpen: true,
      noDelay: true,
    })
    ours.on('error', () => {})
    const [[theirs]] = (await Promise.all([once(server, 'connection'), once(ours, 'connect')])) as [
      [Socket],
      unknown,
    ]
    if (theirs.remotePort === ours.localPort) return { ours, theirs }
    theirs.destroy()
    ours.destroy()
    throw new PvpnError('ERR_INTERNAL', 'somebody else connected to a port of ours')
  } catch (error) {
    throw error instanceof PvpnError
      ? error
      : fromSystemError(error as NodeJS.ErrnoException, 'a pair of sockets')
  } finally {
    server.close()
  }
}
