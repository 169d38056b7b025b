/**
 * Noise_IKpsk2 as WireGuard has it (paper section 5.4): making and reading the two handshake
 * messages, without their macs. C is the chaining key, H the hash of everything so far.
 */
import { set32le, u32le } from '../../core/bytes.js'
import type { Bytes, Random } from '../../core/types.js'
import { counterNonce, open, seal } from '../../crypto/aead.js'
import { hash, kdf1, kdf2, kdf3 } from '../../crypto/blake2s.js'
import { generateKeyPair, type KeyPair, publicKey, sharedSecret } from '../../crypto/x25519.js'
import {
  INITIATION,
  INITIATION_SIZE,
  messageIndex,
  newMessage,
  RESPONSE,
  RESPONSE_SIZE,
} from './message.js'

const EMPTY = new Uint8Array(0)
/** Each key seals one message, so the nonce is always zero. */
const NONCE = counterNonce(0)
const text = new TextEncoder()
const INITIAL_CHAIN = hash(text.encode('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s'))
const INITIAL_HASH = hash(INITIAL_CHAIN, text.encode('WireGuard v1 zx2c4 Jason@zx2c4.com'))

/** Our static key pair. */
export type Identity = KeyPair

export function identity(privateKey: Bytes): Identity {
  return { privateKey: Uint8Array.from(privateKey), publicKey: publicKey(privateKey) }
}

/** What the handshake needs to know of a peer. */
export interface RemoteIdentity {
  readonly publicKey: Bytes
  /** All zero when none is configured. */
  readonly presharedKey: Bytes
  /** DH of both static keys. */
  readonly staticSecret: Bytes
}

/** What an initiator keeps between its message and the response. */
export interface InitiatorState {
  readonly localIndex: number
  readonly ephemeral: KeyPair
  readonly chain: Bytes
  readonly hash: Bytes
}

/** What a responder has read from an initiation. */
export interface ReadInitiation {
  readonly remoteIndex: number
  readonly ephemeral: Bytes
  readonly staticKey: Bytes
  readonly timestamp: Bytes
  readonly chain: Bytes
  readonly hash: Bytes
}

/** Keys of a finished handshake. */
export interface SessionKeys {
  readonly localIndex: number
  readonly remoteIndex: number
  readonly send: Bytes
  readonly receive: Bytes
}

/** The initiation and the state to keep; undefined when the peer's public key is of low order. */
export function createInitiation(
  local: Identity,
  remote: RemoteIdentity,
  localIndex: number,
  timestamp: Bytes,
  random: Random,
): { readonly message: Bytes; readonly state: InitiatorState } | undefined {
  const ephemeral = generateKeyPair(random)
  const ephemeralStatic = sharedSecret(ephemeral.privateKey, remote.publicKey)
  if (ephemeralStatic === undefined) return undefined
  const message = newMessage(INITIATION, INITIATION_SIZE)
  set32le(message, 4, localIndex)
  message.set(ephemeral.publicKey, 8)
  let h = hash(hash(INITIAL_HASH, remote.publicKey), ephemeral.publicKey)
  let key: Bytes
  let chain = kdf1(INITIAL_CHAIN, ephemeral.publicKey)
  ;[chain, key] = kdf2(chain, ephemeralStatic)
  const sealedStatic = seal(key, NONCE, local.publicKey, h)
  message.set(sealedStatic, 40)
  h = hash(h, sealedStatic)
  ;[chain, key] = kdf2(chain, remote.staticSecret)
  const sealedTimestamp = seal(key, NONCE, timestamp, h)
  message.set(sealedTimestamp, 88)
  h = hash(h, sealedTimestamp)
  return { message, state: { localIndex, ephemeral, chain, hash: h } }
}

/** Forgets what could open this handshake later. */
export function wipeInitiator(state: InitiatorState): void {
  state.ephemeral.privateKey.fill(0)
  state.chain.fill(0)
}

