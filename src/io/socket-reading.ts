/**
 * Stops and starts the reading of a socket's descriptor. `pause()` alone lets Node read on into its
 * buffer: bytes that would be lost when the descriptor is handed to another process.
 */
import type { Socket } from 'node:net'
import { PvpnError } from '../core/errors.js'

/** What Node's own code uses for this; unchanged since its first versions, and held by a test. */
interface Handle {
  reading: boolean
  readStart(): number
  readStop(): number
}

/** From here on no byte of the connection leaves the kernel. ERR_INTERNAL where Node does not let us. */
export function stopReading(socket: Socket): void {
  const handle = handleOf(socket)
  handle.reading = false
  handle.readStop()
}

/** Takes back `stopReading`; nothing happens with a socket that is closed. */
export function startReading(socket: Socket): void {
  if (socket.destroyed) return
  const handle = handleOf(socket)
  if (handle.reading) return
  handle.reading = true
  handle.readStart()
}

function handleOf(socket: Socket): Handle {
  const { _handle: handle } = socket as unknown as { _handle?: Partial<Handle> | null }
  if (typeof handle?.readStop === 'function' && typeof handle.readStart === 'function') {
    return handle as Handle
  }
  throw new PvpnError('ERR_INTERNAL', 'the socket cannot be handed over')
}
