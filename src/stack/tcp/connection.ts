/**
 * One connection: its state (the transmission control block of RFC 9293 section 3.3.1) and the calls
 * of its user. What segments and time do to it stands in input.ts, acknowledge.ts, output.ts and
 * timeouts.ts; variables keep the RFCs' meaning (una = SND.UNA, received = RCV.NXT, edge = RCV.NXT + RCV.WND).
 */
import { PvpnError } from '../../core/errors.js'
import { formatIp } from '../../core/ip.js'
import { unattended } from '../../core/stream.js'
import type { Bytes, Endpoint, Millis } from '../../core/types.js'
import { TCP_ACK, TCP_RST } from '../../wire/tcp.js'
import type { TcpSocket, TcpState } from '../contract.js'
import { FlowUse } from '../flow-mix.js'
import type { CongestionControl } from './congestion.js'
import type { TcpContext } from './context.js'
import { Cubic } from './cubic.js'
import { DeliveryRate } from './delivery-rate.js'
import { RECEIVE_BUFFER_INITIAL, SEND_BUFFER, SEND_BUFFER_INITIAL, SEND_SHARE } from './limits.js'
import type { OutOfOrder } from './out-of-order.js'
import { Rack } from './rack.js'
import { ReceiveBuffer } from './receive-buffer.js'
import { Recovery } from './recovery.js'
import { RoundTrip, RTO_INITIAL } from './round-trip.js'
import { SendBuffer } from './send-buffer.js'
import { SentSegments } from './sent-segments.js'
import { sequenceDistance } from './sequence.js'
import { nextState, type TcpEvent } from './state.js'

/** What a connection has to tell its user. */
export const CONNECTED = 1
export const READABLE = 2
export const WRITABLE = 4
export const CLOSED = 8
export const ACCEPTED = 16

/** What the connection's timer waits for. */
export const TIMER_NONE = 0
export const TIMER_RETRANSMISSION = 1
export const TIMER_TAIL_PROBE = 2
export const TIMER_REORDERING = 3
export const TIMER_PERSIST = 4

/** Of these, one is in flight, one waits behind a gap, one is ready to go. */
const SEND_BUFFER_WINDOWS = 3

const NEVER = Number.POSITIVE_INFINITY
const ignore = (): void => {}

/** The listener of a passive connection, until the connection was handed to its user. */
export interface Acceptor {
  /** The handshake is complete: `onConnection` is due. */
  deliver(c: Connection): void
  /** The connection ended before that. */
  lost(c: Connection): void
}

export class Connection implements TcpSocket {
  onConnect: () => void = ignore
  onReadable: () => void = ignore
  onWritable: () => void = ignore

  readonly stack: TcpContext
  readonly localIp: Bytes
  readonly remoteIp: Bytes
  readonly localPort: number
  readonly remotePort: number
  /** Of the four above, for the table; with the next of the same. */
  hash = 0
  chain: Connection | undefined
  heapIndex = -1
  heapKey: Millis = 0

  state: TcpState = 'CLOSED'
  /** Set until a passive connection was handed over. */
  acceptor: Acceptor | undefined
  /** In the layer's lists of who wants output, and who wants to be told what. */
  outputWanted = false
  /** It had much to send when it was asked last: the light ones go first. */
  heavy = false
  /** What it carries in both directions. */
  readonly use = new FlowUse()
  events = 0
  notifyWanted = false
  error: PvpnError | undefined
  /** An ICMP error that may explain a later time-out. */
  softError: PvpnError | undefined
  #onClose: (error?: PvpnError) => void = unattended
  #closeTold = false
  /** The close came while nobody attended. */
  #closeWaits = false
  #shortWrite = false

  // Sending
  iss = 0
  una = 0
  next = 0
  sendWindow = 0
  sendWindowMost = 0
  windowSequence = 0
  windowAcknowledgment = 0
  sendShift = 0
  /** What the far side takes; and the data that fits one segment now. */
  peerMss = 536
  mss = 536
  /** Largest packet where larger ones are swallowed (black-hole.ts), until when, and whether that is a mere suspicion; `holeProven`: the size had got through before. */
  holeMtu = NEVER
  holeUntil: Millis = NEVER
  holeSuspected = false
  holeProven = false
  /** Largest segment that has got through. */
  sizeDelivered = 0
  finQueued = false
  finSent = false
  /** A SYN or SYN-ACK is to be sent. */
  synWanted = false
  synRetries = 0
  synQuickRetries = 0
  /** How long the first SYN waits; shorter than usual where the path's round trip is known (known-trips.ts). */
  synTimeout: Millis = RTO_INITIAL
  /** It has waited that shorter time; and the timestamp of the SYN that followed. */
  synEarly = false
  synEarlyStamp = 0
  /** Its SYN-ACK is a SYN cookie too, so that it can be given up (syn-cookies.ts); and it was made from the ACK of one. */
  cookie = false
  redeemed = false
  /** An empty segment below the window is to be sent, so that the far side answers (keep-alive, window probe). */
  pokeWanted = false
  /** May send less than sender's silly-window avoidance wants: the persist timer ran out. */
  overrideWanted = false
  tailProbeWanted = false
  readonly unsent: SendBuffer
  readonly sent = new SentSegments()
  congestion: CongestionControl = new Cubic()
  readonly rate = new DeliveryRate()
  /** When the next new segment may leave (see pacing.ts), and whether one waits for it. */
  paceAt: Millis = 0
  paceWaits = false
  /** Segments have waited for `paceAt` since there was last nothing to send. */
  paceBehind = false
  readonly recovery = new Recovery()
  readonly rack = new Rack()
  readonly trip = new RoundTrip()
  /** The stack's `late` at our last output. */
  lateBefore: Millis = 0
  /** The congestion window (not the application) held us back when `limitedUntil` was sent. */
  limited = false
  limitedUntil = 0
  lastSent: Millis = 0

