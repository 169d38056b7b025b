/**
 * A UDP port of the host as a DatagramPort, for what handles datagrams one by one. Below it are whole
 * batches all the same: what comes in was read by few system calls, and what is sent within one turn of
 * the event loop leaves by one.
 */
import { equalBytes } from '../core/bytes.js'
import type { DatagramSocket } from '../core/datagram-socket.js'
import type { PvpnError } from '../core/errors.js'
import { ADDRESS_SIZE, EMPTY_DATAGRAM, PacketBatch } from '../core/packet-batch.js'
import { parseSocketAddress, socketAddressEndpoint } from '../core/socket-address.js'
import type { DatagramPort } from '../core/stream.js'
import type { Bytes, Endpoint } from '../core/types.js'
import { DATAGRAM_SEND_BYTES, DATAGRAM_SEND_SLOTS } from './limits.js'
import { fromSystemError } from './system-error.js'
import { openUdp } from './udp-socket.js'

/** Largest UDP payload over IPv4 and IPv6, in bytes. */
const LARGEST = 65_527

/** Binds; port 0 is any. Rejects with ERR_LIMIT when the port is taken. */
export async function bindHostUdp(options: {
  readonly address?: string
  readonly port?: number
  readonly family: 4 | 6
}): Promise<DatagramPort> {
  const { address, port = 0, family } = options
  const socket = await openUdp({
    family,
    port,
    packetSize: LARGEST,
    ...(address === undefined ? {} : { address }),
  }).catch((error: unknown) => {
    throw fromSystemError(error as NodeJS.ErrnoException, `UDP port ${port}`)
  })
  const any = family === 4 ? '0.0.0.0' : '::'
  return new HostPort(socket, { address: address ?? any, port: socket.localPort })
}

class HostPort implements DatagramPort {
  readonly local: Endpoint
  onMessage: (from: Endpoint, bytes: Bytes) => void = () => {}
  /** Never called: a socket with many peers is not told about errors of single datagrams. */
  onError: (to: Endpoint, error: PvpnError) => void = () => {}
  readonly #socket: DatagramSocket
  /** The last peers in both forms: most ports have one. */
  readonly #from = { record: new Uint8Array(ADDRESS_SIZE), endpoint: { address: '', port: 0 } }
  #to: Endpoint = { address: '', port: 0 }
  #toRecord: Bytes | undefined
  #closed = false

  constructor(socket: DatagramSocket, local: Endpoint) {
    this.#socket = socket
    this.local = local
    socket.onBatch = (batch) => this.#receive(batch)
  }

  send(to: Endpoint, bytes: Bytes): boolean {
    if (this.#closed || to.port === 0 || bytes.length > LARGEST) return false
    if (to.port !== this.#to.port || to.address !== this.#to.address) {
      this.#to = { address: to.address, port: to.port }
      this.#toRecord = parseSocketAddress(to)
    }
    if (this.#toRecord === undefined) return false
    outgoing.push(this.#socket, this.#toRecord, bytes)
    return true
  }

  close(): void {
    if (this.#closed) return
    outgoing.flush(this.#socket)
    this.#closed = true
    this.#socket.close()
  }

  #receive(batch: PacketBatch): void {
    const { address, bytes, offset, length } = batch
    const last = this.#from
    for (let i = 0; i < batch.count && !this.#closed; i++) {
      const record = i * ADDRESS_SIZE
      if (!equalBytes(last.record, 0, address, record, ADDRESS_SIZE)) {
        last.record.set(address.subarray(record, record + ADDRESS_SIZE))
        const { address: text, port } = socketAddressEndpoint(address, record)
        last.endpoint = { address: text, port }
      }
      const at = offset[i] as number
      const size = Math.max(0, length[i] as number)
      this.onMessage(last.endpoint, bytes.subarray(at, at + size))
    }
  }
}

/** Datagrams of one socket on their way to the kernel, of all ports one after the other. */
class Outgoing {
  #batch: PacketBatch | undefined
  #socket: DatagramSocket | undefined
  #end = 0
  #scheduled = false

  push(socket: DatagramSocket, to: Bytes, bytes: Bytes): void {
    this.#batch ??= new PacketBatch({
      capacity: DATAGRAM_SEND_SLOTS,
      packetSize: LARGEST,
      memory: DATAGRAM_SEND_BYTES,
    })
    const batch = this.#batch
    const full = batch.full || this.#end + bytes.length > batch.bytes.length
    if (full || this.#socket !== socket) this.flush()
    this.#socket = socket
    batch.bytes.set(bytes, this.#end)
    batch.address.set(to, batch.count * ADDRESS_SIZE)
    batch.offset[batch.count] = this.#end
    batch.commit(bytes.length === 0 ? EMPTY_DATAGRAM : bytes.length)
    this.#end += bytes.length
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  /** Sends what waits (of this socket, when one is named). What the kernel has no room for is lost, as datagrams may be. */
  flush(socket = this.#socket): void {
    const batch = this.#batch
    if (batch === undefined || this.#socket === undefined || this.#socket !== socket) return
    this.#socket = undefined
    if (batch.count > 0) socket.send(batch, 0)
    batch.count = 0
    this.#end = 0
  }
}

const outgoing = new Outgoing()
