/**
 * TCP as a whole: finds whose segment it is, keeps the lists of connections that want output, a
 * call-back or time, and the bounds over all of them. The machines of one connection are in
 * input.ts, output.ts and timeouts.ts.
 */
import { type Allocator, plainAllocator } from '../../core/allocator.js'
import { PvpnError } from '../../core/errors.js'
import { Histogram } from '../../core/histogram.js'
import { formatIp, parseIp } from '../../core/ip.js'
import type { PacketBatch } from '../../core/packet-batch.js'
import type { StreamListener } from '../../core/stream.js'
import type { Bytes, Endpoint, Millis } from '../../core/types.js'
import { IPV4_SOURCE } from '../../wire/ipv4.js'
import { IPV6_SOURCE } from '../../wire/ipv6.js'
import {
  TCP_ACK,
  TCP_RST,
  TCP_SYN,
  tcpChecksum,
  tcpDestinationPort,
  tcpHeaderValid,
  tcpSourcePort,
  tcpSummed,
} from '../../wire/tcp.js'
import { SACK_BLOCKS } from '../../wire/tcp-options.js'
import { NO_SUM } from '../batch-checksums.js'
import type { TcpSocket } from '../contract.js'
import { FlowMix } from '../flow-mix.js'
import type { IpLayer, TcpIcmpError, TcpLayer, TcpLayerOptions } from '../tcp-contract.js'
import { Delivery } from './acknowledge.js'
import { Connection, WRITABLE } from './connection.js'
import type { TcpContext, TcpCounters, TcpDrop } from './context.js'
import { prepare, readSynchronize } from './handshake.js'
import { icmpArrives, pathChanged, quotesFlight } from './icmp.js'
import { InitialSequence } from './initial-sequence.js'
import { segmentArrives } from './input.js'
import { KnownTrips } from './known-trips.js'
import {
  BACKLOG,
  CONNECTIONS,
  HALF_OPEN,
  LISTENERS,
  RECEIVE_BUFFER,
  RECEIVE_TOTAL,
  SEND_TOTAL,
} from './limits.js'
import { Listener } from './listener.js'
import { emit } from './output.js'
import { OutputTurn } from './output-turn.js'
import { Ports, type PortUse } from './ports.js'
import { ReceivePressure } from './receive-pressure.js'
import { Replies } from './replies.js'
import { Segment } from './segment.js'
import { before, sequenceAdd } from './sequence.js'
import { SharedMemory } from './shared-memory.js'
import { fitsCookie, SynCookies } from './syn-cookies.js'
import { AddressHash, AddressTable } from './table.js'
import { type TimeWait, TimeWaitTable, timeWaitArrives } from './time-wait.js'
import { deadlineOf, fire, rearm } from './timeouts.js'
import { DeadlineHeap } from './timers.js'

/** Beyond what an old connection may still have in flight (as RFC 6191 wants a larger sequence number). */
const SEQUENCE_GAP = 65_537

/** Milliseconds by which a deadline may be missed before it counts as late: timers are no better. */
const LATE = 1

/** A connection that sends no more than this at once is a light one. */
const LIGHT_SEGMENTS = 2

/** TCP over `ip`; no clock or randomness but what is passed in. */
export function createTcpLayer(ip: IpLayer, options: TcpLayerOptions): TcpLayer {
  return new Layer(ip, options)
}

/** Upper bounds in milliseconds of the round trips that metrics show. */
const ROUND_TRIP_BUCKETS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000]

class Layer implements TcpLayer, TcpContext {
  readonly ip: IpLayer
  now: Millis = 0
  micros = 0
  late: Millis = 0
  #lateUntil: Millis = 0
  readonly pacing: boolean
  readonly allocator: Allocator
  readonly congestion: 'bbr' | 'cubic'
  readonly knownTrips = new KnownTrips()
  readonly pressure = new ReceivePressure()
  readonly #flows: FlowMix
  readonly receiveMemory: SharedMemory
  readonly sendMemory: SharedMemory
  /** Connections that wait for memory to send from. */
  readonly #starved = new Set<Connection>()
  readonly counters: TcpCounters = {
    open: 0,
    retransmits: 0,
    timeouts: 0,
    cookies: { sent: 0, received: 0, failed: 0 },
    roundTrips: new Histogram(ROUND_TRIP_BUCKETS),
    drops: noDrops(),
  }
  onReady: () => void = () => {}

