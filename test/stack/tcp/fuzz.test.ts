/** Hostile segments in every state: nothing throws, memory stays bounded, the layer goes on working. FUZZ_SECONDS bounds the time (default 4), FUZZ_SEED repeats one run. */
import t from 'tap'
import { PacketBatch } from '../../../src/core/packet-batch.js'
import type { ByteStream } from '../../../src/core/stream.js'
import type { TcpSocket } from '../../../src/stack/contract.js'
import type { Connection } from '../../../src/stack/tcp/connection.js'
import { createTcpLayer } from '../../../src/stack/tcp/layer.js'
import { RECEIVE_BUFFER, SENT_SEGMENTS } from '../../../src/stack/tcp/limits.js'
import type { TcpLayer } from '../../../src/stack/tcp-contract.js'
import { PROTOCOL_TCP } from '../../../src/wire/ip.js'
import { writeIpv4 } from '../../../src/wire/ipv4.js'
import { sealTcp, writeTcp } from '../../../src/wire/tcp.js'
import { FakeIp } from '../../sim/pair.js'
import { SeededRandom } from '../../sim/random.js'

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 4)
const OURS = new Uint8Array([10, 0, 0, 1])
const THEIRS = new Uint8Array([10, 0, 0, 2])

/** A peer that knows the sequence numbers and abuses them. */
class Attacker {
  readonly #r: SeededRandom
  readonly #tcp: TcpLayer
  readonly #batch = new PacketBatch({ capacity: 32, packetSize: 1500 })
  readonly #packet = new Uint8Array(2000)
  readonly sockets: Connection[] = []
  now = 5000

  constructor(seed: number) {
    this.#r = new SeededRandom(seed)
    const ip = new FakeIp(OURS, 1500)
    this.#tcp = createTcpLayer(ip, { random: this.#r.fill, ephemeralPorts: [40000, 40010] })
    this.#tcp.listen({ port: 80, backlog: 8 }).onConnection = (s) => this.#use(s)
  }

  #use(stream: ByteStream): void {
    this.sockets.push(stream as Connection)
    const lazy = this.#r.chance(0.3)
    stream.onReadable = () => {
      if (!lazy) stream.read()
      if (this.#r.chance(0.1)) stream.write(new Uint8Array(this.#r.between(0, 20_000)))
      if (stream.ended) stream.end()
    }
  }

