/** One TLS connection of a `SecureSocket`. */
import type { TcpNetConnectOpts } from 'node:net'
import { type ConnectionOptions, connect, type SecureContext, type TLSSocket } from 'node:tls'
import { PvpnError, toPvpnError } from '../core/errors.js'
import { parseIp } from '../core/ip.js'
import type { OpenconnectTlsOptions } from '../core/options.js'
import type { PacketBatch } from '../core/packet-batch.js'
import type { SecureHandlers, SecureTarget } from '../core/secure-carrier.js'
import { formatSocketAddress, socketAddressEndpoint } from '../core/socket-address.js'
import type { ByteStream } from '../core/stream.js'
import type { Bytes, Endpoint } from '../core/types.js'
import { CARRIER_QUEUE, SECURE_READ } from './limits.js'
import { secureError, verifyServer } from './secure-tls.js'
import { StreamDuplex } from './stream-duplex.js'

export interface SecureLineOptions {
  readonly tls: OpenconnectTlsOptions
  /** Asked at each connection. */
  readonly context: () => SecureContext
  /** How connections are made; absent: by the host's network. */
  readonly dial?: (to: Endpoint, signal: AbortSignal) => Promise<ByteStream>
}

/** Milliseconds that what was written last may take when the connection is closed. */
const FAREWELL_TIME = 500

/** Packets that leave by one call: those of the largest size, and at most one shorter behind them. */
interface Run {
  readonly bytes: Buffer
  readonly from: number
  to: number
}

export class SecureLine {
  onDrain: () => void = () => {}
  readonly #target: SecureTarget
  readonly #handlers: SecureHandlers
  readonly #dialling = new AbortController()
  readonly #runs: Run[] = []
  #socket: TLSSocket | undefined
  #secure = false
  #closed = false
  #writing = false
  #queued = 0
  #onPackets: ((chunk: Bytes) => void) | undefined
  #unread: Bytes[] = []
  /** Bytes of the largest packet: the size that TLS cuts what is written into. */
  #largest = 0