  readonly #connections: AddressTable<Connection>
  readonly #timeWait: TimeWaitTable
  readonly #listeners = new Map<number, Listener[]>()
  #listenerCount = 0
  #halfOpen = 0
  readonly #deadlines = new DeadlineHeap<Connection>()
  readonly #replies = new Replies()
  readonly #initial: InitialSequence
  readonly #cookies: SynCookies
  readonly #ports: Ports
  readonly #segment = new Segment()
  readonly #delivery = new Delivery()
  readonly #blocks = new Int32Array(2 * SACK_BLOCKS)
  /** Connections that had little to send when they were asked last, or are new: they go first. */
  readonly #light = new OutputTurn()
  /** The others, in turn. */
  readonly #heavy = new OutputTurn()
  /** Connections that have something to tell: those that carry little, which go first, and the others. */
  #notify: Connection[] = []
  #notifyHeavy: Connection[] = []
  /** Bytes of data that came, and who got some last: where much comes, one of those that get much. */
  #received = 0
  #receiver: Connection | undefined
  /** Inside of a call by the driver: it will pump anyway. */
  #cycle = false

  constructor(ip: IpLayer, options: TcpLayerOptions) {
    this.ip = ip
    this.receiveMemory = new SharedMemory(options.memory ?? RECEIVE_TOTAL)
    this.sendMemory = new SharedMemory(options.memory ?? SEND_TOTAL)
    this.pacing = options.pacing ?? true
    this.#flows = options.flows ?? new FlowMix()
    this.allocator = options.allocator ?? plainAllocator
    this.congestion = options.congestion ?? 'bbr'
    const hash = new AddressHash(options.random)
    this.#connections = new AddressTable(hash)
    this.#timeWait = new TimeWaitTable(hash)
    this.#initial = new InitialSequence(options.random)
    this.#cookies = new SynCookies(options.random, this.#initial)
    this.#ports = new Ports(options.random, options.ephemeralPorts)
  }

  #time(now: Millis): void {
    if (now === this.now) return
    // A deadline that has passed without a call: nobody ran us.
    const due = Math.max(this.#deadlines.earliest, this.#lateUntil)
    if (now - due > LATE) {
      this.late += now - due
      this.#lateUntil = now
    }
    this.now = now
    this.micros = (now * 1000) | 0
  }

