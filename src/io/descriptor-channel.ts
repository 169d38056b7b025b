/** A Unix socket whose messages may carry descriptors: read by the addon, written by Node. */
import type { Socket } from 'node:net'
import { constants } from 'node:os'
import { PvpnError } from '../core/errors.js'
import { accel } from '../native/accel.js'
import type { AccelChannel, Handle } from '../native/contract.js'
import { CHANNEL_DESCRIPTORS, CHANNEL_MESSAGE } from './limits.js'

const { EAGAIN } = constants.errno

export class DescriptorChannel {
  /** One message; each descriptor must be taken over or given to `closeDescriptor`. The bytes are borrowed. */
  onMessage: (text: string, descriptors: readonly number[]) => void = () => {}
  onClose: () => void = () => {}
  readonly #native: AccelChannel
  readonly #socket: Socket
  readonly #handle: Handle<'channel'>
  readonly #bytes = new Uint8Array(CHANNEL_MESSAGE)
  readonly #descriptors = new Int32Array(CHANNEL_DESCRIPTORS)
  #closed = false

  /** `socket` must be paused, and stay so. Throws ERR_UNSUPPORTED without the addon, else the system's error. */
  constructor(socket: Socket) {
    const native = accel()?.channel
    const fd = (socket as { _handle?: { fd?: unknown } })._handle?.fd
    if (native === undefined || typeof fd !== 'number') {
      throw new PvpnError('ERR_UNSUPPORTED', 'the native addon is missing')
    }
    this.#native = native
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('close', () => this.close())
    this.#handle = native.channelOpen(fd, (events) => this.#wake(events))
  }

  write(text: string): void {
    if (!this.#closed && this.#socket.writableLength < CHANNEL_MESSAGE) this.#socket.write(text)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#native.channelClose(this.#handle)
    this.#socket.destroy()
    this.onClose()
  }

  #wake(events: number): void {
    if (this.#closed) return
    const size = events < 0 ? events : this.#read()
    if (size === 0 || (size < 0 && size !== -EAGAIN)) this.close()
  }

  #read(): number {
    const size = this.#native.channelRead(this.#handle, this.#bytes, this.#descriptors)
    if (size <= 0) return size
    const descriptors = [...this.#descriptors].filter((fd) => fd >= 0)
    this.onMessage(Buffer.from(this.#bytes.subarray(0, size)).toString('latin1'), descriptors)
    return size
  }
}

/** Closes a descriptor that nothing of Node's has taken over. */
export function closeDescriptor(fd: number): void {
  accel()?.channel?.descriptorClose(fd)
}
