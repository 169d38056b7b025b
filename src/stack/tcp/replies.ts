/** Segments that belong to no connection's stream: resets, SYN cookies, and ACKs out of TIME-WAIT. A bounded queue. */
import type { PacketBatch } from '../../core/packet-batch.js'
import type { Bytes } from '../../core/types.js'
import { TCP_HEADER, writeTcp } from '../../wire/tcp.js'
import {
  type SynchronizeOptions,
  type Timestamps,
  writeSynchronizeOptions,
  writeTimestamps,
} from '../../wire/tcp-options.js'
import type { IpLayer } from '../tcp-contract.js'
import { REPLIES } from './limits.js'
import { commitSegment, ipHeaderLength } from './packet.js'

export interface Reply {
  readonly local: Bytes
  readonly remote: Bytes
  readonly localPort: number
  readonly remotePort: number
  readonly sequence: number
  readonly acknowledgment: number
  readonly flags: number
  /** As it goes into the header; absent: 0. */
  readonly window?: number
  readonly timestamps?: Timestamps
  /** Of a SYN-ACK; its timestamps stand above. */
  readonly synchronize?: Omit<SynchronizeOptions, 'timestamps'>
}

export class Replies {
  #queue: Reply[] = []

  get size(): number {
    return this.#queue.length
  }

  /** False: the queue is full, the reply will not be sent. */
  add(reply: Reply): boolean {
    if (this.#queue.length >= REPLIES) return false
    this.#queue.push(reply)
    return true
  }

  /** Appends replies until none is left or the batch is full. */
  output(batch: PacketBatch, ip: IpLayer): void {
    let sent = 0
    while (sent < this.#queue.length && !batch.full) {
      write(batch, ip, this.#queue[sent] as Reply)
      sent++
    }
    if (sent > 0) this.#queue = sent === this.#queue.length ? [] : this.#queue.slice(sent)
  }
}

function write(batch: PacketBatch, ip: IpLayer, r: Reply): void {
  const at = batch.place() + ipHeaderLength(r.remote)
  const header = writeOptions(batch.bytes, at + TCP_HEADER, r) - at
  writeTcp(
    batch.bytes,
    at,
    r.localPort,
    r.remotePort,
    r.sequence,
    r.acknowledgment,
    header,
    r.flags,
    r.window ?? 0,
  )
  commitSegment(batch, ip, r.local, r.remote, header)
}

/** The index behind them. */
function writeOptions(bytes: Bytes, at: number, { synchronize, timestamps }: Reply): number {
  if (synchronize !== undefined) {
    return writeSynchronizeOptions(bytes, at, { ...synchronize, timestamps })
  }
  if (timestamps === undefined) return at
  return writeTimestamps(bytes, at, timestamps.value, timestamps.echo)
}
