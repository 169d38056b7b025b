/**
 * The data channel: keys by key id, in place over whole batches. A new key decrypts at once and
 * encrypts when the peer has used it (or after SWITCH_DELAY); the old one decrypts until it expires.
 */
import { set32, u8, u16 } from '../../core/bytes.js'
import { ADDRESS_SIZE, type PacketBatch } from '../../core/packet-batch.js'
import type { Bytes, Millis } from '../../core/types.js'
import { ReplayWindow } from '../wireguard/replay-window.js'
import { addStub, type CompressionStub, removeStub } from './compression-stub.js'
import type { Counters } from './counters.js'
import type { DataCipher } from './data-cipher.js'
import { firstByte, KEY_IDS, keyIdOf, opcodeOf, P_DATA_V1, P_DATA_V2 } from './opcode.js'
import { SWITCH_DELAY, TRANSITION_WINDOW } from './timing.js'

/** What a ping carries instead of an IP packet. */
const PING = Uint8Array.of(
  ...[0x2a, 0x18, 0x7b, 0xf3, 0x64, 0x1e, 0xb4, 0xcb],
  ...[0x07, 0xed, 0x2d, 0x0a, 0x98, 0x1f, 0xc7, 0x48],
)
/** Option-compatibility messages begin so; of them only the farewell is in use. */
const OCC = Uint8Array.of(
  ...[0x28, 0x7f, 0x34, 0x6b, 0xd4, 0xef, 0x7a, 0x81],
  ...[0x2d, 0x56, 0xb8, 0xd3, 0xaf, 0xc5, 0x45, 0x9c],
)
const OCC_EXIT = 6
const FAREWELL = Uint8Array.of(...OCC, OCC_EXIT)

const IPV4_HEADER = 20
const IPV6_HEADER = 40

/** Packet ids end at 2^32 - 1; from here a new key is wanted. */
const RENEGOTIATE_AT = 0xff000000

export interface DataKeyOptions {
  readonly keyId: number
  readonly cipher: DataCipher
  /** Undefined: P_DATA_V1. */
  readonly peerId: number | undefined
  readonly stub: CompressionStub
}

interface DataKey {
  readonly cipher: DataCipher
  readonly stub: CompressionStub
  readonly header: Bytes
  readonly replay: ReplayWindow
  nextPacketId: number
  expires: Millis
}

export class DataChannel {
  readonly #counters: Counters
  readonly #keys: (DataKey | undefined)[] = Array.from({ length: KEY_IDS })
  #sending: DataKey | undefined
  /** Agreed, but the peer has not used it yet. */
  #next: DataKey | undefined
  #switchAt: Millis = Number.POSITIVE_INFINITY
  /** Packet ids of the batch at hand. */
  #ids = new Float64Array(0)
  /** When something authentic last came, and when something was last sent. */
  lastReceived: Millis = 0
  lastSent: Millis = 0
  /** The peer has said farewell. */
  peerLeft = false

  constructor(counters: Counters) {
    this.#counters = counters
  }

  get ready(): boolean {
    return this.#sending !== undefined
  }

  /** Is the key nearly used up? */
  get exhausted(): boolean {
    const key = this.#next ?? this.#sending
    return key !== undefined && key.nextPacketId >= RENEGOTIATE_AT
  }

  /** Bytes that a payload grows by at most. */
  get overhead(): number {
    const key = this.#next ?? this.#sending
    return key === undefined ? 0 : key.header.length + key.cipher.overhead + 1
  }

