/**
 * The socket of a tunnel over TLS: connections that begin as streams of bytes, one of which carries the
 * packets. Whoever reads the other end may take each TLS record for one packet (ocserv does): records
 * are never shared between packets.
 */
import type { DatagramSocket } from '../core/datagram-socket.js'
import { PacketBatch } from '../core/packet-batch.js'
import type {
  SecureCarrier,
  SecureConnection,
  SecureHandlers,
  SecureTarget,
} from '../core/secure-carrier.js'
import type { PacketSplitter } from '../core/stream-carrier.js'
import type { Bytes } from '../core/types.js'
import { CARRIER_QUEUE, SECURE_RECEIVE_SLOTS } from './limits.js'
import { SecureLine, type SecureLineOptions } from './secure-line.js'

export interface SecureSocketOptions extends SecureLineOptions {
  /** One for each connection. */
  readonly splitter: () => PacketSplitter
  /** Of a connection that another has replaced: is this packet still of use? */
  readonly outlives: (packet: Bytes) => boolean
  /** Largest packet, in bytes. */
  readonly packetSize: number
}

export class SecureSocket implements DatagramSocket, SecureCarrier {
  readonly localPort = 0
  flushed: Promise<void> | undefined
  onBatch: (batch: PacketBatch) => void = () => {}
  onWritable: () => void = () => {}
  onError: (error: Error) => void = () => {}
  readonly #o: SecureSocketOptions
  readonly #batch: PacketBatch
  readonly #lines = new Set<SecureLine>()
  /** The one that packets go over. */
  #carrying: SecureLine | undefined
  #delivery = false
  #blocked = false
  #closed = false

  constructor(options: SecureSocketOptions) {
    this.#o = options
    const { packetSize } = options
    this.#batch = new PacketBatch({ capacity: SECURE_RECEIVE_SLOTS, packetSize })
  }

  open(target: SecureTarget, handlers: SecureHandlers): SecureConnection {
    const line = new SecureLine(this.#o, target, {
      ...handlers,
      onClose: (error) => {
        this.#forget(line)
        handlers.onClose(error)
      },
    })
    line.onDrain = () => {
      if (line === this.#carrying) this.#writable()
    }
    this.#lines.add(line)
    return {
      write: (bytes) => line.write(bytes),
      carry: (bytes, largest) => this.#carry(line, bytes, largest),
      close: () => {
        this.#forget(line)
        void line.close()
      },
    }
  }

  send(batch: PacketBatch, from: number): number {
    const line = this.#carrying
    // As on any path, what can't be sent is lost.
    if (line === undefined || this.#closed) return batch.count
    if (line.queued > CARRIER_QUEUE) {
      this.#blocked = true
      return from
    }
    line.send(batch, from)
    return batch.count
  }

  close(): void {
    this.#closed = true
    this.#carrying = undefined
    this.flushed = Promise.all([...this.#lines].map((line) => line.close())).then(() => {})
    this.#lines.clear()
  }

  #carry(line: SecureLine, bytes: Bytes, largest: number): void {
    if (this.#carrying !== line) {
      this.#carrying = line
      this.#keepWhatOutlives()
      const splitter = this.#o.splitter()
      line.carry((chunk) => this.#received(line, splitter, chunk), largest)
      // What waited for the connection before may go now.
      setImmediate(() => this.#writable())
    }
    if (bytes.length > 0) line.unread(bytes)
  }

  #received(line: SecureLine, splitter: PacketSplitter, chunk: Bytes): void {
    const batch = this.#batch
    const followed = splitter.push(chunk, (packet) => {
      if (line !== this.#carrying && !this.#o.outlives(packet)) return
      if (batch.full) this.#deliver()
      batch.push(packet)
    })
    if (!followed) line.broken()
    // Each record comes by itself: what comes in one go is handed on at once.
    if (this.#delivery || batch.count === 0) return
    this.#delivery = true
    setImmediate(() => {
      this.#delivery = false
      this.#deliver()
    })
  }

  /** What waits to be handed on came over the connection before. */
  #keepWhatOutlives(): void {
    const batch = this.#batch
    for (let i = 0; i < batch.count; i++) {
      if (!this.#o.outlives(batch.view(i))) batch.length[i] = 0
    }
  }

  #deliver(): void {
    const batch = this.#batch
    if (batch.count > 0 && !this.#closed) this.onBatch(batch)
    batch.reset()
  }

  #writable(): void {
    if (!this.#blocked || this.#closed) return
    this.#blocked = false
    this.onWritable()
  }

  #forget(line: SecureLine): void {
    this.#lines.delete(line)
    if (this.#carrying !== line) return
    this.#carrying = undefined
    setImmediate(() => this.#writable())
  }
}
