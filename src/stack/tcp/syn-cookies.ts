/**
 * SYN cookies (RFC 4987 section 3.6): where a listener has no place left for a half-open connection, its
 * SYN-ACK carries what is to be remembered, and the ACK that completes the handshake brings it back.
 *
 *   sequence number   29 bits: SipHash of both ends, the peer's initial sequence number and the MSS │ 3 bits: MSS
 *   timestamp         27 bits: our clock, not later than now │ 1 bit: SACK permitted │ 4 bits: window scale
 *
 * A peer without timestamps has the MSS alone, as with Linux. Of the 2^32 numbers an ACK may name, 16 are
 * right: eight sizes, under the key of now and the one before.
 */
import { set8, set16, set32 } from '../../core/bytes.js'
import type { Bytes, Millis, Random } from '../../core/types.js'
import { TCP_ACK, TCP_SYN } from '../../wire/tcp.js'
import type { TcpOptions } from '../../wire/tcp-options.js'
import type { IpLayer } from '../tcp-contract.js'
import { largestSegment, MSS_LEAST, offeredMss, RECEIVE_SHIFT } from './handshake.js'
import type { InitialSequence } from './initial-sequence.js'
import { RECEIVE_BUFFER_INITIAL, SYN_COOKIE_LIFE, SYN_COOKIES_SPENT } from './limits.js'
import type { Reply } from './replies.js'
import { Segment } from './segment.js'
import { before, sequenceAdd, sequenceDistance } from './sequence.js'
import { sipHash } from './sip-hash.js'

/** What is told of the peer's MSS: the largest of these that is no larger. Usual ones are those of PPPoE, tunnels, Ethernet. */
const SIZES: readonly number[] = [MSS_LEAST, 536, 1220, 1300, 1360, 1400, 1440, 1460]
const SIZE_BITS = 7
/** A key makes cookies for this long, in milliseconds, and is good for as long again. */
const PERIOD = SYN_COOKIE_LIFE / 2

/** Of the timestamp: window scale (15: none), then SACK permitted. */
const SCALE_BITS = 15
const NO_SCALE = 15
const SACK_BIT = 16
const OPTION_BITS = 31
/** By how many milliseconds the timestamp may be older than its sending. */
const STAMP_SLACK = OPTION_BITS + 1

const ADDRESS_MOST = 16

/** A key's time, and what it was used for. */
class Period {
  readonly key = new Uint8Array(16)
  /** Numbers whose cookie has opened a connection meanwhile: none opens two. */
  readonly spent = new Set<number>()

  begin(random: Random): void {
    random(this.key)
    this.spent.clear()
  }
}

export class SynCookies {
  readonly #random: Random
  readonly #initial: InitialSequence
  #current = new Period()
  #earlier = new Period()
  /** When the current one began. */
  #since: Millis = Number.NEGATIVE_INFINITY
  readonly #input = new Uint8Array(2 * ADDRESS_MOST + 9)
  readonly #out = new Int32Array(2)
  readonly #syn = new Segment()

  /** `initial` gives each pair of ends the offset of its timestamps. */
  constructor(random: Random, initial: InitialSequence) {
    this.#random = random
    this.#initial = initial
  }

  /** The initial sequence number that answers the SYN. */
  sequence(
    local: Bytes,
    localPort: number,
    remote: Bytes,
    remotePort: number,
    syn: Segment,
    now: Millis,
  ): number {
    this.#turn(now)
    const mss = offeredMss(syn.options, remote.length)
    let size = SIZES.length - 1
    while (size > 0 && (SIZES[size] as number) > mss) size--
    return (
      this.#hash(this.#current.key, local, localPort, remote, remotePort, syn.sequence, size) | size
    )
  }

