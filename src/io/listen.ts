/** Stream listeners on the host: TCP ports and Unix sockets. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { PvpnError } from '../core/errors.js'
import { formatListenAddress, plainAddress } from '../core/listen-address.js'
import type { ListenAddress } from '../core/options.js'
import { accel } from '../native/accel.js'
import type { AccelStreams } from '../native/contract.js'
import { HostSocket } from './host-socket.js'
import { HubListener, hubOf } from './hub-listener.js'
import type { LeanSocket } from './lean-socket.js'
import { LISTEN_BACKLOG, READ_AHEAD } from './limits.js'
import { ownerAlone } from './owner-alone.js'
import { fromSystemError } from './system-error.js'

export interface BoundListener {
  /** As bound: the port is the real one where 0 was asked. */
  readonly address: ListenAddress
  /** Accepts no more; open connections stay. */
  close(): void
}

/**
 * Binds and accepts. Sockets come paused, with half-close on and Nagle's algorithm off; `onSocket`
 * resumes them. A Unix socket gets mode 0600, and replaces a file only when that is a socket where
 * nobody answers. Rejects with ERR_CONFIG when the address is taken or not ours to have.
 */
export async function listenStream(
  listen: ListenAddress,
  onSocket: (socket: Socket) => void,
): Promise<BoundListener> {
  const server = createServer(
    { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, highWaterMark: READ_AHEAD },
    onSocket,
  )
  await bound(listen, () => bind(server, listen))
  // A failed accept (out of descriptors) is retried by the next one; the listener stays.
  server.on('error', () => {})
  const own = server.address()
  const address: ListenAddress =
    listen.kind === 'tcp' && own !== null && typeof own === 'object'
      ? { kind: 'tcp', address: plainAddress(own.address), port: own.port }
      : listen
  return { address, close: () => server.close() }
}

/**
 * The same with connections as `LeanSocket`, by the addon where there is one; `native` null: the plain
 * twin. For connections that stay in this process.
 */
export async function listenLean(
  listen: ListenAddress,
  onSocket: (socket: LeanSocket) => void,
  native: AccelStreams | null = accel()?.streams ?? null,
): Promise<BoundListener> {
  if (native === null) return listenStream(listen, (socket) => onSocket(new HostSocket(socket)))
  const listener = new HubListener(hubOf(native), onSocket)
  const address = await bound(listen, async () => listener.open(listen))
  return { address, close: () => listener.close() }
}

/** What `bind` gives; where a Unix socket that nobody answers on stands in its way, that one is removed. */
async function bound<T>(listen: ListenAddress, bind: () => Promise<T>): Promise<T> {
  try {
    return await bind()
  } catch (error) {
    if (listen.kind !== 'unix' || !(await isStale(listen.path, error))) {
      throw listenError(listen, error)
    }
    unlinkSync(listen.path)
    try {
      return await bind()
    } catch (again) {
      throw listenError(listen, again)
    }
  }
}

function bind(server: Server, listen: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      server.removeListener('listening', bound)
      reject(error)
    }
    const bound = () => {
      server.removeListener('error', failed)
      resolve()
    }
    server.once('error', failed)
    server.once('listening', bound)
    if (listen.kind === 'tcp') {
      server.listen({ host: listen.address, port: listen.port, backlog: LISTEN_BACKLOG })
      return
    }
    ownerAlone(() => {
      server.listen({ path: listen.path, backlog: LISTEN_BACKLOG })
      if (server.listening) chmodSync(listen.path, 0o600)
    })
  })
}

async function isStale(path: string, error: unknown): Promise<boolean> {
  if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) return false
  try {
    if (!lstatSync(path).isSocket()) return false
  } catch {
    return false
  }
  return new Promise((resolve) => {
    const probe = connect(path)
    probe.on('connect', () => {
      probe.destroy()
      resolve(false)
    })
    probe.on('error', (failure: NodeJS.ErrnoException) => resolve(failure.code === 'ECONNREFUSED'))
  })
}

function listenError(listen: ListenAddress, error: unknown): PvpnError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const where = formatListenAddress(listen)
  const options = { cause: error, hint: 'Choose another address or port in the configuration.' }
  switch (code) {
    case 'EADDRINUSE':
      return new PvpnError('ERR_CONFIG', `${where} is in use by another program`, options)
    case 'EADDRNOTAVAIL':
      return new PvpnError('ERR_CONFIG', `${where} is not an address of this machine`, options)
    case 'EACCES':
      return new PvpnError(
        'ERR_CONFIG',
        `${where} needs rights that this user does not have`,
        options,
      )
    default:
      return new PvpnError('ERR_CONFIG', fromSystemError(error, where).message, options)
  }
}
