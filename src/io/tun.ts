/** A TUN device of the host (or of a namespace) as batches of IP packets. Needs the addon: Node has no ioctl. */
import { getSystemErrorName } from 'node:util'
import { PvpnError } from '../core/errors.js'
import { PacketBatch } from '../core/packet-batch.js'
import { accel } from '../native/accel.js'
import { type AccelTun, type Handle, READABLE, WRITABLE } from '../native/contract.js'
import { TUN_SLOTS } from './limits.js'

export interface TunOptions {
  /** At most 15 bytes. A device of this name is used, or made (then it goes with the process). */
  readonly name: string
  /** Largest IP packet, in bytes: the device's MTU at least. */
  readonly packetSize: number
}

/** Throws ERR_UNSUPPORTED without the addon, else the system's error (EPERM, ENODEV …). */
export function openTun(options: TunOptions): TunDevice {
  const native = accel()?.tun
  if (native === undefined) {
    throw new PvpnError('ERR_UNSUPPORTED', 'TUN devices need the native addon', {
      hint: 'Install a C++ compiler and run npm ci again.',
    })
  }
  return new TunDevice(native, options)
}

/** A device of another process, by its descriptor, which is taken over. Throws as `openTun`, and ENODEV when it is none. */
export function adoptTun(fd: number, packetSize: number): TunDevice {
  const native = accel()?.tun
  if (native === undefined) throw new PvpnError('ERR_UNSUPPORTED', 'the native addon is missing')
  return new TunDevice(native, { fd, packetSize })
}

export class TunDevice {
  /** IP packets from the kernel, with headroom; the batch is borrowed for the call. */
  onBatch: (batch: PacketBatch) => void = ignore
  onWritable: () => void = ignore
  onError: (error: Error) => void = ignore
  readonly #native: AccelTun
  readonly #handle: Handle<'tun'>
  readonly #batch: PacketBatch
  #closed = false

  constructor(
    native: AccelTun,
    from: TunOptions | { readonly fd: number; readonly packetSize: number },
  ) {
    this.#native = native
    this.#batch = new PacketBatch({ capacity: TUN_SLOTS, packetSize: from.packetSize })
    const wake = (events: number) => this.#wake(events)
    this.#handle = 'fd' in from ? native.tunAdopt(from.fd, wake) : native.tunOpen(from.name, wake)
  }

  /** As `DatagramSocket.send`. What the kernel refuses (no IP packet, device down) is lost. */
  send(batch: PacketBatch, from: number): number {
    if (this.#closed) return batch.count
    const { bytes, offset, length, count } = batch
    const next = this.#native.tunWrite(this.#handle, bytes, offset, length, from, count)
    if (next >= 0) return next
    this.#fail(next)
    return count
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#native.tunClose(this.#handle)
  }

  #wake(events: number): void {
    if (events < 0) {
      this.#fail(events)
      return
    }
    if ((events & WRITABLE) !== 0) this.onWritable()
    if ((events & READABLE) !== 0 && !this.#closed) this.#receive()
  }

  #receive(): void {
    const batch = this.#batch
    batch.reset()
    const { bytes, offset, length, capacity, packetSize } = batch
    const count = this.#native.tunRead(this.#handle, bytes, offset, length, 0, capacity, packetSize)
    if (count < 0) this.#fail(count)
    if (count <= 0) return
    batch.count = count
    this.onBatch(batch)
  }

  #fail(errno: number): void {
    const code = getSystemErrorName(errno)
    this.onError(Object.assign(new Error(`TUN device: ${code}`), { code }))
  }
}

function ignore(): void {}
