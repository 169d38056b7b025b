/**
 * Memory for data on its way. Made for each chunk anew and left to be collected, tens of MB of it pile up
 * between two collections; so it is used again where it is known that nobody refers to it any more. Who does
 * not know says nothing.
 */
import type { Bytes } from './types.js'

/** Bytes of the smallest and the largest piece that is used again; others are made when they are needed. */
export const PIECE_LEAST = 2_048
export const PIECE_MOST = 262_144

export interface Allocator {
  /** `size` bytes whose content does not matter. A size that `pieceSize` names may be one used before. */
  allocate(size: number): Bytes
  /** Nobody refers to the memory any more that `bytes` is all or part of. */
  free(bytes: Bytes): void
  /** Of the memory that `bytes` is part of nothing else is in use, and each byte of them will be released, once. */
  lend(bytes: Bytes): void
  /** Nobody refers to these bytes any more. Of memory that was not lent this says nothing. */
  release(bytes: Bytes): void
}

/** The size of piece for `size` bytes: a power of two, or just that where no pieces are kept. */
export function pieceSize(size: number): number {
  if (size < PIECE_LEAST || size > PIECE_MOST) return size
  return 2 ** (32 - Math.clz32(size - 1))
}

/** `size` bytes of a piece that may be used again. */
export function allocatePart(allocator: Allocator, size: number): Bytes {
  const piece = allocator.allocate(pieceSize(size))
  return piece.length === size ? piece : piece.subarray(0, size)
}

/** Uses nothing again. */
export const plainAllocator: Allocator = {
  allocate: (size) => new Uint8Array(size),
  free: () => {},
  lend: () => {},
  release: () => {},
}
