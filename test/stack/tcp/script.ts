/**
 * Packet scripts in the spirit of packetdrill: one TCP layer against lines that say what comes in, what
 * must go out, and what its user does. Sequence numbers are relative to each side's initial one.
 *
 *   < S 0 <mss 1000,sackok,ws 7>     a segment arrives (flags, sequence, optional length, ack, win, options)
 *   > SA 0 ack 1                     a segment must go out now (fields left out are not compared)
 *   + 1000                           so many milliseconds pass, with every deadline on the way
 *   ! write 100                      the user's call: connect listen write N read end abort
 *   = ESTABLISHED                    the state of the connection
 *   * connect readable               callbacks since the last such line
 *
 * Nothing else may go out: each line but `>` first checks that no segment is left over.
 */
import { PacketBatch } from '../../../src/core/packet-batch.js'
import type { TcpSocket } from '../../../src/stack/contract.js'
import { createTcpLayer } from '../../../src/stack/tcp/layer.js'
import type { TcpLayer } from '../../../src/stack/tcp-contract.js'
import { PROTOCOL_TCP } from '../../../src/wire/ip.js'
import { writeIpv4 } from '../../../src/wire/ipv4.js'
import { sealTcp, writeTcp } from '../../../src/wire/tcp.js'
import {
  sackLength,
  writeMss,
  writeSack,
  writeSackPermitted,
  writeTimestamps,
  writeWindowScale,
} from '../../../src/wire/tcp-options.js'
import { type Parsed, parse } from '../../sim/monitor.js'
import { deliver, FakeIp } from '../../sim/pair.js'
import { SeededRandom } from '../../sim/random.js'

const FLAGS = 'FSRPAU'
const PEER_ISS = 0x7fffff00
const OURS = new Uint8Array([10, 0, 0, 1])
const THEIRS = new Uint8Array([10, 0, 0, 2])
const PEER_PORT = 5000
const OUR_PORT = 80

export interface Options {
  /** Packets that fit one batch. */
  readonly batch?: number
  readonly mtu?: number
}

export class Script {
  now = 10_000
  readonly ip: FakeIp
  readonly tcp: TcpLayer
  socket: TcpSocket | undefined
  /** Where segments come from. */
  peerPort = PEER_PORT
  readonly #batch: PacketBatch
  readonly #out: Parsed[] = []
  #iss: number | undefined
  #timestampBase: number | undefined
  #stampSent: number | undefined
  #localPort = OUR_PORT
  readonly #events: string[] = []
  /** Bytes read so far, and the byte that comes next in the pattern. */
  bytesRead = 0
  wrong = 0
  #written = 0

  constructor(options: Options = {}) {
    this.ip = new FakeIp(OURS, options.mtu ?? 1500)
    const random = new SeededRandom(42)
    this.tcp = createTcpLayer(this.ip, {
      pacing: false,
      random: random.fill,
      ephemeralPorts: [40000, 40999],
    })
    this.#batch = new PacketBatch({ capacity: options.batch ?? 64, packetSize: 1500 })
  }