  // Receiving
  irs = 0
  received = 0
  edge = 0
  receiveShift = 0
  receiveLimit = RECEIVE_BUFFER_INITIAL
  readonly incoming: ReceiveBuffer
  outOfOrder: OutOfOrder | undefined
  finReceived = false
  /** A FIN has come, perhaps before data that lies in front of it. */
  finSeen = false
  finSequence = 0
  /** Largest segment received lately: what the far side sends. */
  segmentSize = 536
  /** ACKs to send now: more than one only for peers without SACK, who count duplicates. */
  acksWanted = 0
  /** Bytes not yet acknowledged by us, and when we must. */
  unacknowledged = 0
  acknowledgeAt: Millis = NEVER
  quickAcks = 16
  lastAckSent = 0
  lastChallenge: Millis = -1e9
  duplicateSeen = false
  duplicateLeft = 0
  duplicateRight = 0
  /** Growth of the receive buffer: bytes read since `measureFrom`. */
  readBytes = 0
  readMost = 0
  measureFrom: Millis = 0
  receiveTrip = 0

  // Options
  sackUsed = false
  timestampsUsed = false
  timestampOffset = 0
  timestampRecent = 0
  timestampRecentAt: Millis = 0

  // Time
  timer: number = TIMER_NONE
  /** When RACK looks again for losses. */
  reorderAt: Millis = NEVER
  timerAt: Millis = NEVER
  /** Start of the retransmission timer. */
  timeoutFrom: Millis = 0
  /** Last time that the far side acknowledged something, or had nothing to acknowledge. */
  progressAt: Millis = 0
  lastReceived: Millis = 0
  probes = 0
  keepAlives = 0
  /** When the next keep-alive goes out, once one was sent without an answer. */
  keepAliveAt: Millis = NEVER

  constructor(
    stack: TcpContext,
    localIp: Bytes,
    localPort: number,
    remoteIp: Bytes,
    remotePort: number,
  ) {
    this.stack = stack
    this.localIp = localIp
    this.localPort = localPort
    this.remoteIp = remoteIp
    this.remotePort = remotePort
    this.unsent = new SendBuffer(stack.allocator)
    this.incoming = new ReceiveBuffer(stack.receiveMemory, stack.allocator)
  }

  get onClose(): (error?: PvpnError) => void {
    return this.#onClose
  }

  set onClose(handler: (error?: PvpnError) => void) {
    this.#onClose = handler
    if (this.#closeWaits && handler !== unattended) this.tell(CLOSED)
  }

  get local(): Endpoint {
    return { address: formatIp(this.localIp), port: this.localPort }
  }

  get remote(): Endpoint {
    return { address: formatIp(this.remoteIp), port: this.remotePort }
  }

  /** Bytes believed to be in the network (RFC 6675's pipe, with RACK's marks). */
  get pipe(): number {
    const { sent } = this
    return (
      sequenceDistance(this.una, this.next) -
      sent.sackedBytes -
      sent.lostBytes -
      Math.min(this.recovery.duplicates, sent.count) * (this.sackUsed ? 0 : this.mss)
    )
  }

  move(event: TcpEvent): void {
    this.state = nextState(this.state, event)
  }

  tell(events: number): void {
    this.events |= events
    this.stack.wantNotify(this)
  }

  /** Most bytes that may wait in the send buffer now. */
  get #sendLimit(): number {
    const { sendMemory, counters } = this.stack
    if (sendMemory.pressed) return sendMemory.share(SEND_SHARE, counters.open)
    const room = Math.max(
      SEND_BUFFER_INITIAL,
      SEND_BUFFER_WINDOWS * Math.ceil(this.congestion.capacity),
    )
    return Math.min(SEND_BUFFER, room)
  }

