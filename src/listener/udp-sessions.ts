/** Datagrams between many senders on one side and one target on the other: each sender has a port of its own there, so that answers find back. */
import type { DatagramPort } from '../core/stream.js'
import type { Bytes, Endpoint, Millis } from '../core/types.js'
import { MAX_UDP_SESSIONS, MAX_WAITING_DATAGRAMS, UDP_SESSION_IDLE } from './limits.js'

/** The far side of one session: a port, and whom it talks with. */
export interface FarSide {
  readonly port: DatagramPort
  readonly to: Endpoint
}

export class UdpSessions {
  readonly #near: DatagramPort
  readonly #open: () => Promise<FarSide>
  readonly #idle: Millis
  readonly #sessions = new Map<string, Session>()
  /** Runs while there are sessions. */
  #sweeper: NodeJS.Timeout | undefined

  /** Takes over the port where senders come in; `open` makes the far side of a new session. */
  constructor(near: DatagramPort, open: () => Promise<FarSide>, idle: Millis = UDP_SESSION_IDLE) {
    this.#near = near
    this.#open = open
    this.#idle = idle
    near.onMessage = (from, bytes) => this.#receive(from, bytes)
  }

  get size(): number {
    return this.#sessions.size
  }

  close(): void {
    clearInterval(this.#sweeper)
    this.#near.close()
    for (const session of this.#sessions.values()) session.close()
    this.#sessions.clear()
  }

  #receive(from: Endpoint, bytes: Bytes): void {
    const key = `${from.address} ${from.port}`
    let session = this.#sessions.get(key)
    if (session === undefined) {
      if (this.#sessions.size >= MAX_UDP_SESSIONS) return
      const answer = (payload: Bytes) => this.#near.send(from, payload)
      session = new Session(this.#open(), answer, () => this.#sessions.delete(key))
      this.#sessions.set(key, session)
      this.#sweeper ??= setInterval(() => this.#sweep(), Math.ceil(this.#idle / 8)).unref()
    }
    session.send(bytes)
  }

  #sweep(): void {
    const before = performance.now() - this.#idle
    for (const [key, session] of this.#sessions) {
      if (session.lastUsed > before) continue
      this.#sessions.delete(key)
      session.close()
    }
    if (this.#sessions.size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }
}

class Session {
  lastUsed = performance.now()
  readonly #waiting: Bytes[] = []
  #far: FarSide | undefined
  #closed = false

  constructor(opening: Promise<FarSide>, answer: (payload: Bytes) => void, failed: () => void) {
    opening.then(
      (far) => {
        if (this.#closed) {
          far.port.close()
          return
        }
        this.#far = far
        far.port.onMessage = (from, bytes) => {
          if (from.port !== far.to.port || from.address !== far.to.address) return
          this.lastUsed = performance.now()
          answer(bytes)
        }
        for (const bytes of this.#waiting.splice(0)) far.port.send(far.to, bytes)
      },
      // Datagrams may be lost, and the next one tries again.
      failed,
    )
  }

  send(bytes: Bytes): void {
    this.lastUsed = performance.now()
    if (this.#far !== undefined) this.#far.port.send(this.#far.to, bytes)
    else if (this.#waiting.length < MAX_WAITING_DATAGRAMS) this.#waiting.push(bytes.slice())
  }

  close(): void {
    this.#closed = true
    this.#far?.port.close()
  }
}
