/** WireGuard machines on a seeded network in virtual time: it delays, loses, duplicates and reorders. */
import { set16, set32, u8, u32 } from '../../../src/core/bytes.js'
import { parseIp } from '../../../src/core/ip.js'
import type { WireguardOptions, WireguardPeerOptions } from '../../../src/core/options.js'
import { ADDRESS_SIZE, PacketBatch } from '../../../src/core/packet-batch.js'
import type { PacketCipherFactory } from '../../../src/core/packet-cipher.js'
import { formatSocketAddress, socketAddress } from '../../../src/core/socket-address.js'
import type { PacketTunnel, TunnelEvent } from '../../../src/core/tunnel.js'
import type { Bytes, Millis } from '../../../src/core/types.js'
import { createPacketCipher } from '../../../src/crypto/packet-cipher.js'
import { generateKeyPair, type KeyPair } from '../../../src/crypto/x25519.js'
import { createInitiation, identity } from '../../../src/tunnel/wireguard/handshake.js'
import { MacWriter } from '../../../src/tunnel/wireguard/macs.js'
import { createWireguard } from '../../../src/tunnel/wireguard/tunnel.js'
import { writeIpv4 } from '../../../src/wire/ipv4.js'
import { writeIpv6 } from '../../../src/wire/ipv6.js'
import { seededNumbers, seededRandom } from '../../support/seeded.js'

export const SEED = Number(process.env.SEED ?? 1)

/** An IP packet that carries a number: 28 bytes and more (UDP-like for IPv4, 48 for IPv6). */
export function packet(from: string, to: string, number: number, size = 100): Bytes {
  const source = address(from)
  const destination = address(to)
  const out = new Uint8Array(size)
  if (source.length === 4) {
    writeIpv4(out, 0, source, destination, 17, size, number & 0xffff, 0)
    set32(out, 20, number)
  } else {
    writeIpv6(out, 0, source, destination, 17, size - 40)
    set32(out, 40, number)
  }
  return out
}

export function address(text: string): Bytes {
  const bytes = parseIp(text)
  if (bytes === undefined) throw new Error(`not an address: ${text}`)
  return bytes
}

export function endpoint(text: string): { host: string; port: number } {
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(text) ?? []
  return { host, port: Number(port) }
}

export function record(text: string): Bytes {
  const { host, port } = endpoint(text)
  return socketAddress(address(host), port)
}

export interface Datagram {
  readonly from: string
  readonly to: string
  readonly bytes: Bytes
  readonly at: Millis
}

export interface LinkQuality {
  /** One way, in milliseconds, and how much it varies (what varies reorders). */
  delay: number
  jitter: number
  loss: number
  duplicate: number
}

type Step = { readonly at: Millis; readonly order: number; readonly run: () => void }

export class World {
  now: Millis = 0
  readonly quality: LinkQuality = { delay: 10, jitter: 0, loss: 0, duplicate: 0 }
  /** Everything that was sent, before the link did anything to it. */
  readonly sent: Datagram[] = []
  /** False: the datagram is lost. May change the bytes. */
  filter: (datagram: Datagram) => boolean = () => true
  readonly hosts = new Map<string, Host>()
  readonly #all: Host[] = []
  readonly #random: () => number
  #steps: Step[] = []
  #order = 0

  constructor(seed = SEED) {
    this.#random = seededNumbers(seed)
  }

  add(host: Host): void {
    this.#all.push(host)
    this.hosts.set(host.address, host)
  }

  at(when: Millis, run: () => void): void {
    this.#steps.push({ at: when, order: this.#order++, run })
  }

  send(datagram: Datagram): void {
    this.sent.push(datagram)
    if (!this.filter(datagram)) return
    const { delay, jitter, loss, duplicate } = this.quality
    const copies = this.#random() < duplicate ? 2 : 1
    for (let c = 0; c < copies; c++) {
      if (this.#random() < loss) continue
      this.at(this.now + delay + this.#random() * jitter, () => {
        this.hosts.get(datagram.to)?.receive(datagram.from, datagram.bytes)
      })
    }
  }

