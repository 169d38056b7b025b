/** Handshake and cookie messages on their way out. */
import { ADDRESS_SIZE, type PacketBatch } from '../../core/packet-batch.js'
import type { Bytes } from '../../core/types.js'
import type { Counters } from './counters.js'
import { WG_OUTGOING_MESSAGES } from './limits.js'

export class Outgoing {
  readonly #messages: { readonly message: Bytes; readonly to: Bytes }[] = []
  readonly #counters: Counters

  constructor(counters: Counters) {
    this.#counters = counters
  }

  push(message: Bytes, address: Bytes): void {
    if (this.#messages.length >= WG_OUTGOING_MESSAGES) this.#counters.drops.outgoing++
    else this.#messages.push({ message, to: Uint8Array.from(address) })
  }

  clear(): void {
    this.#messages.length = 0
  }

  /** Appends messages until none is left or the batch is full. */
  poll(batch: PacketBatch): void {
    while (this.#messages.length > 0 && !batch.full) {
      const next = this.#messages.shift()
      if (next !== undefined) appendMessage(batch, next.message, next.to, this.#counters)
    }
  }
}

/** Appends one message to a batch that is not full. */
export function appendMessage(
  batch: PacketBatch,
  message: Bytes,
  to: Bytes,
  counters: Counters,
): void {
  const slot = batch.count
  if (!batch.push(message)) {
    counters.drops.outgoing++
    return
  }
  batch.address.set(to, slot * ADDRESS_SIZE)
  counters.bytesOut += message.length
  counters.packetsOut++
}
