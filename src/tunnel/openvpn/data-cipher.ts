/** The data channel's ciphers: what they are called, and what one key of each does with a packet. */
import type { PacketBatch } from '../../core/packet-batch.js'
import type { Bytes, Random } from '../../core/types.js'
import { AeadDataCipher } from './data-aead.js'
import { CbcDataCipher } from './data-cbc.js'
import type { DataKeys, Digest } from './key-material.js'

/** One key id's key in both directions. */
export interface DataCipher {
  /** Bytes that sealing adds at most, without the header. */
  readonly overhead: number
  /**
   * Seals slots `from` … `to`-1 in place behind `header` (first byte, and the peer id of P_DATA_V2),
   * with packet ids from `packetId` on: offset and length then span the datagram. Empty slots are
   * skipped and take no id; one that does not fit gets length -1. Returns the next packet id.
   */
  seal(batch: PacketBatch, from: number, to: number, header: Bytes, packetId: number): number
  /**
   * Opens slots `from` … `to`-1 in place, whose headers are `headerSize` bytes: offset and length then
   * span the payload, `packetIds[i]` is its id. A forgery and what is too short gets length -1.
   */
  open(
    batch: PacketBatch,
    from: number,
    to: number,
    headerSize: number,
    packetIds: Float64Array,
  ): void
  /** Forgets the keys. */
  destroy(): void
}

const AEAD = {
  'AES-128-GCM': 'aes-128-gcm',
  'AES-192-GCM': 'aes-192-gcm',
  'AES-256-GCM': 'aes-256-gcm',
  'CHACHA20-POLY1305': 'chacha20-poly1305',
} as const

const CBC = {
  'AES-128-CBC': 'aes-128-cbc',
  'AES-192-CBC': 'aes-192-cbc',
  'AES-256-CBC': 'aes-256-cbc',
} as const

export type AeadName = keyof typeof AEAD
export type CbcName = keyof typeof CBC
export type DataCipherName = AeadName | CbcName

/** The cipher by any spelling; undefined when it is none of ours. */
export function dataCipherName(text: string): DataCipherName | undefined {
  const name = text.toUpperCase()
  return Object.hasOwn(AEAD, name) || Object.hasOwn(CBC, name)
    ? (name as DataCipherName)
    : undefined
}

export interface DataCipherOptions {
  readonly name: DataCipherName
  /** HMAC of the CBC ciphers. */
  readonly digest: Digest
  readonly keys: DataKeys
  readonly random: Random
}

export function createDataCipher(options: DataCipherOptions): DataCipher {
  const { name, digest, keys, random } = options
  if (Object.hasOwn(AEAD, name)) return new AeadDataCipher(AEAD[name as AeadName], keys)
  return new CbcDataCipher(CBC[name as CbcName], digest, keys, random)
}
