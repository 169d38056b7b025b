/** Standard output as a stream that can be ended for real, so that its reader sees the end while standard input goes on. */
import { closeSync, fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import { Writable } from 'node:stream'

/**
 * A stream on descriptor 1. Pipes and sockets are written without blocking (back-pressure works);
 * `process.stdout`, which would write them blocking and never close them, must not have been used.
 */
export function openStandardOutput(): Writable {
  const stat = fstatSync(1)
  if (stat.isSocket() || stat.isFIFO()) {
    const socket = new Socket({ fd: 1, readable: false, writable: true })
    // After the last byte: closes the descriptor, which is the reader's end of file.
    socket.on('finish', () => socket.destroy())
    return socket
  }
  const { stdout } = process
  return new Writable({
    write: (chunk, _encoding, done) => void stdout.write(chunk, done),
    final: (done) => {
      if (!stdout.isTTY) closeSync(1)
      done()
    },
  })
}