  /** Near `base` mostly, anywhere sometimes. */
  #near(base: number): number {
    const r = this.#r
    if (r.chance(0.05)) return r.word()
    if (r.chance(0.5)) return base
    return (base + r.between(-3000, 3000)) | 0
  }

  step(): void {
    const r = this.#r
    const c = this.sockets[r.between(0, Math.max(0, this.sockets.length - 1))]
    const what = r.between(0, 40)
    if (what === 0 && this.sockets.length < 12) this.#connect()
    else if (what === 1) c?.end()
    else if (what === 2) c?.write(new Uint8Array(r.between(0, 30_000)))
    else if (what === 3) c?.read()
    else if (what === 4 && r.chance(0.1)) c?.abort()
    else if (what === 5) this.now += r.between(1, r.chance(0.1) ? 100_000 : 300)
    else if (what === 6) this.#icmp(c)
    else this.#segment(c)
    if (r.chance(0.3)) this.#turn()
    if (this.sockets.length > 10) {
      for (let i = this.sockets.length - 1; i >= 0; i--) {
        if (this.sockets[i]?.state === 'CLOSED') this.sockets.splice(i, 1)
      }
      if (this.sockets.length > 10) this.sockets.shift()?.abort()
    }
  }

  #connect(): void {
    try {
      this.#use(this.#tcp.connect({ address: '10.0.0.2', port: 5000 }, this.now))
    } catch {
      // Ports run out by intent.
    }
  }

  #icmp(c: Connection | undefined): void {
    if (c === undefined) return
    this.#tcp.icmpError(
      {
        local: OURS,
        localPort: c.localPort,
        remote: THEIRS,
        remotePort: c.remotePort,
        sequence: this.#near(c.una),
        error: 'packet-too-big',
      },
      this.now,
    )
  }

  #segment(c: Connection | undefined): void {
    const r = this.#r
    const b = this.#packet
    let at = 40
    const options = r.chance(0.7) ? r.between(0, 10) * 4 : 12
    if (options === 12 && c !== undefined) {
      new DataView(b.buffer).setUint32(at, 0x0101080a)
      new DataView(b.buffer).setInt32(at + 4, this.#near(c.timestampRecent))
      new DataView(b.buffer).setInt32(at + 8, this.#near(c.timestampOffset + this.now))
    } else if (options >= 12 && c !== undefined && r.chance(0.7)) {
      const blocks = (options - 4) >> 3
      new DataView(b.buffer).setUint32(at, 0x01010500 | (2 + 8 * blocks))
      for (let i = 0; i < 2 * blocks; i++) {
        const edge = this.#near(r.chance(0.5) ? c.una : c.next)
        new DataView(b.buffer).setInt32(at + 4 + 4 * i, edge)
      }
    } else for (let i = 0; i < options; i++) b[at + i] = r.chance(0.5) ? r.between(0, 9) : r.word()
    at += options
    const length = r.chance(0.4) ? 0 : r.between(0, 1400)
    at += length
    const known = c !== undefined && r.chance(0.95)
    const flags = r.chance(0.75) ? 16 | (r.between(0, 1) * 8) : r.between(0, 63)
    writeTcp(
      b,
      20,
      known ? c.remotePort : r.between(5000, 5004),
      known ? c.localPort : 80,
      known ? this.#near(c.received) : r.word(),
      known ? this.#near(r.chance(0.5) ? c.next : c.una) : r.word(),
      20 + options,
      flags,
      r.chance(0.5) ? r.between(0, 65_535) : r.between(0, 3),
    )
    writeIpv4(b, 0, THEIRS, OURS, PROTOCOL_TCP, at, 0, 0)
    sealTcp(b, 12, 4, 20, at - 20)
    // Sometimes damaged on the way, header length included.
    if (r.chance(0.02)) b[r.between(20, at - 1)] = r.word()
    this.#tcp.input(b, 0, 20, r.chance(0.01) ? r.between(0, at - 20) : at - 20, this.now)
  }

  #turn(): void {
    this.now += this.#r.fraction()
    if (this.#tcp.deadline() <= this.now) this.#tcp.tick(this.now)
    this.#tcp.notify()
    for (let i = 0; ; i++) {
      this.#batch.reset()
      if (this.#tcp.output(this.#batch, this.now) === 0) return
      if (i > 10_000) throw new Error('output never ends')
    }
  }

  /** What is wrong with the state of any connection. */
  check(): string[] {
    const wrong: string[] = []
    for (const c of this.sockets) {
      if (c.incoming.held > RECEIVE_BUFFER + 400_000) wrong.push(`holds ${c.incoming.held}`)
      if (c.sent.count > SENT_SEGMENTS) wrong.push(`${c.sent.count} segments`)
      const flight = (c.next - c.una) | 0
      if (flight < 0) wrong.push('UNA is beyond NXT')
      let sum = 0
      let sacked = 0
      let lost = 0
      for (let i = 0, n = c.sent.first; i < c.sent.count; i++, n = c.sent.next(n)) {
        sum += c.sent.length(n)
        if (c.sent.flags(n) & 1) sacked += c.sent.length(n)
        if (c.sent.flags(n) & 2) lost += c.sent.length(n)
      }
      const open = !['SYN-SENT', 'SYN-RECEIVED', 'CLOSED', 'TIME-WAIT'].includes(c.state)
      if (open && sum !== flight) wrong.push(`${c.state}: ${flight} in flight, ${sum} recorded`)
      if (sacked !== c.sent.sackedBytes) wrong.push(`${c.sent.sackedBytes} SACKed of ${sacked}`)
      if (lost !== c.sent.lostBytes) wrong.push(`${c.sent.lostBytes} lost of ${lost}`)
      if (!(c.congestion.window >= 0)) wrong.push(`window ${c.congestion.window}`)
    }
    return wrong
  }

  /** The layer must still take a connection of an honest peer. */
  alive(): boolean {
    for (const c of this.sockets.splice(0)) c.abort()
    this.#turn()
    this.now += 200_000
    this.#turn()
    let connected = false
    const socket: TcpSocket = this.#tcp.connect({ address: '10.0.0.2', port: 6000 }, this.now)
    socket.onConnect = () => {
      connected = true
    }
    this.#turn()
    const c = socket as Connection
    writeTcp(this.#packet, 20, 6000, c.localPort, 7, c.next, 20, 18, 1000)
    sealTcp(this.#packet, 12, 4, 20, 20)
    this.#tcp.input(this.#packet, 0, 20, 20, this.now)
    this.#turn()
    return connected
  }
}

t.test('random and nearly right segments in all states', async (t) => {
  const only = process.env.FUZZ_SEED
  const end = Date.now() + SECONDS * 1000
  let seed = only === undefined ? 1 : Number(only)
  let steps = 0
  do {
    const a = new Attacker(seed)
    try {
      for (let i = 0; i < 3000; i++) {
        a.step()
        if (i % 50 === 0) {
          const wrong = a.check()
          if (wrong.length > 0) throw new Error(wrong.join('; '))
        }
      }
      if (!a.alive()) throw new Error('takes no connection any more')
    } catch (error) {
      t.error(error, `seed ${seed}`)
      break
    }
    steps += 3000
    seed++
  } while (Date.now() < end && only === undefined)
  t.comment(`${steps} steps`)
  t.ok(steps > 0)
})
