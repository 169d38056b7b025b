/** One session: keys in both directions, counters and age. */
import { set32le, set64le } from '../../core/bytes.js'
import type { PacketCipher, PacketCipherFactory } from '../../core/packet-cipher.js'
import type { Bytes, Millis } from '../../core/types.js'
import { counterNonce, seal } from '../../crypto/aead.js'
import type { SessionKeys } from './handshake.js'
import { DATA, DATA_HEADER, DATA_MINIMUM, newMessage } from './message.js'
import { ReplayWindow } from './replay-window.js'
import { REJECT_AFTER_MESSAGES, REJECT_AFTER_TIME } from './timing.js'

const EMPTY = new Uint8Array(0)

export class Keypair {
  readonly localIndex: number
  readonly remoteIndex: number
  readonly initiator: boolean
  readonly created: Millis
  readonly send: PacketCipher
  readonly receive: PacketCipher
  readonly window = new ReplayWindow()
  /** Counter of the next packet that we send. */
  counter = 0
  /** A new session was asked for because this one is only received on; once is enough. */
  renewalAsked = false
  readonly #sendKey: Bytes

  constructor(
    keys: SessionKeys,
    initiator: boolean,
    packetCipher: PacketCipherFactory,
    now: Millis,
  ) {
    this.localIndex = keys.localIndex
    this.remoteIndex = keys.remoteIndex
    this.initiator = initiator
    this.created = now
    this.send = packetCipher(keys.send)
    this.receive = packetCipher(keys.receive)
    this.#sendKey = Uint8Array.from(keys.send)
    keys.send.fill(0)
    keys.receive.fill(0)
  }

  /** Is it too old for any use? */
  expired(now: Millis): boolean {
    return now - this.created >= REJECT_AFTER_TIME
  }

  /** May packets still be sealed with it? */
  usable(now: Millis): boolean {
    return !this.expired(now) && this.counter < REJECT_AFTER_MESSAGES
  }

  /** Writes the header of a data message whose ciphertext begins at `at`. */
  writeHeader(bytes: Bytes, at: number, counter: number): void {
    set32le(bytes, at - DATA_HEADER, DATA)
    set32le(bytes, at - DATA_HEADER + 4, this.remoteIndex)
    set64le(bytes, at - DATA_HEADER + 8, counter)
  }

  /** A data message with nothing in it: the packet cipher skips empty packets. */
  keepalive(): Bytes {
    const message = newMessage(DATA, DATA_MINIMUM)
    const counter = this.counter++
    this.writeHeader(message, DATA_HEADER, counter)
    message.set(seal(this.#sendKey, counterNonce(counter), EMPTY, EMPTY), DATA_HEADER)
    return message
  }

  /** Wipes the keys; the session is of no use afterwards. */
  destroy(): void {
    this.send.destroy()
    this.receive.destroy()
    this.#sendKey.fill(0)
  }
}
