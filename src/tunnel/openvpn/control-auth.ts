/**
 * tls-auth: an HMAC over each control packet.
 *
 *   first byte, session id | HMAC | packet id 4, time 4 | body
 *
 * The HMAC covers packet id and time, then first byte and session id, then the body.
 */
import type { Bytes } from '../../core/types.js'
import { DIGEST_SIZE, type HmacDigest, hmac, sameTag } from '../../crypto/hmac.js'
import { CONTROL_HEADER_SIZE } from './control-packet.js'
import {
  type ControlWrap,
  halves,
  LONG_ID_SIZE,
  type LongPacketIds,
  LongReplay,
  type UnwrapFailure,
} from './control-wrap.js'

export interface AuthWrapOptions {
  readonly key: Bytes
  readonly digest: HmacDigest
  /** Undefined: one key for both ways. */
  readonly direction: 0 | 1 | undefined
  readonly ids: LongPacketIds
}

export class AuthWrap implements ControlWrap {
  readonly overhead: number
  readonly #digest: HmacDigest
  readonly #out: Bytes
  readonly #in: Bytes
  readonly #ids: LongPacketIds
  readonly #replay = new LongReplay()

  constructor({ key, digest, direction, ids }: AuthWrapOptions) {
    const keys = halves(key)
    const size = DIGEST_SIZE[digest]
    this.#digest = digest
    this.#out = keys[direction === 1 ? 1 : 0].hmac.subarray(0, size)
    this.#in = keys[direction === 0 ? 1 : 0].hmac.subarray(0, size)
    this.#ids = ids
    this.overhead = size + LONG_ID_SIZE
  }

  wrap(header: Bytes, body: Bytes): Bytes {
    const idAt = header.length + DIGEST_SIZE[this.#digest]
    const out = new Uint8Array(idAt + LONG_ID_SIZE + body.length)
    out.set(header, 0)
    this.#ids.write(out, idAt)
    out.set(body, idAt + LONG_ID_SIZE)
    const id = out.subarray(idAt, idAt + LONG_ID_SIZE)
    out.set(hmac(this.#digest, this.#out, id, header, body), header.length)
    return out
  }

  unwrap(datagram: Bytes): Bytes | UnwrapFailure {
    const idAt = CONTROL_HEADER_SIZE + DIGEST_SIZE[this.#digest]
    if (datagram.length < idAt + LONG_ID_SIZE) return 'malformed'
    const header = datagram.subarray(0, CONTROL_HEADER_SIZE)
    const id = datagram.subarray(idAt, idAt + LONG_ID_SIZE)
    const body = datagram.subarray(idAt + LONG_ID_SIZE)
    const expected = hmac(this.#digest, this.#in, id, header, body)
    if (!sameTag(expected, datagram.subarray(CONTROL_HEADER_SIZE, idAt))) return 'forged'
    return this.#replay.accept(datagram, idAt) ? body : 'replay'
  }
}