/**
 * Reads an initiation of the right size. `staticSecretOf` gives the DH of both static keys for a
 * known peer. Undefined: forged, or from somebody unknown. The timestamp is the caller's to check.
 */
export function readInitiation(
  local: Identity,
  message: Bytes,
  staticSecretOf: (staticKey: Bytes) => Bytes | undefined,
): ReadInitiation | undefined {
  const ephemeral = message.slice(8, 40)
  const ephemeralStatic = sharedSecret(local.privateKey, ephemeral)
  if (ephemeralStatic === undefined) return undefined
  let h = hash(hash(INITIAL_HASH, local.publicKey), ephemeral)
  let key: Bytes
  let chain = kdf1(INITIAL_CHAIN, ephemeral)
  ;[chain, key] = kdf2(chain, ephemeralStatic)
  const sealedStatic = message.subarray(40, 88)
  const staticKey = open(key, NONCE, sealedStatic, h)
  if (staticKey === undefined) return undefined
  h = hash(h, sealedStatic)
  const staticSecret = staticSecretOf(staticKey)
  if (staticSecret === undefined) return undefined
  ;[chain, key] = kdf2(chain, staticSecret)
  const sealedTimestamp = message.subarray(88, 116)
  const timestamp = open(key, NONCE, sealedTimestamp, h)
  if (timestamp === undefined) return undefined
  h = hash(h, sealedTimestamp)
  const remoteIndex = messageIndex(message, 4)
  return { remoteIndex, ephemeral, staticKey, timestamp, chain, hash: h }
}

/** The response to an initiation, and the session's keys; undefined when a key of the peer is of low order. */
export function createResponse(
  remote: RemoteIdentity,
  initiation: ReadInitiation,
  localIndex: number,
  random: Random,
): { readonly message: Bytes; readonly keys: SessionKeys } | undefined {
  const ephemeral = generateKeyPair(random)
  const ephemerals = sharedSecret(ephemeral.privateKey, initiation.ephemeral)
  const ephemeralStatic = sharedSecret(ephemeral.privateKey, remote.publicKey)
  ephemeral.privateKey.fill(0)
  if (ephemerals === undefined || ephemeralStatic === undefined) return undefined
  const message = newMessage(RESPONSE, RESPONSE_SIZE)
  set32le(message, 4, localIndex)
  set32le(message, 8, initiation.remoteIndex)
  message.set(ephemeral.publicKey, 12)
  let chain = kdf1(initiation.chain, ephemeral.publicKey)
  chain = kdf1(kdf1(chain, ephemerals), ephemeralStatic)
  const [last, mixed, key] = kdf3(chain, remote.presharedKey)
  const h = hash(hash(initiation.hash, ephemeral.publicKey), mixed)
  message.set(seal(key, NONCE, EMPTY, h), 44)
  const [receive, send] = kdf2(last, EMPTY)
  return { message, keys: { localIndex, remoteIndex: initiation.remoteIndex, send, receive } }
}

/** Reads a response of the right size to our initiation; undefined when it is forged. */
export function readResponse(
  local: Identity,
  remote: RemoteIdentity,
  state: InitiatorState,
  message: Bytes,
): SessionKeys | undefined {
  const ephemeral = message.slice(12, 44)
  const ephemerals = sharedSecret(state.ephemeral.privateKey, ephemeral)
  const staticEphemeral = sharedSecret(local.privateKey, ephemeral)
  if (ephemerals === undefined || staticEphemeral === undefined) return undefined
  let chain = kdf1(state.chain, ephemeral)
  chain = kdf1(kdf1(chain, ephemerals), staticEphemeral)
  const [last, mixed, key] = kdf3(chain, remote.presharedKey)
  const h = hash(hash(state.hash, ephemeral), mixed)
  if (open(key, NONCE, message.subarray(44, 60), h) === undefined) return undefined
  const [send, receive] = kdf2(last, EMPTY)
  return { localIndex: state.localIndex, remoteIndex: u32le(message, 4) | 0, send, receive }
}
