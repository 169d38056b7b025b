/**
 * One key's negotiation on the control channel: resets, TLS over the reliability layer, key method 2,
 * and the control messages behind it. The first begins with hard resets, later ones with soft ones.
 */

import { u16 } from '../../core/bytes.js'
import type { PvpnError } from '../../core/errors.js'
import type { TlsEngine, TlsEngineFactory } from '../../core/tls-engine.js'
import type { Bytes, Millis } from '../../core/types.js'
import type { ControlBody } from './control-packet.js'
import type { KeySource } from './key-material.js'
import { type ServerItem, ServerStream } from './key-method.js'
import { OVPN_CONTROL_QUEUE_BYTES } from './limits.js'
import {
  P_ACK_V1,
  P_CONTROL_HARD_RESET_SERVER_V2,
  P_CONTROL_SOFT_RESET_V1,
  P_CONTROL_V1,
  P_CONTROL_WKC_V1,
} from './opcode.js'
import { ReliableReceiver, ReliableSender } from './reliable.js'
import { EXIT_RETRANSMIT } from './timing.js'

/** What the TLS engine says, in order, taken up in the machine's own turn. */
export type TlsEvent =
  | { readonly kind: 'output'; readonly bytes: Bytes }
  | { readonly kind: 'secure' }
  | { readonly kind: 'plaintext'; readonly bytes: Bytes }
  | { readonly kind: 'error'; readonly error: PvpnError }

export interface NegotiationOptions {
  readonly keyId: number
  /** The opcode that opens it: a hard or a soft reset. */
  readonly opening: number
  readonly source: KeySource
  readonly tls: TlsEngineFactory
  readonly onTls: (event: TlsEvent) => void
  readonly now: Millis
}

/** A packet to be sent, without its wrap. */
export interface Outgoing {
  readonly opcode: number
  readonly body: ControlBody
}

/** Type, length and value in the server's reset: it wants the wrapped client key again. */
const EARLY_FLAGS = 1
const RESEND_WRAPPED_KEY = 1

const EMPTY = new Uint8Array(0)

export class Negotiation {
  readonly keyId: number
  readonly source: KeySource
  readonly #o: NegotiationOptions
  readonly #sender = new ReliableSender()
  readonly #receiver = new ReliableReceiver()
  readonly #stream = new ServerStream()
  readonly #records: Bytes[] = []
  #recordBytes = 0
  #tls: TlsEngine | undefined
  #wrappedKeyWanted = false
  /** The peer has answered our reset. */
  answered = false
  secure = false
  /** When its key was agreed. */
  keyedAt: Millis | undefined

  constructor(options: NegotiationOptions) {
    this.#o = options
    this.keyId = options.keyId
    this.source = options.source
    this.#sender.push(options.opening, EMPTY, options.now)
  }

  /** Everything sent has been acknowledged, and nothing waits. */
  get quiet(): boolean {
    return this.#sender.idle && this.#records.length === 0
  }

  receive(opcode: number, body: ControlBody, now: Millis): void {
    for (const id of body.acks) this.#sender.acknowledged(id, now)
    if (body.messageId === undefined) return
    this.#receiver.accept(body.messageId, opcode, body.payload)
    for (let m = this.#receiver.take(); m !== undefined; m = this.#receiver.take()) {
      if (m.opcode === P_CONTROL_V1) this.#tls?.input(m.payload)
      else if (
        m.opcode === P_CONTROL_SOFT_RESET_V1 ||
        m.opcode === P_CONTROL_HARD_RESET_SERVER_V2
      ) {
        this.#begin(m.payload)
      }
    }
  }

  /** One of the engine's answers. False: we would owe the peer more than OVPN_CONTROL_QUEUE_BYTES, or the peer's stream is broken. */
  tlsEvent(event: TlsEvent): boolean {
    if (event.kind === 'output') {
      this.#records.push(event.bytes)
      this.#recordBytes += event.bytes.length
      return this.#recordBytes <= OVPN_CONTROL_QUEUE_BYTES
    }
    if (event.kind === 'plaintext') return this.#stream.push(event.bytes)
    this.secure ||= event.kind === 'secure'
    return true
  }

