/**
 * mac1 and mac2 of handshake messages, and cookies (paper sections 5.3 and 5.4.7). mac1 shows that
 * the sender knows whom it writes to; mac2 that it receives what is sent to its address.
 */
import { set32le } from '../../core/bytes.js'
import { ADDRESS_SIZE } from '../../core/packet-batch.js'
import type { Bytes, Millis, Random } from '../../core/types.js'
import { XNONCE_SIZE, xopen, xseal } from '../../crypto/aead.js'
import { hash, MAC_SIZE, mac, macMatches } from '../../crypto/blake2s.js'
import { COOKIE_REPLY, COOKIE_REPLY_SIZE, MACS_SIZE, messageIndex, newMessage } from './message.js'
import { COOKIE_LIFETIME } from './timing.js'

const text = new TextEncoder()
const MAC1_LABEL = text.encode('mac1----')
const COOKIE_LABEL = text.encode('cookie--')

/** Writes the macs of messages to one peer, and takes that peer's cookies. */
export class MacWriter {
  readonly #mac1Key: Bytes
  readonly #cookieKey: Bytes
  #cookie: Bytes | undefined
  #cookieUntil: Millis = Number.NEGATIVE_INFINITY
  /** mac1 of the last message, by its sender index: what a cookie reply must be bound to. */
  #lastMac1: Bytes | undefined
  #lastIndex = 0

  constructor(peersPublicKey: Bytes) {
    this.#mac1Key = hash(MAC1_LABEL, peersPublicKey)
    this.#cookieKey = hash(COOKIE_LABEL, peersPublicKey)
  }

  write(message: Bytes, now: Millis): void {
    const at = message.length - MACS_SIZE
    const mac1 = mac(this.#mac1Key, message.subarray(0, at))
    message.set(mac1, at)
    this.#lastMac1 = mac1
    this.#lastIndex = messageIndex(message, 4)
    if (this.#cookie === undefined || now >= this.#cookieUntil) return
    const mac2At = at + MAC_SIZE
    message.set(mac(this.#cookie, message.subarray(0, mac2At)), mac2At)
  }

  /** Takes a cookie reply. False: it does not answer our last message, or is forged. */
  takeCookie(reply: Bytes, now: Millis): boolean {
    if (this.#lastMac1 === undefined || messageIndex(reply, 4) !== this.#lastIndex) return false
    const nonce = reply.subarray(8, 8 + XNONCE_SIZE)
    const cookie = xopen(this.#cookieKey, nonce, reply.subarray(32), this.#lastMac1)
    if (cookie === undefined) return false
    // One reply per message: a second one could only be a replay.
    this.#lastMac1 = undefined
    this.#cookie = cookie
    this.#cookieUntil = now + COOKIE_LIFETIME
    return true
  }
}

/** Checks the macs of messages to us, and makes cookies. */
export class MacChecker {
  readonly #mac1Key: Bytes
  readonly #cookieKey: Bytes
  readonly #random: Random
  readonly #secret = new Uint8Array(32)
  #secretUntil: Millis = Number.NEGATIVE_INFINITY

  constructor(ourPublicKey: Bytes, random: Random) {
    this.#mac1Key = hash(MAC1_LABEL, ourPublicKey)
    this.#cookieKey = hash(COOKIE_LABEL, ourPublicKey)
    this.#random = random
  }

  mac1Valid(message: Bytes): boolean {
    const at = message.length - MACS_SIZE
    return macMatches(this.#mac1Key, message.subarray(0, at), message, at)
  }

  /** Does mac2 prove that the sender receives at this address? */
  mac2Valid(message: Bytes, address: Bytes, now: Millis): boolean {
    if (now >= this.#secretUntil) return false
    const at = message.length - MAC_SIZE
    return macMatches(this.#cookie(address), message.subarray(0, at), message, at)
  }

  /** The reply that gives the sender of a handshake message (mac1 checked) a cookie for its address. */
  cookieReply(message: Bytes, address: Bytes, now: Millis): Bytes {
    if (now >= this.#secretUntil) {
      this.#random(this.#secret)
      this.#secretUntil = now + COOKIE_LIFETIME
    }
    const reply = newMessage(COOKIE_REPLY, COOKIE_REPLY_SIZE)
    set32le(reply, 4, messageIndex(message, 4))
    const nonce = new Uint8Array(XNONCE_SIZE)
    this.#random(nonce)
    reply.set(nonce, 8)
    const at = message.length - MACS_SIZE
    const mac1 = message.subarray(at, at + MAC_SIZE)
    reply.set(xseal(this.#cookieKey, nonce, this.#cookie(address), mac1), 32)
    return reply
  }

  #cookie(address: Bytes): Bytes {
    return mac(this.#secret, address.subarray(0, ADDRESS_SIZE))
  }
}