  /** The SYN-ACK of a SYN of which nothing is kept. */
  answer(
    local: Bytes,
    localPort: number,
    remote: Bytes,
    remotePort: number,
    syn: Segment,
    ip: IpLayer,
    now: Millis,
  ): Reply {
    const { options } = syn
    this.#initial.choose(local, localPort, remote, remotePort, now)
    const value = cookieStamp(now, this.#initial.timestampOffset, options)
    return {
      local,
      localPort,
      remote,
      remotePort,
      sequence: this.sequence(local, localPort, remote, remotePort, syn, now),
      acknowledgment: sequenceAdd(syn.sequence, 1),
      flags: TCP_SYN | TCP_ACK,
      window: Math.min(65_535, RECEIVE_BUFFER_INITIAL),
      ...(options.timestamps ? { timestamps: { value, echo: options.timestampValue } } : {}),
      synchronize: {
        mss: Math.min(65_535, largestSegment(remote, ip.pathMtu(remote))),
        sackPermitted: options.timestamps && options.sackPermitted,
        windowScale: options.timestamps && options.windowScale >= 0 ? RECEIVE_SHIFT : -1,
      },
    }
  }

  /**
   * The SYN that this ACK answers the SYN-ACK of, as far as the cookie tells: valid until the next call.
   * Undefined: the number acknowledged is no cookie of ours for it, or too old a one.
   */
  redeem(
    local: Bytes,
    localPort: number,
    remote: Bytes,
    remotePort: number,
    ack: Segment,
    now: Millis,
  ): Segment | undefined {
    this.#turn(now)
    const cookie = sequenceAdd(ack.acknowledgment, -1)
    const sequence = sequenceAdd(ack.sequence, -1)
    const size = cookie & SIZE_BITS
    const told = cookie & ~SIZE_BITS
    const [current, earlier] = [this.#current, this.#earlier]
    if (
      told !== this.#hash(current.key, local, localPort, remote, remotePort, sequence, size) &&
      told !== this.#hash(earlier.key, local, localPort, remote, remotePort, sequence, size)
    ) {
      return undefined
    }
    if (current.spent.has(cookie) || earlier.spent.has(cookie)) return undefined
    const syn = this.#syn
    const { options } = syn
    syn.sequence = sequence
    syn.flags = TCP_SYN
    syn.window = ack.window
    options.mss = SIZES[size] as number
    this.#initial.choose(local, localPort, remote, remotePort, now)
    readStamp(ack.options, this.#initial.timestampOffset, now, options)
    return syn
  }

  /** The cookie that this number acknowledges has opened a connection. */
  spend(acknowledgment: number): void {
    const { spent } = this.#current
    if (spent.size < SYN_COOKIES_SPENT) spent.add(sequenceAdd(acknowledgment, -1))
  }

  /** The upper bits of the number; the lower are 0. */
  #hash(
    key: Bytes,
    local: Bytes,
    localPort: number,
    remote: Bytes,
    remotePort: number,
    sequence: number,
    size: number,
  ): number {
    const ports = 2 * local.length
    const input = this.#input.subarray(0, ports + 9)
    input.set(local)
    input.set(remote, local.length)
    set16(input, ports, localPort)
    set16(input, ports + 2, remotePort)
    set32(input, ports + 4, sequence)
    set8(input, ports + 8, size)
    sipHash(key, input, this.#out)
    return (this.#out[0] as number) & ~SIZE_BITS
  }

  /** Sees to it that the periods are those of now. */
  #turn(now: Millis): void {
    const passed = now - this.#since
    if (passed < PERIOD) return
    if (passed >= 2 * PERIOD) {
      this.#earlier.begin(this.#random)
      this.#since = now
    } else {
      ;[this.#current, this.#earlier] = [this.#earlier, this.#current]
      this.#since += PERIOD
    }
    this.#current.begin(this.#random)
  }
}

/** Can a cookie tell all that this SYN offers? */
export function fitsCookie({ timestamps, sackPermitted, windowScale }: TcpOptions): boolean {
  return timestamps || (!sackPermitted && windowScale < 0)
}

/** The timestamp of a SYN-ACK that carries what else the SYN offered in its low bits; never later than our clock (`offset` included), so that none that follows is older. */
export function cookieStamp(
  now: Millis,
  offset: number,
  offered: Pick<TcpOptions, 'windowScale' | 'sackPermitted'>,
): number {
  const clock = Math.floor(now) | 0
  const scale = offered.windowScale < 0 ? NO_SCALE : offered.windowScale
  const bits = scale | (offered.sackPermitted ? SACK_BIT : 0)
  const stamp = (clock & ~OPTION_BITS) | bits
  return sequenceAdd(before(clock, stamp) ? stamp - STAMP_SLACK : stamp, offset)
}

/** Reads what `cookieStamp` has written out of its echo. An echo that can't be of it says that there were no timestamps. */
function readStamp(ack: TcpOptions, offset: number, now: Millis, syn: TcpOptions): void {
  const stamp = sequenceAdd(ack.timestampEcho, -offset)
  const age = sequenceDistance(stamp, Math.floor(now) | 0)
  syn.timestamps = ack.timestamps && age >= 0 && age < SYN_COOKIE_LIFE + STAMP_SLACK
  syn.timestampValue = ack.timestampValue
  syn.sackPermitted = syn.timestamps && (stamp & SACK_BIT) !== 0
  const scale = stamp & SCALE_BITS
  syn.windowScale = syn.timestamps && scale !== NO_SCALE ? scale : -1
}
