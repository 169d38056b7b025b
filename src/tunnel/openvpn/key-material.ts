/**
 * The data channel's keys. 256 bytes, by the TLS exporter or by key method 2's PRF, are two keys of
 * 64 bytes cipher and 64 bytes HMAC each; the first is the client's to send with.
 */
import type { Bytes } from '../../core/types.js'
import type { HmacDigest } from '../../crypto/hmac.js'
import { tls1Prf } from '../../crypto/tls1-prf.js'
import { type HalfKey, halves } from './control-wrap.js'

export type Digest = Exclude<HmacDigest, 'md5'>

export const KEY_MATERIAL_SIZE = 256
/** RFC 5705 label of `key-derivation tls-ekm`. */
export const DATA_KEYS_LABEL = 'EXPORTER-OpenVPN-datakeys'

/** RFC 5705 label of the key that wraps later negotiations. */
export const DYNAMIC_TLS_CRYPT_LABEL = 'EXPORTER-OpenVPN-dynamic-tls-crypt'

export interface DataKeys {
  readonly send: HalfKey
  readonly receive: HalfKey
}

export function dataKeys(material: Bytes): DataKeys {
  const [send, receive] = halves(material)
  return { send, receive }
}

/** What each side puts into key method 2. */
export interface KeySource {
  /** 48 bytes; the client's alone. */
  readonly preMaster: Bytes
  /** 32 bytes each. */
  readonly random1: Bytes
  readonly random2: Bytes
}

export interface PrfInput {
  readonly client: KeySource
  readonly server: Pick<KeySource, 'random1' | 'random2'>
  readonly clientSessionId: Bytes
  readonly serverSessionId: Bytes
}

/** Key method 2 without the exporter: two rounds of TLS 1.0's PRF. */
export function prfMaterial(input: PrfInput): Bytes {
  const { client, server, clientSessionId, serverSessionId } = input
  const master = tls1Prf(
    client.preMaster,
    'OpenVPN master secret',
    joined(client.random1, server.random1),
    48,
  )
  return tls1Prf(
    master,
    'OpenVPN key expansion',
    joined(client.random2, server.random2, clientSessionId, serverSessionId),
    KEY_MATERIAL_SIZE,
  )
}

export function joined(...parts: readonly Bytes[]): Bytes {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
