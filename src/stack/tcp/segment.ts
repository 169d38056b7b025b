/** The header of the segment being worked on, read once into one record that is reused. */
import type { Bytes } from '../../core/types.js'
import {
  TCP_FIN,
  TCP_SYN,
  tcpAcknowledgment,
  tcpFlags,
  tcpHeaderLength,
  tcpSequence,
  tcpWindow,
} from '../../wire/tcp.js'
import { parseTcpOptions, TcpOptions } from '../../wire/tcp-options.js'

export class Segment {
  bytes: Bytes = new Uint8Array(0)
  sequence = 0
  acknowledgment = 0
  flags = 0
  /** Not scaled. */
  window = 0
  /** Where the data starts, and its length: shrinks when what we have already, or do not take, is cut off. */
  dataAt = 0
  dataLength = 0
  readonly options = new TcpOptions()

  /** Reads the segment of `length` bytes at `at`; its header is valid. */
  read(bytes: Bytes, at: number, length: number): void {
    const header = tcpHeaderLength(bytes, at)
    this.bytes = bytes
    this.sequence = tcpSequence(bytes, at)
    this.acknowledgment = tcpAcknowledgment(bytes, at)
    this.flags = tcpFlags(bytes, at)
    this.window = tcpWindow(bytes, at)
    this.dataAt = at + header
    this.dataLength = length - header
    parseTcpOptions(bytes, at, header, this.options)
  }

  /** Sequence space the segment takes. */
  get length(): number {
    return (
      this.dataLength +
      ((this.flags & TCP_SYN) !== 0 ? 1 : 0) +
      ((this.flags & TCP_FIN) !== 0 ? 1 : 0)
    )
  }
}
