/** What the ciphers that are not the addon ask of their arguments, as the addon does. */
import type { PacketBatch } from '../core/packet-batch.js'
import type { Bytes } from '../core/types.js'

export function checkKey(key: Bytes): void {
  if (key.length !== 32) throw new RangeError("the key's size does not fit the algorithm")
}

/** 0 <= from <= to <= most, and the key is still there. */
export function checkSlots(
  batch: PacketBatch,
  from: number,
  to: number,
  most: number,
  destroyed: boolean,
): void {
  if (destroyed) throw new Error("the cipher's key was forgotten")
  const whole = Number.isInteger(from) && Number.isInteger(to)
  if (!whole || from < 0 || from > to || to > most || to > batch.length.length) {
    throw new RangeError('slots out of range')
  }
}

/** No counter of the slots may wrap or be rounded to one used before: that would give the key's stream away. */
export function checkCounter(counter: number, slots: number): void {
  const most = Number.MAX_SAFE_INTEGER - slots
  if (!Number.isSafeInteger(counter) || counter < 0 || counter > most) {
    throw new RangeError('counter out of range')
  }
}

/** Can it be a received packet's counter (64 bits)? False for NaN. */
export function isCounter(counter: number): boolean {
  return counter >= 0 && counter < 2 ** 64
}
