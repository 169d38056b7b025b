/** The implementations of PacketCipher, for the tests that hold them to one behaviour. */
import type { PacketCipher } from '../../src/core/packet-cipher.js'
import type { Bytes } from '../../src/core/types.js'
import { AccelPacketCipher } from '../../src/crypto/packet-cipher-accel.js'
import { NodePacketCipher } from '../../src/crypto/packet-cipher-node.js'
import { WasmPacketCipher, wasmChaCha } from '../../src/crypto/packet-cipher-wasm.js'
import { accel, accelProblem } from '../../src/native/accel.js'
import { CHACHA20_POLY1305_PUBLIC } from '../../src/native/contract.js'

const native = accel()?.cipher

/** Why the addon can't be tested, or false. */
export const skipAccel: string | false =
  native === undefined ? (accelProblem() ?? 'switched off by PVPN_ACCEL') : false

export const nodeCipher = (key: Bytes): PacketCipher => new NodePacketCipher(key)

/** Only when `skipAccel` is false. */
export function accelCipher(key: Bytes): PacketCipher {
  if (native === undefined) throw new Error('no addon')
  return new AccelPacketCipher(native, key)
}

/** What the addon does where a Node keeps OpenSSL's primitives to itself. Only when `skipAccel` is false. */
export function publicAccelCipher(key: Bytes): PacketCipher {
  if (native === undefined) throw new Error('no addon')
  return new AccelPacketCipher(native, key, CHACHA20_POLY1305_PUBLIC)
}

const wasm = wasmChaCha()

/** Why WebAssembly can't be tested, or false. */
export const skipWasm: string | false = wasm === null && 'no WebAssembly with vectors'

/** Only when `skipWasm` is false. */
export function wasmCipher(key: Bytes): PacketCipher {
  if (wasm === null) throw new Error('no WebAssembly')
  return new WasmPacketCipher(wasm, key)
}

export const CIPHERS = [
  { name: 'node:crypto', make: nodeCipher, skip: false as string | false },
  { name: 'WebAssembly', make: wasmCipher, skip: skipWasm },
  { name: 'addon', make: accelCipher, skip: skipAccel },
  { name: "addon by OpenSSL's public interface", make: publicAccelCipher, skip: skipAccel },
]
