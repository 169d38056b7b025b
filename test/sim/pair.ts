/** Two TCP layers joined by two links, driven in virtual time as the packet driver would. */
import { formatIp } from '../../src/core/ip.js'
import { PacketBatch } from '../../src/core/packet-batch.js'
import { createTcpLayer } from '../../src/stack/tcp/layer.js'
import type { IpLayer, TcpLayer } from '../../src/stack/tcp-contract.js'
import { PoisonedMemory } from '../support/poisoned-memory.js'
import { Link, type LinkOptions } from './link.js'
import type { SeededRandom } from './random.js'

export class FakeIp implements IpLayer {
  address: Uint8Array
  mtu: number
  /** What a connection has found out. */
  shrunk = Number.POSITIVE_INFINITY
  #identification = 0

  constructor(address: Uint8Array, mtu: number) {
    this.address = address
    this.mtu = mtu
  }

  sourceFor(destination: Uint8Array): Uint8Array | undefined {
    return destination.length === this.address.length ? this.address : undefined
  }
  isLocal(address: Uint8Array): boolean {
    return formatIp(address) === formatIp(this.address)
  }
  pathMtu(): number {
    return Math.min(this.mtu, this.shrunk)
  }
  shrinkPath(_destination: Uint8Array, mtu: number): void {
    this.shrunk = mtu
  }
  identification(): number {
    this.#identification = (this.#identification + 1) & 0xffff
    return this.#identification
  }
}

export interface Host {
  readonly ip: FakeIp
  readonly tcp: TcpLayer
  /** What its data is kept in. */
  readonly allocator: PoisonedMemory
  readonly address: string
  readonly out: Link
  /** Sees each packet the host sends. */
  onSend: (packet: Uint8Array, now: number) => void
  /** Sees each packet before the host takes it in, damaged ones too. */
  onReceive: (packet: Uint8Array, now: number) => void
}

/** More turns than this without time passing are a loop. */
const TURNS_AT_ONE_TIME = 10_000

export interface PairOptions {
  readonly random: SeededRandom
  readonly there: LinkOptions
  readonly back?: LinkOptions
  readonly family?: 4 | 6
  readonly mtu?: number
  /** Packets of one output call. */
  readonly batch?: number
  readonly pacing?: boolean
  readonly congestion?: 'bbr' | 'cubic'
  /** Of each direction of each host, in bytes. */
  readonly memory?: number
  /** Host a is not run for the first `length` of each `every` milliseconds: a machine with too much to do. */
  readonly stalls?: { readonly every: number; readonly length: number }
}

export class Pair {
  now = 1000
  readonly a: Host
  readonly b: Host
  readonly #batch: PacketBatch
  readonly #stalls: PairOptions['stalls']

  constructor(options: PairOptions) {
    const { random, there, mtu = 1420, family = 4 } = options
    const make = (last: number, link: LinkOptions): Host => {
      const address = new Uint8Array(family === 4 ? 4 : 16)
      address[0] = family === 4 ? 10 : 0xfd
      address[address.length - 1] = last
      const ip = new FakeIp(address, mtu)
      const allocator = new PoisonedMemory()
      const tcp = createTcpLayer(ip, {
        random: random.fill,
        ephemeralPorts: [32768, 60999],
        pacing: options.pacing ?? true,
        congestion: options.congestion ?? 'bbr',
        allocator,
        ...(options.memory === undefined ? {} : { memory: options.memory }),
      })
      return {
        ip,
        tcp,
        allocator,
        address: formatIp(address),
        out: new Link(link, random),
        onSend: () => {},
        onReceive: () => {},
      }
    }
    this.a = make(1, there)
    this.b = make(2, options.back ?? there)
    this.#batch = new PacketBatch({ capacity: options.batch ?? 64, packetSize: mtu })
    this.#stalls = options.stalls
  }

  /** One turn of both hosts at the present time. */
  turn(): void {
    const stalled = this.#stalled > 0
    this.#receive(this.a, this.b)
    if (!stalled) this.#receive(this.b, this.a)
    if (!stalled) this.#pump(this.a)
    this.#pump(this.b)
  }

  /** Milliseconds until host a is run again. */
  get #stalled(): number {
    if (this.#stalls === undefined) return 0
    return Math.max(0, this.#stalls.length - (this.now % this.#stalls.every))
  }

  #receive(from: Host, to: Host): void {
    for (let p = from.out.receive(this.now); p !== undefined; p = from.out.receive(this.now)) {
      to.onReceive(p, this.now)
      deliver(to.tcp, p, this.now)
    }
  }

  #pump(host: Host): void {
    if (host.tcp.deadline() <= this.now) host.tcp.tick(this.now)
    host.tcp.notify()
    const batch = this.#batch
    for (;;) {
      batch.reset()
      if (host.tcp.output(batch, this.now) === 0) return
      for (let i = 0; i < batch.count; i++) {
        const packet = batch.view(i)
        host.onSend(packet, this.now)
        host.out.send(packet, this.now)
      }
    }
  }

  /** When something happens next; Infinity: never. */
  get next(): number {
    const own = Math.min(this.b.out.next, this.a.tcp.deadline())
    const stalled = this.#stalled
    return Math.min(
      stalled > 0 ? Math.max(own, this.now + stalled) : own,
      this.a.out.next,
      this.b.tcp.deadline(),
    )
  }

  /** Runs until `done`, or nothing is left to do, or the time is up. The milliseconds that passed. */
  run(done: () => boolean, limit = 3_600_000): number {
    const start = this.now
    this.turn()
    for (let still = 0; !done() && this.now - start < limit; ) {
      const next = this.next
      if (next === Number.POSITIVE_INFINITY) break
      still = next > this.now ? 0 : still + 1
      if (still > TURNS_AT_ONE_TIME) throw new Error(`time stands still at ${this.now}`)
      this.now = Math.max(this.now, next)
      this.turn()
    }
    return this.now - start
  }
}

/** Hands an IP packet (no options or extensions) to a TCP layer. */
export function deliver(tcp: TcpLayer, packet: Uint8Array, now: number): void {
  const header = (packet[0] as number) >>> 4 === 4 ? 20 : 40
  tcp.input(packet, 0, header, packet.length - header, now)
}
