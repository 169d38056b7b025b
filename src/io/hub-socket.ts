/**
 * `LeanSocket` by the addon: a system call for what is asked, and nothing else. What is ready comes as
 * edges, so pausing costs nothing: what came meanwhile is only noted, and asked for again at `resume`.
 */
import { Socket } from 'node:net'
import { constants } from 'node:os'
import { allocatePart, PIECE_LEAST } from '../core/allocator.js'
import { PvpnError } from '../core/errors.js'
import { ADDRESS_SIZE, socketAddressEndpoint } from '../core/socket-address.js'
import type { Bytes, Endpoint } from '../core/types.js'
import { FAILED, MORE, READABLE, WRITABLE } from '../native/contract.js'
import { HostSocket } from './host-socket.js'
import type { Hub, HubMember } from './hub.js'
import { ignore, type LeanSocket } from './lean-socket.js'
import { HUB_COPY, HUB_READ, READ_AHEAD } from './limits.js'
import { rawMemory } from './raw-memory.js'

const AGAIN = -constants.errno.EAGAIN
/** Where everybody reads to; given away when a read has filled much of it. */
let room = rawMemory.allocate(HUB_READ)

export class HubSocket implements LeanSocket, HubMember {
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
  bytesRead = 0
  bytesWritten = 0
  ended = false
  ending = false
  closed = false
  paused = true
  onData: (bytes: Bytes) => void = ignore
  onEnd: () => void = ignore
  onDrain: () => void = ignore
  onClose: (failed: boolean) => void = ignore
  onGone: () => void = ignore
  readonly #hub: Hub
  readonly #slot: number
  /** Something may be there to be read that was not told while paused. */
  #missed = false
  /** What the kernel has not taken yet, in order. */
  #waiting: Bytes[] | undefined
  #local: Endpoint | undefined

  /** Of a connection that was accepted; `remote` is undefined on a Unix socket. */
  constructor(hub: Hub, slot: number, remote: Endpoint | undefined) {
    this.#hub = hub
    this.#slot = slot
    this.remoteAddress = remote?.address
    this.remotePort = remote?.port
    hub.join(slot, this)
  }

  get localAddress(): string | undefined {
    return this.remoteAddress === undefined ? undefined : this.#own().address
  }

  get localPort(): number | undefined {
    return this.remoteAddress === undefined ? undefined : this.#own().port
  }

  get descriptor(): number {
    return this.closed ? -1 : this.#hub.native.hubDescriptor(this.#hub.handle, this.#slot)
  }

  onEvents(events: number): void {
    if ((events & (WRITABLE | FAILED)) !== 0 && this.#waiting !== undefined) {
      this.#flush()
      if (this.closed) return
    }
    // After the far side's end, and while nobody reads, a reset is told all the same: what we send goes nowhere.
    if ((this.ended || this.paused) && (events & FAILED) !== 0 && this.#error() !== 0) {
      this.#close(true, false)
    } else if (!this.ended && (events & (READABLE | MORE | FAILED)) !== 0) {
      if (this.paused) this.#missed = true
      else this.#read(events)
    }
  }

