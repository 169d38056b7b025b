import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * Closes a connection so that the far side sees a reset and never mistakes it for a proper end.
 * Unix sockets know no reset: they are closed.
 */
export function resetSocket(socket: Duplex): void {
  if (socket.destroyed) return
  if (socket instanceof Socket && socket.remoteFamily !== undefined) {
    try {
      socket.resetAndDestroy()
      return
    } catch {
      // Not a TCP handle after all.
    }
  }
  socket.destroy()
}
