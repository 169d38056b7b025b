/**
 * The hot path: data messages to IP packets and back, in place, batch by batch. The cipher is called
 * once per run of neighbouring packets of one session; nothing is made per packet.
 */
import { u8, u16, u64le } from '../../core/bytes.js'
import { ADDRESS_SIZE, type PacketBatch } from '../../core/packet-batch.js'
import type { Bytes, Millis } from '../../core/types.js'
import { IPV4_DESTINATION, IPV4_HEADER, IPV4_SOURCE } from '../../wire/ipv4.js'
import { IPV6_DESTINATION, IPV6_HEADER, IPV6_SOURCE } from '../../wire/ipv6.js'
import type { AllowedIps } from './allowed-ips.js'
import type { Counters } from './counters.js'
import type { HandshakeIntake } from './handshake-intake.js'
import type { IndexTable } from './index-table.js'
import type { Keypair } from './keypair.js'
import {
  DATA,
  DATA_HEADER,
  DATA_MINIMUM,
  isHandshakeSize,
  messageIndex,
  messageType,
  PADDING,
} from './message.js'
import { appendMessage } from './outgoing.js'
import type { Peer } from './peer.js'
import { REJECT_AFTER_MESSAGES } from './timing.js'

export interface DataPathOptions {
  readonly peers: readonly Peer[]
  readonly allowedIps: AllowedIps
  readonly indices: IndexTable
  readonly intake: HandshakeIntake
  readonly counters: Counters
  readonly mtu: number
}

export class DataPath {
  readonly #o: DataPathOptions
  /** Counter of each slot, for the cipher; as long as the largest batch seen. */
  #counters = new Float64Array(0)

  constructor(options: DataPathOptions) {
    this.#o = options
  }

  receive(batch: PacketBatch, now: Millis): void {
    if (this.#counters.length < batch.capacity) this.#counters = new Float64Array(batch.capacity)
    let i = 0
    while (i < batch.count) {
      const length = batch.length[i] as number
      const at = batch.offset[i] as number
      if (length <= 0) i++
      else if (length >= DATA_MINIMUM && messageType(batch.bytes, at) === DATA) {
        i = this.#receiveRun(batch, i, now)
      } else {
        this.#receiveHandshake(batch, i, now)
        i++
      }
    }
  }

  /** IP packets to datagrams; see `PacketTunnel.transmit`. */
  transmit(batch: PacketBatch, now: Millis): void {
    let i = 0
    while (i < batch.count) {
      if ((batch.length[i] as number) <= 0) {
        i++
        continue
      }
      const peer = this.#peerFor(batch, i)
      if (peer === undefined) {
        this.#o.counters.drops.route++
        batch.length[i] = 0
        i++
      } else if (peer.current?.usable(now)) {
        let end = i + 1
        while (end < batch.count && this.#sameRun(batch, end, peer)) end++
        this.#sealRun(peer, peer.current, batch, i, end, now)
        i = end
      } else {
        peer.wait(batch.view(i).slice(), now)
        batch.length[i] = 0
        i++
      }
    }
  }

  /** Appends what had waited for sessions, and keepalives. */
  poll(batch: PacketBatch, now: Millis): void {
    for (const peer of this.#o.peers) {
      if (batch.full) return
      if (peer.hasOutput && peer.current?.usable(now)) this.#flush(peer, peer.current, batch, now)
    }
  }

  #flush(peer: Peer, keypair: Keypair, batch: PacketBatch, now: Millis): void {
    const from = batch.count
    while (!batch.full) {
      const packet = peer.takeWaiting()
      if (packet === undefined) break
      if (!batch.push(packet)) this.#o.counters.drops.outgoing++
    }
    if (batch.count > from) this.#sealRun(peer, keypair, batch, from, batch.count, now)
    if (batch.full) return
    const keepalive = peer.takeKeepalive(now)
    if (keepalive === undefined) return
    appendMessage(batch, keepalive, peer.endpoint.current, this.#o.counters)
  }

  #receiveHandshake(batch: PacketBatch, i: number, now: Millis): void {
    if (isHandshakeSize(batch.length[i] as number)) {
      const from = batch.address.subarray(i * ADDRESS_SIZE, (i + 1) * ADDRESS_SIZE)
      this.#o.intake.receive(batch.view(i), from, now)
    } else {
      this.#o.counters.drops.malformed++
    }
    batch.length[i] = 0
  }

  /** Opens the run of data messages of one session that begins at slot `from`; returns where it ends. */
  #receiveRun(batch: PacketBatch, from: number, now: Millis): number {
    const index = messageIndex(batch.bytes, (batch.offset[from] as number) + 4)
    const entry = this.#o.indices.get(index)
    const keypair = entry?.keypair
    if (entry === undefined || keypair === undefined || keypair.expired(now)) {
      this.#o.counters.drops.session++
      batch.length[from] = 0
      return from + 1
    }
    let end = from
    while (end < batch.count && this.#claim(batch, end, index)) end++
    if (end === from) {
      this.#o.counters.drops.malformed++
      batch.length[from] = 0
      return from + 1
    }
    keypair.receive.open(batch, from, end, this.#counters)
    this.#opened(entry.peer, keypair, batch, from, end, now)
    return end
  }

  /** Takes the header off when the slot holds a data message for this index. */
  #claim(batch: PacketBatch, i: number, index: number): boolean {
    const length = batch.length[i] as number
    const at = batch.offset[i] as number
    if (length < DATA_MINIMUM || messageType(batch.bytes, at) !== DATA) return false
    if (messageIndex(batch.bytes, at + 4) !== index) return false
    const counter = u64le(batch.bytes, at + 8)
    if (counter >= REJECT_AFTER_MESSAGES) return false
    this.#counters[i] = counter
    batch.offset[i] = at + DATA_HEADER
    batch.length[i] = length - DATA_HEADER
    return true
  }

  #opened(
    peer: Peer,
    keypair: Keypair,
    batch: PacketBatch,
    from: number,
    to: number,
    now: Millis,
  ): void {
    const { counters } = this.#o
    let authentic = 0
    let data = false
    for (let i = from; i < to; i++) {
      const length = batch.length[i] as number
      if (length < 0) {
        counters.drops.forged++
        batch.length[i] = 0
      } else if (!keypair.window.accept(this.#counters[i] as number)) {
        counters.drops.replay++
        batch.length[i] = 0
      } else {
        authentic++
        peer.endpoint.learn(batch.address, i * ADDRESS_SIZE)
        counters.bytesIn += length + DATA_MINIMUM
        if (length > 0) {
          data = true
          batch.length[i] = this.#packetLength(peer, batch.bytes, batch.offset[i] as number, length)
        }
      }
    }
    counters.packetsIn += authentic
    if (authentic > 0) peer.dataReceived(keypair, data, now)
  }

  /** Length of the IP packet without padding; 0 when it is none, or its source is not the peer's. */
  #packetLength(peer: Peer, bytes: Bytes, at: number, length: number): number {
    const { allowedIps, peers, counters } = this.#o
    const family = ipFamily(bytes, at, length)
    const total =
      family === 4 ? u16(bytes, at + 2) : family === 6 ? IPV6_HEADER + u16(bytes, at + 4) : 0
    if (family === 0 || total > length || total < IPV4_HEADER) {
      counters.drops.packet++
      return 0
    }
    const source = at + (family === 4 ? IPV4_SOURCE : IPV6_SOURCE)
    if (peers[allowedIps.lookup(family, bytes, source)] === peer) return total
    counters.drops.source++
    return 0
  }

