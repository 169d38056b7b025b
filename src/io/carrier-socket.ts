/** A UDP socket that can be switched to one TCP connection, for tunnels that know both. */
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import type { DatagramSocket } from '../core/datagram-socket.js'
import { PvpnError, toPvpnError } from '../core/errors.js'
import { ADDRESS_SIZE, PacketBatch } from '../core/packet-batch.js'
import { formatSocketAddress, socketAddressEndpoint } from '../core/socket-address.js'
import type { ByteStream } from '../core/stream.js'
import type { PacketSplitter, StreamCarrier } from '../core/stream-carrier.js'
import type { Bytes, Endpoint } from '../core/types.js'
import { CARRIER_QUEUE, CARRIER_RECEIVE_SLOTS } from './limits.js'
import { StreamDuplex } from './stream-duplex.js'

export interface CarrierOptions {
  readonly udp: DatagramSocket
  /** One for each connection. */
  readonly splitter: () => PacketSplitter
  /** Largest packet, in bytes. */
  readonly packetSize: number
  /** How connections are made; absent: by the host's network. */
  readonly dial?: (to: Endpoint, signal: AbortSignal) => Promise<ByteStream>
}

/** Milliseconds that the last packets have to get to the kernel. */
const FAREWELL_TIME = 1500
/** Bytes of the length in front of each packet. */
const FRAME_HEADER = 2

export class CarrierSocket implements DatagramSocket, StreamCarrier {
  flushed: Promise<void> | undefined
  onBatch: (batch: PacketBatch) => void = () => undefined
  onWritable: () => void = () => undefined
  onError: (error: Error) => void = () => undefined
  onConnect: () => void = () => undefined
  onClose: (error: PvpnError) => void = () => undefined
  readonly #o: CarrierOptions
  readonly #batch: PacketBatch
  #stream: Duplex | undefined
  /** A connection through another environment is being made. */
  #dialling: AbortController | undefined
  #connected = false
  #to: Bytes = new Uint8Array(ADDRESS_SIZE)

  constructor(options: CarrierOptions) {
    this.#o = options
    this.#batch = new PacketBatch({
      capacity: CARRIER_RECEIVE_SLOTS,
      packetSize: options.packetSize,
    })
    const { udp } = options
    udp.onBatch = (batch) => {
      if (this.#stream === undefined && this.#dialling === undefined) this.onBatch(batch)
    }
    udp.onWritable = () => this.onWritable()
    udp.onError = (error) => this.onError(error)
  }

  get localPort(): number {
    return this.#o.udp.localPort
  }

  send(batch: PacketBatch, from: number): number {
    const stream = this.#stream
    if (this.#dialling !== undefined) return batch.count
    if (stream === undefined) return this.#o.udp.send(batch, from)
    // As on any path, what can't be sent yet is lost.
    if (!this.#connected || stream.destroyed) return batch.count
    if (stream.writableLength > CARRIER_QUEUE) return from
    stream.write(framed(batch, from))
    return batch.count
  }

  connect(to: Bytes): void {
    this.disconnect()
    this.#to = Uint8Array.from(to)
    const endpoint = socketAddressEndpoint(this.#to)
    const { dial } = this.#o
    if (dial === undefined) {
      const stream = connect({ host: endpoint.address, port: endpoint.port, noDelay: true })
      stream.on('connect', () => this.#opened(stream))
      this.#attach(stream)
      return
    }
    const dialling = new AbortController()
    this.#dialling = dialling
    dial(endpoint, dialling.signal).then(
      (found) => {
        if (this.#dialling !== dialling) {
          found.abort()
          return
        }
        this.#dialling = undefined
        const stream = new StreamDuplex(found)
        this.#attach(stream)
        this.#opened(stream)
      },
      (thrown: unknown) => {
        if (this.#dialling !== dialling) return
        this.disconnect()
        this.onClose(toPvpnError(thrown))
      },
    )
  }

  disconnect(): void {
    const stream = this.#stream
    const before = stream ?? this.#dialling
    this.#dialling?.abort()
    this.#dialling = undefined
    this.#stream = undefined
    this.#connected = false
    stream?.destroy()
    // What waited for the old way may go now.
    if (before !== undefined) setImmediate(() => this.onWritable())
  }

  close(): void {
    this.#dialling?.abort()
    const stream = this.#stream
    this.#stream = undefined
    if (stream !== undefined) this.flushed = farewell(stream)
    this.#o.udp.close()
  }

  #opened(stream: Duplex): void {
    if (this.#stream !== stream) return
    this.#connected = true
    this.onConnect()
  }

  #attach(stream: Duplex): void {
    this.#stream = stream
    const splitter = this.#o.splitter()
    stream.on('data', (chunk) => {
      if (this.#stream === stream) this.#received(splitter, chunk)
    })
    stream.on('drain', () => {
      if (this.#stream === stream) this.onWritable()
    })
    let words: string | undefined
    stream.on('error', (error: NodeJS.ErrnoException) => {
      words = error.code ?? error.message
    })
    stream.on('end', () => stream.destroy())
    stream.on('close', () => this.#ended(stream, words ?? 'closed by the server'))
  }

  #received(splitter: PacketSplitter, chunk: Buffer): void {
    const batch = this.#batch
    const followed = splitter.push(chunk, (packet) => {
      if (batch.full) this.#deliver()
      batch.address.set(this.#to, batch.count * ADDRESS_SIZE)
      batch.push(packet)
    })
    this.#deliver()
    if (!followed) this.#stream?.destroy()
  }

  #deliver(): void {
    if (this.#batch.count === 0) return
    this.onBatch(this.#batch)
    this.#batch.reset()
  }

  #ended(stream: Duplex, words: string): void {
    if (this.#stream !== stream) return
    const wasConnected = this.#connected
    this.disconnect()
    const where = formatSocketAddress(this.#to)
    this.onClose(
      wasConnected
        ? new PvpnError('ERR_DOWN', `the TCP connection to ${where} ended (${words})`)
        : new PvpnError(
            'ERR_DOWN',
            `server unreachable: no TCP connection to ${where} (${words})`,
            {
              hint: 'check address, port and protocol',
            },
          ),
    )
  }
}

/** What was written last still goes out; resolves when it has, or there is no hope for it. */
function farewell(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => stream.destroy(), FAREWELL_TIME)
    stream.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
    if (stream.destroyed) resolve()
    else stream.end(() => stream.destroy())
  })
}

/** All packets from slot `from` on, each behind its length. */
function framed(batch: PacketBatch, from: number): Buffer {
  let size = 0
  for (let i = from; i < batch.count; i++) {
    const length = batch.length[i] as number
    if (length > 0) size += FRAME_HEADER + length
  }
  const out = Buffer.allocUnsafe(size)
  let at = 0
  for (let i = from; i < batch.count; i++) {
    const length = batch.length[i] as number
    if (length <= 0) continue
    const start = batch.offset[i] as number
    out.writeUInt16BE(length, at)
    out.set(batch.bytes.subarray(start, start + length), at + FRAME_HEADER)
    at += FRAME_HEADER + length
  }
  return out
}
