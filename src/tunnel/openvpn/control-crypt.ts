/**
 * tls-crypt: the body is encrypted with AES-256-CTR and authenticated with HMAC-SHA256; the tag's
 * first half is the initialisation vector (SIV construction).
 *
 *   first byte, session id | packet id 4, time 4 | tag 32 | encrypted body
 *
 * tls-crypt-v2 is the same with a key of the client's own, which the server gets wrapped (WKc) behind
 * the first packet.
 */
import type { Bytes } from '../../core/types.js'
import { aes256Ctr } from '../../crypto/aes.js'
import { hmac, sameTag } from '../../crypto/hmac.js'
import { CONTROL_HEADER_SIZE } from './control-packet.js'
import {
  type ControlWrap,
  type HalfKey,
  halves,
  LONG_ID_SIZE,
  type LongPacketIds,
  LongReplay,
  type UnwrapFailure,
} from './control-wrap.js'

const TAG_SIZE = 32
const IV_SIZE = 16
const KEY_SIZE = 32
const TAG_AT = CONTROL_HEADER_SIZE + LONG_ID_SIZE
const BODY_AT = TAG_AT + TAG_SIZE

/** A first packet id that says: I can send the wrapped key again (2.6, tls-crypt-v2 with cookies). */
export const EARLY_NEGOTIATION_FIRST_ID = 0x0f000001

export class CryptWrap implements ControlWrap {
  readonly overhead = LONG_ID_SIZE + TAG_SIZE
  readonly #out: HalfKey
  readonly #in: HalfKey
  readonly #ids: LongPacketIds
  readonly #replay = new LongReplay()

  /** `key` is 256 bytes; the client seals with its second half. */
  constructor(key: Bytes, ids: LongPacketIds) {
    const [first, second] = halves(key)
    this.#out = shortened(second)
    this.#in = shortened(first)
    this.#ids = ids
  }

  wrap(header: Bytes, body: Bytes): Bytes {
    const out = new Uint8Array(BODY_AT + body.length)
    out.set(header, 0)
    this.#ids.write(out, CONTROL_HEADER_SIZE)
    const tag = hmac('sha256', this.#out.hmac, out.subarray(0, TAG_AT), body)
    out.set(tag, TAG_AT)
    out.set(aes256Ctr(this.#out.cipher, tag.subarray(0, IV_SIZE), body), BODY_AT)
    return out
  }

  unwrap(datagram: Bytes): Bytes | UnwrapFailure {
    if (datagram.length < BODY_AT) return 'malformed'
    const tag = datagram.subarray(TAG_AT, BODY_AT)
    const sealed = datagram.subarray(BODY_AT)
    const body = aes256Ctr(this.#in.cipher, tag.subarray(0, IV_SIZE), sealed)
    const expected = hmac('sha256', this.#in.hmac, datagram.subarray(0, TAG_AT), body)
    if (!sameTag(expected, tag)) return 'forged'
    return this.#replay.accept(datagram, CONTROL_HEADER_SIZE) ? body : 'replay'
  }
}

function shortened({ cipher, hmac: mac }: HalfKey): HalfKey {
  return { cipher: cipher.subarray(0, KEY_SIZE), hmac: mac.subarray(0, KEY_SIZE) }
}
