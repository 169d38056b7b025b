import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * Closes a connection at once so that the far side sees a reset and never mistakes it for a proper
 * end. Unix sockets know no reset: they are closed.
 */
export function resetSocket(socket: Duplex): void {
  if (socket.destroyed) return
  // With a shutdown under way everything was delivered and the kernel refuses a reset.
  const ending = socket.writableEnded && socket.writableLength === 0
  if (ending || !(socket instanceof Socket) || socket.remoteFamily === undefined) {
    socket.destroy()
    return
  }
  // Node would first wait until the far side has taken what is queued, which may be never.
  socket.destroySoon = () => socket.destroy()
  try {
    socket.resetAndDestroy()
  } catch {
    // Not a TCP handle after all.
    socket.destroy()
  }
}
