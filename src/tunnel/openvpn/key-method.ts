/**
 * Key method 2: what both sides say first inside TLS. Then come control messages, each ended by a
 * zero byte. Everything arrives as a stream, cut anywhere.
 */
import { set8, set16, u8, u16 } from '../../core/bytes.js'
import type { Bytes } from '../../core/types.js'
import { joined, type KeySource } from './key-material.js'
import { OVPN_MESSAGE_BYTES } from './limits.js'

const METHOD_2 = 2
/** Four zero bytes and the method. */
const HEAD_SIZE = 5
const RANDOM_SIZE = 32

export interface ClientKeyMessage {
  readonly source: KeySource
  /** The options string, which servers only compare and warn about. */
  readonly options: string
  readonly username: string
  readonly password: string
  /** Lines `NAME=value`. */
  readonly peerInfo: readonly string[]
}

export function encodeKeyMessage(message: ClientKeyMessage): Bytes {
  const { source, options, username, password, peerInfo } = message
  const head = new Uint8Array(HEAD_SIZE)
  set8(head, 4, METHOD_2)
  return joined(
    head,
    source.preMaster,
    source.random1,
    source.random2,
    string(options),
    string(username),
    string(password),
    string(peerInfo.map((line) => `${line}\n`).join('')),
  )
}

/** Length with the zero byte at the end, then the bytes; an empty string is the length 0 alone. */
function string(text: string): Bytes {
  const bytes = new TextEncoder().encode(text)
  if (bytes.length === 0) return new Uint8Array(2)
  const out = new Uint8Array(2 + bytes.length + 1)
  set16(out, 0, bytes.length + 1)
  out.set(bytes, 2)
  return out
}

export interface ServerKeyMessage {
  readonly random1: Bytes
  readonly random2: Bytes
  readonly options: string
}

export type ServerItem =
  | { readonly kind: 'key'; readonly message: ServerKeyMessage }
  | { readonly kind: 'message'; readonly text: string }

/** Reads the server's side of the stream. */
export class ServerStream {
  #bytes: Bytes = new Uint8Array(0)
  #keyed = false
  #broken = false

  /** False: not the protocol, or a message above OVPN_MESSAGE_BYTES; nothing more comes out then. */
  push(chunk: Bytes): boolean {
    this.#broken ||= this.#bytes.length + chunk.length > 2 * OVPN_MESSAGE_BYTES
    if (!this.#broken) this.#bytes = joined(this.#bytes, chunk)
    return !this.#broken
  }

  get broken(): boolean {
    return this.#broken
  }

  /** The next whole item, undefined when there is none (yet). */
  take(): ServerItem | undefined {
    if (this.#broken) return undefined
    return this.#keyed ? this.#takeMessage() : this.#takeKey()
  }

  #takeKey(): ServerItem | undefined {
    const bytes = this.#bytes
    const optionsAt = HEAD_SIZE + 2 * RANDOM_SIZE
    if (bytes.length >= HEAD_SIZE && (u8(bytes, 4) & 0x0f) !== METHOD_2) this.#broken = true
    if (this.#broken || bytes.length < optionsAt + 2) return undefined
    const end = optionsAt + 2 + u16(bytes, optionsAt)
    if (bytes.length < end) return undefined
    this.#keyed = true
    this.#bytes = bytes.slice(end)
    return {
      kind: 'key',
      message: {
        random1: bytes.slice(HEAD_SIZE, HEAD_SIZE + RANDOM_SIZE),
        random2: bytes.slice(HEAD_SIZE + RANDOM_SIZE, optionsAt),
        options: text(bytes.subarray(optionsAt + 2, end)),
      },
    }
  }

  #takeMessage(): ServerItem | undefined {
    let at = 0
    // Behind the key message stand the strings that a server leaves empty, without a length in front
    // of them all: no control message begins with a byte below a space.
    while (at < this.#bytes.length && u8(this.#bytes, at) < 0x20) at++
    const end = this.#bytes.indexOf(0, at)
    if (end < 0) {
      if (this.#bytes.length - at > OVPN_MESSAGE_BYTES) this.#broken = true
      return undefined
    }
    const message = text(this.#bytes.subarray(at, end))
    this.#bytes = this.#bytes.slice(end + 1)
    return { kind: 'message', text: message }
  }
}

/** Without the zero byte at the end. */
function text(bytes: Bytes): string {
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))
}
