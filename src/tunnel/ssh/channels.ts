/** The channels of one SSH connection: their numbers, how they come to be and how they end. A machine without I/O. */
import { PvpnError } from '../../core/errors.js'
import { formatHostPort, parseIp } from '../../core/ip.js'
import type { Bytes, Endpoint, Target } from '../../core/types.js'
import { type ChannelWire, SshChannel } from './channel.js'
import { MAX_SSH_CHANNELS, SSH_WINDOW_FIRST, SSH_WINDOW_MOST, SSH_WINDOWS_TOTAL } from './limits.js'
import { openFailure, REFUSE } from './open-failure.js'

/** Bytes of data in one packet that we take (RFC 4253 section 6.1 wants 32768 to be possible). */
export const SSH_PACKET = 32_768

export interface ConnectionWire extends ChannelWire {
  open(local: number, window: number, packet: number, target: Target): void
  confirm(remote: number, local: number, window: number, packet: number): void
  refuse(remote: number, reason: number): void
}

export interface OpenedByServer {
  readonly type: string
  readonly sender: number
  readonly window: number
  readonly packet: number
  /** Of `forwarded-tcpip`: the port of the server that was connected, and by whom. */
  readonly port: number | undefined
  readonly origin: Endpoint | undefined
}

interface Opening {
  readonly target: Target
  readonly done: (opened: SshChannel | PvpnError) => void
  /** Nobody waits any more: it is closed as soon as the server answers. */
  forgotten: boolean
}

const NOWHERE: Endpoint = { address: '0.0.0.0', port: 0 }

export class Channels {
  /** Takes a connection to a forwarded port; undefined: refused. */
  onForwarded: (port: number) => ((channel: SshChannel) => void) | undefined = () => undefined
  readonly #wire: ConnectionWire
  readonly #server: string
  readonly #open = new Map<number, SshChannel>()
  readonly #opening = new Map<number, Opening>()
  readonly #dirty = new Set<SshChannel>()
  #next = 0
  #over: PvpnError | undefined

  /** `server` names it in messages. */
  constructor(wire: ConnectionWire, server: string) {
    this.#wire = wire
    this.#server = server
  }

  get size(): number {
    return this.#open.size + this.#opening.size
  }

  /** Asks the server to connect (`direct-tcpip`); the result gives the wait up. `done` is never called from inside. */
  open(target: Target, done: Opening['done']): () => void {
    if (this.#over !== undefined || this.size >= MAX_SSH_CHANNELS) {
      const error =
        this.#over ?? new PvpnError('ERR_LIMIT', `${this.#server} has too many channels open`)
      queueMicrotask(() => done(error))
      return () => {}
    }
    const local = this.#number()
    const opening: Opening = { target, done, forgotten: false }
    this.#opening.set(local, opening)
    this.#wire.open(local, SSH_WINDOW_FIRST, SSH_PACKET, target)
    return () => {
      opening.forgotten = true
    }
  }

  /** False in this and the next ones: the server broke the protocol. */
  confirmed(local: number, remote: number, window: number, packet: number): boolean {
    const opening = this.#opening.get(local)
    if (opening === undefined) return false
    this.#opening.delete(local)
    const { host, port } = opening.target
    const address = parseIp(host) === undefined ? NOWHERE : { address: host, port }
    const start = { remote, window, packet, own: SSH_WINDOW_FIRST }
    const channel = this.#add(local, start, address)
    if (opening.forgotten) channel.abort()
    else opening.done(channel)
    return true
  }

  failed(local: number, reason: number, text: string): boolean {
    const opening = this.#opening.get(local)
    if (opening === undefined) return false
    this.#opening.delete(local)
    const { host, port } = opening.target
    if (!opening.forgotten) opening.done(openFailure(reason, text, formatHostPort(host, port)))
    return true
  }

  opened({ type, sender, window, packet, port, origin }: OpenedByServer): void {
    const take =
      type === 'forwarded-tcpip' && port !== undefined ? this.onForwarded(port) : undefined
    const full = this.size >= MAX_SSH_CHANNELS
    if (take === undefined || full) {
      this.#wire.refuse(sender, full ? REFUSE.shortage : REFUSE.prohibited)
      return
    }
    const local = this.#number()
    this.#wire.confirm(sender, local, SSH_WINDOW_FIRST, SSH_PACKET)
    const start = { remote: sender, window, packet, own: SSH_WINDOW_FIRST }
    take(this.#add(local, start, origin ?? NOWHERE))
  }

  received(local: number, bytes: Bytes): boolean {
    return this.#open.get(local)?.received(bytes) === true
  }

  adjusted(local: number, bytes: number): boolean {
    return this.#open.get(local)?.adjusted(bytes) === true
  }

  ended(local: number): boolean {
    const channel = this.#open.get(local)
    channel?.peerEnded()
    return channel !== undefined
  }

  closed(local: number): boolean {
    const channel = this.#open.get(local)
    if (channel === undefined) return false
    this.#open.delete(local)
    // What came before the close is the program's.
    channel.wake()
    this.#dirty.delete(channel)
    channel.peerClosed(new PvpnError('ERR_RESET', 'the far side has reset the connection'))
    return true
  }

  /** The server's number of an open channel. */
  numberOf(local: number): number | undefined {
    return this.#open.get(local)?.number
  }

  /** To be called when the input at hand is done: tells every channel's owner once. */
  flush(): void {
    for (const channel of this.#dirty) {
      this.#dirty.delete(channel)
      channel.wake()
    }
  }

  /** The wire is not full any more. */
  writable(): void {
    for (const channel of this.#open.values()) {
      if (this.#wire.full) break
      channel.wake()
    }
  }

  /** The connection is gone; final. */
  end(error: PvpnError): void {
    if (this.#over !== undefined) return
    this.#over = error
    const [open, opening] = [[...this.#open.values()], [...this.#opening.values()]]
    this.#open.clear()
    this.#opening.clear()
    this.#dirty.clear()
    for (const channel of open) channel.fail(error)
    for (const { forgotten, done } of opening) if (!forgotten) done(error)
  }

  #add(
    local: number,
    start: ConstructorParameters<typeof SshChannel>[1],
    remote: Endpoint,
  ): SshChannel {
    const channel = new SshChannel(
      this.#wire,
      start,
      { local: NOWHERE, remote },
      () => this.#windowMost(),
      (dirty) => this.#dirty.add(dirty),
    )
    this.#open.set(local, channel)
    return channel
  }

  #windowMost(): number {
    const share = Math.floor(SSH_WINDOWS_TOTAL / Math.max(1, this.#open.size))
    return Math.min(SSH_WINDOW_MOST, Math.max(SSH_WINDOW_FIRST, share))
  }

  #number(): number {
    do this.#next = (this.#next + 1) >>> 0
    while (this.#open.has(this.#next) || this.#opening.has(this.#next))
    return this.#next
  }
}
