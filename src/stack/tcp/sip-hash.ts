/** SipHash-2-4 (Aumasson, Bernstein): a keyed hash of short input, on pairs of 32-bit words. */
import { u8 } from '../../core/bytes.js'
import type { Bytes } from '../../core/types.js'

/** Low and high word of the four state words. */
const v = new Int32Array(8)

function load(b: Bytes, at: number): number {
  return u8(b, at) | (u8(b, at + 1) << 8) | (u8(b, at + 2) << 16) | (u8(b, at + 3) << 24)
}

/** v[a] += v[b] */
function add(a: number, b: number): void {
  const low = ((v[a] as number) >>> 0) + ((v[b] as number) >>> 0)
  v[a] = low | 0
  v[a + 1] = ((v[a + 1] as number) + (v[b + 1] as number) + (low > 0xffffffff ? 1 : 0)) | 0
}

/** v[a] = rotl(v[a], n) ^ v[b], 0 < n < 32 */
function rotateXor(a: number, n: number, b: number): void {
  const low = v[a] as number
  const high = v[a + 1] as number
  v[a] = ((low << n) | (high >>> (32 - n))) ^ (v[b] as number)
  v[a + 1] = ((high << n) | (low >>> (32 - n))) ^ (v[b + 1] as number)
}

/** v[a] = rotl(v[a], 32) */
function swap(a: number): void {
  const low = v[a] as number
  v[a] = v[a + 1] as number
  v[a + 1] = low
}

function round(): void {
  add(0, 2)
  rotateXor(2, 13, 0)
  swap(0)
  add(4, 6)
  rotateXor(6, 16, 4)
  add(0, 6)
  rotateXor(6, 21, 0)
  add(4, 2)
  rotateXor(2, 17, 4)
  swap(4)
}

/** Hash of `bytes` under the 16-byte `key` as two 32-bit words, low first, written to `out`. */
export function sipHash(key: Bytes, bytes: Bytes, out: Int32Array): void {
  const k0 = load(key, 0)
  const k1 = load(key, 4)
  const k2 = load(key, 8)
  const k3 = load(key, 12)
  v[0] = k0 ^ 0x70736575
  v[1] = k1 ^ 0x736f6d65
  v[2] = k2 ^ 0x6e646f6d
  v[3] = k3 ^ 0x646f7261
  v[4] = k0 ^ 0x6e657261
  v[5] = k1 ^ 0x6c796765
  v[6] = k2 ^ 0x79746573
  v[7] = k3 ^ 0x74656462
  const whole = bytes.length & ~7
  for (let i = 0; i < whole; i += 8) word(load(bytes, i), load(bytes, i + 4))
  let low = 0
  let high = (bytes.length & 255) << 24
  for (let i = whole; i < bytes.length; i++) {
    const place = i - whole
    if (place < 4) low |= u8(bytes, i) << (8 * place)
    else high |= u8(bytes, i) << (8 * (place - 4))
  }
  word(low, high)
  v[4] = (v[4] as number) ^ 0xff
  for (let i = 0; i < 4; i++) round()
  out[0] = (v[0] as number) ^ (v[2] as number) ^ (v[4] as number) ^ (v[6] as number)
  out[1] = (v[1] as number) ^ (v[3] as number) ^ (v[5] as number) ^ (v[7] as number)
}

function word(low: number, high: number): void {
  v[6] = (v[6] as number) ^ low
  v[7] = (v[7] as number) ^ high
  round()
  round()
  v[0] = (v[0] as number) ^ low
  v[1] = (v[1] as number) ^ high
}
