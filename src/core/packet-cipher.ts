/**
 * Authenticated encryption of whole batches under one key. Nonces are the packet counter: for
 * ChaCha20-Poly1305 four zero bytes and the counter as 64-bit little-endian (RFC 8439 section 2.8,
 * WireGuard's form). No associated data. Three implementations, the addon's for
 * whole batches, WebAssembly's and `node:crypto`'s per packet, are held to the same tests.
 */
import type { PacketBatch } from './packet-batch.js'
import type { Bytes } from './types.js'

/** Bytes that sealing adds behind a packet. */
export const TAG_SIZE = 16

export interface PacketCipher {
  /**
   * Seals slots `from` … `to`-1 in place: the plaintext at offset/length becomes ciphertext followed
   * by a 16-byte tag, `length` grows by 16. Slot i uses counter `counter + (i - from)`; slots of
   * length 0 or less keep their turn but are skipped. One that leaves no room for the tag in `bytes`
   * gets length -1. Throws when the slots or the counters (up to 2^53 - 1) leave their range.
   */
  seal(batch: PacketBatch, from: number, to: number, counter: number): void
  /**
   * Opens slots `from` … `to`-1 in place: ciphertext and tag at offset/length become the plaintext,
   * `length` shrinks by 16. `counters[i]` is slot i's counter. A forgery, and a slot that reaches
   * outside `bytes`, gets length -1 and its bytes are not to be used. Slots of length 0 or less are
   * skipped. Throws when the slots leave the batch or `counters`.
   */
  open(batch: PacketBatch, from: number, to: number, counters: Float64Array): void
  /** Forgets the key; nothing may be called afterwards. */
  destroy(): void
}

export type PacketCipherFactory = (key: Bytes) => PacketCipher
