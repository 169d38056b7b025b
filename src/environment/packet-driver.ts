/**
 * Drives one packet tunnel and one stack over one UDP socket. The only place where the three meet:
 *
 *   up:    socket ─ batch ─► tunnel.receive ─► stack.input ─► notify (listeners read and write)
 *   down:  stack.output ─► tunnel.transmit, tunnel.poll ─► socket.send
 *
 * One turn handles everything that is there; what the turn's callbacks produce goes out with it.
 */
import type { DatagramSocket } from '../core/datagram-socket.js'
import { PacketBatch } from '../core/packet-batch.js'
import type { PacketTunnel, TunnelEvent } from '../core/tunnel.js'
import type { Clock, Millis } from '../core/types.js'
import type { Stack } from '../stack/contract.js'
import {
  BATCH_CAPACITY,
  BATCHES_PER_SHORT_TURN,
  BATCHES_PER_TURN,
  MINIMUM_PACKET_SIZE,
} from './limits.js'

/** The smallest MTU that IPv4 programs can be given, in bytes (RFC 791: 576); IPv6 below 1280 fails by itself. */
const LEAST_MTU = 576

/** Datagrams in a batch from which on it is worth asking what waits behind them. */
const LARGE_BATCH = 32

export interface PacketDriverOptions {
  readonly tunnel: PacketTunnel
  readonly stack: Stack
  readonly socket: DatagramSocket
  /** Largest packet that what is below the tunnel leaves room for, in bytes, known once the tunnel is up; absent: no bound. */
  readonly room?: () => number
  readonly clock: Clock
  /** Runs `run` soon, after the event loop has handled what is ready now (setImmediate). */
  readonly soon: (run: () => void) => void
  /** Called in order for each event of the tunnel; `up` and `down` have reached the stack already. */
  readonly onEvent: (event: TunnelEvent) => void
}

export class PacketDriver {
  readonly #o: PacketDriverOptions
  readonly #out: PacketBatch
  /** Index of the first slot of `#out` that the kernel has not taken; the batch's count when it took all. */
  #unsent = 0
  #writable = true
  #turning = false
  #scheduled = false
  /** The scheduled turn is for what came up outside of turns, not only for the rest of an earlier turn. */
  #asked = false
  /** A queue stands in the socket. */
  #standing = false
  /** Closing was asked for: done at once, or when the turn ends that it was asked in. */
  #closing = false
  /** The tunnel was told to close. */
  #leaving = false
  /** After the last turn. */
  #closed = false
  #over: () => void = () => undefined
  /** The tunnel and the socket are closed, after `close`. */
  readonly closed = new Promise<void>((resolve) => {
    this.#over = resolve
  })
  #cancelTimer: (() => void) | undefined
  #timerAt: Millis = Number.POSITIVE_INFINITY

