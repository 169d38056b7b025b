/**
 * TCP options: MSS (RFC 9293), window scale and timestamps (RFC 7323), SACK-permitted and SACK (RFC 2018).
 * Parsed into one flat record that is made once and reused.
 */
import { i32, set8, set16, set32, u8, u16 } from '../core/bytes.js'
import type { Bytes } from '../core/types.js'
import { TCP_HEADER } from './tcp.js'

const END = 0
const NOP = 1
const MSS = 2
const WINDOW_SCALE = 3
const SACK_PERMITTED = 4
const SACK = 5
const TIMESTAMPS = 8
/** NOP NOP kind length: how every stack writes timestamps alone (RFC 7323 appendix A). */
const TIMESTAMPS_ALIGNED = 0x0101080a

/** Most SACK blocks that fit the 40 bytes of options. */
export const SACK_BLOCKS = 4
/** Larger shifts are used as this one (RFC 7323 section 2.3). */
export const WINDOW_SCALE_LARGEST = 14
/** Padded to words. */
export const TIMESTAMPS_LENGTH = 12

export class TcpOptions {
  /** 0: absent. */
  mss = 0
  /** -1: absent. */
  windowScale = -1
  sackPermitted = false
  timestamps = false
  timestampValue = 0
  timestampEcho = 0
  sackCount = 0
  /** Left and right edge of each block. */
  readonly sack = new Int32Array(2 * SACK_BLOCKS)
}

/**
 * Reads the options of the header at `at` (valid, `headerLength` bytes) into `out`. What is malformed
 * ends the parse; what is unknown is skipped (RFC 9293 section 3.1, MUST-6).
 */
export function parseTcpOptions(b: Bytes, at: number, headerLength: number, out: TcpOptions): void {
  out.mss = 0
  out.windowScale = -1
  out.sackPermitted = false
  out.timestamps = false
  out.sackCount = 0
  if (headerLength === TCP_HEADER) return
  let i = at + TCP_HEADER
  if (headerLength === TCP_HEADER + TIMESTAMPS_LENGTH && i32(b, i) === TIMESTAMPS_ALIGNED) {
    out.timestamps = true
    out.timestampValue = i32(b, i + 4)
    out.timestampEcho = i32(b, i + 8)
    return
  }
  const end = at + headerLength
  while (i < end) {
    const kind = u8(b, i)
    if (kind === END) return
    if (kind === NOP) {
      i++
      continue
    }
    if (i + 2 > end) return
    const length = u8(b, i + 1)
    if (length < 2 || i + length > end) return
    parseOption(b, i, kind, length, out)
    i += length
  }
}

function parseOption(b: Bytes, i: number, kind: number, length: number, out: TcpOptions): void {
  switch (kind) {
    case MSS:
      if (length === 4) out.mss = u16(b, i + 2)
      return
    case WINDOW_SCALE:
      if (length === 3) out.windowScale = Math.min(u8(b, i + 2), WINDOW_SCALE_LARGEST)
      return
    case SACK_PERMITTED:
      if (length === 2) out.sackPermitted = true
      return
    case TIMESTAMPS:
      if (length !== 10) return
      out.timestamps = true
      out.timestampValue = i32(b, i + 2)
      out.timestampEcho = i32(b, i + 6)
      return
    case SACK: {
      const blocks = (length - 2) >>> 3
      if (length !== 2 + 8 * blocks) return
      out.sackCount = Math.min(blocks, SACK_BLOCKS)
      for (let k = 0; k < 2 * out.sackCount; k++) out.sack[k] = i32(b, i + 2 + 4 * k)
      return
    }
    default:
  }
}

/** Writes timestamps padded to TIMESTAMPS_LENGTH bytes; the index behind them. */
export function writeTimestamps(b: Bytes, at: number, value: number, echo: number): number {
  set32(b, at, TIMESTAMPS_ALIGNED)
  set32(b, at + 4, value)
  set32(b, at + 8, echo)
  return at + TIMESTAMPS_LENGTH
}

/** Writes an MSS option (4 bytes); the index behind it. */
export function writeMss(b: Bytes, at: number, mss: number): number {
  set8(b, at, MSS)
  set8(b, at + 1, 4)
  set16(b, at + 2, mss)
  return at + 4
}

/** Writes SACK-permitted padded to 4 bytes; the index behind it. */
export function writeSackPermitted(b: Bytes, at: number): number {
  set32(b, at, (NOP << 24) | (NOP << 16) | (SACK_PERMITTED << 8) | 2)
  return at + 4
}

/** Writes a window scale padded to 4 bytes; the index behind it. */
export function writeWindowScale(b: Bytes, at: number, shift: number): number {
  set32(b, at, (NOP << 24) | (WINDOW_SCALE << 16) | (3 << 8) | shift)
  return at + 4
}

export interface Timestamps {
  readonly value: number
  readonly echo: number
}

export interface SynchronizeOptions {
  readonly mss: number
  readonly sackPermitted: boolean
  readonly timestamps: Timestamps | undefined
  /** -1: absent. */
  readonly windowScale: number
}

/** Writes the options of a SYN; the index behind them. */
export function writeSynchronizeOptions(b: Bytes, at: number, o: SynchronizeOptions): number {
  let next = writeMss(b, at, o.mss)
  if (o.sackPermitted) next = writeSackPermitted(b, next)
  const { timestamps } = o
  if (timestamps !== undefined) next = writeTimestamps(b, next, timestamps.value, timestamps.echo)
  return o.windowScale < 0 ? next : writeWindowScale(b, next, o.windowScale)
}

/** Bytes that `count` SACK blocks take, padded. */
export function sackLength(count: number): number {
  return count === 0 ? 0 : 4 + 8 * count
}

/** Writes `count` blocks of `edges` (left, right, left …); the index behind them. */
export function writeSack(b: Bytes, at: number, edges: Int32Array, count: number): number {
  set32(b, at, (NOP << 24) | (NOP << 16) | (SACK << 8) | (2 + 8 * count))
  for (let k = 0; k < 2 * count; k++) set32(b, at + 4 + 4 * k, edges[k] as number)
  return at + sackLength(count)
}