  /** Runs the lines of a script; the result lists what was not as told. */
  run(script: string): string[] {
    const wrong: string[] = []
    const lines = script.split('\n').map((l) => l.replace(/#.*/, '').trim())
    for (const line of lines.filter((l) => l !== '')) {
      const kind = line[0]
      const rest = line.slice(1).trim()
      if (kind !== '>') wrong.push(...this.#leftOver(line))
      if (kind === '<') this.#arrive(rest)
      else if (kind === '>') {
        const problem = this.#expect(rest)
        if (problem !== undefined) wrong.push(`${line}: ${problem}`)
      } else if (kind === '+') this.#pass(Number(rest))
      else if (kind === '!') this.#call(rest)
      else if (kind === '=') {
        if (this.socket?.state !== rest) wrong.push(`${line}: is ${this.socket?.state}`)
      } else if (kind === '*') {
        const events = this.#events.splice(0).join(' ')
        if (events !== rest) wrong.push(`${line}: was ${events}`)
      } else throw new Error(`unknown line: ${line}`)
      if (wrong.length > 0) break
    }
    if (wrong.length === 0) wrong.push(...this.#leftOver('the end'))
    return wrong
  }

  /** Our initial sequence number. */
  get iss(): number {
    return this.#iss ?? 0
  }

  /** The newest timestamp that we have sent, from the first on. */
  get stamp(): number {
    return ((this.#stampSent ?? 0) - (this.#timestampBase ?? 0)) | 0
  }

  /** Lets time pass whatever is sent meanwhile. */
  quiet(milliseconds: number): void {
    this.#pass(milliseconds)
    this.#out.length = 0
  }

  #leftOver(line: string): string[] {
    const left = this.#out.splice(0).map((p) => this.#show(p))
    return left.length === 0 ? [] : [`before ${line}: unexpected ${left.join(', ')}`]
  }

  #turn(): void {
    if (this.tcp.deadline() <= this.now) this.tcp.tick(this.now)
    this.tcp.notify()
    for (;;) {
      this.#batch.reset()
      if (this.tcp.output(this.#batch, this.now) === 0) return
      for (let i = 0; i < this.#batch.count; i++) {
        const p = parse(this.#batch.view(i).slice())
        if (p === undefined) throw new Error('sent a segment with a wrong checksum')
        if (p.flags & 2) this.#iss = p.sequence
        if (p.options.timestamps) {
          this.#timestampBase ??= p.options.timestampValue
          this.#stampSent = p.options.timestampValue
        }
        this.#out.push(p)
      }
    }
  }

  #pass(milliseconds: number): void {
    const end = this.now + milliseconds
    for (;;) {
      const next = this.tcp.deadline()
      if (next > end) break
      this.now = Math.max(this.now, next)
      this.#turn()
    }
    this.now = end
    this.#turn()
  }

  #call(text: string): void {
    const [verb, argument] = text.split(' ')
    const socket = this.socket
    switch (verb) {
      case 'connect': {
        this.#watch(this.tcp.connect({ address: '10.0.0.2', port: this.peerPort }, this.now))
        this.#localPort = this.socket?.local.port ?? 0
        break
      }
      case 'listen':
        this.tcp.listen({ port: OUR_PORT, backlog: Number(argument ?? 16) }).onConnection = (s) => {
          this.#events.push('connection')
          this.#watch(s as TcpSocket)
        }
        break
      case 'write': {
        const bytes = new Uint8Array(Number(argument))
        for (let i = 0; i < bytes.length; i++) bytes[i] = this.#written + i
        this.#written += socket?.write(bytes) ?? 0
        break
      }
      case 'read': {
        const bytes = socket?.read() ?? new Uint8Array(0)
        for (const b of bytes) if (b !== (this.bytesRead++ & 255)) this.wrong++
        break
      }
      case 'end':
        socket?.end()
        break
      case 'abort':
        socket?.abort()
        break
      default:
        throw new Error(`unknown call: ${text}`)
    }
    this.#turn()
  }

  #watch(socket: TcpSocket): void {
    this.socket = socket
    socket.onConnect = () => this.#events.push('connect')
    socket.onReadable = () => this.#events.push(socket.ended ? 'ended' : 'readable')
    socket.onWritable = () => this.#events.push('writable')
    socket.onClose = (error) => this.#events.push(error === undefined ? 'close' : error.code)
  }

  #arrive(text: string): void {
    const want = read(text)
    const packet = new Uint8Array(1500)
    let at = writeOptions(packet, 40, want, this.#timestampBase ?? 0, this.#iss ?? 0)
    const header = at - 20
    const sequence = (PEER_ISS + want.sequence) | 0
    const ack = want.ack === undefined ? 0 : ((this.#iss ?? 0) + want.ack) | 0
    const window = want.window ?? 60_000
    writeTcp(
      packet,
      20,
      this.peerPort,
      this.#localPort,
      sequence,
      ack,
      header,
      flagBits(want.flags),
      window,
    )
    for (let i = 0; i < want.length; i++) packet[at++] = want.sequence - 1 + i
    writeIpv4(packet, 0, THEIRS, OURS, PROTOCOL_TCP, at, 0, 0)
    sealTcp(packet, 12, 4, 20, at - 20)
    deliver(this.tcp, packet.slice(0, at), this.now)
    this.#turn()
  }

  #expect(text: string): string | undefined {
    const p = this.#out.shift()
    if (p === undefined) return 'nothing was sent'
    const want = read(text)
    const is = this.#relative(p)
    const same =
      want.flags === is.flags &&
      want.sequence === is.sequence &&
      want.length === is.length &&
      (want.ack === undefined || want.ack === is.ack) &&
      (want.window === undefined || want.window === is.window) &&
      (want.options === undefined || want.options === is.options)
    return same ? undefined : `sent ${this.#show(p)}`
  }

  #relative(p: Parsed): Line {
    const o = p.options
    const options: string[] = []
    if (o.mss > 0) options.push(`mss ${o.mss}`)
    if (o.sackPermitted) options.push('sackok')
    if (o.timestamps) {
      const value = (o.timestampValue - (this.#timestampBase ?? 0)) | 0
      options.push(`ts ${value} ${o.timestampEcho}`)
    }
    if (o.windowScale >= 0) options.push(`ws ${o.windowScale}`)
    for (let i = 0; i < o.sackCount; i++) {
      const edges = [o.sack[2 * i], o.sack[2 * i + 1]].map((e) => ((e as number) - PEER_ISS) | 0)
      options.push(`sack ${edges.join('-')}`)
    }
    const hasAck = (p.flags & 16) !== 0
    return {
      flags: [...FLAGS].filter((_, i) => p.flags & (1 << i)).join(''),
      sequence: (p.sequence - (this.#iss ?? p.sequence)) | 0,
      length: p.data.length,
      ack: hasAck ? (p.acknowledgment - PEER_ISS) | 0 : undefined,
      window: p.window,
      options: options.join(','),
    }
  }

  #show(p: Parsed): string {
    const l = this.#relative(p)
    const length = l.length > 0 ? `:${l.length}` : ''
    const ack = l.ack === undefined ? '' : ` ack ${l.ack}`
    return `${l.flags} ${l.sequence}${length}${ack} win ${l.window} <${l.options}>`
  }
}

interface Line {
  readonly flags: string
  readonly sequence: number
  readonly length: number
  readonly ack: number | undefined
  readonly window: number | undefined
  readonly options: string | undefined
}

function read(text: string): Line {
  const m = /^([A-Z.]+) (-?\d+)(?::(\d+))?(?: ack (-?\d+))?(?: win (\d+))?(?: <(.*)>)?$/.exec(text)
  if (m === null) throw new Error(`not a segment: ${text}`)
  const number = (s: string | undefined) => (s === undefined ? undefined : Number(s))
  return {
    flags: (m[1] as string).replace('.', ''),
    sequence: Number(m[2]),
    length: Number(m[3] ?? 0),
    ack: number(m[4]),
    window: number(m[5]),
    options: m[6],
  }
}

function flagBits(flags: string): number {
  let bits = 0
  for (const f of flags) bits |= 1 << FLAGS.indexOf(f)
  return bits
}

function writeOptions(
  packet: Uint8Array,
  start: number,
  line: Line,
  timestampBase: number,
  iss: number,
): number {
  let at = start
  const sack: number[] = []
  for (const option of (line.options ?? '').split(',').filter((o) => o !== '')) {
    const [name, a, b] = option.split(' ')
    if (name === 'mss') at = writeMss(packet, at, Number(a))
    else if (name === 'sackok') at = writeSackPermitted(packet, at)
    else if (name === 'ws') at = writeWindowScale(packet, at, Number(a))
    else if (name === 'ts') {
      at = writeTimestamps(packet, at, Number(a), b === undefined ? 0 : timestampBase + Number(b))
    } else if (name === 'sack') {
      sack.push(...(a as string).split('-').map((edge) => (iss + Number(edge)) | 0))
    } else throw new Error(`unknown option: ${option}`)
  }
  if (sack.length > 0) {
    writeSack(packet, at, Int32Array.from(sack), sack.length / 2)
    at += sackLength(sack.length / 2)
  }
  return at
}
