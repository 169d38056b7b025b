/** Memory that is used again, and spoilt in between: who still reads what was given back does not get away with it. */
import { type Allocator, PIECE_LEAST } from '../../src/core/allocator.js'
import { RawMemory } from '../../src/io/raw-memory.js'

const NEW = 0xee
const GONE = 0xdd

export class PoisonedMemory implements Allocator {
  /** How often a piece was asked for, and how often one was made for that. */
  asked = 0
  made = 0
  readonly #memory = new RawMemory()
  readonly #lent = new WeakSet<ArrayBufferLike>()

  allocate(size: number): Uint8Array {
    const { kept } = this.#memory
    const bytes = this.#memory.allocate(size).fill(NEW)
    if (size < PIECE_LEAST) return bytes
    this.asked++
    if (this.#memory.kept === kept) this.made++
    return bytes
  }

  free(bytes: Uint8Array): void {
    bytes.fill(GONE)
    this.#memory.free(bytes)
  }

  lend(bytes: Uint8Array): void {
    this.#lent.add(bytes.buffer)
    this.#memory.lend(bytes)
  }

  release(bytes: Uint8Array): void {
    if (this.#lent.has(bytes.buffer)) bytes.fill(GONE)
    this.#memory.release(bytes)
  }
}