  /** What the server has said inside TLS. */
  takeItem(): ServerItem | undefined {
    return this.#stream.take()
  }

  get broken(): boolean {
    return this.#stream.broken
  }

  write(bytes: Bytes): void {
    this.#tls?.write(bytes)
  }

  /** The last thing to be said: there is little time for it. */
  writeLast(bytes: Bytes): void {
    this.#sender.firstWait = EXIT_RETRANSMIT
    this.write(bytes)
  }

  exportKey(length: number, label: string): Bytes | undefined {
    return this.#tls?.exportKey(length, label)
  }

  deadline(): Millis {
    if (this.#owesAcks || (this.#records.length > 0 && this.#sender.open)) return 0
    return this.#sender.deadline()
  }

  /** Acknowledgements wait for the message that carries the wrapped key: without it the server can't read them. */
  get #owesAcks(): boolean {
    return this.#receiver.owesAcks && !this.#wrappedKeyWanted
  }

  /** The next packet that is due. `room(opcode)`: bytes of payload that fit one. */
  take(
    room: (opcode: number) => number,
    peer: Bytes | undefined,
    now: Millis,
  ): Outgoing | undefined {
    while (this.#records.length > 0 && this.#sender.open) {
      const opcode = this.#wrappedKeyWanted ? P_CONTROL_WKC_V1 : P_CONTROL_V1
      this.#wrappedKeyWanted = false
      this.#sender.push(opcode, this.#cut(room(opcode)), now)
    }
    const message = this.#sender.take(now)
    if (message === undefined && !this.#owesAcks) return undefined
    const acks = peer === undefined ? [] : this.#receiver.takeAcks()
    if (message === undefined && acks.length === 0) return undefined
    return {
      opcode: message?.opcode ?? P_ACK_V1,
      body: {
        acks,
        peerSessionId: peer,
        messageId: message?.id,
        payload: message?.payload ?? EMPTY,
      },
    }
  }

  /** Ends TLS; what the peer sends again is still acknowledged. */
  retire(): void {
    this.#tls?.close()
    this.#tls = undefined
    this.#records.length = 0
    this.#recordBytes = 0
  }

  #begin(payload: Bytes): void {
    if (this.#tls !== undefined || this.answered) return
    this.answered = true
    this.#wrappedKeyWanted = wantsWrappedKey(payload)
    const { onTls } = this.#o
    this.#tls = this.#o.tls({
      onOutput: (bytes) => onTls({ kind: 'output', bytes }),
      onSecure: () => onTls({ kind: 'secure' }),
      onPlaintext: (bytes) => onTls({ kind: 'plaintext', bytes }),
      onError: (error) => onTls({ kind: 'error', error }),
    })
  }

  /** The next bytes of the records, as many as fit. */
  #cut(room: number): Bytes {
    const out = new Uint8Array(Math.min(room, this.#recordBytes))
    let at = 0
    while (at < out.length) {
      const first = this.#records[0] as Bytes
      const part = first.subarray(0, out.length - at)
      out.set(part, at)
      at += part.length
      if (part.length === first.length) this.#records.shift()
      else this.#records[0] = first.subarray(part.length)
    }
    this.#recordBytes -= out.length
    return out
  }
}

function wantsWrappedKey(payload: Bytes): boolean {
  for (let at = 0; at + 4 <= payload.length; at += 4 + u16(payload, at + 2)) {
    const whole = u16(payload, at + 2) >= 2 && at + 6 <= payload.length
    if (whole && u16(payload, at) === EARLY_FLAGS) {
      return (u16(payload, at + 4) & RESEND_WRAPPED_KEY) !== 0
    }
  }
  return false
}
