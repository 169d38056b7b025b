/** Two environments with real WireGuard tunnels and stacks, joined by sockets in memory, in virtual time. */
import type { DatagramSocket } from '../../src/core/datagram-socket.js'
import { PvpnError } from '../../src/core/errors.js'
import { KnownSecrets } from '../../src/core/known-secrets.js'
import { silentLogger } from '../../src/core/log.js'
import { ADDRESS_SIZE, EMPTY_DATAGRAM, PacketBatch } from '../../src/core/packet-batch.js'
import { formatSocketAddress, parseSocketAddress } from '../../src/core/socket-address.js'
import type { ByteStream } from '../../src/core/stream.js'
import type { Bytes } from '../../src/core/types.js'
import { createPacketCipher } from '../../src/crypto/packet-cipher.js'
import { generateKeyPair } from '../../src/crypto/x25519.js'
import { PacketEnvironment } from '../../src/environment/packet-environment.js'
import type { Stack } from '../../src/stack/contract.js'
import { createStack } from '../../src/stack/stack.js'
import { createWireguard } from '../../src/tunnel/wireguard/tunnel.js'
import { seededRandom } from '../support/seeded.js'
import { peerOf } from '../tunnel/wireguard/world.js'
import { VirtualClock } from './virtual-clock.js'

/** One way, in milliseconds. */
export const DELAY = 10

/** A socket of the host on the world's wire; as the kernel's, it says when it is full. */
export class MemorySocket implements DatagramSocket {
  onBatch: (batch: PacketBatch) => void = () => {}
  onWritable: () => void = () => {}
  onError: (error: Error) => void = () => {}
  readonly localPort: number
  readonly address: string
  closed = false
  /** Datagrams that it takes before it is full. */
  room = Number.POSITIVE_INFINITY
  sent = 0
  sentAfterClose = 0
  readonly #wire: Wire

  constructor(wire: Wire, address: string) {
    this.#wire = wire
    this.address = address
    this.localPort = Number(address.split(':')[1])
    wire.sockets.set(address, this)
  }

  send(batch: PacketBatch, from: number): number {
    if (this.closed) this.sentAfterClose++
    const datagrams = new Map<string, Bytes[]>()
    let i = from
    for (; i < batch.count; i++) {
      if (batch.length[i] === 0) continue
      if (this.room <= 0) break
      this.room--
      this.sent++
      const to = formatSocketAddress(batch.address, i * ADDRESS_SIZE)
      const same = datagrams.get(to) ?? []
      same.push(batch.view(i).slice())
      datagrams.set(to, same)
    }
    for (const [to, bytes] of datagrams) this.#wire.carry(this.address, to, bytes)
    return i
  }

  /** The kernel has room again. */
  drained(room = Number.POSITIVE_INFINITY): void {
    this.room = room
    this.onWritable()
  }

  close(): void {
    this.closed = true
  }
}

export class Wire {
  readonly clock = new VirtualClock()
  readonly sockets = new Map<string, MemorySocket>()
  /** False: the datagram is lost. */
  filter: (from: string, bytes: Bytes) => boolean = () => true
  /** Datagrams are kept back while this is set; `release` delivers them in one batch. */
  holding = false
  #held: { from: string; to: string; bytes: readonly Bytes[] }[] = []