  install({ keyId, cipher, peerId, stub }: DataKeyOptions, now: Millis): void {
    const header = new Uint8Array(peerId === undefined ? 1 : 4)
    if (peerId !== undefined) set32(header, 0, peerId)
    header[0] = firstByte(peerId === undefined ? P_DATA_V1 : P_DATA_V2, keyId)
    const key: DataKey = {
      cipher,
      stub,
      header,
      replay: new ReplayWindow(),
      nextPacketId: 1,
      expires: Number.POSITIVE_INFINITY,
    }
    for (const [id, old] of this.#keys.entries()) {
      if (old !== undefined && old !== this.#sending) this.#forget(id)
    }
    this.#keys[keyId] = key
    if (this.#sending === undefined) {
      this.#sending = key
      return
    }
    this.#sending.expires = now + TRANSITION_WINDOW
    this.#next = key
    this.#switchAt = now + SWITCH_DELAY
  }

  clear(): void {
    for (const id of this.#keys.keys()) this.#forget(id)
    this.#sending = undefined
    this.#next = undefined
    this.#switchAt = Number.POSITIVE_INFINITY
    this.peerLeft = false
  }

  deadline(): Millis {
    return this.#switchAt
  }

  tick(now: Millis): void {
    if (this.#switchAt <= now) this.#switch()
    for (const [id, key] of this.#keys.entries()) {
      if (key !== undefined && key.expires <= now) this.#forget(id)
    }
  }

  /**
   * Opens the run of data packets of one key that begins at slot `from`: each becomes its IP packet,
   * or empty. Returns where the run ends.
   */
  receive(batch: PacketBatch, from: number, limit: number, now: Millis): number {
    const first = u8(batch.bytes, batch.offset[from] as number)
    let to = from + 1
    while (to < limit && this.#sameRun(batch, to, first)) to++
    const key = this.#keys[keyIdOf(first)]
    if (key === undefined) {
      for (let i = from; i < to; i++) this.#drop(batch, i, 'session')
      return to
    }
    if (this.#ids.length < batch.capacity) this.#ids = new Float64Array(batch.capacity)
    let size = 0
    for (let i = from; i < to; i++) size += batch.length[i] as number
    const headerSize = opcodeOf(first) === P_DATA_V2 ? 4 : 1
    key.cipher.open(batch, from, to, headerSize, this.#ids)
    let authentic = 0
    for (let i = from; i < to; i++) {
      if ((batch.length[i] as number) < 0) this.#drop(batch, i, 'forged')
      else if (!key.replay.accept(this.#ids[i] as number)) this.#drop(batch, i, 'replay')
      else {
        authentic++
        this.#opened(key, batch, i)
      }
    }
    if (authentic === 0) return to
    this.lastReceived = now
    this.#counters.bytesIn += size
    this.#counters.packetsIn += authentic
    if (key === this.#next) this.#switch()
    return to
  }

  /** Seals the IP packets in slots `from` … `to`-1; empty slots stay so. */
  transmit(batch: PacketBatch, from: number, to: number, address: Bytes, now: Millis): void {
    const key = this.#sending
    if (key === undefined) {
      for (let i = from; i < to; i++)
        if ((batch.length[i] as number) > 0) this.#drop(batch, i, 'down')
      return
    }
    if (key.stub !== 'none') {
      for (let i = from; i < to; i++) {
        if ((batch.length[i] as number) > 0) addStub(key.stub, batch, i)
      }
    }
    key.nextPacketId = key.cipher.seal(batch, from, to, key.header, key.nextPacketId)
    for (let i = from; i < to; i++) {
      const length = batch.length[i] as number
      if (length < 0) this.#drop(batch, i, 'outgoing')
      if (length <= 0) continue
      batch.address.set(address, i * ADDRESS_SIZE)
      this.lastSent = now
      this.#counters.bytesOut += length
      this.#counters.packetsOut++
    }
  }

  /** Appends a ping to a batch that is not full. */
  ping(batch: PacketBatch, to: Bytes, now: Millis): void {
    this.#append(PING, batch, to, now)
  }

  /** Appends the message that ends the session on the server. */
  farewell(batch: PacketBatch, to: Bytes, now: Millis): void {
    this.#append(FAREWELL, batch, to, now)
  }

  #append(payload: Bytes, batch: PacketBatch, to: Bytes, now: Millis): void {
    const slot = batch.count
    // Noted even when it can't be sent: what is due must not stay due.
    this.lastSent = now
    if (batch.push(payload)) this.transmit(batch, slot, slot + 1, to, now)
  }

  #forget(id: number): void {
    this.#keys[id]?.cipher.destroy()
    this.#keys[id] = undefined
  }

  #sameRun(batch: PacketBatch, i: number, first: number): boolean {
    const length = batch.length[i] as number
    return length > 0 && u8(batch.bytes, batch.offset[i] as number) === first
  }

  #switch(): void {
    this.#sending = this.#next ?? this.#sending
    this.#next = undefined
    this.#switchAt = Number.POSITIVE_INFINITY
  }

  #opened(key: DataKey, batch: PacketBatch, i: number): void {
    if (!removeStub(key.stub, batch, i)) {
      this.#drop(batch, i, 'compressed')
      return
    }
    const at = batch.offset[i] as number
    const length = batch.length[i] as number
    const total = ipLength(batch.bytes, at, length)
    if (total > 0) batch.length[i] = total
    else if (begins(batch.bytes, at, length, PING)) batch.length[i] = 0
    else if (begins(batch.bytes, at, length, OCC)) {
      this.peerLeft ||= batch.bytes[at + OCC.length] === OCC_EXIT && length > OCC.length
      batch.length[i] = 0
    } else this.#drop(batch, i, 'packet')
  }

  #drop(
    batch: PacketBatch,
    i: number,
    why: 'session' | 'forged' | 'replay' | 'compressed' | 'packet' | 'down' | 'outgoing',
  ): void {
    this.#counters.drops[why]++
    batch.length[i] = 0
  }
}

/** Length of the IP packet; 0 when it is none. */
function ipLength(bytes: Bytes, at: number, length: number): number {
  if (length < IPV4_HEADER) return 0
  const version = u8(bytes, at) >>> 4
  if (version === 4) {
    const total = u16(bytes, at + 2)
    return total >= IPV4_HEADER && total <= length ? total : 0
  }
  if (version !== 6 || length < IPV6_HEADER) return 0
  const total = IPV6_HEADER + u16(bytes, at + 4)
  return total <= length ? total : 0
}

function begins(bytes: Bytes, at: number, length: number, magic: Bytes): boolean {
  if (length < magic.length) return false
  for (let i = 0; i < magic.length; i++) if (bytes[at + i] !== magic[i]) return false
  return true
}
