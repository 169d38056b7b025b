/** Another environment below a tunnel (`through`), asked over its carry port; the host's network is never used. */
import { connect } from 'node:net'
import type { CallOptions } from '../core/environment.js'
import { PvpnError } from '../core/errors.js'
import { formatHostPort, parseIp } from '../core/ip.js'
import type { ByteStream, DatagramPort } from '../core/stream.js'
import type { Underlay } from '../core/stream-tunnel.js'
import type { Bytes, Endpoint, Millis, Target } from '../core/types.js'
import { duplexStream } from '../io/socket-stream.js'
import { DatagramSplitter, frameDatagram, LARGEST_FRAME } from '../wire/framed-datagrams.js'
import {
  COMMAND_CONNECT,
  COMMAND_RESOLVE,
  COMMAND_UDP_ASSOCIATE,
  encodeSocks5Datagram,
  parseSocks5Datagram,
  parseSocks5Reply,
} from '../wire/socks5.js'
import { CarryHandshake, PLAIN_MTU, waitsFor } from './carry-protocol.js'
import { type Handshaken, shakeHands } from './handshake-stream.js'

export class CarriedUnderlay implements Underlay {
  /** The environment's name. */
  readonly lower: string
  readonly #path: string

  constructor(lower: string, path: string) {
    this.lower = lower
    this.#path = path
  }

  async dial(
    target: Target,
    { signal, timeout }: CallOptions & { readonly timeout: Millis },
  ): Promise<ByteStream> {
    const late = AbortSignal.timeout(timeout)
    const both = signal === undefined ? late : AbortSignal.any([signal, late])
    try {
      return (await this.#ask(COMMAND_CONNECT, target, both)).stream
    } catch (thrown) {
      if (!late.aborted || signal?.aborted === true) throw thrown
      const where = formatHostPort(target.host, target.port)
      throw new PvpnError('ERR_TIMEOUT', `${where}: no answer within ${timeout / 1000} s`)
    }
  }

  async bindUdp({ family }: { readonly family: 4 | 6 }): Promise<CarriedPort> {
    const any = { host: family === 4 ? '0.0.0.0' : '::', port: 0 }
    const { stream, bound } = await this.#ask(COMMAND_UDP_ASSOCIATE, any, undefined)
    return new CarriedPort(stream, family, bound?.port || PLAIN_MTU)
  }

  async lookup(host: string): Promise<readonly string[]> {
    if (parseIp(host) !== undefined) return [host]
    const { stream, bound } = await this.#ask(COMMAND_RESOLVE, { host, port: 0 }, undefined)
    const found = bound === undefined ? [] : [bound.host]
    return await new Promise((resolve) => {
      let bytes: Bytes = new Uint8Array(0)
      const done = () => resolve(found)
      const take = () => {
        for (let chunk = stream.read(); chunk !== undefined; chunk = stream.read()) {
          bytes = Buffer.concat([bytes, chunk])
        }
        let parsed = parseSocks5Reply(bytes)
        while (parsed?.kind === 'done') {
          found.push(parsed.value.bound.host)
          bytes = bytes.subarray(parsed.length)
          parsed = parseSocks5Reply(bytes)
        }
        if (!stream.ended) return
        stream.end()
        done()
      }
      stream.onReadable = take
      stream.onClose = done
      take()
    })
  }

  #ask(command: number, target: Target, signal: AbortSignal | undefined): Promise<Handshaken> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path: this.#path, allowHalfOpen: true })
      const failed = () => reject(waitsFor(this.lower, 'does not run'))
      socket.once('error', failed)
      socket.once('connect', () => {
        socket.removeListener('error', failed)
        const handshake = new CarryHandshake(this.lower, command, target)
        const name = `environment "${this.lower}"`
        shakeHands(duplexStream(socket, endsOf(target)), handshake, name, signal).then(
          resolve,
          reject,
        )
      })
    })
  }
}

/** A Unix socket has no addresses, and programs are told some: ours is unknown. */
function endsOf({ host, port }: Target): { local: Endpoint; remote: Endpoint } {
  const local = { address: '0.0.0.0', port: 0 }
  return { local, remote: parseIp(host) === undefined ? local : { address: host, port } }
}

export class CarriedPort implements DatagramPort {
  readonly local: Endpoint
  /** Largest IP packet of the environment below, in bytes. */
  readonly mtu: number
  onMessage: (from: Endpoint, bytes: Bytes) => void = () => {}
  onError: (to: Endpoint, error: PvpnError) => void = () => {}
  /** The environment below has ended. */
  onLost: () => void = () => {}
  readonly #stream: ByteStream
  readonly #splitter = new DatagramSplitter()
  #open = true
  /** What of a frame the stream has not taken yet. */
  #rest: Bytes | undefined

  constructor(stream: ByteStream, family: 4 | 6, mtu: number) {
    this.#stream = stream
    this.mtu = mtu
    this.local = { address: family === 4 ? '0.0.0.0' : '::', port: 0 }
    stream.onReadable = () => this.#receive()
    stream.onWritable = () => {
      const rest = this.#rest
      this.#rest = undefined
      if (rest !== undefined) this.#write(rest)
    }
    stream.onClose = () => this.#lost()
    queueMicrotask(() => this.#receive())
  }

  send(to: Endpoint, bytes: Bytes): boolean {
    const datagram = encodeSocks5Datagram(to, bytes)
    if (!this.#open || this.#rest !== undefined || datagram.length > LARGEST_FRAME) return false
    this.#write(frameDatagram(datagram))
    return true
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#stream.abort()
  }

  #write(bytes: Bytes): void {
    const taken = this.#stream.write(bytes)
    if (taken < bytes.length) this.#rest = bytes.subarray(taken)
  }

  #receive(): void {
    for (let chunk = this.#stream.read(); chunk !== undefined; chunk = this.#stream.read()) {
      this.#splitter.push(chunk, (datagram) => {
        const parsed = parseSocks5Datagram(datagram)
        if (parsed === undefined || !this.#open) return
        const { host, port } = parsed.target
        this.onMessage({ address: host, port }, datagram.subarray(parsed.payloadAt))
      })
    }
    if (this.#stream.ended) this.#lost()
  }

  #lost(): void {
    if (!this.#open) return
    this.close()
    this.onLost()
  }
}
