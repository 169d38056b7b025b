/**
 * Datagrams out of a socket of node:dgram. Its own `send` takes as long in JavaScript as the kernel does (a
 * look-up, an object, two callbacks, a copy from a pool), so from the second datagram on its handle is called.
 */
import type { Socket } from 'node:dgram'
import { ADDRESS_SIZE } from '../core/packet-batch.js'
import { sameSocketAddress, socketAddressEndpoint } from '../core/socket-address.js'
import type { Bytes } from '../core/types.js'
import { type DgramHandle, requestClass, type SendRequest } from './dgram-handle.js'
import { SEND_QUEUE } from './limits.js'

export class DgramSender {
  /** What waited has become half of what may wait, after `full` was true. */
  onRoom: () => void = () => {}
  readonly #socket: Socket
  readonly #mapped: boolean
  /** The last peer in both forms: making strings and parsing them costs more than sending. */
  readonly #to = { record: new Uint8Array(ADDRESS_SIZE), address: '', port: 0 }
  /** Undefined: node:dgram's own way. */
  #handle: DgramHandle | undefined
  #Request: (new () => SendRequest) | undefined
  /** Used again for each datagram that the kernel takes at once, with memory and list. */
  #request: SendRequest | undefined
  #memory = new Uint8Array(0)
  #list: Bytes[] = []
  /** Bytes that wait for a full kernel buffer. */
  #waiting = 0
  #wanted = false

  /** `mapped`: an IPv6 socket, which reaches IPv4 too. The socket is bound, and its `lookup` answers within the call. */
  constructor(socket: Socket, handle: DgramHandle | undefined, mapped: boolean) {
    this.#socket = socket
    this.#mapped = mapped
    this.#handle = handle
  }

  /** More must not wait in the process; `onRoom` follows. */
  get full(): boolean {
    this.#wanted ||= this.#queued > SEND_QUEUE
    return this.#wanted
  }

  /** The bytes are read before the call returns. `records[at…]`: whereto, an address that this socket reaches. */
  send(bytes: Bytes, records: Bytes, at: number): void {
    this.#address(records, at)
    if (this.#Request === undefined || this.#handle === undefined) this.#sendByNode(bytes)
    else this.#sendByHandle(bytes, this.#handle, this.#Request)
  }

  get #queued(): number {
    return this.#handle === undefined ? this.#socket.getSendQueueSize() : this.#waiting
  }

  #sendByNode(bytes: Bytes): void {
    // libuv sends at once when it can, but may keep the buffer when it can't: it gets its own copy.
    const copy = Buffer.from(bytes)
    const send = () => this.#socket.send(copy, this.#to.port, this.#to.address, this.#left)
    if (this.#handle === undefined) {
      send()
      return
    }
    this.#Request = requestClass(this.#handle, send)
    if (this.#Request === undefined) this.#handle = undefined
  }

  #sendByHandle(bytes: Bytes, handle: DgramHandle, Request: new () => SendRequest): void {
    const { length } = bytes
    this.#request ??= new Request()
    if (this.#memory.length < length) this.#memory = new Uint8Array(length)
    this.#memory.set(bytes)
    if (this.#list[0]?.buffer !== this.#memory.buffer || this.#list[0].length !== length) {
      this.#list[0] = this.#memory.subarray(0, length)
    }
    const { port, address } = this.#to
    if (handle.send(this.#request, this.#list, 1, port, address, true) !== 0) return
    // The kernel has no room: libuv keeps the memory until it has.
    this.#waiting += length
    this.#request.list = this.#list
    this.#request.oncomplete = () => {
      this.#waiting -= length
      this.#left()
    }
    this.#request = undefined
    this.#memory = new Uint8Array(0)
    this.#list = []
  }

  // A datagram that can't be sent (no route, refused) is lost, as on any path.
  readonly #left = (): void => {
    if (!this.#wanted || this.#queued > SEND_QUEUE / 2) return
    this.#wanted = false
    this.onRoom()
  }

  #address(records: Bytes, at: number): void {
    const to = this.#to
    if (sameSocketAddress(records, at, to.record, 0)) return
    const { address, port, scope } = socketAddressEndpoint(records, at)
    to.record.set(records.subarray(at, at + ADDRESS_SIZE))
    to.port = port
    if (!this.#mapped) to.address = address
    else if (!address.includes(':')) to.address = `::ffff:${address}`
    else to.address = scope === 0 ? address : `${address}%${scope}`
  }
}