  /** Lets time pass. */
  run(milliseconds: number): void {
    const end = this.now + milliseconds
    for (;;) {
      const step = this.#steps.reduce<Step | undefined>(
        (a, b) => (a === undefined || b.at < a.at || (b.at === a.at && b.order < a.order) ? b : a),
        undefined,
      )
      const stepAt = step?.at ?? Number.POSITIVE_INFINITY
      const timerAt = Math.min(...this.#all.map((host) => host.tunnel.deadline()))
      const next = Math.min(stepAt, timerAt)
      if (next > end) break
      this.now = Math.max(this.now, next)
      if (step !== undefined && stepAt <= timerAt) {
        this.#steps = this.#steps.filter((s) => s !== step)
        step.run()
      } else {
        for (const host of this.#all) if (host.tunnel.deadline() <= this.now) host.tick()
      }
    }
    this.now = end
  }
}

export interface HostOptions {
  readonly world: World
  /** Where its socket is, `ip:port`. */
  readonly address: string
  readonly keys?: KeyPair
  readonly peers?: readonly WireguardPeerOptions[]
  readonly mtu?: number
  readonly seed?: number
  readonly wallClock?: () => number
  readonly packetCipher?: PacketCipherFactory
  /** Names of endpoints. */
  readonly names?: Record<string, readonly string[] | undefined>
}

/** One machine with its socket. */
export class Host {
  readonly tunnel: PacketTunnel
  readonly keys: KeyPair
  readonly events: (TunnelEvent & { readonly at: Millis })[] = []
  /** IP packets that came out, by the number in them, in order. */
  readonly received: number[] = []
  readonly packets: Bytes[] = []
  address: string
  keepPackets = false
  readonly names: Record<string, readonly string[] | undefined>
  readonly #world: World
  readonly #out = new PacketBatch({ capacity: 64, packetSize: 1500 })
  readonly #in = new PacketBatch({ capacity: 64, packetSize: 2048 })

  constructor(options: HostOptions) {
    const { world, seed = SEED } = options
    this.#world = world
    this.address = options.address
    this.names = options.names ?? {}
    const random = seededRandom(
      seed ^ options.address.length ^ (options.address.charCodeAt(8) << 8),
    )
    this.keys = options.keys ?? generateKeyPair(random)
    this.tunnel = createWireguard(wireguardOptions(this.keys, options), {
      random,
      wallClock: options.wallClock ?? (() => 1_700_000_000_000 + world.now),
      packetCipher: options.packetCipher ?? createPacketCipher,
    })
    world.add(this)
  }

