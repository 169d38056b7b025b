/**
 * One namespace's packets: those from it go to the environment's tunnel, to its resolver (port 53 at
 * any address) or back as "unreachable"; those for it come from the tunnel. Never to the host.
 */
import { equalBytes } from '../core/bytes.js'
import { parsePrefix } from '../core/ip.js'
import type { ManagedEnvironment, PacketGate } from '../core/managed-environment.js'
import { PacketBatch } from '../core/packet-batch.js'
import type { Bytes, Clock, Random } from '../core/types.js'
import type { TunDevice } from '../io/tun.js'
import type { DnsService } from './dns-service.js'
import { InnerStack } from './inner-stack.js'
import { NAMESPACE_SLOTS } from './limits.js'
import { destinationPort, ipVersion } from './packet-fields.js'
import { appendUnreachable, lengthsAgree, NO_ROUTE } from './unreachable.js'

const DNS_PORT = 53

export interface NamespaceLinkOptions {
  readonly environment: ManagedEnvironment
  readonly gate: PacketGate
  readonly device: Pick<TunDevice, 'send' | 'close' | 'onBatch'>
  readonly dns: DnsService
  readonly clock: Clock
  readonly random: Random
  readonly mtu: number
}

export class NamespaceLink {
  readonly #o: NamespaceLinkOptions
  readonly #inner: InnerStack
  readonly #out: PacketBatch
  #own: readonly Bytes[] = []
  #scheduled = false
  #closed = false
  /** The last destination that was looked up: most packets go where the one before went. */
  #last: { address: Bytes; routed: boolean } = { address: new Uint8Array(0), routed: false }

  constructor(options: NamespaceLinkOptions) {
    this.#o = options
    const packetSize = Math.max(1536, options.mtu)
    this.#out = new PacketBatch({ capacity: NAMESPACE_SLOTS, packetSize })
    this.#inner = new InnerStack({ ...options, sink: options.device })
    this.configure()
    options.device.onBatch = (batch) => this.#fromNamespace(batch)
    options.gate.onPacket = (bytes, at, length) => this.#toNamespace(bytes, at, length)
  }

  /** The tunnel's addresses or routes may be others now. */
  configure(): void {
    const texts = this.#o.environment.link?.addresses ?? []
    this.#own = texts.flatMap((text) => parsePrefix(text)?.address ?? [])
    this.#last = { address: new Uint8Array(0), routed: false }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#o.gate.onPacket = undefined
    this.#inner.close()
    this.#o.device.close()
  }

  #fromNamespace(batch: PacketBatch): void {
    const { bytes, offset, length, count } = batch
    let left = 0
    for (let i = 0; i < count; i++) {
      const at = offset[i] as number
      const size = length[i] as number
      if (this.#toTunnel(bytes, at, size)) left++
      else length[i] = 0
    }
    if (left > 0) this.#o.gate.transmit(batch)
    this.#flush()
  }

  /** True: this packet is for the tunnel. */
  #toTunnel(b: Bytes, at: number, length: number): boolean {
    const version = ipVersion(b, at, length)
    if (version === 0 || !lengthsAgree(b, at, length)) return false
    const size = version === 4 ? 4 : 16
    const source = at + (version === 4 ? 12 : 8)
    if (!this.#own.some((own) => own.length === size && equalBytes(own, 0, b, source, size))) {
      return false
    }
    if (destinationPort(b, at, length) === DNS_PORT) {
      this.#inner.push(b, at, length)
      return false
    }
    if (this.#routed(b, source + size, size)) return true
    if (this.#out.full) this.#flush()
    appendUnreachable(this.#out, b, at, length, NO_ROUTE)
    return false
  }

  #routed(b: Bytes, at: number, size: number): boolean {
    const last = this.#last
    if (last.address.length === size && equalBytes(last.address, 0, b, at, size)) return last.routed
    const address = b.slice(at, at + size)
    this.#last = { address, routed: this.#o.gate.routes(address) }
    return this.#last.routed
  }

  #toNamespace(bytes: Bytes, at: number, length: number): void {
    if (length > this.#out.packetSize) {
      this.#o.device.send(single(bytes, at, length), 0)
      return
    }
    if (this.#out.full) this.#flush()
    this.#out.push(bytes.subarray(at, at + length))
    if (this.#scheduled) return
    this.#scheduled = true
    // Once for all packets of this turn of the event loop.
    process.nextTick(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#out.count > 0 && !this.#closed) this.#o.device.send(this.#out, 0)
    this.#out.reset()
  }
}

/** A datagram put together from fragments may be longer than the link's packets; the kernel takes it. */
function single(bytes: Bytes, at: number, length: number): PacketBatch {
  const batch = new PacketBatch({ capacity: 1, packetSize: length })
  batch.push(bytes.subarray(at, at + length))
  return batch
}
