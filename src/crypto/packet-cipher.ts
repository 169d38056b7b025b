/** ChaCha20-Poly1305 over packet batches: the addon's when there is one, else WebAssembly's, else node:crypto's. */
import type { PacketCipher } from '../core/packet-cipher.js'
import type { Bytes } from '../core/types.js'
import { accel } from '../native/accel.js'
import { AccelPacketCipher } from './packet-cipher-accel.js'
import { NodePacketCipher } from './packet-cipher-node.js'
import { WasmPacketCipher, wasmChaCha } from './packet-cipher-wasm.js'

/** `key` is 32 bytes and is copied. */
export function createPacketCipher(key: Bytes): PacketCipher {
  const native = accel()?.cipher
  if (native !== undefined) return new AccelPacketCipher(native, key)
  const wasm = wasmChaCha()
  return wasm === null ? new NodePacketCipher(key) : new WasmPacketCipher(wasm, key)
}
