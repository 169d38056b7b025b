/**
 * The reliability layer under TLS: each message has a number from 0 and is sent until it is
 * acknowledged; the receiver puts messages in order. One pair of these per key negotiation.
 */
import type { Bytes, Millis } from '../../core/types.js'
import { MAX_ACKS } from './control-packet.js'
import { OVPN_PENDING_ACKS, OVPN_RECEIVE_WINDOW, OVPN_SEND_WINDOW } from './limits.js'
import { RETRANSMIT_FIRST, RETRANSMIT_LONGEST } from './timing.js'

/** A later message acknowledged this often sends an earlier one again at once. */
const OVERTAKEN = 3
/** Acknowledgements of one packet, those repeated included (OpenVPN 2.6's number). */
const REPEATED_ACKS = 4

export interface Message {
  readonly id: number
  readonly opcode: number
  readonly payload: Bytes
}

interface Sent extends Message {
  next: Millis
  wait: number
  overtaken: number
}

export class ReliableSender {
  readonly #unacknowledged: Sent[] = []
  #nextId = 0
  /** Until a message is sent again for the first time, in milliseconds. */
  firstWait = RETRANSMIT_FIRST

  /** Room for another message? */
  get open(): boolean {
    return this.#unacknowledged.length < OVPN_SEND_WINDOW
  }

  get idle(): boolean {
    return this.#unacknowledged.length === 0
  }

  /** Queues a message to be sent at once; only when `open`. */
  push(opcode: number, payload: Bytes, now: Millis): void {
    const id = this.#nextId++
    const wait = this.firstWait
    this.#unacknowledged.push({ id, opcode, payload, next: now, wait, overtaken: 0 })
  }

  acknowledged(id: number, now: Millis): void {
    const at = this.#unacknowledged.findIndex((sent) => sent.id === id)
    if (at < 0) return
    this.#unacknowledged.splice(at, 1)
    for (const earlier of this.#unacknowledged.slice(0, at)) {
      if (++earlier.overtaken === OVERTAKEN) earlier.next = Math.min(earlier.next, now)
    }
  }

  deadline(): Millis {
    let first = Number.POSITIVE_INFINITY
    for (const { next } of this.#unacknowledged) if (next < first) first = next
    return first
  }

  /** The next message that is due, noted as sent. */
  take(now: Millis): Message | undefined {
    const due = this.#unacknowledged.find((sent) => sent.next <= now)
    if (due === undefined) return undefined
    due.next = now + due.wait
    due.wait = Math.min(due.wait * 2, RETRANSMIT_LONGEST)
    return due
  }
}

export class ReliableReceiver {
  /** Messages ahead of the first missing one. */
  readonly #early = new Map<number, Message>()
  readonly #acks: number[] = []
  /** Acknowledged before. */
  #sent: readonly number[] = []
  #expected = 0

  /** False: outside of the window or seen before. What was seen before is acknowledged again. The payload is copied. */
  accept(id: number, opcode: number, payload: Bytes): boolean {
    if (id >= this.#expected + OVPN_RECEIVE_WINDOW) return false
    this.#acknowledge(id)
    if (id < this.#expected || this.#early.has(id)) return false
    this.#early.set(id, { id, opcode, payload: Uint8Array.from(payload) })
    return true
  }

  /** The next message in order. */
  take(): Message | undefined {
    const message = this.#early.get(this.#expected)
    if (message === undefined) return undefined
    this.#early.delete(this.#expected)
    this.#expected++
    return message
  }

  get owesAcks(): boolean {
    return this.#acks.length > 0
  }

  /**
   * The ids that the next packet acknowledges: what is owed, filled up with the last ones sent. A
   * server with cookies looks at those of the first message, and an acknowledgement may get lost.
   */
  takeAcks(most = MAX_ACKS): readonly number[] {
    const acks = this.#acks.splice(0, most)
    for (const id of this.#sent) {
      if (acks.length >= REPEATED_ACKS) break
      if (!acks.includes(id)) acks.push(id)
    }
    this.#sent = acks.slice(-REPEATED_ACKS)
    return acks
  }

  #acknowledge(id: number): void {
    if (this.#acks.includes(id)) return
    if (this.#acks.length >= OVPN_PENDING_ACKS) this.#acks.shift()
    this.#acks.push(id)
  }
}
