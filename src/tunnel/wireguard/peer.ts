/** One peer: its sessions, the handshake under way, what waits for a session, and the timers of section 6. */
import { type Prefix, parsePrefix } from '../../core/ip.js'
import type { WireguardPeerOptions } from '../../core/options.js'
import type { PacketCipherFactory } from '../../core/packet-cipher.js'
import { hasSocketAddress } from '../../core/socket-address.js'
import type { Bytes, Millis, Random } from '../../core/types.js'
import { sharedSecret } from '../../crypto/x25519.js'
import type { Counters } from './counters.js'
import {
  createInitiation,
  createResponse,
  type Identity,
  type InitiatorState,
  type ReadInitiation,
  type RemoteIdentity,
  readResponse,
  type SessionKeys,
  wipeInitiator,
} from './handshake.js'
import { type Health, noAnswer, unresolved } from './health.js'
import type { IndexTable } from './index-table.js'
import { Keypair } from './keypair.js'
import { WG_INITIATION_INTERVAL, WG_WAITING_PACKETS } from './limits.js'
import { MacWriter } from './macs.js'
import type { Outgoing } from './outgoing.js'
import { PeerEndpoint } from './peer-endpoint.js'
import { PeerTimers } from './peer-timers.js'
import { Sessions } from './sessions.js'
import { isLater, TIMESTAMP_SIZE } from './tai64n.js'
import {
  DOWN_AFTER_TIME,
  REKEY_AFTER_MESSAGES,
  REKEY_AFTER_TIME,
  REKEY_ATTEMPT_TIME,
  REKEY_ON_RECEIVE_TIME,
  REKEY_TIMEOUT,
  RESOLVE_TIMEOUT,
  SLOW_RETRY_TIMEOUT,
} from './timing.js'

/** What all peers of one interface share. */
export interface Interface {
  readonly identity: Identity
  readonly random: Random
  readonly packetCipher: PacketCipherFactory
  readonly indices: IndexTable
  readonly outgoing: Outgoing
  readonly health: Health
  readonly counters: Counters
  nextTimestamp(): Bytes
  /** Asks for the addresses of the endpoint's name. */
  resolve(peer: Peer): void
}

/** Handshakes that have not been answered. */
interface Attempt {
  readonly since: Millis
  handshakes: number
  /** Has it lasted REKEY_ATTEMPT_TIME? */
  long: boolean
}

const NEVER = Number.NEGATIVE_INFINITY

export class Peer {
  readonly endpoint: PeerEndpoint
  readonly macs: MacWriter
  readonly remote: RemoteIdentity
  readonly allowedIps: readonly Prefix[]
  readonly timers: PeerTimers
  readonly #sessions: Sessions
  #handshake: InitiatorState | undefined
  #attempt: Attempt | undefined
  readonly #waiting: Bytes[] = []
  #keepaliveDue = false
  #lastInitiationSent: Millis = NEVER
  #lastInitiationTaken: Millis = NEVER
  #lastReceived: Millis = NEVER
  #resolveAsked: Millis = NEVER
  /** Greatest timestamp seen from the peer; zeros before the first. */
  #timestamp: Bytes = new Uint8Array(TIMESTAMP_SIZE)
  lastHandshake: Millis | undefined
  readonly #interface: Interface

  constructor(options: WireguardPeerOptions, shared: Interface) {
    this.#interface = shared
    this.#sessions = new Sessions(shared.indices)
    this.endpoint = new PeerEndpoint(options.endpoint)
    this.macs = new MacWriter(options.publicKey)
    const { privateKey } = shared.identity
    this.remote = {
      publicKey: Uint8Array.from(options.publicKey),
      presharedKey: Uint8Array.from(options.presharedKey ?? new Uint8Array(32)),
      // A public key of low order gives no secret: zeros here, and handshakes with it fail on their own.
      staticSecret: sharedSecret(privateKey, options.publicKey) ?? new Uint8Array(32),
    }
    this.allowedIps = options.allowedIps.flatMap((text) => parsePrefix(text) ?? [])
    this.timers = new PeerTimers(options.persistentKeepalive * 1000, shared.random)
  }

  /** Connects at once when it is known where to. */
  open(now: Millis): void {
    if (this.endpoint.configured === undefined) return
    if (this.endpoint.isName) this.#resolve(now)
    this.wantSession(now)
  }

  /** Wipes all keys and stops everything. */
  close(): void {
    this.#sessions.wipe()
    this.#endHandshake()
    this.#attempt = undefined
    this.#waiting.length = 0
    this.#keepaliveDue = false
    this.timers.clear()
  }