  #peerFor(batch: PacketBatch, i: number): Peer | undefined {
    const at = batch.offset[i] as number
    const family = ipFamily(batch.bytes, at, batch.length[i] as number)
    if (family === 0) return undefined
    const destination = at + (family === 4 ? IPV4_DESTINATION : IPV6_DESTINATION)
    return this.#o.peers[this.#o.allowedIps.lookup(family, batch.bytes, destination)]
  }

  /** Empty slots don't end a run. */
  #sameRun(batch: PacketBatch, i: number, peer: Peer): boolean {
    return (batch.length[i] as number) <= 0 || this.#peerFor(batch, i) === peer
  }

  #sealRun(
    peer: Peer,
    keypair: Keypair,
    batch: PacketBatch,
    from: number,
    to: number,
    now: Millis,
  ): void {
    const { counters, mtu } = this.#o
    const first = keypair.counter
    keypair.counter += to - from
    for (let i = from; i < to; i++) {
      const length = batch.length[i] as number
      if (length <= 0) continue
      const at = batch.offset[i] as number
      // Padding hides the exact length, but must not make a packet larger than the MTU allows.
      const padded = Math.max(length, Math.min((length + PADDING - 1) & -PADDING, mtu))
      for (let p = length; p < padded; p++) batch.bytes[at + p] = 0
      batch.length[i] = padded
      keypair.writeHeader(batch.bytes, at, first + (i - from))
    }
    keypair.send.seal(batch, from, to, first)
    for (let i = from; i < to; i++) {
      const length = batch.length[i] as number
      if (length <= 0) continue
      batch.offset[i] = (batch.offset[i] as number) - DATA_HEADER
      batch.length[i] = length + DATA_HEADER
      batch.address.set(peer.endpoint.current, i * ADDRESS_SIZE)
      counters.bytesOut += length + DATA_HEADER
      counters.packetsOut++
    }
    peer.dataSent(now)
  }
}

/** IP version of a packet whose fixed header is whole, else 0. */
function ipFamily(bytes: Bytes, at: number, length: number): 4 | 6 | 0 {
  if (length < IPV4_HEADER) return 0
  const version = u8(bytes, at) >>> 4
  if (version === 4) return 4
  return version === 6 && length >= IPV6_HEADER ? 6 : 0
}
