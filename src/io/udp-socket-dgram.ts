/** UDP sockets of the host as `DatagramSocket`, on node:dgram: the plain twin of the addon's. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { readSync } from 'node:fs'
import type { DatagramSocket } from '../core/datagram-socket.js'
import { parseIp } from '../core/ip.js'
import { ADDRESS_SIZE, EMPTY_DATAGRAM, PacketBatch } from '../core/packet-batch.js'
import { writeSocketAddress } from '../core/socket-address.js'
import { type DgramHandle, dgramHandle } from './dgram-handle.js'
import { DgramSender } from './dgram-sender.js'
import { KERNEL_BUFFER, PLAIN_RECEIVE_BYTES, PLAIN_RECEIVE_SLOTS } from './limits.js'
import type { UdpOptions } from './udp-socket.js'

/** Rejects with the system's error. `reach` gives what is below the socket. */
export async function bindDgram(
  options: UdpOptions,
  family: 4 | 6,
  reach: (socket: Socket) => DgramHandle | undefined = dgramHandle,
): Promise<DatagramSocket> {
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    ipv6Only: options.family === 6,
    // Every address we send to is a literal: no look-up, and none asked of the host's resolver.
    lookup: (host, _options, done) => done(null, host, family),
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close()
      reject(error)
    })
    socket.bind(
      { port: options.port ?? 0, ...(options.address && { address: options.address }) },
      () => {
        socket.removeAllListeners('error')
        resolve()
      },
    )
  })
  for (const set of ['setRecvBufferSize', 'setSendBufferSize'] as const) {
    try {
      socket[set](KERNEL_BUFFER)
    } catch {
      // The kernel's default stays.
    }
  }
  return new DgramSocket(socket, reach(socket), family, options)
}

class DgramSocket implements DatagramSocket {
  onBatch: (batch: PacketBatch) => void = ignore
  onArrival: () => void = ignore
  onWritable: () => void = ignore
  onError: (error: Error) => void = ignore
  readonly localPort: number
  readonly #socket: Socket
  readonly #mapped: boolean
  readonly #sender: DgramSender
  /** For reading what Node has not read yet; undefined: Node reads all. */
  readonly #handle: DgramHandle | undefined
  readonly #batch: PacketBatch
  /** The last sender in both forms, as in `DgramSender`. */
  readonly #from = { record: new Uint8Array(ADDRESS_SIZE), address: '', port: 0 }
  #scheduled = false
  /** Node does not read: the batch waits for its turn, and more for the next. */
  #stopped = false
  #closed = false

  constructor(socket: Socket, handle: DgramHandle | undefined, family: 4 | 6, options: UdpOptions) {
    const { packetSize } = options
    this.#socket = socket
    this.#mapped = family === 6
    this.#sender = new DgramSender(socket, handle, this.#mapped)
    this.#sender.onRoom = () => {
      if (!this.#closed) this.onWritable()
    }
    this.#handle = options.someSources === true ? handle : undefined
    const capacity = Math.max(
      1,
      Math.min(PLAIN_RECEIVE_SLOTS, (PLAIN_RECEIVE_BYTES / packetSize) | 0),
    )
    this.#batch = new PacketBatch({ capacity, packetSize })
    this.localPort = socket.address().port
    socket.on('message', (bytes, from) => this.#receive(bytes, from))
    socket.on('error', (error) => this.onError(error))
  }

  send(batch: PacketBatch, from: number): number {
    if (this.#closed) return batch.count
    const { bytes, offset, length, address, count } = batch
    for (let i = from; i < count; i++) {
      const empty = length[i] === EMPTY_DATAGRAM
      const size = empty ? 0 : (length[i] as number)
      const at = offset[i] as number
      if ((size <= 0 && !empty) || !this.#fits(batch, at, size, i)) continue
      if (this.#sender.full) return i
      this.#sender.send(bytes.subarray(at, at + size), address, i * ADDRESS_SIZE)
    }
    return count
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket.close()
  }

  /** Does the slot lie inside the memory, and can its address be reached from this socket? */
  #fits(batch: PacketBatch, at: number, length: number, slot: number): boolean {
    const family = batch.address[slot * ADDRESS_SIZE]
    if (family !== 4 && !(family === 6 && this.#mapped)) return false
    return at >= 0 && at + length <= batch.bytes.length
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    if (this.#closed || !this.#source(from)) return
    const batch = this.#batch
    if (batch.full) this.#deliver()
    batch.address.set(this.#from.record, batch.count * ADDRESS_SIZE)
    if (!batch.push(bytes)) return
    if (bytes.length === 0) batch.length[batch.count - 1] = EMPTY_DATAGRAM
    if (this.#drain()) {
      this.#stopped = true
      this.#handle?.recvStop()
    }
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      if (!this.#closed) this.onArrival()
      this.#deliver()
      if (!this.#stopped || this.#closed) return
      // By Node, so that under a load that never ends each batch begins with one that has a source.
      this.#stopped = false
      this.#handle?.recvStart()
    })
  }

  /**
   * Reads what the kernel holds into the batch. Node makes memory and objects for each datagram, which cost
   * several times what the reading does; a plain read of the descriptor costs that alone, but tells no sender.
   * True: the batch is full, or has taken as many reads as it has slots, and more may wait.
   */
  #drain(): boolean {
    const batch = this.#batch
    if (this.#handle === undefined || this.#closed) return false
    const { fd } = this.#handle
    const { stackTraceLimit } = Error
    // A read that finds nothing throws, and half of what that costs would be its stack trace.
    Error.stackTraceLimit = 0
    try {
      // Reads are counted, too: those that are longer than may come fill no slot.
      for (let reads = 0; reads < batch.capacity && !batch.full; reads++) {
        const at = batch.count * ADDRESS_SIZE
        batch.address.fill(0, at, at + ADDRESS_SIZE)
        // One byte more than may come shows that it was longer.
        const length = readSync(fd, batch.bytes, batch.place(), batch.packetSize + 1, null)
        if (length <= batch.packetSize) batch.commit(length === 0 ? EMPTY_DATAGRAM : length)
      }
      return true
    } catch {
      // Nothing more has come. An error of the socket is told by Node's own reading.
      return false
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
  }

  #source(info: RemoteInfo): boolean {
    const from = this.#from
    if (info.port === from.port && info.address === from.address) return true
    const [text = '', zone] = info.address.split('%')
    const ip = parseIp(text)
    if (ip === undefined) return false
    const scope = Number(zone ?? 0)
    writeSocketAddress(from.record, 0, ip, info.port, Number.isInteger(scope) ? scope : 0)
    from.address = info.address
    from.port = info.port
    return true
  }

  #deliver(): void {
    if (this.#batch.count === 0 || this.#closed) return
    this.onBatch(this.#batch)
    this.#batch.reset()
  }
}

function ignore(): void {}
