/** The implementations of PacketChecksums, for the tests that hold them to one behaviour. */
import { set16 } from '../../src/core/bytes.js'
import type { PacketBatch } from '../../src/core/packet-batch.js'
import { CHECKSUM_LEAST, type PacketChecksums } from '../../src/core/packet-checksums.js'
import { packetChecksums } from '../../src/io/packet-checksums.js'
import { accel, accelProblem } from '../../src/native/accel.js'
import { checksumAddPlain, checksumFold } from '../../src/wire/checksum.js'

/** By the stack's own sums, byte by byte. */
export const plainChecksums: PacketChecksums = {
  sum(batch, out) {
    if (batch.count > out.length) throw new RangeError('slots out of range')
    for (let i = 0; i < batch.count; i++) {
      const length = batch.length[i] as number
      out[i] = -1
      if (length < CHECKSUM_LEAST || !inside(batch, i)) continue
      out[i] = ~sumOf(batch, batch.offset[i] as number, length) & 0xffff
    }
  },
  complete(batch, open, from) {
    if (from > batch.count || batch.count > open.length) throw new RangeError('slots out of range')
    for (let i = from; i < batch.count; i++) {
      const wanted = open[i] as number
      const [start, field] = [wanted & 0xffff, wanted >>> 16]
      const length = batch.length[i] as number
      if (wanted === 0 || length < start || length < field + 2 || !inside(batch, i)) continue
      const at = batch.offset[i] as number
      set16(batch.bytes, at + field, sumOf(batch, at + start, length - start))
    }
  },
}

export const CHECKSUMS = [
  { name: 'plain', checksums: plainChecksums, skip: false as string | false },
  {
    name: 'addon',
    checksums: packetChecksums() ?? plainChecksums,
    skip: accel() === undefined && (accelProblem() ?? 'switched off by PVPN_ACCEL'),
  },
]

/** Complemented. */
function sumOf({ bytes }: PacketBatch, at: number, length: number): number {
  return checksumFold(checksumAddPlain(0, bytes, at, length))
}

function inside({ bytes, offset, length }: PacketBatch, i: number): boolean {
  const at = offset[i] as number
  return at >= 0 && at + (length[i] as number) <= bytes.length
}