  constructor(options: SecureLineOptions, target: SecureTarget, handlers: SecureHandlers) {
    this.#target = target
    this.#handlers = handlers
    const { dial } = options
    if (dial === undefined) {
      const { address, port } = socketAddressEndpoint(target.address)
      this.#attach(options, this.#direct(options, address, port))
      return
    }
    dial(socketAddressEndpoint(target.address), this.#dialling.signal).then(
      (stream) => {
        if (this.#closed) stream.abort()
        else this.#attach(options, this.#above(options, stream))
      },
      (thrown: unknown) => this.#end(toPvpnError(thrown)),
    )
  }

  /** Bytes of packets that TLS has not taken yet. */
  get queued(): number {
    return this.#queued
  }

  write(bytes: Bytes): void {
    if (!this.#closed) this.#socket?.write(bytes)
  }

  carry(onPackets: (chunk: Bytes) => void, largest: number): void {
    this.#onPackets = onPackets
    this.#largest = largest
    // From here on a write of many packets of this size becomes a record for each.
    this.#socket?.setMaxSendFragment(largest)
  }

  /** Puts bytes in front of those that come; they are handed on later. */
  unread(bytes: Bytes): void {
    this.#unread.push(bytes)
    if (this.#unread.length === 1) setImmediate(() => this.#flushUnread())
  }

  /** The caller has looked at `queued`. */
  send(batch: PacketBatch, from: number): void {
    const { bytes, offset, length, count } = batch
    let size = 0
    for (let i = from; i < count; i++) size += Math.max(0, length[i] as number)
    const out = Buffer.allocUnsafe(size)
    let at = 0
    let run: Run | undefined
    for (let i = from; i < count; i++) {
      const long = length[i] as number
      if (long <= 0) continue
      const start = offset[i] as number
      out.set(bytes.subarray(start, start + long), at)
      if (run === undefined) {
        run = { bytes: out, from: at, to: at }
        this.#runs.push(run)
      }
      at += long
      run.to = at
      if (long !== this.#largest) run = undefined
    }
    this.#queued += size
    this.#next()
  }

  /** What came can't be followed. */
  broken(): void {
    this.#end(new PvpnError('ERR_PROTOCOL', 'the server sends what are no packets'))
  }

  /** Settles when what was written last has left, or can't. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#dialling.abort()
    const socket = this.#socket
    if (socket === undefined || !this.#secure) {
      socket?.destroy()
      return
    }
    // The newest packet is the farewell; those that still wait before it are of no use any more.
    const last = this.#runs.splice(0).at(-1)
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, FAREWELL_TIME)
      socket.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
      if (last !== undefined)
        this.#whenWritten(() => socket.write(last.bytes.subarray(last.from, last.to)))
      this.#whenWritten(() => socket.end())
    })
    socket.destroy()
  }

  /** Behind what is being written: Node would put both into one record. */
  #whenWritten(run: () => void): void {
    if (!this.#writing) run()
    else setImmediate(() => this.#whenWritten(run))
  }

  #direct(options: SecureLineOptions, host: string, port: number): TLSSocket {
    const settings: ConnectionOptions & Pick<TcpNetConnectOpts, 'onread' | 'noDelay'> = {
      ...this.#common(options),
      host,
      port,
      noDelay: true,
      // Each record is a call: without a buffer of its own, and without the machinery of streams.
      onread: {
        buffer: Buffer.allocUnsafe(SECURE_READ),
        callback: (size, buffer) => {
          this.#received(buffer.subarray(0, size), true)
          return true
        },
      },
    }
    return connect(settings)
  }

  #above(options: SecureLineOptions, stream: ByteStream): TLSSocket {
    const socket = connect({ ...this.#common(options), socket: new StreamDuplex(stream) })
    socket.on('data', (chunk: Buffer) => this.#received(chunk, false))
    return socket
  }

  #common({ context }: SecureLineOptions) {
    const { host } = this.#target
    return {
      secureContext: context(),
      // Looked at below, where the certificate can be named; nothing of ours is sent before.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(parseIp(host) === undefined ? { servername: host } : {}),
    }
  }

  #attach({ tls }: SecureLineOptions, socket: TLSSocket): void {
    this.#socket = socket
    let failure: NodeJS.ErrnoException | undefined
    const where = formatSocketAddress(this.#target.address)
    socket.once('secureConnect', () => {
      if (this.#closed) return
      const error = verifyServer(socket, this.#target.host, tls, Date.now())
      if (error !== undefined) {
        this.#end(error)
        return
      }
      this.#secure = true
      this.#handlers.onSecure()
    })
    socket.on('error', (error) => {
      failure = error
    })
    socket.on('end', () => socket.destroy())
    socket.on('close', () => this.#end(secureError(failure, where, this.#secure)))
  }

  #received(chunk: Uint8Array, borrowed: boolean): void {
    if (this.#closed || !this.#secure) return
    const onPackets = this.#onPackets
    if (onPackets === undefined) this.#handlers.onBytes(Uint8Array.from(chunk))
    else if (this.#unread.length > 0) this.#unread.push(borrowed ? Uint8Array.from(chunk) : chunk)
    else onPackets(chunk)
  }

  #flushUnread(): void {
    const chunks = this.#unread
    this.#unread = []
    for (const chunk of chunks) if (!this.#closed) this.#onPackets?.(chunk)
  }

  /** One write after the other: Node would put those that wait into one record. */
  #next(): void {
    const socket = this.#socket
    if (this.#writing || this.#closed || socket === undefined) return
    const run = this.#runs.shift()
    if (run === undefined) return
    this.#writing = true
    socket.write(run.bytes.subarray(run.from, run.to), () => {
      this.#writing = false
      this.#queued -= run.to - run.from
      if (this.#queued <= CARRIER_QUEUE / 2) this.onDrain()
      this.#next()
    })
  }

  #end(error: PvpnError): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket?.destroy()
    this.#handlers.onClose(error)
  }
}
