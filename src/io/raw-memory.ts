/** Memory whose content does not matter: not zeroed, as `new Uint8Array` would be, and used again. */
import { type Allocator, PIECE_LEAST, PIECE_MOST, pieceSize } from '../core/allocator.js'
import type { Bytes } from '../core/types.js'
import { REUSED_MEMORY } from './limits.js'

interface Piece {
  readonly bytes: Bytes
  /** Bytes that were lent and not released; NOT_LENT, or KEPT once it is known that nobody has it. */
  out: number
}

const NOT_LENT = 0
const KEPT = -1

/** Only for who reads no more than was written. */
export class RawMemory implements Allocator {
  /** All pieces that somebody refers to; a buffer that is in here is one of ours, and whole. */
  readonly #pieces = new WeakMap<ArrayBufferLike, Piece>()
  /** Pieces at hand, by the binary logarithm of their size. */
  readonly #kept: Piece[][] = Array.from({ length: 32 }, () => [])
  /** Bytes of them, never more than `most`. */
  kept = 0
  readonly #most: number

  constructor(most = REUSED_MEMORY) {
    this.#most = most
  }

  allocate(size: number): Bytes {
    if (size < PIECE_LEAST || size > PIECE_MOST || pieceSize(size) !== size) return fresh(size)
    const again = this.#shelf(size).pop()
    if (again !== undefined) {
      this.kept -= size
      again.out = NOT_LENT
      return again.bytes
    }
    const bytes = fresh(size)
    this.#pieces.set(bytes.buffer, { bytes, out: NOT_LENT })
    return bytes
  }

  free(bytes: Bytes): void {
    const piece = this.#find(bytes)
    if (piece !== undefined && piece.out !== KEPT) this.#keep(piece)
  }

  lend(bytes: Bytes): void {
    const piece = this.#find(bytes)
    if (piece !== undefined && piece.out === NOT_LENT) piece.out = bytes.length
  }

  release(bytes: Bytes): void {
    const piece = this.#find(bytes)
    if (piece === undefined || piece.out <= 0) return
    piece.out -= bytes.length
    if (piece.out === 0) this.#keep(piece)
  }

  /** What is at hand goes to be collected. */
  forget(): void {
    for (const shelf of this.#kept) shelf.length = 0
    this.kept = 0
  }

  /** A little data may stand in the heap; asking for its buffer would move it out of there. */
  #find(bytes: Bytes): Piece | undefined {
    return bytes.length < PIECE_LEAST / 2 ? undefined : this.#pieces.get(bytes.buffer)
  }

  #keep(piece: Piece): void {
    const { length } = piece.bytes
    piece.out = KEPT
    if (this.kept + length > this.#most) return
    this.kept += length
    this.#shelf(length).push(piece)
  }

  #shelf(size: number): Piece[] {
    return this.#kept[31 - Math.clz32(size)] as Piece[]
  }
}

function fresh(size: number): Bytes {
  const { buffer, byteOffset } = Buffer.allocUnsafeSlow(size)
  // One kind of array everywhere: V8 makes one fast path of the code that handles it.
  return new Uint8Array(buffer, byteOffset, size)
}

/** The process's. */
export const rawMemory = new RawMemory()
