/**
 * Internet checksums of packets one by one in TypeScript, and of whole batches by the addon: packets
 * per second on one core, median of several rounds.
 *
 *   node build/bench/micro/checksum.js [SIZE …]
 */
import { PacketBatch } from '../../src/core/packet-batch.js'
import { packetChecksums } from '../../src/io/packet-checksums.js'
import { accelProblem } from '../../src/native/accel.js'
import { checksum, checksumAddPlain, checksumFold } from '../../src/wire/checksum.js'
import { rate, rateText } from './rounds.js'

const BATCH = 64
const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1420, 200]
const native = packetChecksums()
if (native === undefined) console.log(accelProblem() ?? 'the addon is switched off')

for (const size of sizes) {
  const batch = new PacketBatch({ capacity: BATCH, packetSize: size })
  for (let i = 0; i < BATCH; i++) {
    const at = batch.place()
    for (let byte = 0; byte < size; byte++) batch.bytes[at + byte] = (byte * 31 + i) & 0xff
    batch.commit(size)
  }
  const sums = new Int32Array(BATCH)
  const each = (sum: (at: number) => number): (() => void) => {
    return () => {
      for (let i = 0; i < BATCH; i++) sums[i] = sum(batch.offset[i] as number)
    }
  }
  const ways = {
    'TypeScript, wide words': each((at) => checksum(batch.bytes, at, size)),
    'TypeScript, byte by byte': each((at) =>
      checksumFold(checksumAddPlain(0, batch.bytes, at, size)),
    ),
    ...(native === undefined ? {} : { addon: () => native.sum(batch, sums) }),
  }
  for (const [name, step] of Object.entries(ways)) {
    console.log(`${name}, ${size} bytes: ${rateText(rate(BATCH, step))}`)
  }
}
