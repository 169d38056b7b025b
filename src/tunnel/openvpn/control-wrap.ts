/** What protects control packets before and beside TLS: nothing, tls-auth or tls-crypt. */
import { set32, u32 } from '../../core/bytes.js'
import type { Bytes } from '../../core/types.js'
import { ReplayWindow } from '../wireguard/replay-window.js'
import { CONTROL_HEADER_SIZE } from './control-packet.js'

export type UnwrapFailure = 'malformed' | 'forged' | 'replay'

export interface ControlWrap {
  /** Bytes that wrapping adds. */
  readonly overhead: number
  /** The datagram of a header (first byte, session id) and a body. */
  wrap(header: Bytes, body: Bytes): Bytes
  /** The body of a datagram. */
  unwrap(datagram: Bytes): Bytes | UnwrapFailure
}

/** One half of a static key file (2048 bits): two keys of 64 bytes. */
export interface HalfKey {
  readonly cipher: Bytes
  readonly hmac: Bytes
}

/** Both halves of 256 bytes of static key. */
export function halves(key: Bytes): readonly [HalfKey, HalfKey] {
  const half = (at: number): HalfKey => ({
    cipher: key.subarray(at, at + 64),
    hmac: key.subarray(at + 64, at + 128),
  })
  return [half(0), half(128)]
}

export class PlainWrap implements ControlWrap {
  readonly overhead = 0

  wrap(header: Bytes, body: Bytes): Bytes {
    const out = new Uint8Array(header.length + body.length)
    out.set(header, 0)
    out.set(body, header.length)
    return out
  }

  unwrap(datagram: Bytes): Bytes | UnwrapFailure {
    if (datagram.length < CONTROL_HEADER_SIZE) return 'malformed'
    return datagram.subarray(CONTROL_HEADER_SIZE)
  }
}

/** Bytes of a packet id in its long form: counter and time. */
export const LONG_ID_SIZE = 8

/** Sends packet ids in the long form: the time (seconds since 1970) is that of the session's begin. */
export class LongPacketIds {
  readonly #time: number
  #counter: number

  constructor(time: number, first = 1) {
    this.#time = time
    this.#counter = first
  }

  write(out: Bytes, at: number): void {
    set32(out, at, this.#counter)
    set32(out, at + 4, this.#time)
    this.#counter++
  }
}

/** Which long packet ids were seen: an older time is a replay, a newer one begins anew. */
export class LongReplay {
  #time = -1
  #window = new ReplayWindow()

  /** Only for authenticated packets. */
  accept(bytes: Bytes, at: number): boolean {
    const time = u32(bytes, at + 4)
    if (time < this.#time) return false
    if (time > this.#time) {
      this.#time = time
      this.#window = new ReplayWindow()
    }
    return this.#window.accept(u32(bytes, at))
  }
}
