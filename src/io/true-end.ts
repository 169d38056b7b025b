import type { Socket } from 'node:net'

const NOTHING = new Uint8Array(0)

/** Calls `run` once the far side has ended its direction, which a reset is not. */
export function onTrueEnd(socket: Socket, run: () => void): void {
  socket.on('end', () => askTrueEnd(socket, run))
}

/**
 * To be called at a socket's `end`: calls `run` when it is one. Node reports a reset as an end when it comes
 * with the last bytes (libuv takes the hang-up for the end of file), and a cut transfer would look
 * whole. The kernel knows: it refuses even a write of nothing on a connection that was reset, and
 * the socket then fails with that error instead.
 */
export function askTrueEnd(socket: Socket, run: () => void): void {
  // Where we have ended too nothing can be asked; where data waits to be sent it will tell.
  if (!socket.writable || socket.writableLength > 0) {
    run()
    return
  }
  socket.write(NOTHING, (error) => {
    if (error === null || error === undefined) run()
  })
}
