/** Memory whose content does not matter: not zeroed, as `new Uint8Array` would be. */
import type { Bytes } from '../core/types.js'

/** `size` bytes of whatever was there before: only for who reads no more than it has written. */
export function rawMemory(size: number): Bytes {
  const { buffer, byteOffset } = Buffer.allocUnsafeSlow(size)
  // One kind of array everywhere: V8 makes one fast path of the code that handles it.
  return new Uint8Array(buffer, byteOffset, size)
}
