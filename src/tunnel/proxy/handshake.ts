/** What is said to an upstream proxy before the bytes are the program's: a machine without I/O. */
import type { PvpnError } from '../../core/errors.js'
import type { Bytes, Target } from '../../core/types.js'

export type HandshakeStep =
  /** More is wanted; `send` first. */
  | { readonly kind: 'more'; readonly send?: Bytes }
  /** The rest belongs to the far side. `bound` is the address that a SOCKS server told. */
  | { readonly kind: 'done'; readonly rest: Bytes; readonly bound?: Target }
  | { readonly kind: 'failed'; readonly error: PvpnError }

export interface ProxyHandshake {
  /** What is sent first. */
  readonly greeting: Bytes
  /** Takes bytes in any cut; not to be called after `done` or `failed`. */
  push(chunk: Bytes): HandshakeStep
}

export interface Credentials {
  readonly username: string
  readonly password: string
}

export function joinBytes(a: Bytes, b: Bytes): Bytes {
  if (a.length === 0) return b
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}
