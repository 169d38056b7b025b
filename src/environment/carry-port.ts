/** The carrying side of `through`: dials, datagrams and names for other environments' tunnels. */
import { chmodSync, mkdirSync } from 'node:fs'
import type { Socket } from 'node:net'
import { dirname } from 'node:path'
import { toPvpnError } from '../core/errors.js'
import { parseIp } from '../core/ip.js'
import type { Logger } from '../core/log.js'
import type { ManagedEnvironment } from '../core/managed-environment.js'
import type { DatagramPort } from '../core/stream.js'
import type { Bytes, Endpoint, Target } from '../core/types.js'
import { HostSocket } from '../io/host-socket.js'
import { type BoundListener, listenStream } from '../io/listen.js'
import { Relay } from '../io/relay.js'
import { joinBytes } from '../tunnel/proxy/handshake.js'
import { DatagramSplitter, frameDatagram, LARGEST_FRAME } from '../wire/framed-datagrams.js'
import {
  COMMAND_CONNECT,
  COMMAND_RESOLVE,
  COMMAND_UDP_ASSOCIATE,
  encodeSocks5Datagram,
  encodeSocks5Reply,
  parseSocks5Datagram,
  parseSocks5Request,
} from '../wire/socks5.js'
import { carryPath, codeByte, PLAIN_MTU } from './carry-protocol.js'
import { CARRY_QUEUE, MAX_CARRIED } from './limits.js'

export interface CarryPortOptions {
  readonly environment: ManagedEnvironment
  readonly runtimeFolder: string
  readonly logger: Logger
}

export class CarryPort {
  readonly #o: CarryPortOptions
  readonly #sockets = new Set<Socket>()
  #bound: BoundListener | undefined

  constructor(options: CarryPortOptions) {
    this.#o = options
  }

  /** Never rejects: without the port nothing can go through, and the log says so. */
  async start(): Promise<void> {
    const { environment, runtimeFolder, logger } = this.#o
    const path = carryPath(runtimeFolder, environment.name)
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      chmodSync(dirname(path), 0o700)
      this.#bound = await listenStream({ kind: 'unix', path }, (socket) => this.#accept(socket))
    } catch (thrown) {
      logger.warn({}, `nothing can go through: ${toPvpnError(thrown).message}`)
    }
  }

  stop(): void {
    this.#bound?.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {})
    if (this.#sockets.size >= MAX_CARRIED) {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    let head: Bytes = new Uint8Array(0)
    const onData = (chunk: Bytes) => {
      head = joinBytes(head, chunk)
      const parsed = parseSocks5Request(head)
      if (parsed === undefined) return
      socket.removeListener('data', onData)
      socket.pause()
      const target = parsed.kind === 'done' ? parsed.value.target : undefined
      if (parsed.kind === 'invalid' || target === undefined) {
        socket.destroy()
        return
      }
      const rest = head.subarray(parsed.length)
      this.#serve(socket, parsed.value.command, target, rest).catch((thrown: unknown) => {
        const code = codeByte(toPvpnError(thrown).code)
        if (!socket.destroyed) socket.end(encodeSocks5Reply(code))
      })
    }
    socket.on('data', onData)
    socket.resume()
  }

  async #serve(socket: Socket, command: number, target: Target, rest: Bytes): Promise<void> {
    const { environment } = this.#o
    switch (command) {
      case COMMAND_CONNECT: {
        const gone = new AbortController()
        const leave = () => gone.abort()
        socket.on('close', leave)
        const stream = await environment.dial(target, { signal: gone.signal })
        socket.removeListener('close', leave)
        socket.write(encodeSocks5Reply(0))
        new Relay(new HostSocket(socket), stream, { head: rest })
        break
      }
      case COMMAND_UDP_ASSOCIATE: {
        const port = await environment.bindUdp({ family: target.host.includes(':') ? 6 : 4 })
        if (socket.destroyed) port.close()
        else this.#carry(socket, port, rest)
        break
      }
      case COMMAND_RESOLVE:
        for (const address of await environment.lookup(target.host)) {
          socket.write(encodeSocks5Reply(0, { address, port: 0 }))
        }
        socket.end()
        break
      default:
        socket.destroy()
    }
  }

  #carry(socket: Socket, port: DatagramPort, rest: Bytes): void {
    const mtu = this.#o.environment.link?.mtu ?? PLAIN_MTU
    socket.write(encodeSocks5Reply(0, { address: '0.0.0.0', port: Math.min(mtu, 65_535) }))
    socket.on('close', () => port.close())
    socket.on('end', () => socket.destroy())
    port.onMessage = (from: Endpoint, bytes) => {
      const datagram = encodeSocks5Datagram(from, bytes)
      // As on any path, what does not fit is lost.
      if (datagram.length > LARGEST_FRAME || socket.writableLength > CARRY_QUEUE) return
      socket.write(frameDatagram(datagram))
    }
    const splitter = new DatagramSplitter()
    const take = (chunk: Bytes) =>
      splitter.push(chunk, (datagram) => {
        const parsed = parseSocks5Datagram(datagram)
        if (parsed === undefined || parseIp(parsed.target.host) === undefined) return
        const { host, port: number } = parsed.target
        port.send({ address: host, port: number }, datagram.slice(parsed.payloadAt))
      })
    take(rest)
    socket.on('data', take)
    socket.resume()
  }
}
