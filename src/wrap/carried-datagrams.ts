/** UDP of a namespace through a tunnel without an IP layer: a port of the environment for each sender. */
import type { ManagedEnvironment } from '../core/managed-environment.js'
import type { DatagramPort } from '../core/stream.js'
import type { Bytes, Clock, Endpoint, Millis } from '../core/types.js'
import type { Stack } from '../stack/contract.js'
import { MAX_SENDERS, SENDER_IDLE } from './limits.js'

export interface CarriedDatagramsOptions {
  readonly environment: ManagedEnvironment
  readonly stack: Stack
  readonly clock: Clock
}

interface Sender {
  readonly client: Endpoint
  /** Undefined while it is being opened: what is sent then is lost. */
  port: DatagramPort | undefined
  last: Millis
}

export class CarriedDatagrams {
  readonly #o: CarriedDatagramsOptions
  readonly #senders = new Map<string, Sender>()
  /** The stack's ports, by number: those that programs send to. */
  readonly #ports = new Map<number, DatagramPort>()
  #cancelSweep: (() => void) | undefined
  #closed = false

  constructor(options: CarriedDatagramsOptions) {
    this.#o = options
    this.#sweepLater()
  }

  /** A datagram to that port is about to come. */
  expect(port: number): void {
    this.#port(port)
  }

  close(): void {
    this.#closed = true
    this.#cancelSweep?.()
    for (const sender of this.#senders.values()) sender.port?.close()
    this.#senders.clear()
  }

  #port(number: number): DatagramPort | undefined {
    const known = this.#ports.get(number)
    if (known !== undefined) return known
    // At the stack's bound the datagram is answered "port unreachable".
    if (this.#ports.size >= MAX_SENDERS) return undefined
    const port = this.#o.stack.bindUdp({ port: number })
    port.onMessage = (from, bytes, at = '') =>
      this.#send(from, { address: at, port: number }, bytes)
    this.#ports.set(number, port)
    return port
  }

  #send(from: Endpoint, to: Endpoint, bytes: Bytes): void {
    const key = `${from.address} ${from.port}`
    const sender = this.#senders.get(key)
    if (sender !== undefined) {
      sender.last = this.#o.clock.now()
      sender.port?.send(to, bytes)
      return
    }
    if (this.#senders.size >= MAX_SENDERS) return
    const client = { address: from.address, port: from.port }
    const fresh: Sender = { client, port: undefined, last: this.#o.clock.now() }
    this.#senders.set(key, fresh)
    const first = bytes.slice()
    this.#o.environment.bindUdp({ family: from.address.includes(':') ? 6 : 4 }).then(
      (port) => {
        if (this.#closed) {
          port.close()
          return
        }
        fresh.port = port
        port.onMessage = (source, answer) => {
          fresh.last = this.#o.clock.now()
          this.#port(source.port)?.send(client, answer, source.address)
        }
        port.send(to, first)
      },
      () => this.#senders.delete(key),
    )
  }

  /** Gives back the ports of silent senders, and the stack's when there is no sender at all. */
  #sweepLater(): void {
    this.#cancelSweep = this.#o.clock.at(this.#o.clock.now() + SENDER_IDLE, () => {
      const silent = this.#o.clock.now() - SENDER_IDLE
      for (const [key, sender] of this.#senders) {
        if (sender.last > silent) continue
        sender.port?.close()
        this.#senders.delete(key)
      }
      if (this.#senders.size === 0) {
        for (const port of this.#ports.values()) port.close()
        this.#ports.clear()
      }
      this.#sweepLater()
    })
  }
}
