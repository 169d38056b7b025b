/** Bytes for the codecs' tests. */
import type { Bytes } from '../../src/core/types.js'

export function hex(text: string): Bytes {
  return new Uint8Array(Buffer.from(text.replace(/\s/g, ''), 'hex'))
}

/** An array of which only bytes[at … at+length) may be read: any other index ends the test. */
export function fenced(bytes: Bytes, at: number, around = 64): Bytes {
  const memory = new Uint8Array(at + bytes.length + around).fill(0xa5)
  memory.set(bytes, at)
  return new Proxy(memory, {
    get(target, key) {
      if (typeof key === 'string' && /^-?\d+$/.test(key)) {
        const index = Number(key)
        if (index < at || index >= at + bytes.length) {
          throw new RangeError(`read of byte ${index}, outside of ${at} … ${at + bytes.length}`)
        }
      }
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
