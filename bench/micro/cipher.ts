/**
 * Sealing and opening of packet batches by each implementation of `PacketCipher`: packets per second on
 * one core, median of several rounds.
 *
 *   node build/bench/micro/cipher.js [SIZE …]
 */
import { PacketBatch } from '../../src/core/packet-batch.js'
import type { PacketCipher } from '../../src/core/packet-cipher.js'
import { AccelPacketCipher } from '../../src/crypto/packet-cipher-accel.js'
import { NodePacketCipher } from '../../src/crypto/packet-cipher-node.js'
import { WasmPacketCipher, wasmChaCha } from '../../src/crypto/packet-cipher-wasm.js'
import { accel, accelProblem } from '../../src/native/accel.js'
import { rate, rateText } from './rounds.js'

const BATCH = 64
const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1420, 200]

const key = new Uint8Array(32).fill(7)
const native = accel()?.cipher
const ciphers: { name: string; cipher: PacketCipher }[] = [
  { name: 'node:crypto', cipher: new NodePacketCipher(key) },
]
const wasm = wasmChaCha()
if (wasm !== null) ciphers.push({ name: 'WebAssembly', cipher: new WasmPacketCipher(wasm, key) })
if (native !== undefined)
  ciphers.push({ name: 'addon', cipher: new AccelPacketCipher(native, key) })
else console.log(accelProblem() ?? 'the addon is switched off')

for (const size of sizes) {
  for (const { name, cipher } of ciphers) {
    const batch = new PacketBatch({ capacity: BATCH, packetSize: size })
    for (let i = 0; i < BATCH; i++) {
      batch.place()
      batch.commit(size)
    }
    const counters = Float64Array.from({ length: BATCH }, (_, i) => i)
    const sealing = rate(BATCH, () => {
      batch.length.fill(size)
      cipher.seal(batch, 0, BATCH, 0)
    })
    // Opening destroys what it opens, so that sealing it again is part of each step, and taken off.
    const both = rate(BATCH, () => {
      batch.length.fill(size)
      cipher.seal(batch, 0, BATCH, 0)
      cipher.open(batch, 0, BATCH, counters)
    })
    const opening = 1 / (1 / both - 1 / sealing)
    console.log(`${name}, ${size} bytes: seal ${rateText(sealing)}, open ${rateText(opening)}`)
  }
}
