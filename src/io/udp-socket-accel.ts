/**
 * UDP by the addon: one recvmmsg and one sendmmsg for many datagrams, straight into and out of the
 * batch's memory.
 *
 * Received memory is cut into regions, one for each message of the kernel. With UDP_GRO a message may
 * be many datagrams of one sender, up to 64 KiB, which then lie one behind the other in their region:
 *
 *   bytes    | d0 d1 d2 d3 …          | d4 …                | d5 d6 …             | …
 *   offset[i]  ^  ^  ^                   ^ region 1            ^ region 2
 *
 * So a received batch has more slots than regions, and no headroom of its own.
 */
import { getSystemErrorName } from 'node:util'
import type { DatagramSocket } from '../core/datagram-socket.js'
import { parseIp } from '../core/ip.js'
import { PacketBatch } from '../core/packet-batch.js'
import { socketAddress } from '../core/socket-address.js'
import type { Bytes } from '../core/types.js'
import { type AccelUdp, type Handle, READABLE, UDP_INFO, WRITABLE } from '../native/contract.js'
import { addScratch } from './idle-memory.js'
import { KERNEL_BUFFER, RECEIVE_SLOTS, RECEIVE_SLOTS_SHORT } from './limits.js'
import { ReceiveRest } from './receive-rest.js'
import type { UdpOptions } from './udp-socket.js'

/** Messages asked of the kernel at once, as the addon does. */
const REGIONS = 64
/** A message of the kernel put together from several datagrams is below 64 KiB; the odd rest keeps regions from sharing sets of the processor's caches. */
const REGION_SIZE = 65_536 + 1_600

/** Throws the system's error. */
export function bindAccel(native: AccelUdp, options: UdpOptions, family: 4 | 6): DatagramSocket {
  const ip =
    options.address === undefined ? new Uint8Array(family === 4 ? 4 : 16) : parseIp(options.address)
  if (ip === undefined) throw new TypeError(`not an IP address: ${options.address}`)
  return new AccelSocket(native, socketAddress(ip, options.port ?? 0), options)
}

interface Slots {
  readonly offset: Int32Array
  readonly length: Int32Array
}

class AccelSocket implements DatagramSocket {
  onBatch: (batch: PacketBatch) => void = ignore
  onArrival: () => void = ignore
  onWritable: () => void = ignore
  onError: (error: Error) => void = ignore
  short = false
  prompt = false
  readonly localPort: number
  readonly #native: AccelUdp
  readonly #handle: Handle<'udp'>
  readonly #batch: PacketBatch
  /** The first of the batch's slots: fewer datagrams at once. */
  readonly #few: Slots
  readonly #region: number
  readonly #packetSize: number
  readonly #rest = new ReceiveRest(performance.now())
  #resting = false
  #due = false
  #closed = false

  constructor(native: AccelUdp, address: Bytes, options: UdpOptions) {
    this.#native = native
    this.#packetSize = options.packetSize
    const only6 = options.family === 6
    this.#handle = native.udpOpen(address, only6, KERNEL_BUFFER, KERNEL_BUFFER, (events) =>
      this.#wake(events),
    )
    const info = new Float64Array(Object.keys(UDP_INFO).length)
    native.udpInfo(this.#handle, info)
    this.localPort = info[UDP_INFO.port] as number
    const { packetSize } = options
    const gro = info[UDP_INFO.gro] === 1
    this.#batch = receiveBatch(packetSize, gro)
    const { offset, length } = this.#batch
    this.#few = {
      offset: offset.subarray(0, RECEIVE_SLOTS_SHORT),
      length: length.subarray(0, RECEIVE_SLOTS_SHORT),
    }
    this.#region = gro ? REGION_SIZE : this.#batch.slotSize
  }

  send(batch: PacketBatch, from: number): number {
    if (this.#closed) return batch.count
    const { bytes, offset, length, address, count } = batch
    const next = this.#native.udpSend(this.#handle, bytes, offset, length, address, from, count)
    if (next >= 0) return next
    this.#fail(next)
    return count
  }

  get waiting(): number | undefined {
    return this.#closed ? undefined : this.#native.udpWaiting?.(this.#handle)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#native.udpClose(this.#handle)
  }

  #wake(events: number): void {
    if (events < 0) {
      this.#fail(events)
      return
    }
    if ((events & WRITABLE) !== 0) this.onWritable()
    if ((events & READABLE) === 0 || this.#closed || this.#due) return
    // This may be long work: what the event loop found ready beside it (programs that have written) goes first.
    this.#due = true
    setImmediate(() => {
      this.#due = false
      if (!this.#closed) this.onArrival()
      this.#receive()
    })
  }

  /** One batch from the kernel (what it holds beyond that waits for the next turn of the event loop), in as many parts as it takes. */
  #receive(): void {
    const batch = this.#batch
    const { bytes, address } = batch
    const { offset, length } = this.short ? this.#few : batch
    for (let fresh = true; !this.#closed; fresh = false) {
      const count = this.#native.udpReceive(
        this.#handle,
        bytes,
        offset,
        length,
        address,
        this.#region,
        this.#packetSize,
        fresh,
      )
      if (count < 0) this.#fail(count)
      // From here on, not from when the batch has been dealt with: a busy process rests no longer.
      if (fresh) this.#restAfter(Math.max(0, count), length)
      if (count <= 0) return
      batch.count = count
      this.onBatch(batch)
      if (count < offset.length) return
    }
  }

  #restAfter(datagrams: number, length: Int32Array): void {
    if (this.#closed) return
    let bytes = 0
    for (let i = 0; i < datagrams; i++) bytes += length[i] as number
    const microseconds = this.#rest.after(datagrams, bytes, performance.now(), this.prompt)
    if (microseconds === 0 && !this.#resting) return
    const rests = this.#native.udpRest?.(this.#handle, microseconds) ?? false
    this.#resting = rests && microseconds > 0
  }

  #fail(errno: number): void {
    const code = getSystemErrorName(errno)
    this.onError(Object.assign(new Error(`UDP socket: ${code}`), { code }))
  }
}

/** A received batch is only lent, and everything it brought is delivered before another socket reads: one for all sockets of a kind. */
const receiveBatches = new Map<string, PacketBatch>()

function receiveBatch(packetSize: number, gro: boolean): PacketBatch {
  const kind = `${packetSize} ${gro}`
  let batch = receiveBatches.get(kind)
  if (batch === undefined) {
    batch = gro
      ? new PacketBatch({ capacity: RECEIVE_SLOTS, packetSize, memory: REGIONS * REGION_SIZE })
      : new PacketBatch({ capacity: REGIONS, packetSize })
    addScratch(batch.bytes)
    receiveBatches.set(kind, batch)
  }
  return batch
}

function ignore(): void {}
