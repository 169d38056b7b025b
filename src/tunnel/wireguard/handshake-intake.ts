/** Handshake messages from the network: macs first, cookies under load, then the costly part. */
import { hasSocketAddress } from '../../core/socket-address.js'
import type { Bytes, Millis } from '../../core/types.js'
import { readInitiation } from './handshake.js'
import { LoadMeter } from './load-meter.js'
import { MacChecker } from './macs.js'
import {
  COOKIE_REPLY,
  COOKIE_REPLY_SIZE,
  INITIATION,
  INITIATION_SIZE,
  messageIndex,
  messageType,
  RESPONSE,
  RESPONSE_SIZE,
} from './message.js'
import type { Interface, Peer } from './peer.js'

export class HandshakeIntake {
  readonly #interface: Interface
  readonly #checker: MacChecker
  readonly #load = new LoadMeter()
  /** By public key, as text: a look-up per initiation only. */
  readonly #peers: ReadonlyMap<string, Peer>
  /** Whose messages may come without a source: they are as from where it was last. */
  readonly #onlyPeer: Peer | undefined

  constructor(shared: Interface, peers: readonly Peer[]) {
    this.#interface = shared
    this.#checker = new MacChecker(shared.identity.publicKey, shared.random)
    this.#onlyPeer = peers.length === 1 ? peers[0] : undefined
    this.#peers = new Map(peers.map((peer) => [keyText(peer.remote.publicKey), peer]))
  }

  /** A datagram of a size that `isHandshakeSize` knows, from this socket address, if it is known. */
  receive(message: Bytes, source: Bytes, now: Millis): void {
    const from = hasSocketAddress(source) ? source : (this.#onlyPeer?.endpoint.current ?? source)
    const { drops } = this.#interface.counters
    const type = messageType(message, 0)
    if (type === COOKIE_REPLY && message.length === COOKIE_REPLY_SIZE) {
      const entry = this.#interface.indices.get(messageIndex(message, 4))
      if (entry === undefined || !entry.peer.macs.takeCookie(message, now)) drops.handshake++
      return
    }
    const initiation = type === INITIATION && message.length === INITIATION_SIZE
    if (!initiation && !(type === RESPONSE && message.length === RESPONSE_SIZE)) {
      drops.malformed++
      return
    }
    if (!this.#checker.mac1Valid(message)) {
      drops.mac1++
      return
    }
    if (!this.#admit(message, from, now)) {
      drops.load++
      return
    }
    const taken = initiation
      ? this.#initiation(message, from, now)
      : this.#response(message, from, now)
    if (!taken) drops.handshake++
  }

  /** False: under load, and the sender has not proved its address or sends too much. */
  #admit(message: Bytes, from: Bytes, now: Millis): boolean {
    if (!this.#load.underLoad(now)) return true
    if (this.#checker.mac2Valid(message, from, now)) return this.#load.admit(from)
    this.#interface.outgoing.push(this.#checker.cookieReply(message, from, now), from)
    return false
  }

  #initiation(message: Bytes, from: Bytes, now: Millis): boolean {
    const { identity } = this.#interface
    const find = (key: Bytes) => this.#peers.get(keyText(key))
    const read = readInitiation(identity, message, (key) => find(key)?.remote.staticSecret)
    return read !== undefined && (find(read.staticKey)?.takeInitiation(read, from, now) ?? false)
  }

  #response(message: Bytes, from: Bytes, now: Millis): boolean {
    const index = messageIndex(message, 8)
    const peer = this.#interface.indices.get(index)?.peer
    return peer?.takeResponse(message, index, from, now) ?? false
  }
}

function keyText(key: Bytes): string {
  return String.fromCharCode(...key)
}
