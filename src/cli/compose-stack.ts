/** The stack of an environment, with what the host can do faster than the stack itself. */
import { packetChecksums } from '../io/packet-checksums.js'
import { systemRandom } from '../io/random.js'
import { rawMemory } from '../io/raw-memory.js'
import type { Stack } from '../stack/contract.js'
import { createStack } from '../stack/stack.js'

export function systemStack(): Stack {
  return createStack({
    random: systemRandom,
    checksums: packetChecksums(),
    allocator: rawMemory,
  })
}
