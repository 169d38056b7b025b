/**
 * The far end of a namespace's link: a stack to which every address belongs. It ends what the
 * environment itself answers (DNS at any address) and, for tunnels without an IP layer, all else.
 */
import { PacketBatch } from '../core/packet-batch.js'
import type { Bytes, Clock, Millis, Random } from '../core/types.js'
import type { Stack } from '../stack/contract.js'
import { createStack } from '../stack/stack.js'
import type { DnsService } from './dns-service.js'
import { NAMESPACE_SLOTS } from './limits.js'

/** Where packets for the namespace go. */
export interface PacketSink {
  send(batch: PacketBatch, from: number): number
}

export interface InnerStackOptions {
  readonly sink: PacketSink
  readonly dns: DnsService
  readonly clock: Clock
  readonly random: Random
  /** Bytes. */
  readonly mtu: number
}

export class InnerStack {
  readonly stack: Stack
  readonly #o: InnerStackOptions
  readonly #in: PacketBatch
  readonly #out: PacketBatch
  #scheduled = false
  #closed = false
  #cancelTimer: (() => void) | undefined
  #timerAt: Millis = Number.POSITIVE_INFINITY

  constructor(options: InnerStackOptions) {
    this.#o = options
    const packetSize = Math.max(1536, options.mtu)
    this.#in = new PacketBatch({ capacity: NAMESPACE_SLOTS, packetSize })
    this.#out = new PacketBatch({ capacity: NAMESPACE_SLOTS, packetSize })
    this.stack = createStack({ random: options.random, anyAddress: true })
    // One of each family, so that both are served; answers bear the address that was asked.
    const addresses = ['192.0.0.1/32', 'fd70:7670:6e::1/128']
    const link = { addresses, mtu: options.mtu, dns: [], search: [] }
    this.stack.configure(link, options.clock.now())
    this.stack.onReady = () => this.#schedule()
    this.#serveDns()
  }

  /** Takes a copy of a packet from the namespace; it is handled with others, soon. */
  push(bytes: Bytes, at: number, length: number): void {
    if (this.#in.full) this.#turn()
    if (this.#closed || length > this.#in.packetSize) return
    this.#in.push(bytes.subarray(at, at + length))
    this.#schedule()
  }

  close(): void {
    this.#closed = true
    this.#cancelTimer?.()
  }

  #serveDns(): void {
    const { dns } = this.#o
    const port = this.stack.bindUdp({ port: 53 })
    port.onMessage = (from, query, at) => {
      const client = { address: from.address, port: from.port }
      dns.datagram(query, (answer) => port.send(client, answer, at))
    }
    this.stack.listenTcp({ port: 53 }).onConnection = (stream) => dns.stream(stream)
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    process.nextTick(() => {
      this.#scheduled = false
      this.#turn()
    })
  }

  #turn(): void {
    if (this.#closed) return
    const now = this.#o.clock.now()
    const { stack } = this
    if (this.#in.count > 0) {
      stack.input(this.#in, now)
      // The stack may hold places in the batch until it has notified.
      stack.notify()
      this.#in.reset()
    }
    if (stack.deadline() <= now) stack.tick(now)
    stack.notify()
    for (;;) {
      this.#out.reset()
      if (stack.output(this.#out, now) === 0) break
      this.#o.sink.send(this.#out, 0)
    }
    this.#arm()
  }

  #arm(): void {
    const at = this.stack.deadline()
    if (at >= this.#timerAt) return
    this.#cancelTimer?.()
    this.#timerAt = at
    this.#cancelTimer = this.#o.clock.at(at, () => {
      this.#timerAt = Number.POSITIVE_INFINITY
      this.#turn()
    })
  }
}
