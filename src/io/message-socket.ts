/** One end of a Unix socket that keeps messages apart (SOCK_SEQPACKET), by the addon: Node has none. */
import { constants } from 'node:os'
import { PvpnError } from '../core/errors.js'
import type { Bytes } from '../core/types.js'
import { accel } from '../native/accel.js'
import type { AccelChannel, Handle } from '../native/contract.js'
import { MESSAGE_TURN } from './limits.js'

const { EAGAIN } = constants.errno
/** Each message is handed on before another socket reads. */
const borrowed = new Uint8Array(65_536 + 256)
const none = new Int32Array(0)

export class MessageSocket {
  /** The bytes are borrowed. An empty message is the end. */
  onMessage: (bytes: Bytes) => void = () => {}
  onClose: () => void = () => {}
  readonly #native: AccelChannel
  readonly #handle: Handle<'channel'>
  #closed = false

  /** Takes the descriptor over, also when it throws: ERR_UNSUPPORTED without the addon, else the system's error. */
  constructor(fd: number) {
    const native = accel()?.channel
    if (native?.channelSend === undefined) {
      native?.descriptorClose(fd)
      throw new PvpnError('ERR_UNSUPPORTED', 'the native addon is missing')
    }
    this.#native = native
    try {
      // It reads and writes through a descriptor of its own.
      this.#handle = native.channelOpen(fd, () => this.#wake())
    } finally {
      native.descriptorClose(fd)
    }
  }

  /** False: lost, as the kernel has no room for it. */
  send(bytes: Bytes): boolean {
    return !this.#closed && (this.#native.channelSend?.(this.#handle, bytes) ?? -1) >= 0
  }

  /** Takes at once what has come; some of it only, when it is much. */
  drain(): void {
    this.#wake()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#native.channelClose(this.#handle)
    this.onClose()
  }

  #wake(): void {
    for (let i = 0; i < MESSAGE_TURN && !this.#closed; i++) {
      const size = this.#native.channelRead(this.#handle, borrowed, none)
      if (size === -EAGAIN) return
      if (size <= 0) {
        this.close()
        return
      }
      this.onMessage(borrowed.subarray(0, size))
    }
  }
}
