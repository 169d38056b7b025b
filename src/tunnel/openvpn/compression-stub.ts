/**
 * The framing that compression leaves when nothing is compressed. Compressed packets are refused:
 * compression inside encryption tells secrets (VORACLE), and servers keep it for old clients only.
 */
import { set8, u8 } from '../../core/bytes.js'
import type { PacketBatch } from '../../core/packet-batch.js'

/**
 * - `none`: no framing
 * - `lzo`: `comp-lzo no`, a byte in front
 * - `swap`: `compress`, the packet's first byte moved to its end
 * - `v2`: `compress stub-v2`, framing only for packets that look like some
 */
export type CompressionStub = 'none' | 'lzo' | 'swap' | 'v2'

const NOT_COMPRESSED = 0xfa
const NOT_COMPRESSED_SWAPPED = 0xfb
const V2_INDICATOR = 0x50

/** Puts the framing around slot `i`. */
export function addStub(stub: CompressionStub, batch: PacketBatch, i: number): void {
  const at = batch.offset[i] as number
  const length = batch.length[i] as number
  const { bytes } = batch
  if (stub === 'lzo') {
    set8(bytes, at - 1, NOT_COMPRESSED)
    batch.offset[i] = at - 1
    batch.length[i] = length + 1
  } else if (stub === 'swap') {
    bytes[at + length] = u8(bytes, at)
    set8(bytes, at, NOT_COMPRESSED_SWAPPED)
    batch.length[i] = length + 1
  } else if (stub === 'v2' && u8(bytes, at) === V2_INDICATOR) {
    set8(bytes, at - 2, V2_INDICATOR)
    set8(bytes, at - 1, 0)
    batch.offset[i] = at - 2
    batch.length[i] = length + 2
  }
}

/** Takes the framing off slot `i`, which is not empty. False: compressed, or not framed. */
export function removeStub(stub: CompressionStub, batch: PacketBatch, i: number): boolean {
  if (stub === 'none') return true
  const at = batch.offset[i] as number
  const length = batch.length[i] as number
  const { bytes } = batch
  const first = u8(bytes, at)
  if (stub === 'swap') {
    if (first !== NOT_COMPRESSED_SWAPPED || length < 2) return false
    bytes[at] = u8(bytes, at + length - 1)
    batch.length[i] = length - 1
    return true
  }
  if (stub === 'lzo') {
    if (first !== NOT_COMPRESSED) return false
    batch.offset[i] = at + 1
    batch.length[i] = length - 1
    return true
  }
  if (first !== V2_INDICATOR) return true
  if (length < 2 || u8(bytes, at + 1) !== 0) return false
  batch.offset[i] = at + 2
  batch.length[i] = length - 2
  return true
}
