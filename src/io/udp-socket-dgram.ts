/** UDP sockets of the host as `DatagramSocket`, on node:dgram: the plain twin of the addon's. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { DatagramSocket } from '../core/datagram-socket.js'
import { parseIp } from '../core/ip.js'
import { ADDRESS_SIZE, EMPTY_DATAGRAM, PacketBatch } from '../core/packet-batch.js'
import {
  sameSocketAddress,
  socketAddressEndpoint,
  writeSocketAddress,
} from '../core/socket-address.js'
import { KERNEL_BUFFER, PLAIN_RECEIVE_BYTES, PLAIN_RECEIVE_SLOTS, SEND_QUEUE } from './limits.js'
import type { UdpOptions } from './udp-socket.js'

/** Rejects with the system's error. */
export async function bindDgram(options: UdpOptions, family: 4 | 6): Promise<DatagramSocket> {
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
  return new DgramSocket(socket, family, options.packetSize)
}

class DgramSocket implements DatagramSocket {
  onBatch: (batch: PacketBatch) => void = ignore
  onArrival: () => void = ignore
  onWritable: () => void = ignore
  onError: (error: Error) => void = ignore
  readonly localPort: number
  readonly #socket: Socket
  readonly #mapped: boolean
  readonly #batch: PacketBatch
  /** The last peer in both forms: making strings and parsing them costs more than sending. */
  readonly #to = { record: new Uint8Array(ADDRESS_SIZE), address: '', port: 0 }
  readonly #from = { record: new Uint8Array(ADDRESS_SIZE), address: '', port: 0 }
  #scheduled = false
  #full = false
  #closed = false

  constructor(socket: Socket, family: 4 | 6, packetSize: number) {
    this.#socket = socket
    this.#mapped = family === 6
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
    for (let i = from; i < batch.count; i++) {
      const empty = batch.length[i] === EMPTY_DATAGRAM
      const length = empty ? 0 : (batch.length[i] as number)
      const at = batch.offset[i] as number
      if ((length <= 0 && !empty) || !this.#fits(batch, at, length, i)) continue
      if (this.#socket.getSendQueueSize() > SEND_QUEUE) {
        this.#full = true
        return i
      }
      this.#address(batch.address, i * ADDRESS_SIZE)
      // libuv sends at once when it can, but may keep the buffer when it can't: it gets its own copy.
      const copy = Buffer.from(batch.bytes.subarray(at, at + length))
      this.#socket.send(copy, this.#to.port, this.#to.address, this.#sent)
    }
    return batch.count
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

  // A datagram that can't be sent (no route, refused) is lost, as on any path.
  readonly #sent = (): void => {
    if (!this.#full || this.#closed || this.#socket.getSendQueueSize() > SEND_QUEUE / 2) return
    this.#full = false
    this.onWritable()
  }

  #address(records: Uint8Array, at: number): void {
    const to = this.#to
    if (sameSocketAddress(records, at, to.record, 0)) return
    const { address, port, scope } = socketAddressEndpoint(records, at)
    to.record.set(records.subarray(at, at + ADDRESS_SIZE))
    to.port = port
    if (!this.#mapped) to.address = address
    else if (!address.includes(':')) to.address = `::ffff:${address}`
    else to.address = scope === 0 ? address : `${address}%${scope}`
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    if (this.#closed || !this.#source(from)) return
    const batch = this.#batch
    if (batch.full) this.#deliver()
    batch.address.set(this.#from.record, batch.count * ADDRESS_SIZE)
    if (!batch.push(bytes)) return
    if (bytes.length === 0) batch.length[batch.count - 1] = EMPTY_DATAGRAM
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      if (!this.#closed) this.onArrival()
      this.#deliver()
    })
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
