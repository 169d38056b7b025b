/**
 * The process's connections with programs, by the addon: one epoll set, one wake-up for all that
 * happened, and for each what it is: a client to accept, or a connection to read or write.
 */
import { getSystemErrorName } from 'node:util'
import { socketAddress } from '../core/socket-address.js'
import type { Bytes } from '../core/types.js'
import type { AccelStreams, Handle } from '../native/contract.js'
import { HUB_EVENTS, LISTEN_BACKLOG } from './limits.js'

/** A slot's user. */
export interface HubMember {
  /** Bits of native/contract. */
  onEvents(events: number): void
}

export class Hub {
  readonly native: AccelStreams
  readonly #members: (HubMember | undefined)[] = []
  readonly #events = new Int32Array(2 * HUB_EVENTS)
  #count = 0
  #handle: Handle<'hub'> | undefined

  constructor(native: AccelStreams) {
    this.native = native
  }

  /** Open while something is in it: an open hub keeps the process alive. */
  get handle(): Handle<'hub'> {
    this.#handle ??= this.native.hubOpen(() => this.#turn())
    return this.#handle
  }

  /** The listener's slot. Throws the system's error. */
  listen(ip: Bytes, port: number, member: HubMember): number {
    return this.#listening(
      (handle) => this.native.hubListen(handle, socketAddress(ip, port), LISTEN_BACKLOG),
      member,
    )
  }

  listenUnix(path: string, member: HubMember): number {
    return this.#listening(
      (handle) => this.native.hubListenUnix(handle, path, LISTEN_BACKLOG),
      member,
    )
  }

  join(slot: number, member: HubMember): void {
    this.#members[slot] = member
    this.#count++
  }

  /** Closes it; with a reset where asked for. */
  drop(slot: number, reset: boolean): void {
    this.native.hubDrop(this.handle, slot, reset)
    this.#forget(slot)
  }

  /** The descriptor, which is the caller's from here on. */
  take(slot: number): number {
    const descriptor = this.native.hubTake(this.handle, slot)
    this.#forget(slot)
    return descriptor
  }

  #listening(listen: (handle: Handle<'hub'>) => number, member: HubMember): number {
    try {
      const slot = listen(this.handle)
      this.join(slot, member)
      return slot
    } finally {
      this.#closeIdle()
    }
  }

  #forget(slot: number): void {
    this.#members[slot] = undefined
    this.#count--
    this.#closeIdle()
  }

  #closeIdle(): void {
    if (this.#count > 0 || this.#handle === undefined) return
    this.native.hubClose(this.#handle)
    this.#handle = undefined
  }

  #turn(): void {
    const handle = this.#handle
    if (handle === undefined) return
    const events = this.#events
    const count = this.native.hubWait(handle, events)
    if (count < 0) throw new Error(`epoll_wait: ${getSystemErrorName(count)}`)
    for (let i = 0; i < count; i++) {
      // Closed meanwhile: numbers of another hub mean others.
      if (this.#handle !== handle) return
      this.#members[events[2 * i] as number]?.onEvents(events[2 * i + 1] as number)
    }
  }
}
