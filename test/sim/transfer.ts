/** A whole conversation over a pair: both ways at once or half-closed in turn, compared byte by byte. */
import { type Allocator, pieceSize } from '../../src/core/allocator.js'
import type { ByteStream } from '../../src/core/stream.js'
import type { TcpSocket } from '../../src/stack/contract.js'
import type { Host, Pair } from './pair.js'
import type { SeededRandom } from './random.js'

/** Byte `i` of the stream with this seed. */
export function patternByte(seed: number, i: number): number {
  return (Math.imul(i + seed, 0x9e3779b1) >>> 24) & 255
}

/** Sends `total` pattern bytes and ends; checks what it receives. */
export class Side {
  received = 0
  sent = 0
  /** The first byte that was wrong. */
  wrongAt = -1
  ended = false
  closed = false
  error: Error | undefined
  readonly #stream: ByteStream
  readonly #total: number
  readonly #seed: number
  readonly #peerSeed: number
  readonly #random: SeededRandom
  /** Sends only when the far side has ended (half-close). */
  readonly #after: boolean
  /** Largest write. */
  readonly #chunk: number
  /** Reads now and then only, so that windows shut. */
  readonly #lazy: boolean
  readonly #allocator: Allocator

  constructor(
    stream: ByteStream,
    options: {
      total: number
      seed: number
      peerSeed: number
      random: SeededRandom
      after?: boolean
      chunk?: number
      lazy?: boolean
    },
    host: Host,
  ) {
    this.#stream = stream
    this.#total = options.total
    this.#seed = options.seed
    this.#peerSeed = options.peerSeed
    this.#random = options.random
    this.#after = options.after ?? false
    this.#chunk = options.chunk ?? 65_536
    this.#lazy = options.lazy ?? false
    this.#allocator = host.allocator
    stream.onReadable = () => {
      if (!this.#lazy) this.#read()
    }
    stream.onWritable = () => this.write()
    stream.onClose = (error) => {
      this.#read()
      this.closed = true
      this.error = error
    }
  }

  /** Called each turn: a lazy side may read now. */
  poll(chance: number): void {
    if (this.#lazy && !this.ended && this.#random.chance(chance)) this.#read()
  }

  #read(): void {
    const bytes = this.#stream.read()
    if (bytes !== undefined) {
      for (let i = 0; i < bytes.length; i++) {
        if (bytes[i] !== patternByte(this.#peerSeed, this.received + i) && this.wrongAt < 0) {
          this.wrongAt = this.received + i
        }
      }
      this.received += bytes.length
      this.#allocator.free(bytes)
    }
    if (this.#stream.ended && !this.ended) {
      this.ended = true
      this.write()
    }
  }

  write(): void {
    if (this.#after && !this.ended) return
    while (this.sent < this.#total) {
      const size = Math.min(this.#total - this.sent, this.#random.between(1, this.#chunk))
      const bytes = this.#allocator.allocate(pieceSize(size)).subarray(0, size)
      for (let i = 0; i < size; i++) bytes[i] = patternByte(this.#seed, this.sent + i)
      const taken = this.#stream.write(bytes)
      this.sent += taken
      this.#allocator.lend(bytes.subarray(0, taken))
      if (taken < size) return
    }
    this.#stream.end()
  }
}

export interface Transfer {
  client: Side
  server: Side | undefined
  socket: TcpSocket
  readonly done: boolean
  /** As `done`, and lets lazy sides read now and then. */
  poll: (chance?: number) => boolean
}

/** Opens a connection from a to b on port 80 and lets both sides talk. */
export function transfer(
  pair: Pair,
  random: SeededRandom,
  options: {
    up: number
    down: number
    halfClose?: boolean
    chunk?: number
    lazy?: boolean
    /** Called between listening and connecting. */
    listening?: () => void
  },
): Transfer {
  const chunk = options.chunk ?? 65_536
  const lazy = options.lazy ?? false
  const result: { server: Side | undefined } = { server: undefined }
  pair.b.tcp.listen({ port: 80 }).onConnection = (stream) => {
    const after = options.halfClose ?? false
    const total = options.down
    const patterns = { seed: 2, peerSeed: 1 }
    result.server = new Side(stream, { total, ...patterns, random, after, chunk, lazy }, pair.b)
    result.server.write()
  }
  options.listening?.()
  const socket = pair.a.tcp.connect({ address: pair.b.address, port: 80 }, pair.now)
  const patterns = { seed: 1, peerSeed: 2 }
  const client = new Side(socket, { total: options.up, ...patterns, random, chunk, lazy }, pair.a)
  socket.onConnect = () => client.write()
  return {
    client,
    socket,
    get server() {
      return result.server
    },
    get done() {
      return client.closed && (result.server?.closed ?? false)
    },
    poll(chance = 0.02) {
      client.poll(chance)
      result.server?.poll(chance)
      return this.done
    },
  }
}
