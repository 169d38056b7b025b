/**
 * A connected socket that nobody reads yet, watched for its other end: Node's own sockets read ahead
 * as soon as they notice an end. Needs the addon.
 */
import { PvpnError } from '../core/errors.js'
import type { Bytes } from '../core/types.js'
import { accel } from '../native/accel.js'
import type { AccelChannel, Handle } from '../native/contract.js'

export class HeldDescriptor {
  /** Something came, or the other end was closed. Once; then nothing is watched. */
  onEvent: () => void = () => {}
  readonly #native: AccelChannel
  readonly #fd: number
  #watch: Handle<'channel'> | undefined
  #released = false

  /** Takes the descriptor over, also when it throws: ERR_UNSUPPORTED without the addon, else the system's error. */
  constructor(fd: number) {
    const native = accel()?.channel
    if (native?.channelSend === undefined) {
      native?.descriptorClose(fd)
      throw new PvpnError('ERR_UNSUPPORTED', 'the native addon is missing')
    }
    this.#native = native
    this.#fd = fd
    try {
      this.watch()
    } catch (thrown) {
      native.descriptorClose(fd)
      throw thrown
    }
  }

  /** Throws the system's error. */
  watch(): void {
    if (this.#watch !== undefined || this.#released) return
    // The watch has a duplicate of the descriptor.
    this.#watch = this.#native.channelOpen(this.#fd, () => {
      this.unwatch()
      this.onEvent()
    })
  }

  unwatch(): void {
    if (this.#watch !== undefined) this.#native.channelClose(this.#watch)
    this.#watch = undefined
  }

  /** While it is watched; false: the kernel has no room. */
  send(bytes: Bytes): boolean {
    return this.#watch !== undefined && (this.#native.channelSend?.(this.#watch, bytes) ?? -1) >= 0
  }

  /** The descriptor, which is the caller's from here on; undefined when it was closed or given before. */
  release(): number | undefined {
    this.unwatch()
    if (this.#released) return undefined
    this.#released = true
    return this.#fd
  }

  close(): void {
    const fd = this.release()
    if (fd !== undefined) this.#native.descriptorClose(fd)
  }
}