  carry(from: string, to: string, bytes: readonly Bytes[]): void {
    const passed = bytes.filter((one) => this.filter(from, one))
    if (passed.length === 0) return
    if (this.holding) this.#held.push({ from, to, bytes: passed })
    else this.clock.at(this.clock.now() + DELAY, () => this.#deliver(from, to, passed))
  }

  /** Datagrams that nobody of ours has sent; they pass the filter. */
  inject(from: string, to: string, bytes: readonly Bytes[]): void {
    this.clock.at(this.clock.now() + DELAY, () => this.#deliver(from, to, bytes))
  }

  release(): void {
    this.holding = false
    const held = this.#held.splice(0)
    for (const to of new Set(held.map((one) => one.to))) {
      const ours = held.filter((one) => one.to === to)
      const bytes = ours.flatMap((one) => one.bytes)
      this.#deliver(ours[0]?.from ?? '', to, bytes)
    }
  }

  #deliver(from: string, to: string, datagrams: readonly Bytes[]): void {
    const socket = this.sockets.get(to)
    if (socket === undefined || socket.closed) return
    const [address = '', port = ''] = from.split(':')
    const record = parseSocketAddress({ address, port: Number(port) })
    const batch = new PacketBatch({ capacity: datagrams.length, packetSize: 2048 })
    for (const bytes of datagrams) {
      if (record !== undefined) batch.address.set(record, batch.count * ADDRESS_SIZE)
      batch.push(bytes)
      if (bytes.length === 0) batch.length[batch.count - 1] = EMPTY_DATAGRAM
    }
    socket.onBatch(batch)
  }
}

export interface Side {
  readonly environment: PacketEnvironment
  readonly stack: Stack
  readonly socket: MemorySocket
  /** States so far, each with its error's code. */
  readonly states: string[]
}

export interface World {
  readonly wire: Wire
  readonly clock: VirtualClock
  readonly client: Side
  readonly server: Side
}

export interface WorldOptions {
  readonly connectTimeout?: number
  /** What the client's tunnel routes. */
  readonly allowedIps?: readonly string[]
}

/** Client 10.9.0.1 and server 10.9.0.2, neither started. */
export function makeWorld(options: WorldOptions = {}): World {
  const wire = new Wire()
  const keys = {
    client: generateKeyPair(seededRandom(1)),
    server: generateKeyPair(seededRandom(2)),
  }
  const make = (which: 'client' | 'server'): Side => {
    const client = which === 'client'
    const socket = new MemorySocket(wire, client ? '192.0.2.1:1001' : '192.0.2.2:51820')
    const random = seededRandom(client ? 11 : 12)
    const stack = createStack({ random })
    const states: string[] = []
    const peer = client
      ? peerOf(keys.server, {
          endpoint: { host: '192.0.2.2', port: 51_820 },
          allowedIps: options.allowedIps ?? ['0.0.0.0/0', '::/0'],
        })
      : peerOf(keys.client)
    const environment: PacketEnvironment = new PacketEnvironment({
      name: which,
      tunnelType: 'wireguard',
      dns: { servers: undefined, search: undefined, zones: {}, hosts: {}, listen: [] },
      connectTimeout: options.connectTimeout ?? 15,
      tunnel: createWireguard(
        {
          type: 'wireguard',
          privateKey: keys[which].privateKey,
          addresses: client ? ['10.9.0.1/24', 'fd09::1/64'] : ['10.9.0.2/24', 'fd09::2/64'],
          dns: [],
          search: [],
          mtu: 1420,
          listenPort: 0,
          peers: [peer],
        },
        {
          random,
          wallClock: () => 1_700_000_000_000 + wire.clock.now(),
          packetCipher: createPacketCipher,
        },
      ),
      stack,
      socket,
      clock: wire.clock,
      random,
      logger: silentLogger,
      secrets: new KnownSecrets(),
      soon: (run) => void wire.clock.at(wire.clock.now(), run),
      resolveEndpoint: async () => [],
      onState: () => {
        const { state, error } = environment
        states.push(error === undefined ? state : `${state} ${error.code}`)
      },
    })
    return { environment, stack, socket, states }
  }
  return { wire, clock: wire.clock, client: make('client'), server: make('server') }
}

/** The same, started, and the tunnel is up on both sides. */
export async function upWorld(options: WorldOptions = {}): Promise<World> {
  const world = makeWorld(options)
  await world.server.environment.start()
  await world.client.environment.start()
  await world.clock.advance(200)
  return world
}

/** What a promise came to by now, with time standing still or moved on by the test. */
export function outcome<T>(promise: Promise<T>): { value?: T; code?: string } {
  const seen: { value?: T; code?: string } = {}
  promise.then(
    (value) => {
      seen.value = value
    },
    (thrown: unknown) => {
      seen.code = thrown instanceof PvpnError ? thrown.code : `not a PvpnError: ${thrown}`
    },
  )
  return seen
}

/** A stream with its story, and everything that was read of it. */
export class Watched {
  readonly stream: ByteStream
  readonly story: string[] = []
  readonly chunks: Bytes[] = []

  constructor(stream: ByteStream) {
    this.stream = stream
    stream.onReadable = () => this.read()
    stream.onWritable = () => this.story.push('writable')
    stream.onClose = (error) => this.story.push(error === undefined ? 'closed' : error.code)
    this.read()
  }

  get bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString()
  }

  read(): void {
    const wasEnded = this.stream.ended
    const bytes = this.stream.read()
    if (bytes !== undefined) this.chunks.push(bytes)
    if (this.stream.ended && !this.story.includes('ended')) this.story.push('ended')
    else if (wasEnded && bytes !== undefined) this.story.push('data after the end')
  }
}
