/** UDP peers on loopback. */
import { createSocket, type Socket } from 'node:dgram'
import type { Cleaner } from './proxy.js'

export interface UdpPeer {
  readonly port: number
  readonly socket: Socket
  send(bytes: Uint8Array | readonly number[], port: number, host?: string): void
  /** The next datagram, or undefined when none comes within `timeout` ms. */
  next(timeout?: number): Promise<Buffer | undefined>
}

/** Bound to a free port of 127.0.0.1 or ::1; with `echo` it sends back what it gets. */
export async function udpPeer(
  t: Cleaner,
  options: { host?: string; echo?: boolean } = {},
): Promise<UdpPeer> {
  const host = options.host ?? '127.0.0.1'
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  const received: Buffer[] = []
  let wake = () => {}
  socket.on('message', (bytes, from) => {
    if (options.echo === true) socket.send(bytes, from.port, from.address)
    else received.push(bytes)
    wake()
  })
  await new Promise<void>((resolve) => socket.bind(0, host, resolve))
  t.teardown(() => socket.close())
  return {
    port: socket.address().port,
    socket,
    send: (bytes, port, to = host) => socket.send(Uint8Array.from(bytes), port, to),
    next: async (timeout = 5_000) => {
      if (received.length === 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeout)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      return received.shift()
    },
  }
}