  write(bytes: Bytes): number {
    if (this.finQueued || this.state === 'CLOSED' || this.error !== undefined) return 0
    const room = this.#sendLimit - this.unsent.size
    const taken = Math.max(0, Math.min(room, this.stack.sendMemory.left, bytes.length))
    if (taken < bytes.length) this.#shortWrite = true
    if (taken > 0) {
      // What waits already is held back by a window or the pace: an ACK or a timer lets it go, and this behind it.
      const waits = sequenceDistance(this.next, this.unsent.end) > 0
      this.unsent.append(taken === bytes.length ? bytes : bytes.subarray(0, taken))
      this.stack.sendMemory.held += taken
      if (!waits) this.stack.wantOutput(this)
    }
    // With nothing to be acknowledged nothing else would tell the writer to go on.
    else if (this.unsent.size === 0 && bytes.length > 0) this.stack.wantMemory(this)
    return taken
  }

  /** The far side has acknowledged everything before `sequence` (FIN not counted). */
  acknowledged(sequence: number): void {
    const { unsent } = this
    this.stack.sendMemory.held -= sequenceDistance(unsent.start, sequence)
    unsent.acknowledge(sequence)
    if (this.#shortWrite && unsent.size * 2 <= this.#sendLimit) {
      this.#shortWrite = false
      this.tell(WRITABLE)
    }
  }

  read(): Bytes | undefined {
    const gaps = this.outOfOrder !== undefined && !this.outOfOrder.empty
    const bytes = this.incoming.read(gaps)
    if (bytes === undefined) return undefined
    this.readBytes += bytes.length
    if (this.finReceived) this.tell(READABLE)
    else this.stack.wantOutput(this)
    this.#tellWhenDone()
    return bytes
  }

  get ended(): boolean {
    return this.finReceived && this.incoming.ready === 0
  }

  end(): void {
    if (this.finQueued || this.error !== undefined) return
    this.finQueued = true
    this.stack.wantOutput(this)
  }

  abort(): void {
    if (this.state !== 'CLOSED' && this.state !== 'TIME-WAIT' && this.state !== 'SYN-SENT') {
      this.sendReset()
    }
    this.abandon()
  }

  /** Ends without a word to anybody. */
  abandon(): void {
    this.#closeTold = true
    this.#closeWaits = false
    this.events = 0
    if (this.state !== 'CLOSED' && this.state !== 'TIME-WAIT') this.#drop()
    this.incoming.release()
    this.outOfOrder = undefined
  }

  sendReset(): void {
    this.stack.reply(
      this.localIp,
      this.remoteIp,
      this.localPort,
      this.remotePort,
      this.next,
      this.received,
      TCP_RST | TCP_ACK,
    )
  }

  /** The connection has failed: everything to send is forgotten, the user is told. */
  fail(error: PvpnError): void {
    if (this.state === 'CLOSED') return
    this.error = error
    this.#drop()
    this.outOfOrder = undefined
    this.tell(CLOSED)
  }

  /** Both directions are done. */
  finish(timeWait: boolean): void {
    this.stack.release(this, timeWait)
    this.#forgetBuffers()
    this.#tellWhenDone()
  }

  #drop(): void {
    this.state = 'CLOSED'
    this.acceptor?.lost(this)
    this.stack.release(this, false)
    this.#forgetBuffers()
  }

  #forgetBuffers(): void {
    this.incoming.detach()
    this.stack.sendMemory.held -= this.unsent.size
    this.unsent.reset(this.unsent.end)
    this.sent.clear()
    this.finQueued = true
    this.timer = TIMER_NONE
    this.timerAt = NEVER
    this.acknowledgeAt = NEVER
  }

  /** A clean end is told when everything was read, so that nobody loses data by closing on it. */
  #tellWhenDone(): void {
    if ((this.state === 'TIME-WAIT' || this.state === 'CLOSED') && this.ended) this.tell(CLOSED)
  }

  /** Calls the user's callbacks for what has happened since. */
  deliver(): void {
    const events = this.events
    this.events = 0
    if (events & ACCEPTED) this.acceptor?.deliver(this)
    if (events & CONNECTED) this.onConnect()
    if (events & READABLE && !this.#closeTold) this.onReadable()
    if (events & WRITABLE && !this.#closeTold) this.onWritable()
    if (events & CLOSED && !this.#closeTold) {
      this.#closeWaits = this.#onClose === unattended
      if (this.#closeWaits) return
      this.#closeTold = true
      this.#onClose(this.error)
    }
  }

  timedOut(): void {
    this.fail(
      this.softError ??
        new PvpnError(
          'ERR_TIMEOUT',
          `${formatIp(this.remoteIp)} port ${this.remotePort} does not answer`,
        ),
    )
  }
}
