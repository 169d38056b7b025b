/** The UDP socket of a tunnel that goes through another environment; it comes back when that one does. */
import type { DatagramSocket } from '../core/datagram-socket.js'
import { type PvpnError, toPvpnError } from '../core/errors.js'
import { ADDRESS_SIZE, EMPTY_DATAGRAM, PacketBatch } from '../core/packet-batch.js'
import { parseSocketAddress, socketAddressEndpoint } from '../core/socket-address.js'
import type { Clock, Endpoint } from '../core/types.js'
import type { CarriedPort, CarriedUnderlay } from './carried-underlay.js'
import { waitsFor } from './carry-protocol.js'
import { CARRY_RETRY } from './limits.js'

export interface CarriedSocketOptions {
  readonly underlay: CarriedUnderlay
  /** Largest datagram, in bytes. */
  readonly packetSize: number
  /** Bytes that the tunnel puts around a packet, the IP and UDP headers of the outer one included. */
  readonly overhead: number
  readonly clock: Clock
}

export class CarriedSocket implements DatagramSocket {
  readonly localPort = 0
  onBatch: (batch: PacketBatch) => void = () => {}
  onWritable: () => void = () => {}
  onError: (error: Error) => void = () => {}
  /** `problem` is another one than before. */
  onProblem: () => void = () => {}
  /** Why the environment below carries nothing now. */
  problem: PvpnError | undefined
  readonly #o: CarriedSocketOptions
  readonly #batch: PacketBatch
  readonly #ports = new Map<4 | 6, CarriedPort | 'opening'>()
  readonly #waiting = new Map<4 | 6, { readonly to: Endpoint; readonly bytes: Uint8Array }>()
  #mtu = Number.POSITIVE_INFINITY
  #closed = false

  constructor(options: CarriedSocketOptions) {
    this.#o = options
    this.#batch = new PacketBatch({ capacity: 1, packetSize: options.packetSize })
  }

  /** Largest packet that the tunnel can carry without the environment below cutting it, in bytes. */
  get mtu(): number {
    return this.#mtu - this.#o.overhead
  }

  send(batch: PacketBatch, from: number): number {
    for (let i = from; i < batch.count; i++) {
      const length = batch.length[i] as number
      if (length === 0) continue
      const to = socketAddressEndpoint(batch.address, i * ADDRESS_SIZE)
      const family = to.address.includes(':') ? 6 : 4
      const port = this.#port(family)
      const at = batch.offset[i] as number
      const bytes = batch.bytes.subarray(at, at + Math.max(0, length))
      // As on any path, what can't be sent is lost: but the newest, mostly a handshake, waits for the way.
      if (port === undefined) this.#waiting.set(family, { to, bytes: bytes.slice() })
      else port.send(to, bytes)
    }
    return batch.count
  }

  close(): void {
    this.#closed = true
    for (const port of this.#ports.values()) if (port !== 'opening') port.close()
    this.#ports.clear()
  }

  #port(family: 4 | 6): CarriedPort | undefined {
    const port = this.#ports.get(family)
    if (port === undefined && !this.#closed) this.#open(family)
    return port === 'opening' ? undefined : port
  }

  #open(family: 4 | 6): void {
    this.#ports.set(family, 'opening')
    this.#o.underlay.bindUdp({ family }).then(
      (port) => {
        if (this.#closed) {
          port.close()
          return
        }
        this.#ports.set(family, port)
        this.#mtu = port.mtu
        port.onMessage = ({ address, port: number }, bytes) =>
          this.#received(address, number, bytes)
        port.onLost = () => this.#failed(family, waitsFor(this.#o.underlay.lower, 'has ended'))
        this.#tell(undefined)
        const first = this.#waiting.get(family)
        this.#waiting.delete(family)
        if (first !== undefined) port.send(first.to, first.bytes)
      },
      (thrown: unknown) => this.#failed(family, toPvpnError(thrown)),
    )
  }

  #failed(family: 4 | 6, error: PvpnError): void {
    this.#tell(error)
    const { clock } = this.#o
    this.#ports.set(family, 'opening')
    clock.at(clock.now() + CARRY_RETRY, () => {
      if (!this.#closed) this.#open(family)
    })
  }

  #tell(error: PvpnError | undefined): void {
    const changed = error?.message !== this.problem?.message
    this.problem = error
    if (changed && !this.#closed) this.onProblem()
  }

  #received(address: string, port: number, bytes: Uint8Array): void {
    const record = parseSocketAddress({ address, port })
    if (this.#closed || record === undefined || bytes.length > this.#o.packetSize) return
    const batch = this.#batch
    batch.reset()
    batch.address.set(record, 0)
    if (bytes.length === 0) batch.commit(EMPTY_DATAGRAM)
    else batch.push(bytes)
    this.onBatch(batch)
  }
}
