/** `LeanSocket` over a socket of Node: the plain twin, and for sockets that come from another process. */
import { writeSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Bytes } from '../core/types.js'
import { ignore, type LeanSocket } from './lean-socket.js'
import { stopReading } from './socket-reading.js'
import { resetSocket } from './socket-reset.js'
import { askTrueEnd } from './true-end.js'

export class HostSocket implements LeanSocket {
  readonly node: Socket
  onData: (bytes: Bytes) => void = ignore
  onEnd: () => void = ignore
  onDrain: () => void = ignore
  onClose: (failed: boolean) => void = ignore
  onGone: () => void = ignore
  /** Moved and told by whoever had the connection before. */
  readonly #before: { readonly read: number; readonly written: number; readonly ended: boolean }
  #attached = false
  /** Bytes that went past Node's stream. */
  #direct = 0

  /** Takes the socket over; it gets `allowHalfOpen`. The counts go on from `before`, and an end that was told is not told again. */
  constructor(node: Socket, before = { read: 0, written: 0, ended: false }) {
    this.node = node
    this.#before = before
    // A socket from another process comes with half-close off, and would answer a FIN with its own.
    node.allowHalfOpen = true
    node.on('error', ignore)
    node.on('close', (failed) => {
      this.onClose(failed)
      this.onGone()
    })
  }

  get remoteAddress(): string | undefined {
    return this.node.remoteAddress
  }

  get remotePort(): number | undefined {
    return this.node.remotePort
  }

  get localAddress(): string | undefined {
    return this.node.localAddress
  }

  get localPort(): number | undefined {
    return this.node.localPort
  }

  get descriptor(): number {
    return (this.node as unknown as { _handle?: { fd?: number } })._handle?.fd ?? -1
  }

  get bytesRead(): number {
    return this.#before.read + this.node.bytesRead
  }

  get bytesWritten(): number {
    return this.#before.written + this.#direct + this.node.bytesWritten
  }

  get ended(): boolean {
    return this.#before.ended || this.node.readableEnded
  }

  get ending(): boolean {
    return this.node.writableEnded
  }

  get closed(): boolean {
    return this.node.destroyed
  }

  get paused(): boolean {
    return this.node.isPaused()
  }

  resume(): void {
    if (!this.#attached) {
      this.#attached = true
      this.node.on('data', this.#onData)
      this.node.on('end', this.#onEnd)
    }
    this.node.resume()
  }

  pause(): void {
    this.node.pause()
  }

  write(bytes: Bytes): boolean {
    if (this.closed || this.ending) return false
    const sent = this.#writeDirect(bytes)
    if (sent === bytes.length) return true
    this.node.write(bytes.subarray(sent), this.#written)
    return false
  }

  /**
   * To the kernel itself while nothing waits: Node's stream makes a request and calls back for each chunk, and
   * holds on to its memory for so long that it can't be used again. How much the kernel took; what it did
   * not, and every failure, is Node's.
   */
  #writeDirect(bytes: Bytes): number {
    const { node, descriptor } = this
    if (descriptor < 0 || node.connecting || node.writableLength > 0) return 0
    const { stackTraceLimit } = Error
    // A full buffer throws; its stack trace would cost as much again.
    Error.stackTraceLimit = 0
    try {
      const sent = writeSync(descriptor, bytes)
      this.#direct += sent
      return sent
    } catch {
      return 0
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
  }

  end(lastWord?: Bytes): void {
    if (this.closed) return
    if (lastWord === undefined) this.node.end()
    else this.node.end(lastWord)
  }

  reset(): void {
    resetSocket(this.node)
  }

  destroy(): void {
    this.node.destroy()
  }

  promote(): { readonly node: Socket; readonly lean: LeanSocket } {
    this.node.pause()
    if (this.#attached) {
      this.#attached = false
      this.node.removeListener('data', this.#onData)
      this.node.removeListener('end', this.#onEnd)
    }
    return { node: this.node, lean: this }
  }

  give(): Socket {
    const { node } = this
    node.pause()
    const unread: Buffer | null = node.read()
    if (unread !== null && !this.#attached) this.onData(unread)
    stopReading(node)
    this.promote()
    return node
  }

  readonly #onData = (bytes: Bytes): void => this.onData(bytes)

  readonly #onEnd = (): void => {
    if (!this.#before.ended) askTrueEnd(this.node, () => this.onEnd())
  }

  readonly #written = (error?: Error | null): void => {
    if (!error && !this.closed && this.node.writableLength === 0) this.onDrain()
  }
}
