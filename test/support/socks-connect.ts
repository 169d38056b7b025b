/** TCP connections through a SOCKS5 port, for loads of thousands. */
import { connect, type Socket } from 'node:net'
import { parseIp } from '../../src/core/ip.js'

/** Resolves when the target has accepted. `host` is a name or an IPv4 literal. */
export function socksConnect(proxy: number, host: string, port: number): Promise<Socket> {
  const ip = parseIp(host)
  const address = ip === undefined ? [3, host.length, ...Buffer.from(host)] : [1, ...ip]
  return new Promise((resolve, reject) => {
    const socket = connect({ port: proxy, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    let seen = Buffer.alloc(0)
    const fail = (why: Error) => {
      socket.destroy()
      reject(why)
    }
    const onClose = () => fail(new Error('the proxy closed the connection'))
    const onData = (bytes: Buffer) => {
      seen = Buffer.concat([seen, bytes])
      // The choice of no authentication, and an answer with an IPv4 address.
      if (seen.length >= 4 && seen[3] !== 0) fail(new Error(`SOCKS reply ${seen[3]}`))
      if (seen.length < 12) return
      socket.pause()
      socket.removeListener('data', onData)
      socket.removeListener('close', onClose)
      socket.removeListener('error', fail)
      socket.on('error', () => {})
      resolve(socket)
    }
    socket.on('data', onData)
    socket.on('error', fail)
    socket.on('close', onClose)
    socket.write(Buffer.from([5, 1, 0, 5, 1, 0, ...address, port >> 8, port & 255]))
  })
}

/** Sends bytes and resolves once as many came back (an echo), with the milliseconds that took. */
export function roundTrip(socket: Socket, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    let left = bytes.length
    const onData = (chunk: Buffer) => {
      left -= chunk.length
      if (left > 0) return
      socket.removeListener('data', onData)
      socket.removeListener('close', onClose)
      resolve(performance.now() - began)
    }
    const onClose = () => reject(new Error('the connection closed'))
    socket.on('data', onData)
    socket.on('close', onClose)
    socket.resume()
    socket.write(bytes)
  })
}
