/** Both implementations of PacketCipher, for the tests that hold them to one behaviour. */
import type { PacketCipher } from '../../src/core/packet-cipher.js'
import type { Bytes } from '../../src/core/types.js'
import { AccelPacketCipher } from '../../src/crypto/packet-cipher-accel.js'
import { NodePacketCipher } from '../../src/crypto/packet-cipher-node.js'
import { accel, accelProblem } from '../../src/native/accel.js'

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

export const CIPHERS = [
  { name: 'node:crypto', make: nodeCipher, skip: false as string | false },
  { name: 'addon', make: accelCipher, skip: skipAccel },
]
