/** The machine and the toy server over a link in virtual time, which may lose, repeat and reorder. */
import { PvpnError } from '../../../src/core/errors.js'
import type { OpenvpnOptions } from '../../../src/core/options.js'
import { PacketBatch } from '../../../src/core/packet-batch.js'
import type { Answers, Question } from '../../../src/core/question.js'
import { socketAddress } from '../../../src/core/socket-address.js'
import type { PacketTunnel, TunnelEvent } from '../../../src/core/tunnel.js'
import { createOpenvpn } from '../../../src/tunnel/openvpn/tunnel.js'
import { seededNumbers } from '../../support/seeded.js'
import { type ServerBehaviour, ToyServer } from './toy-server.js'
import { toyTls } from './toy-tls.js'

export const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000)
export const SERVER = socketAddress(Uint8Array.of(203, 0, 113, 2), 1194)
export const PUSH =
  'topology subnet,ifconfig 10.8.0.2 255.255.255.0,peer-id 0,cipher AES-256-GCM,key-derivation tls-ekm,ping 10,ping-restart 60'

export function options(more: Partial<OpenvpnOptions> = {}): OpenvpnOptions {
  return {
    type: 'openvpn',
    remotes: [{ host: '203.0.113.2', port: 1194, transport: 'udp' }],
    remoteRandom: false,
    protection: { kind: 'none' },
    tls: { ca: [], usages: [], fingerprints: [], weakCertificates: false },
    asksPassword: more.username !== undefined,
    ciphers: ['AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305'],
    digest: 'sha1',
    directives: [],
    routeNoPull: false,
    pullFilters: [],
    peerInfo: [],
    localPort: 0,
    float: false,
    ...more,
  }
}

export interface LinkOptions {
  readonly loss?: number
  readonly jitter?: number
}

/** An IPv4 packet to this address. */
export function packet(to: readonly number[] = [10, 8, 0, 1], size = 60, fill = 1): Uint8Array {
  const bytes = new Uint8Array(size).fill(fill)
  bytes.set([0x45, 0, size >> 8, size & 0xff])
  bytes.set([10, 8, 0, 2, ...to], 12)
  return bytes
}

export class World {
  now = 1000
  readonly tunnel: PacketTunnel
  server: ToyServer
  readonly events: TunnelEvent[] = []
  /** IP packets that came down. */
  readonly received: Uint8Array[] = []
  /** Datagrams up, to be looked at. */
  readonly up: Uint8Array[] = []
  silent = false
  /** Where its datagrams come from. */
  serverAddress = SERVER
  readonly #random: () => number
  readonly #link: LinkOptions
  readonly #flying: { readonly at: number; readonly deliver: () => void }[] = []
  readonly #soon: (() => void)[] = []
  readonly #out = new PacketBatch({ capacity: 8, packetSize: 1600 })

  constructor(
    client: OpenvpnOptions,
    behaviour: ServerBehaviour,
    link: LinkOptions = {},
    seed = SEED,
  ) {
    this.#random = seededNumbers(seed)
    this.#link = link
    const later = (run: () => void) => this.#soon.push(run)
    this.server = new ToyServer(behaviour, later)
    this.tunnel = createOpenvpn(client, {
      random: (out) => {
        for (let i = 0; i < out.length; i++) out[i] = Math.floor(this.#random() * 256)
      },
      wallClock: () => 1_700_000_000_000 + this.now,
      tls: (keyPassword) => {
        if (client.tls.key === undefined || keyPassword === 'open sesame') return toyTls(later)
        throw new PvpnError('ERR_AUTH', 'auth failed: the private key is locked')
      },
      carrier: undefined,
    })
  }

  replaceServer(behaviour: ServerBehaviour): void {
    this.server = new ToyServer(behaviour, (run) => this.#soon.push(run))
  }

  /** Runs until `done` or for `time` ms; true when `done` came. */
  run(time: number, done: () => boolean = () => false): boolean {
    const end = this.now + time
    for (let steps = 0; steps < 200_000; steps++) {
      this.#turn()
      if (done()) return true
      const next = Math.max(this.now, this.#nextTime())
      if (next > end) {
        this.now = end
        return false
      }
      this.now = next
    }
    throw new Error('the world turns without end')
  }

  get state(): string {
    return this.events.filter(({ kind }) => kind !== 'resolve').at(-1)?.kind ?? 'none'
  }

  get message(): string {
    const last = this.events.at(-1)
    return last !== undefined && 'error' in last ? last.error.message : ''
  }

  /** What the last failure asks. */
  get asks(): readonly Question[] {
    const last = this.events.at(-1)
    return last?.kind === 'failed' ? last.error.asks : []
  }

  answer(answers: Answers): void {
    this.tunnel.answer?.(answers, this.now)
  }

  send(bytes: Uint8Array): void {
    const batch = new PacketBatch({ capacity: 1, packetSize: 1600 })
    batch.push(bytes)
    this.tunnel.transmit(batch, this.now)
    if ((batch.length[0] as number) > 0) this.#fly(() => this.#toServer(batch.view(0)))
  }

  /** Answers the last `resolve`. */
  resolve(...addresses: readonly Uint8Array[]): void {
    const last = this.events.filter((event) => event.kind === 'resolve').at(-1)
    if (last?.kind === 'resolve') this.tunnel.resolved(last.id, addresses, this.now)
  }

  down(datagram: Uint8Array, from = this.serverAddress): void {
    const batch = new PacketBatch({ capacity: 1, packetSize: 2000 })
    batch.push(datagram)
    batch.address.set(from, 0)
    this.tunnel.receive(batch, this.now)
    if ((batch.length[0] as number) > 0) this.received.push(Uint8Array.from(batch.view(0)))
  }

  #toServer(datagram: Uint8Array): void {
    if (!this.silent) this.server.receive(Uint8Array.from(datagram), this.now)
  }

  #turn(): void {
    for (let i = 0; i < this.#flying.length; ) {
      const flight = this.#flying[i]
      if (flight !== undefined && flight.at <= this.now) {
        this.#flying.splice(i, 1)
        flight.deliver()
      } else i++
    }
    for (const run of this.#soon.splice(0)) run()
    if (this.tunnel.deadline() <= this.now) this.tunnel.tick(this.now)
    this.#take()
    this.#out.reset()
    this.tunnel.poll(this.#out, this.now)
    for (let i = 0; i < this.#out.count; i++) {
      const datagram = Uint8Array.from(this.#out.view(i))
      if (datagram.length === 0) continue
      this.up.push(datagram)
      this.#fly(() => this.#toServer(datagram))
    }
    this.#take()
    if (this.silent) return
    for (const datagram of this.server.poll(this.now)) this.#fly(() => this.down(datagram))
  }

  #take(): void {
    for (let e = this.tunnel.takeEvent(); e !== undefined; e = this.tunnel.takeEvent())
      this.events.push(e)
  }

  #fly(deliver: () => void): void {
    const { loss = 0, jitter = 0 } = this.#link
    for (let copies = this.#random() < loss / 2 ? 2 : 1; copies > 0; copies--) {
      if (this.#random() >= loss)
        this.#flying.push({ at: this.now + 10 + this.#random() * jitter, deliver })
    }
  }

  #nextTime(): number {
    if (this.#soon.length > 0) return this.now
    const flights = this.#flying.map(({ at }) => at)
    return Math.min(
      this.tunnel.deadline(),
      this.silent ? Number.POSITIVE_INFINITY : this.server.deadline(),
      ...flights,
    )
  }
}