  constructor(options: PacketDriverOptions) {
    this.#o = options
    const packetSize = Math.max(MINIMUM_PACKET_SIZE, options.tunnel.link.mtu)
    this.#out = new PacketBatch({ capacity: BATCH_CAPACITY, packetSize })
    options.socket.onBatch = (batch) => this.#received(batch)
    options.socket.onArrival = () => {
      // The rest of an earlier turn has time: two turns in a row would hold up what arrives.
      if (this.#asked) this.#turnEarly()
    }
    options.socket.onWritable = () => {
      this.#writable = true
      if (!this.#closed) this.#turn(this.#o.clock.now())
    }
    options.stack.onReady = () => this.wake()
    options.tunnel.onReady = () => this.wake()
  }

  /** Opens the tunnel: from now on it connects and stays connected. */
  start(): void {
    const now = this.#o.clock.now()
    this.#o.tunnel.open(now)
    this.#turn(now)
  }

  /** Closes the tunnel, which may take it a moment, and the socket; the last datagrams are sent if the kernel takes them at once. */
  close(): void {
    if (this.#closing) return
    this.#closing = true
    if (!this.#turning) this.#end()
  }

  /**
   * Sends packets that are not the stack's. What the kernel does not take at once is lost, as at a full
   * link: whoever sends them has its own TCP.
   */
  transmit(batch: PacketBatch): void {
    if (this.#leaving || this.#unsent < this.#out.count) return
    this.#o.tunnel.transmit(batch, this.#o.clock.now())
    this.#o.socket.send(batch, 0)
    this.wake()
  }

  /** Something outside of a turn has produced output: runs a turn soon, once for all callers. */
  wake(): void {
    if (this.#turning) return
    this.#asked = true
    this.#schedule()
  }

  #end(): void {
    const now = this.#o.clock.now()
    this.#leaving = true
    this.#o.tunnel.close(now)
    this.#turn(now)
  }

  #finish(): void {
    this.#closed = true
    this.#cancelTimer?.()
    this.#o.socket.close()
    this.#over()
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    this.#o.soon(() => this.#turnEarly())
  }

  /** The turn that is due, if one is: now. */
  #turnEarly(): void {
    if (!this.#scheduled) return
    this.#scheduled = false
    if (!this.#closed) this.#turn(this.#o.clock.now())
  }

  #received(batch: PacketBatch): void {
    if (this.#closed) return
    const now = this.#o.clock.now()
    this.#o.tunnel.receive(batch, now)
    this.#o.stack.input(batch, now)
    if (batch.count >= LARGE_BATCH || this.#standing) {
      const { waiting } = this.#o.socket
      if (waiting !== undefined) this.#standing = this.#o.stack.waiting(waiting, now)
    }
    this.#turn(now)
  }

  #turn(now: Millis): void {
    if (this.#turning) return
    this.#turning = true
    this.#asked = false
    try {
      if (this.#o.tunnel.deadline() <= now) this.#o.tunnel.tick(now)
      if (this.#o.stack.deadline() <= now) this.#o.stack.tick(now)
      this.#events(now)
      this.#o.stack.notify()
      this.#send(now)
      // What sending brought about may want to send in its turn.
      if (this.#events(now)) this.#schedule()
    } finally {
      this.#turning = false
    }
    if (this.#leaving && this.#o.tunnel.leaving !== true) this.#finish()
    else if (this.#closing && !this.#leaving) this.#end()
    else this.#arm()
  }

  /** True when there were any. */
  #events(now: Millis): boolean {
    let any = false
    for (let e = this.#o.tunnel.takeEvent(); e !== undefined; e = this.#o.tunnel.takeEvent()) {
      const event = this.#fitted(e)
      if (event.kind === 'up') this.#o.stack.configure(event.link, now)
      this.#o.onEvent(event)
      any = true
    }
    return any
  }

  /** A packet that is too big for the way below would be cut there, each into two. */
  #fitted(event: TunnelEvent): TunnelEvent {
    const room = this.#o.room?.()
    if (event.kind !== 'up' || room === undefined || room >= event.link.mtu) return event
    return { ...event, link: { ...event.link, mtu: Math.max(room, LEAST_MTU) } }
  }

  #send(now: Millis): void {
    const { stack, tunnel, socket } = this.#o
    const short = stack.mixed(now)
    // What stands in the kernel is worked off soonest by large batches.
    socket.short = short && !this.#standing
    socket.prompt = short
    const most = short ? BATCHES_PER_SHORT_TURN : BATCHES_PER_TURN
    const out = this.#out
    for (let n = 0; n < most; n++) {
      if (!this.#flush()) return
      out.reset()
      this.#unsent = 0
      if (stack.output(out, now) > 0) tunnel.transmit(out, now)
      tunnel.poll(out, now)
      if (out.count === 0) return
    }
    if (this.#flush()) this.#schedule()
  }

  /** Gives the kernel what it has not taken yet. False: it is full, `onWritable` will come. */
  #flush(): boolean {
    if (this.#unsent < this.#out.count && this.#writable) {
      this.#unsent = this.#o.socket.send(this.#out, this.#unsent)
    }
    if (this.#unsent >= this.#out.count) return true
    this.#writable = false
    return false
  }

  #arm(): void {
    const at = Math.min(this.#o.tunnel.deadline(), this.#o.stack.deadline())
    // A deadline that moves away (each ACK moves one) leaves the timer: it fires once for nothing, which
    // is cheaper than a new timer per batch.
    if (at >= this.#timerAt || this.#closed) return
    this.#cancelTimer?.()
    this.#timerAt = at
    this.#cancelTimer = this.#o.clock.at(at, () => {
      this.#timerAt = Number.POSITIVE_INFINITY
      this.#cancelTimer = undefined
      if (!this.#closed) this.#turn(this.#o.clock.now())
    })
  }
}
