/** ChaCha20-Poly1305 over packet batches: the addon's when there is one, else node:crypto's. */
import type { PacketCipher } from '../core/packet-cipher.js'
import type { Bytes } from '../core/types.js'
import { accel } from '../native/accel.js'
import { AccelPacketCipher } from './packet-cipher-accel.js'
import { NodePacketCipher } from './packet-cipher-node.js'

/** `key` is 32 bytes and is copied. */
export function createPacketCipher(key: Bytes): PacketCipher {
  const native = accel()?.cipher
  return native === undefined ? new NodePacketCipher(key) : new AccelPacketCipher(native, key)
}