  input(
    bytes: Bytes,
    ipAt: number,
    at: number,
    length: number,
    now: Millis,
    sum: number = NO_SUM,
  ): void {
    this.#time(now)
    const v4 = (bytes[ipAt] as number) >>> 4 === 4
    const size = v4 ? 4 : 16
    const source = ipAt + (v4 ? IPV4_SOURCE : IPV6_SOURCE)
    if (!tcpHeaderValid(bytes, at, length)) {
      this.counters.drops.malformed++
      return
    }
    const summed = sum !== NO_SUM && tcpSummed(bytes, ipAt, source, size, length, sum)
    if (!summed && tcpChecksum(bytes, source, size, at, length) !== 0) {
      this.counters.drops.checksum++
      return
    }
    const segment = this.#segment
    segment.read(bytes, at, length)
    const remotePort = tcpSourcePort(bytes, at)
    const localPort = tcpDestinationPort(bytes, at)
    const destination = source + size
    const c = this.#connections.find(bytes, destination, localPort, bytes, source, remotePort, size)
    this.#cycle = true
    if (c !== undefined) segmentArrives(c, segment, this.#delivery)
    else {
      const local = bytes.slice(destination, destination + size)
      const remote = bytes.slice(source, source + size)
      this.#withoutConnection(local, localPort, remote, remotePort)
    }
    this.#cycle = false
  }

  #withoutConnection(local: Bytes, localPort: number, remote: Bytes, remotePort: number): void {
    const s = this.#segment
    let least: number | undefined
    const old = this.#timeWait.find(local, 0, localPort, remote, 0, remotePort, local.length)
    if (old !== undefined) {
      const verdict = timeWaitArrives(old, s, this.now)
      if (verdict === 'ignore') return
      if (verdict === 'forget') {
        this.#timeWait.remove(old)
        return
      }
      if (verdict !== 'reopen') {
        if (!this.#replies.add(verdict)) this.counters.drops.replies++
        return
      }
      if (this.#listenerFor(localPort, local.length) === undefined) return
      this.#timeWait.remove(old)
      least = sequenceAdd(old.next, SEQUENCE_GAP)
    }
    if ((s.flags & TCP_RST) !== 0) return
    const listener = this.#listenerFor(localPort, local.length)
    const plainSyn = (s.flags & (TCP_SYN | TCP_ACK)) === TCP_SYN
    if (listener !== undefined && plainSyn) {
      this.#begin(listener, local, localPort, remote, remotePort, least)
      return
    }
    if (listener !== undefined && (s.flags & TCP_ACK) === 0) return
    if (listener?.overflowed(this.now) === true && (s.flags & TCP_SYN) === 0) {
      if (this.#redeem(listener, local, localPort, remote, remotePort)) return
    }
    this.counters.drops['no-connection']++
    // RFC 9293 section 3.10.7.1.
    if ((s.flags & TCP_ACK) !== 0) {
      this.reply(local, remote, localPort, remotePort, s.acknowledgment, 0, TCP_RST)
    } else {
      const next = sequenceAdd(s.sequence, s.length)
      this.reply(local, remote, localPort, remotePort, 0, next, TCP_RST | TCP_ACK)
    }
  }

  /** A SYN for a listener (RFC 9293 section 3.10.7.2). */
  #begin(
    listener: Listener,
    local: Bytes,
    localPort: number,
    remote: Bytes,
    remotePort: number,
    least: number | undefined,
  ): void {
    const { now } = this
    const syn = this.#segment
    const crowded = this.#connections.size >= CONNECTIONS
    if ((crowded || listener.full || this.#halfOpen >= HALF_OPEN) && !listener.evict(now)) {
      if (crowded) {
        this.counters.drops['half-open-full']++
        return
      }
      listener.overflow(now)
      const { ip } = this
      const answer = this.#cookies.answer(local, localPort, remote, remotePort, syn, ip, now)
      if (this.#replies.add(answer)) this.counters.cookies.sent++
      else this.counters.drops.replies++
      return
    }
    const c = new Connection(this, local, localPort, remote, remotePort)
    // While cookies are on their way they are all one: the same answer to the same SYN.
    c.cookie = least === undefined && listener.overflowed(now) && fitsCookie(syn.options)
    const iss = c.cookie
      ? this.#cookies.sequence(local, localPort, remote, remotePort, syn, now)
      : undefined
    this.#accept(c, listener, syn, iss, least)
    this.wantOutput(c)
  }

  /** An ACK that may bring a SYN cookie back. False: it does not. */
  #redeem(
    listener: Listener,
    local: Bytes,
    localPort: number,
    remote: Bytes,
    remotePort: number,
  ): boolean {
    const s = this.#segment
    const syn = this.#cookies.redeem(local, localPort, remote, remotePort, s, this.now)
    if (syn === undefined) {
      this.counters.cookies.failed++
      return false
    }
    if (this.#connections.size >= CONNECTIONS) {
      this.counters.drops['half-open-full']++
      return true
    }
    this.counters.cookies.received++
    this.#cookies.spend(s.acknowledgment)
    const c = new Connection(this, local, localPort, remote, remotePort)
    c.redeemed = true
    this.#accept(c, listener, syn, sequenceAdd(s.acknowledgment, -1), undefined)
    segmentArrives(c, s, this.#delivery)
    return true
  }

  #accept(
    c: Connection,
    listener: Listener,
    syn: Segment,
    iss: number | undefined,
    least: number | undefined,
  ): void {
    c.acceptor = listener
    this.#halfOpen++
    listener.begun(c, this.now)
    this.#open(c, iss, least)
    c.state = 'SYN-RECEIVED'
    readSynchronize(c, syn)
  }

  /** Numbers and tables of a new connection. `iss`: the initial sequence number if it is given; `least`: one that is not must not lie before. */
  #open(c: Connection, iss: number | undefined, least: number | undefined): void {
    this.#initial.choose(c.localIp, c.localPort, c.remoteIp, c.remotePort, this.now)
    let sequence = iss ?? this.#initial.sequence
    if (least !== undefined && before(sequence, least)) sequence = least
    prepare(c, sequence, this.#initial.timestampOffset)
    this.#connections.add(c)
    this.counters.open++
  }

  #listenerFor(port: number, addressLength: number): Listener | undefined {
    return this.#listeners.get(port)?.find((l) => l.accepts(addressLength))
  }

  owns(local: Bytes, localPort: number, remote: Bytes, remotePort: number): boolean {
    const size = local.length
    return (
      this.#listenerFor(localPort, size) !== undefined ||
      this.#connections.find(local, 0, localPort, remote, 0, remotePort, size) !== undefined ||
      this.#timeWait.find(local, 0, localPort, remote, 0, remotePort, size) !== undefined
    )
  }

  notify(): void {
    this.#cycle = true
    if (this.#starved.size > 0 && !this.sendMemory.pressed) this.#feed()
    // What a callback causes is told in the same run.
    for (let light = 0, heavy = 0; ; ) {
      const c = this.#notify[light] ?? this.#notifyHeavy[heavy]
      if (c === undefined) break
      if (light < this.#notify.length) light++
      else heavy++
      c.notifyWanted = false
      c.deliver()
    }
    if (this.#notify.length > 0) this.#notify = []
    if (this.#notifyHeavy.length > 0) this.#notifyHeavy = []
    this.#cycle = false
  }

  output(batch: PacketBatch, now: Millis): number {
    this.#time(now)
    const first = batch.count
    this.#cycle = true
    if (this.#replies.size > 0) this.#replies.output(batch, this.ip)
    // The light ones go first, but leave the others half of the batch.
    const most = this.#heavy.empty
      ? batch.capacity
      : batch.count + ((batch.capacity - batch.count) >> 1)
    this.#emit(this.#light, batch, most)
    this.#emit(this.#heavy, batch, batch.capacity)
    this.#emit(this.#light, batch, batch.capacity)
    this.#cycle = false
    return batch.count - first
  }

  #emit(turn: OutputTurn, batch: PacketBatch, most: number): void {
    for (
      let c = turn.next(batch.count < most);
      c !== undefined;
      c = turn.next(batch.count < most)
    ) {
      c.outputWanted = false
      const before = batch.count
      const more = emit(c, batch, this.#blocks)
      const segments = batch.count - before
      c.heavy = more || segments > LIGHT_SEGMENTS
      if (segments > 0) this.#flows.count(c.use, segments, this.now)
      if (more) this.wantOutput(c)
    }
  }

  deadline(): Millis {
    return Math.min(this.#deadlines.earliest, this.#timeWait.deadline())
  }

  tick(now: Millis): void {
    this.#time(now)
    this.#cycle = true
    for (let c = this.#deadlines.take(now); c !== undefined; c = this.#deadlines.take(now)) {
      if (c.state === 'CLOSED') continue
      fire(c)
      this.wantTick(c, deadlineOf(c))
    }
    this.#timeWait.expire(now)
    this.#cycle = false
  }

  connect(to: Endpoint, now: Millis): TcpSocket {
    this.#time(now)
    const remote = parseIp(to.address)
    const local = remote === undefined ? undefined : this.ip.sourceFor(remote)
    if (remote === undefined || local === undefined) {
      throw new PvpnError('ERR_NET_UNREACHABLE', `no way to ${to.address} from here`)
    }
    if (this.#connections.size >= CONNECTIONS) {
      throw new PvpnError('ERR_LIMIT', `${CONNECTIONS} connections are open`)
    }
    let old: TimeWait | undefined
    const port = this.#ports.choose((p) => {
      const use = this.#portUse(local, p, remote, to.port)
      if (use === 'reusable') {
        old = this.#timeWait.find(local, 0, p, remote, 0, to.port, local.length)
      }
      return use
    })
    if (port === undefined) {
      throw new PvpnError('ERR_LIMIT', `no local port is left for ${formatIp(remote)}`)
    }
    let least: number | undefined
    if (old !== undefined && old.localPort === port) {
      this.#timeWait.remove(old)
      least = sequenceAdd(old.next, SEQUENCE_GAP)
    }
    const c = new Connection(this, local.slice(), port, remote.slice(), to.port)
    this.#open(c, undefined, least)
    c.state = 'SYN-SENT'
    c.synTimeout = this.knownTrips.timeout(remote, now)
    this.wantOutput(c)
    rearm(c)
    return c
  }

  #portUse(local: Bytes, port: number, remote: Bytes, remotePort: number): PortUse {
    const size = local.length
    if (this.#listeners.has(port)) return 'taken'
    if (this.#connections.find(local, 0, port, remote, 0, remotePort, size)) return 'taken'
    const old = this.#timeWait.find(local, 0, port, remote, 0, remotePort, size)
    if (old === undefined) return 'free'
    return old.reusable(this.now) ? 'reusable' : 'taken'
  }

  listen(options: { port: number; family?: 4 | 6; backlog?: number }): StreamListener {
    if (this.#listenerCount >= LISTENERS) {
      throw new PvpnError('ERR_LIMIT', `${LISTENERS} ports are listening`)
    }
    const port =
      options.port === 0
        ? this.#ports.choose((p) => (this.#listeners.has(p) ? 'taken' : 'free'))
        : options.port
    if (port === undefined) throw new PvpnError('ERR_LIMIT', 'no local port is left')
    const there = this.#listeners.get(port) ?? []
    const { family } = options
    if (there.some((l) => family === undefined || l.family === undefined || l.family === family)) {
      throw new PvpnError('ERR_LIMIT', `port ${port} is taken`)
    }
    const closed = (l: Listener) => {
      const left = (this.#listeners.get(port) ?? []).filter((other) => other !== l)
      if (left.length === 0) this.#listeners.delete(port)
      else this.#listeners.set(port, left)
      this.#listenerCount--
    }
    const settled = () => {
      this.#halfOpen--
    }
    const own = (of: 4 | 6) => {
      const address = this.ip.sourceFor(new Uint8Array(of === 4 ? 4 : 16))
      return address === undefined ? undefined : formatIp(address)
    }
    const listener = new Listener(port, family, options.backlog ?? BACKLOG, own, closed, settled)
    this.#listeners.set(port, [...there, listener])
    this.#listenerCount++
    return listener
  }

  believes(error: TcpIcmpError): boolean {
    const c = this.#quoted(error)
    return c !== undefined && quotesFlight(c, error)
  }

  #quoted({ local, localPort, remote, remotePort }: TcpIcmpError): Connection | undefined {
    return this.#connections.find(local, 0, localPort, remote, 0, remotePort, local.length)
  }

  icmpError(error: TcpIcmpError, now: Millis): void {
    this.#time(now)
    const c = this.#quoted(error)
    if (c === undefined) return
    this.#cycle = true
    icmpArrives(c, error)
    this.#cycle = false
  }

  addressesChanged(now: Millis): void {
    this.#time(now)
    this.#cycle = true
    for (const c of [...this.#connections.all()]) {
      if (this.ip.isLocal(c.localIp)) pathChanged(c)
      else c.fail(new PvpnError('ERR_DOWN', `our address ${formatIp(c.localIp)} is gone`))
    }
    for (const old of [...this.#timeWait.all()]) {
      if (!this.ip.isLocal(old.localIp)) this.#timeWait.remove(old)
    }
    this.#cycle = false
  }

  receives(c: Connection, length: number): void {
    this.#received += length
    this.#flows.count(c.use, 1, this.now)
    if (length >= c.segmentSize) this.#receiver = c
  }

  waiting(bytes: number, now: Millis): boolean {
    const c = this.#receiver
    const trip = c?.trip.smoothed ?? 0
    const window = c?.receiveLimit ?? RECEIVE_BUFFER
    this.pressure.sample(now, bytes, this.#received, trip, window)
    return this.pressure.standing
  }

  wantOutput(c: Connection): void {
    if (c.outputWanted) return
    c.outputWanted = true
    if (c.heavy) this.#heavy.add(c)
    else this.#light.add(c)
    if (!this.#cycle) this.onReady()
  }

  wantMemory(c: Connection): void {
    this.#starved.add(c)
  }

  #feed(): void {
    for (const c of this.#starved) c.tell(WRITABLE)
    this.#starved.clear()
  }

  wantNotify(c: Connection): void {
    if (c.notifyWanted) return
    c.notifyWanted = true
    if (c.use.heavyUntil > this.now) this.#notifyHeavy.push(c)
    else this.#notify.push(c)
    if (!this.#cycle) this.onReady()
  }

  wantTick(c: Connection, at: Millis): void {
    this.#deadlines.wantBy(c, at)
  }

  reply(
    local: Bytes,
    remote: Bytes,
    localPort: number,
    remotePort: number,
    sequence: number,
    acknowledgment: number,
    flags: number,
  ): void {
    const ends = { local, remote, localPort, remotePort }
    if (!this.#replies.add({ ...ends, sequence, acknowledgment, flags })) {
      this.counters.drops.replies++
    } else if (!this.#cycle) this.onReady()
  }

  release(c: Connection, timeWait: boolean): void {
    if (!this.#connections.remove(c)) return
    if (this.#receiver === c) this.#receiver = undefined
    this.counters.open--
    this.#deadlines.remove(c)
    this.#starved.delete(c)
    if (timeWait) this.#timeWait.add(c, this.now)
  }
}

function noDrops(): Record<TcpDrop, number> {
  return {
    malformed: 0,
    checksum: 0,
    'no-connection': 0,
    'old-timestamp': 0,
    'no-timestamp': 0,
    'out-of-window': 0,
    'bad-acknowledgment': 0,
    'bad-reset': 0,
    'no-acknowledgment': 0,
    'half-open-full': 0,
    memory: 0,
    gaps: 0,
    replies: 0,
  }
}