  resume(): void {
    this.paused = false
    if (!this.#missed || this.closed) return
    this.#missed = false
    this.#hub.native.hubRearm(this.#hub.handle, this.#slot)
  }

  pause(): void {
    this.paused = true
  }

  write(bytes: Bytes): boolean {
    if (this.closed || this.ending) return false
    this.bytesWritten += bytes.length
    if (this.#waiting !== undefined) {
      this.#waiting.push(bytes)
      return false
    }
    const sent = this.#send(bytes)
    if (sent === bytes.length) return true
    if (!this.closed) this.#waiting = [bytes.subarray(sent)]
    return false
  }

  end(lastWord?: Bytes): void {
    if (this.closed || this.ending) return
    if (lastWord !== undefined) this.write(lastWord)
    // The far side had reset it: the number may be another connection's by now.
    if (this.closed) return
    this.ending = true
    if (this.#waiting === undefined) this.#finish()
  }

  reset(): void {
    // Where all was sent and ended the far side has it: that is taken back from nobody.
    if (!this.closed) this.#close(false, !(this.ending && this.#waiting === undefined))
  }

  destroy(): void {
    if (!this.closed) this.#close(false, false)
  }

  promote(): { readonly node: Socket; readonly lean: LeanSocket } {
    if (this.closed) throw new PvpnError('ERR_ABORTED', 'the connection is closed')
    const { bytesRead: read, bytesWritten, ended, onClose, onGone } = this
    const waiting = this.#waiting ?? []
    let written = bytesWritten
    for (const bytes of waiting) written -= bytes.length
    this.closed = true
    const fd = this.#hub.take(this.#slot)
    const options = { fd, readable: true, writable: true, allowHalfOpen: true, manualStart: true }
    const node = new Socket({ ...options, ...{ highWaterMark: READ_AHEAD } })
    const lean = new HostSocket(node, { read, written, ended })
    lean.onClose = onClose
    lean.onGone = onGone
    for (const bytes of waiting) lean.write(bytes)
    node.pause()
    return { node, lean }
  }

  give(): Socket {
    return this.promote().node
  }

  #own(): Endpoint {
    if (this.#local === undefined) {
      if (this.closed) return { address: '', port: 0 }
      const record = new Uint8Array(ADDRESS_SIZE)
      this.#hub.native.hubName(this.#hub.handle, this.#slot, record)
      this.#local = socketAddressEndpoint(record)
    }
    return this.#local
  }

  #read(events: number): void {
    const { native, handle } = this.#hub
    const size = native.hubRead(handle, this.#slot, room)
    if (size > 0) {
      // What did not fill it was all, but for an end behind it: that comes with a turn of its own, as
      // everybody else's does, and whoever got the bytes may have done something about them till then.
      const more = size === room.length || (events & (MORE | FAILED)) !== 0
      this.bytesRead += size
      this.onData(handOut(size))
      if (!more || this.closed) return
      if (this.paused) this.#missed = true
      else native.hubRearm(handle, this.#slot)
    } else if (size === 0) {
      this.#endOfReading((events & FAILED) !== 0)
    } else if (size !== AGAIN) {
      this.#close(true, false)
    }
  }

  /** A reset that came behind the end is told by the connection's error: what was sent back is lost. */
  #endOfReading(failed: boolean): void {
    if (failed && this.#error() !== 0) {
      this.#close(true, false)
      return
    }
    this.ended = true
    this.onEnd()
    if (this.ending && this.#waiting === undefined && !this.closed) this.#close(false, false)
  }

  /** How many the kernel took; on failure the connection is closed. */
  #send(bytes: Bytes): number {
    const sent = this.#hub.native.hubWrite(this.#hub.handle, this.#slot, bytes)
    if (sent >= 0) return sent
    if (sent !== AGAIN) this.#close(true, false)
    return 0
  }

  #flush(): void {
    const waiting = this.#waiting as Bytes[]
    while (waiting.length > 0) {
      const bytes = waiting[0] as Bytes
      const sent = this.#send(bytes)
      if (this.closed) return
      if (sent < bytes.length) {
        waiting[0] = bytes.subarray(sent)
        return
      }
      waiting.shift()
    }
    this.#waiting = undefined
    if (this.ending) this.#finish()
    else this.onDrain()
  }

  /** Everything was sent, and our direction ends. */
  #finish(): void {
    if (this.ended) this.#close(false, false)
    else if (this.#hub.native.hubShutdown(this.#hub.handle, this.#slot) < 0)
      this.#close(true, false)
  }

  #error(): number {
    return this.#hub.native.hubError(this.#hub.handle, this.#slot)
  }

  #close(failed: boolean, reset: boolean): void {
    this.closed = true
    this.#waiting = undefined
    this.#hub.drop(this.#slot, reset)
    queueMicrotask(() => {
      this.onClose(failed)
      this.onGone()
    })
  }
}

/** What was read to `room`, as memory of its own. */
function handOut(size: number): Bytes {
  const read = room.subarray(0, size)
  if (size >= HUB_COPY) {
    room = rawMemory.allocate(HUB_READ)
    return read
  }
  if (size < PIECE_LEAST) return read.slice()
  const copy = allocatePart(rawMemory, size)
  copy.set(read)
  return copy
}
