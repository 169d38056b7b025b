/** Watches what a host sends and receives, and names each breach of the rules of TCP. */
import type { Connection } from '../../src/stack/tcp/connection.js'
import {
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  tcpAcknowledgment,
  tcpChecksum,
  tcpFlags,
  tcpHeaderLength,
  tcpHeaderValid,
  tcpSequence,
  tcpWindow,
} from '../../src/wire/tcp.js'
import { parseTcpOptions, TcpOptions } from '../../src/wire/tcp-options.js'
import type { Host } from './pair.js'

export interface Parsed {
  readonly sequence: number
  readonly acknowledgment: number
  readonly flags: number
  readonly window: number
  readonly data: Uint8Array
  readonly options: TcpOptions
}

/** The TCP segment of an IP packet; undefined when its checksum is wrong. */
export function parse(packet: Uint8Array): Parsed | undefined {
  const v4 = (packet[0] as number) >>> 4 === 4
  const at = v4 ? 20 : 40
  const length = packet.length - at
  if (!tcpHeaderValid(packet, at, length)) return undefined
  if (tcpChecksum(packet, v4 ? 12 : 8, v4 ? 4 : 16, at, length) !== 0) return undefined
  const options = new TcpOptions()
  const header = tcpHeaderLength(packet, at)
  parseTcpOptions(packet, at, header, options)
  return {
    sequence: tcpSequence(packet, at),
    acknowledgment: tcpAcknowledgment(packet, at),
    flags: tcpFlags(packet, at),
    window: tcpWindow(packet, at),
    data: packet.subarray(at + header),
    options,
  }
}

export class Monitor {
  readonly breaches: string[] = []
  /** What the far side's windows allow, as far as it has arrived. */
  #allowed: number | undefined
  #peerScale = 0
  /** Right edge of the windows we have told. */
  #edge: number | undefined
  #scale = 0
  #acknowledged: number | undefined
  /** Behind the far side's FIN. */
  #peerEnd: number | undefined

  constructor(host: Host) {
    host.onSend = (packet) => this.#sent(packet)
    host.onReceive = (packet) => this.#received(packet)
  }

  #received(packet: Uint8Array): void {
    const p = parse(packet)
    if (p === undefined || (p.flags & TCP_RST) !== 0) return
    if ((p.flags & TCP_SYN) !== 0) this.#peerScale = Math.max(0, p.options.windowScale)
    if ((p.flags & TCP_ACK) === 0) return
    if ((p.flags & TCP_FIN) !== 0) this.#peerEnd = (p.sequence + p.data.length + 1) | 0
    const scaled = (p.flags & TCP_SYN) !== 0 ? p.window : p.window << this.#peerScale
    const edge = (p.acknowledgment + scaled) | 0
    if (this.#allowed === undefined || ((edge - this.#allowed) | 0) > 0) this.#allowed = edge
  }

  #sent(packet: Uint8Array): void {
    const p = parse(packet)
    if (p === undefined) {
      this.breaches.push('sent a segment with a wrong checksum')
      return
    }
    if ((p.flags & TCP_RST) !== 0) return
    if ((p.flags & TCP_SYN) !== 0) {
      this.#scale = Math.max(0, p.options.windowScale)
      return
    }
    const end = (p.sequence + p.data.length + ((p.flags & TCP_FIN) !== 0 ? 1 : 0)) | 0
    if (this.#allowed !== undefined && ((end - this.#allowed) | 0) > 0 && end !== p.sequence) {
      this.breaches.push(`sent ${(end - this.#allowed) | 0} beyond the window`)
    }
    const edge = (p.acknowledgment + (p.window << this.#scale)) | 0
    // Behind their FIN nothing can come: the window says nothing any more.
    const over = p.acknowledgment === this.#peerEnd
    if (!over && this.#edge !== undefined && ((edge - this.#edge) | 0) < 0) {
      this.breaches.push(`took ${(this.#edge - edge) | 0} of the window back`)
    }
    if (this.#edge === undefined || ((edge - this.#edge) | 0) > 0) this.#edge = edge
    if (this.#acknowledged !== undefined && ((p.acknowledgment - this.#acknowledged) | 0) < 0) {
      this.breaches.push('acknowledged less than before')
    }
    this.#acknowledged = p.acknowledgment
  }
}

/** What the host sends of this connection may not exceed the congestion window by more than a forced retransmission and a tail probe. */
export function watchWindow(
  host: Host,
  connection: () => Connection | undefined,
  breaches: string[],
) {
  const output = host.tcp.output.bind(host.tcp)
  host.tcp.output = (batch, now) => {
    const c = connection()
    const before = c === undefined ? 0 : c.next
    const n = output(batch, now)
    if (c !== undefined && c.next !== before && c.sent.count > 0) {
      const most = Math.max(c.congestion.window, c.mss) + 2 * c.mss
      if (c.pipe > most) breaches.push(`${c.pipe} in flight, window ${c.congestion.window}`)
    }
    return n
  }
}