  /** The session that seals what we send. */
  get current(): Keypair | undefined {
    return this.#sessions.current
  }

  /** Is there something for `poll` to take: packets that waited, or a keepalive? */
  get hasOutput(): boolean {
    return this.current !== undefined && (this.#keepaliveDue || this.#waiting.length > 0)
  }

  /** Takes the oldest packet that waited for a session. */
  takeWaiting(): Bytes | undefined {
    this.#keepaliveDue &&= this.#waiting.length === 0
    return this.#waiting.shift()
  }

  /** Takes the keepalive that is due, sealed. */
  takeKeepalive(now: Millis): Bytes | undefined {
    const due = this.#keepaliveDue
    this.#keepaliveDue = false
    if (!due || !this.current?.usable(now)) return undefined
    this.timers.authenticatedSent(now)
    return this.current.keepalive()
  }

  /** Keeps a packet until there is a session, and asks for one. */
  wait(packet: Bytes, now: Millis): void {
    if (this.#waiting.length >= WG_WAITING_PACKETS) {
      this.#waiting.shift()
      this.#interface.counters.drops.queue++
    }
    this.#waiting.push(packet)
    this.wantSession(now)
  }

  /** Starts a handshake unless one is under way. */
  wantSession(now: Millis): void {
    if (this.#attempt !== undefined) return
    if (!this.endpoint.known && this.endpoint.configured === undefined) return
    this.#attempt = newAttempt(now)
    const earliest = this.#lastInitiationSent + REKEY_TIMEOUT
    if (now < earliest) this.timers.retryAt = earliest
    else this.#initiate(now)
  }

  /** Packets were sealed with the current session. */
  dataSent(now: Millis): void {
    this.timers.dataSent(now)
    const current = this.current
    if (current === undefined) return
    const old = current.initiator && now - current.created >= REKEY_AFTER_TIME
    if (old || current.counter >= REKEY_AFTER_MESSAGES) this.wantSession(now)
  }

  /** Authenticated packets came in this session; `data`: not only keepalives. */
  dataReceived(keypair: Keypair, data: boolean, now: Millis): void {
    this.#lastReceived = now
    this.timers.authenticatedReceived(now)
    if (data) this.timers.dataReceived(now)
    if (this.#sessions.confirm(keypair, now)) {
      this.#endHandshake()
      this.#completed(now)
    } else if (keypair === this.current) {
      this.#interface.health.alive(this)
    }
    const age = now - keypair.created
    if (!keypair.renewalAsked && keypair.initiator && age >= REKEY_ON_RECEIVE_TIME) {
      keypair.renewalAsked = true
      this.wantSession(now)
    }
  }

  /** An initiation of this peer that is authentic. False: it is a replay, or comes too soon. */
  takeInitiation(initiation: ReadInitiation, from: Bytes, now: Millis): boolean {
    if (!isLater(initiation.timestamp, this.#timestamp)) return false
    if (now - this.#lastInitiationTaken < WG_INITIATION_INTERVAL) return false
    // Nowhere to answer to.
    if (!this.endpoint.known && !hasSocketAddress(from)) return false
    const { indices, random, outgoing } = this.#interface
    const localIndex = indices.take(this)
    const response = createResponse(this.remote, initiation, localIndex, random)
    if (response === undefined) {
      indices.free(localIndex)
      return false
    }
    this.#timestamp = initiation.timestamp
    this.#lastInitiationTaken = now
    this.#lastReceived = now
    this.endpoint.learn(from, 0)
    this.macs.write(response.message, now)
    outgoing.push(response.message, this.endpoint.current)
    this.timers.authenticatedReceived(now)
    this.timers.authenticatedSent(now)
    this.#sessions.answered(this.#keypair(response.keys, false, now), now)
    return true
  }

  /** A response to our initiation. False: it is not one, or forged. */
  takeResponse(message: Bytes, localIndex: number, from: Bytes, now: Millis): boolean {
    const state = this.#handshake
    if (state === undefined || state.localIndex !== localIndex) return false
    const keys = readResponse(this.#interface.identity, this.remote, state, message)
    if (keys === undefined) return false
    wipeInitiator(state)
    this.#handshake = undefined
    this.#lastReceived = now
    this.endpoint.learn(from, 0)
    this.timers.authenticatedReceived(now)
    this.#sessions.initiated(this.#keypair(keys, true, now), now)
    // The peer may not send before it has heard from us in the new session.
    this.#keepaliveDue = true
    this.#completed(now)
    return true
  }

  /** The answer to a question for the endpoint's addresses. */
  resolved(addresses: readonly Bytes[], now: Millis): void {
    this.#resolveAsked = NEVER
    const { configured, known } = this.endpoint
    if (addresses.length === 0) {
      if (!known && configured !== undefined) {
        this.#interface.health.trying(unresolved(configured.host))
      }
      return
    }
    const moved = this.endpoint.setCandidates(addresses)
    if (!moved || this.#attempt === undefined) return
    if (known) this.endpoint.advance()
    else this.#attempt = newAttempt(now)
    this.#initiate(now)
  }

  tick(now: Millis): void {
    const { timers } = this
    if (timers.wipeAt <= now) {
      timers.wipeAt = Number.POSITIVE_INFINITY
      this.#sessions.wipe()
    }
    if (timers.keepaliveAt <= now) {
      timers.keepaliveAt = Number.POSITIVE_INFINITY
      this.#keepaliveDue = true
    }
    if (timers.persistentAt <= now) {
      timers.authenticatedSent(now)
      if (this.current?.usable(now)) this.#keepaliveDue = true
      else this.wantSession(now)
    }
    if (timers.silenceAt <= now) {
      timers.silenceAt = Number.POSITIVE_INFINITY
      this.wantSession(now)
    }
    if (timers.renewAt <= now) {
      timers.renewAt = Number.POSITIVE_INFINITY
      this.wantSession(now)
    }
    if (timers.retryAt <= now) this.#retry(now)
  }

  #retry(now: Millis): void {
    this.timers.retryAt = Number.POSITIVE_INFINITY
    const attempt = this.#attempt
    if (attempt === undefined) return
    const { known, configured } = this.endpoint
    if (known && attempt.handshakes === 0) {
      this.#initiate(now)
      return
    }
    const time = now - attempt.since
    if (known) this.#unanswered(attempt, time, now)
    else if (configured !== undefined) this.#interface.health.trying(unresolved(configured.host))
    if (time >= REKEY_ATTEMPT_TIME && !attempt.long) {
      attempt.long = true
      this.#interface.counters.drops.queue += this.#waiting.length
      this.#waiting.length = 0
      if (this.endpoint.configured === undefined) {
        this.#endHandshake()
        this.#attempt = undefined
        return
      }
    }
    const allTried = this.endpoint.advance()
    if (this.endpoint.isName && allTried) this.#resolve(now)
    this.#initiate(now)
  }

  #unanswered(attempt: Attempt, time: number, now: Millis): void {
    const { health, counters } = this.#interface
    counters.handshakes.failed++
    const error = noAnswer(this.endpoint.description, attempt.handshakes, time)
    health.trying(error)
    const heard = this.current?.usable(now) && now - this.#lastReceived < DOWN_AFTER_TIME
    if (time >= DOWN_AFTER_TIME && !heard) health.dead(this, error)
  }

  #initiate(now: Millis): void {
    const attempt = this.#attempt
    if (attempt === undefined) return
    this.timers.retry(now, attempt.long ? SLOW_RETRY_TIMEOUT : REKEY_TIMEOUT)
    if (!this.endpoint.known) return
    this.#endHandshake()
    const { identity, indices, random, outgoing } = this.#interface
    const localIndex = indices.take(this)
    const timestamp = this.#interface.nextTimestamp()
    const made = createInitiation(identity, this.remote, localIndex, timestamp, random)
    attempt.handshakes++
    if (made === undefined) {
      indices.free(localIndex)
      return
    }
    this.#handshake = made.state
    this.#lastInitiationSent = now
    this.macs.write(made.message, now)
    outgoing.push(made.message, this.endpoint.current)
    this.timers.authenticatedSent(now)
  }

  #resolve(now: Millis): void {
    if (now - this.#resolveAsked < RESOLVE_TIMEOUT) return
    this.#resolveAsked = now
    this.#interface.resolve(this)
  }

  #keypair(keys: SessionKeys, initiator: boolean, now: Millis): Keypair {
    const renewable = this.endpoint.configured !== undefined
    this.timers.sessionBegan(now, renewable, initiator ? REKEY_AFTER_TIME : REKEY_ON_RECEIVE_TIME)
    return new Keypair(keys, initiator, this.#interface.packetCipher, now)
  }

  #completed(now: Millis): void {
    this.#attempt = undefined
    this.timers.retryAt = Number.POSITIVE_INFINITY
    this.lastHandshake = now
    this.#interface.counters.handshakes.completed++
    this.#interface.health.alive(this)
  }

  #endHandshake(): void {
    const state = this.#handshake
    if (state === undefined) return
    wipeInitiator(state)
    this.#interface.indices.free(state.localIndex)
    this.#handshake = undefined
  }
}

function newAttempt(now: Millis): Attempt {
  return { since: now, handshakes: 0, long: false }
}
