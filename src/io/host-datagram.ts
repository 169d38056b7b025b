/** A UDP port of the host as a DatagramPort, for what handles datagrams one by one. */
import { createSocket, type Socket } from 'node:dgram'
import type { PvpnError } from '../core/errors.js'
import { plainAddress } from '../core/listen-address.js'
import type { DatagramPort } from '../core/stream.js'
import type { Bytes, Endpoint } from '../core/types.js'
import { DATAGRAM_SEND_QUEUE } from './limits.js'
import { fromSystemError } from './system-error.js'

/** Binds; port 0 is any. Rejects with ERR_LIMIT when the port is taken. */
export function bindHostUdp(options: {
  readonly address?: string
  readonly port?: number
  readonly family: 4 | 6
}): Promise<DatagramPort> {
  const { address, port = 0, family } = options
  const socket = createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    ipv6Only: family === 6,
    // Only literals are ever given: nothing is to be looked up.
    lookup: (host, _options, done) => done(null, host, family),
  })
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close()
      reject(fromSystemError(error, `UDP port ${port}`))
    })
    socket.bind({ port, ...(address === undefined ? {} : { address }) }, () => {
      socket.removeAllListeners('error')
      resolve(new HostPort(socket))
    })
  })
}

class HostPort implements DatagramPort {
  readonly local: Endpoint
  onMessage: (from: Endpoint, bytes: Bytes) => void = () => {}
  onError: (to: Endpoint, error: PvpnError) => void = () => {}
  readonly #socket: Socket
  #closed = false

  constructor(socket: Socket) {
    this.#socket = socket
    const { address, port } = socket.address()
    this.local = { address: plainAddress(address), port }
    socket.on('message', (bytes, from) => {
      this.onMessage({ address: plainAddress(from.address), port: from.port }, bytes)
    })
    // Errors of single datagrams come by the callback of send; there is none of the socket as a whole to act on.
    socket.on('error', () => {})
  }

  send(to: Endpoint, bytes: Bytes): boolean {
    if (this.#closed || this.#socket.getSendQueueCount() >= DATAGRAM_SEND_QUEUE || to.port === 0)
      return false
    // The bytes are only borrowed, and the kernel may not take them at once.
    this.#socket.send(Buffer.from(bytes), to.port, to.address, (error) => {
      if (error === null || error === undefined || this.#closed) return
      this.onError(to, fromSystemError(error, `datagram to ${to.address}`))
    })
    return true
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket.close()
  }
}
