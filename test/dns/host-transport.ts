/** The resolver's way to servers on the host's loopback: for tests with real DNS servers. */
import { createSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import { PvpnError } from '../../src/core/errors.js'
import type { ByteStream, DatagramPort } from '../../src/core/stream.js'
import type { Bytes, Clock, Endpoint } from '../../src/core/types.js'
import type { DnsTransport } from '../../src/environment/dns-attempts.js'

export const realClock: Clock = {
  now: () => performance.now(),
  at(when, run) {
    const timer = setTimeout(run, Math.max(0, when - performance.now()))
    return () => clearTimeout(timer)
  },
}

export interface CountingTransport extends DnsTransport {
  readonly udp: Endpoint[]
  readonly tcp: Endpoint[]
  /** Ports and connections that are open now. */
  readonly open: Set<object>
}

export function hostTransport(): CountingTransport {
  const udp: Endpoint[] = []
  const tcp: Endpoint[] = []
  const open = new Set<object>()
  return {
    udp,
    tcp,
    open,
    openUdp: (family) => openUdp(family, udp, open),
    dialTcp: async (endpoint, signal) => {
      tcp.push(endpoint)
      const socket = connect({ host: endpoint.address, port: endpoint.port, signal })
      open.add(socket)
      socket.on('close', () => open.delete(socket))
      socket.pause()
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve)
        socket.once('error', () => reject(new PvpnError('ERR_REFUSED', 'refused')))
      })
      const stream = socketStream(socket, endpoint)
      stream.abort = () => {
        open.delete(socket)
        socket.destroy()
      }
      return stream
    },
  }
}

function openUdp(family: 4 | 6, sent: Endpoint[], open: Set<object>): Promise<DatagramPort> {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6')
  open.add(socket)
  const port: DatagramPort = {
    local: { address: '127.0.0.1', port: 0 },
    send(to, bytes) {
      sent.push(to)
      socket.send(bytes, to.port, to.address)
      return true
    },
    close() {
      open.delete(socket)
      socket.close()
    },
    onMessage() {},
    onError() {},
  }
  socket.on('message', (bytes, from) => port.onMessage(from, bytes))
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(0, family === 4 ? '127.0.0.1' : '::1', () => resolve(port))
  })
}

function socketStream(socket: Socket, remote: Endpoint): ByteStream {
  const arrived: Bytes[] = []
  let ended = false
  const stream: ByteStream = {
    local: { address: '127.0.0.1', port: 0 },
    remote,
    write(bytes) {
      socket.write(bytes)
      return bytes.length
    },
    read() {
      const all = Buffer.concat(arrived.splice(0))
      return all.length > 0 ? all : undefined
    },
    get ended() {
      return ended && arrived.length === 0
    },
    end: () => void socket.end(),
    abort() {},
    onReadable() {},
    onWritable() {},
    onClose() {},
  }
  socket.on('data', (bytes) => {
    arrived.push(bytes)
    stream.onReadable()
  })
  socket.on('end', () => {
    ended = true
    stream.onReadable()
  })
  socket.on('error', () => {})
  socket.on('close', () => stream.onClose())
  socket.resume()
  return stream
}