  open(): void {
    this.tunnel.open(this.#world.now)
    this.pump()
  }

  close(): void {
    this.tunnel.close(this.#world.now)
    this.pump()
  }

  tick(): void {
    this.tunnel.tick(this.#world.now)
    this.pump()
  }

  /** IP packets from the stack, in one batch. */
  transmit(...packets: readonly Bytes[]): void {
    this.#out.reset()
    for (const bytes of packets) this.#out.push(bytes)
    this.tunnel.transmit(this.#out, this.#world.now)
    this.#send()
    this.pump()
  }

  /** From undefined: the socket can't tell. */
  receive(from: string | undefined, ...datagrams: readonly Bytes[]): void {
    const source = from === undefined ? new Uint8Array(ADDRESS_SIZE) : record(from)
    this.#in.reset()
    for (const bytes of datagrams) {
      this.#in.address.set(source, this.#in.count * ADDRESS_SIZE)
      this.#in.push(bytes)
    }
    this.tunnel.receive(this.#in, this.#world.now)
    for (let i = 0; i < this.#in.count; i++) {
      if ((this.#in.length[i] as number) === 0) continue
      const bytes = this.#in.view(i).slice()
      if (this.keepPackets) this.packets.push(bytes)
      this.received.push(u32(bytes, u8(bytes, 0) >>> 4 === 4 ? 20 : 40))
    }
    this.pump()
  }

  /** Moves the socket to another address, as a laptop that changes networks. */
  move(to: string): void {
    this.#world.hosts.delete(this.address)
    this.address = to
    this.#world.hosts.set(to, this)
  }

  /** Kinds of the events so far. */
  get story(): string[] {
    return this.events.map((event) => event.kind)
  }

  pump(): void {
    for (
      let event = this.tunnel.takeEvent();
      event !== undefined;
      event = this.tunnel.takeEvent()
    ) {
      this.events.push({ ...event, at: this.#world.now })
      if (event.kind === 'resolve') this.#resolve(event.id, event.host, event.port)
    }
    for (;;) {
      this.#out.reset()
      this.tunnel.poll(this.#out, this.#world.now)
      if (this.#out.count === 0) return
      this.#send()
    }
  }

  #resolve(id: number, name: string, port: number): void {
    const found = this.names[name]
    if (found === undefined) return
    this.#world.at(this.#world.now + 20, () => {
      const records = found.map((ip) => socketAddress(address(ip), port))
      this.tunnel.resolved(id, records, this.#world.now)
      this.pump()
    })
  }

  #send(): void {
    for (let i = 0; i < this.#out.count; i++) {
      if ((this.#out.length[i] as number) === 0) continue
      const to = formatSocketAddress(this.#out.address, i * ADDRESS_SIZE)
      const bytes = this.#out.view(i).slice()
      this.#world.send({ from: this.address, to, bytes, at: this.#world.now })
    }
  }
}

function wireguardOptions(keys: KeyPair, options: HostOptions): WireguardOptions {
  return {
    type: 'wireguard',
    privateKey: keys.privateKey,
    addresses: ['10.0.0.1/24'],
    dns: [],
    search: [],
    mtu: options.mtu ?? 1420,
    listenPort: 0,
    peers: options.peers ?? [],
  }
}

/** A peer's options with everything allowed. */
export function peerOf(
  host: KeyPair,
  more: Partial<WireguardPeerOptions> = {},
): WireguardPeerOptions {
  return {
    publicKey: host.publicKey,
    allowedIps: ['0.0.0.0/0', '::/0'],
    persistentKeepalive: 0,
    ...more,
  }
}

export interface Pair {
  readonly world: World
  readonly client: Host
  readonly server: Host
}

export const CLIENT = '192.0.2.1:1001'
export const SERVER = '192.0.2.2:51820'

export interface PairOptions {
  readonly seed?: number
  readonly client?: Partial<HostOptions>
  readonly server?: Partial<HostOptions>
  /** The client's view of the server, and the other way round. */
  readonly serverPeer?: Partial<WireguardPeerOptions>
  readonly clientPeer?: Partial<WireguardPeerOptions>
}

/** A client that knows where the server is, and a server that waits; neither is open yet. */
export function pair(options: PairOptions = {}): Pair {
  const seed = options.seed ?? SEED
  const world = new World(seed)
  const clientKeys = generateKeyPair(seededRandom(seed + 1000))
  const serverKeys = generateKeyPair(seededRandom(seed + 2000))
  const client = new Host({
    world,
    address: CLIENT,
    keys: clientKeys,
    peers: [peerOf(serverKeys, { endpoint: endpoint(SERVER), ...options.serverPeer })],
    seed: seed + 1,
    ...options.client,
  })
  const server = new Host({
    world,
    address: SERVER,
    keys: serverKeys,
    peers: [peerOf(clientKeys, options.clientPeer)],
    seed: seed + 2,
    ...options.server,
  })
  return { world, client, server }
}

/** The pair, open and with a session. */
export function connectedPair(options: PairOptions = {}): Pair {
  const made = pair(options)
  made.server.open()
  made.client.open()
  made.world.run(100)
  return made
}

/** Type of a WireGuard message. */
export function kind(bytes: Bytes): number {
  return u8(bytes, 0)
}

/** Rewrites the total length of an IPv4 packet, to make it lie. */
export function setTotalLength(bytes: Bytes, length: number): void {
  set16(bytes, 2, length)
}

/** An initiation of somebody unknown to `host`, with a good mac1. */
export function stranger(host: Host, seed = 1): Bytes {
  const random = seededRandom(seed)
  const keys = generateKeyPair(random)
  const remote = {
    publicKey: host.keys.publicKey,
    presharedKey: new Uint8Array(32),
    staticSecret: new Uint8Array(32).fill(1),
  }
  const made = createInitiation(identity(keys.privateKey), remote, 7, new Uint8Array(12), random)
  if (made === undefined) throw new Error('no initiation')
  new MacWriter(host.keys.publicKey).write(made.message, 0)
  return made.message
}
