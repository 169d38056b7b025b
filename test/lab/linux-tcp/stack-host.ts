/**
 * Our stack as a second host on a TUN device of the namespace this process runs in, so that one test
 * process holds both ends: sockets of node:net are Linux's, those of `stack` are ours. Between the two
 * is a link in each direction that delays and loses.
 */
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { PacketBatch } from '../../../src/core/packet-batch.js'
import type { StreamListener } from '../../../src/core/stream.js'
import { StreamDuplex } from '../../../src/io/stream-duplex.js'
import { openTun, type TunDevice } from '../../../src/io/tun.js'
import type { Stack } from '../../../src/stack/contract.js'
import { createStack } from '../../../src/stack/stack.js'
import { Link, type LinkOptions } from '../../sim/link.js'
import { SeededRandom } from '../../sim/random.js'

const BATCH = 64
/** Bytes that a link holds at most: no test may grow without bound. */
const QUEUE = 16 << 20

export interface StackHostOptions {
  readonly device: string
  /** Number of the network: addresses are 10.9.N.1 and fd09:N::1 (Linux), .2 and ::2 (ours). */
  readonly network: number
  /** Each way. */
  readonly link?: LinkOptions
  readonly mtu?: number
  /** Our local ports, first and last. */
  readonly ports?: readonly [number, number]
}

export class StackHost {
  readonly stack: Stack
  readonly ours: { readonly 4: string; readonly 6: string }
  readonly linux: { readonly 4: string; readonly 6: string }
  /** Packets from Linux to us and back; may be cut or made lossy by a test. */
  readonly toUs: Link
  readonly toLinux: Link
  /** Sees each packet that our stack sends. */
  onSend: (packet: Uint8Array) => void = () => {}
  readonly #tun: TunDevice
  readonly #in: PacketBatch
  readonly #out: PacketBatch
  readonly #mtu: number
  #timer: NodeJS.Timeout | undefined
  #scheduled = false
  #pumping = false
  #closed = false

  constructor({ device, network, link = { delay: 0 }, mtu = 1500, ports }: StackHostOptions) {
    this.ours = { 4: `10.9.${network}.2`, 6: `fd09:${network}::2` }
    this.linux = { 4: `10.9.${network}.1`, 6: `fd09:${network}::1` }
    this.#mtu = mtu
    const options = { rate: 1e6, queue: QUEUE, ...link }
    this.toUs = new Link(options, new SeededRandom(network * 2 + 1))
    this.toLinux = new Link(options, new SeededRandom(network * 2 + 2))
    this.#in = new PacketBatch({ capacity: BATCH, packetSize: mtu })
    this.#out = new PacketBatch({ capacity: BATCH, packetSize: mtu })
    this.stack = createStack({
      random: (out) => randomFillSync(out),
      ...(ports === undefined ? {} : { ephemeralPorts: ports }),
    })
    this.stack.onReady = () => this.#soon()
    this.#tun = openTun({ name: device, packetSize: mtu })
    this.#tun.onBatch = (batch) => {
      const now = performance.now()
      for (let i = 0; i < batch.count; i++) this.toUs.send(batch.view(i), now)
      this.#pump()
    }
    this.#tun.onError = (error) => {
      throw error
    }
    ip(
      `link set ${device} up mtu ${mtu}`,
      `address add ${this.linux[4]}/24 dev ${device}`,
      `address add ${this.linux[6]}/64 dev ${device} nodad`,
    )
    this.configure(mtu)
  }

  configure(mtu: number): void {
    this.stack.configure(
      { addresses: [`${this.ours[4]}/24`, `${this.ours[6]}/64`], mtu, dns: [], search: [] },
      performance.now(),
    )
  }

  /** A connection from us to Linux, as a Node stream; resolves when it is open. */
  async connect(address: string, port: number): Promise<StreamDuplex> {
    const socket = this.stack.connectTcp({ address, port }, performance.now())
    return await new Promise((resolve, reject) => {
      socket.onConnect = () => resolve(new StreamDuplex(socket))
      socket.onClose = (error) => reject(error ?? new Error('closed'))
    })
  }

  listen(port: number, onConnection: (stream: StreamDuplex) => void): StreamListener {
    const listener = this.stack.listenTcp({ port })
    listener.onConnection = (stream) => onConnection(new StreamDuplex(stream))
    return listener
  }

  /** A packet for us that Linux did not send. */
  inject(packet: Uint8Array): void {
    this.toUs.send(packet, performance.now())
    this.#soon()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#tun.close()
  }

  #soon(): void {
    if (this.#scheduled || this.#pumping) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    if (this.#closed || this.#pumping) return
    this.#pumping = true
    clearTimeout(this.#timer)
    const now = performance.now()
    const { stack } = this
    while (this.#fill(this.#in, this.toUs, now)) {
      stack.input(this.#in, now)
      stack.notify()
    }
    if (stack.deadline() <= now) stack.tick(now)
    stack.notify()
    const out = this.#out
    for (out.reset(); stack.output(out, now) > 0; out.reset()) {
      for (let i = 0; i < out.count; i++) {
        this.onSend(out.view(i))
        this.toLinux.send(out.view(i), now)
      }
    }
    while (this.#fill(out, this.toLinux, performance.now())) this.#tun.send(out, 0)
    const next = Math.min(this.toUs.next, this.toLinux.next, stack.deadline())
    if (next !== Number.POSITIVE_INFINITY) {
      this.#timer = setTimeout(() => this.#pump(), Math.max(0, next - performance.now()))
    }
    this.#pumping = false
  }

  #fill(batch: PacketBatch, link: Link, now: number): boolean {
    batch.reset()
    while (!batch.full) {
      const packet = link.receive(now)
      if (packet === undefined) break
      if (packet.length <= this.#mtu) batch.push(packet)
    }
    return batch.count > 0
  }
}

/** Lines of `ip`, in the namespace of this process. */
export function ip(...lines: string[]): void {
  execFileSync('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` })
}
