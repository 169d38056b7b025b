/**
 * A namespace of an environment whose tunnel has no IP layer: its TCP and UDP end at a stack of ours,
 * and the environment dials. A connection is answered only when the far side has answered: refused
 * and unreachable are told as such.
 */
import { setMaxListeners } from 'node:events'
import { u8 } from '../core/bytes.js'
import { toPvpnError } from '../core/errors.js'
import { formatIp } from '../core/ip.js'
import type { ManagedEnvironment } from '../core/managed-environment.js'
import { PacketBatch } from '../core/packet-batch.js'
import type { ByteStream, StreamListener } from '../core/stream.js'
import type { Bytes, Clock, Random, Target } from '../core/types.js'
import type { TunDevice } from '../io/tun.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ip.js'
import { CarriedDatagrams } from './carried-datagrams.js'
import type { DnsService } from './dns-service.js'
import { InnerStack } from './inner-stack.js'
import { MAX_CARRIED, MAX_OPENING, NAMESPACE_SLOTS } from './limits.js'
import {
  destinationPort,
  ipVersion,
  isFragment,
  sourcePort,
  toGroup,
  transportAt,
  transportProtocol,
} from './packet-fields.js'
import { pump } from './stream-pump.js'
import { appendUnreachable, HOST, lengthsAgree, PORT, PROHIBITED } from './unreachable.js'

const DNS_PORT = 53
const SYN = 0x02
const ACK = 0x10
/** Milliseconds that a connection of the far side waits for the program's. */
const ACCEPT_LIMIT = 10_000

export interface CarriedLinkOptions {
  readonly environment: ManagedEnvironment
  readonly device: Pick<TunDevice, 'send' | 'close' | 'onBatch'>
  readonly dns: DnsService
  readonly clock: Clock
  readonly random: Random
  readonly mtu: number
}

export class CarriedLink {
  readonly #o: CarriedLinkOptions
  readonly #inner: InnerStack
  readonly #datagrams: CarriedDatagrams
  readonly #out: PacketBatch
  /** Connections that the far side is asked for, by both ends; a dialled one waits for the program's to be accepted. */
  readonly #opening = new Map<string, ByteStream | undefined>()
  /** One for each port that a connection leads to, with the number of those. */
  readonly #listeners = new Map<number, { listener: StreamListener; users: number }>()
  readonly #abort = new AbortController()
  #carried = 0

  constructor(options: CarriedLinkOptions) {
    this.#o = options
    this.#out = new PacketBatch({
      capacity: NAMESPACE_SLOTS,
      packetSize: Math.max(1536, options.mtu),
    })
    this.#inner = new InnerStack({ ...options, sink: options.device })
    // Each connection under way listens, and their number has a bound: no leak to warn of.
    setMaxListeners(0, this.#abort.signal)
    this.#datagrams = new CarriedDatagrams({ ...options, stack: this.#inner.stack })
    options.device.onBatch = (batch) => this.#fromNamespace(batch)
  }

  configure(): void {}

  close(): void {
    if (this.#abort.signal.aborted) return
    this.#abort.abort()
    for (const stream of this.#opening.values()) stream?.abort()
    this.#datagrams.close()
    this.#inner.close()
    this.#o.device.close()
  }

  #fromNamespace(batch: PacketBatch): void {
    for (let i = 0; i < batch.count; i++) {
      const at = batch.offset[i] as number
      const size = batch.length[i] as number
      if (ipVersion(batch.bytes, at, size) !== 0 && lengthsAgree(batch.bytes, at, size)) {
        this.#packet(batch.bytes, at, size)
      }
    }
    this.#flush()
  }

  #packet(b: Bytes, at: number, length: number): void {
    const protocol = transportProtocol(b, at)
    const port = destinationPort(b, at, length)
    if (toGroup(b, at)) return
    if (port !== DNS_PORT) {
      if (protocol === PROTOCOL_TCP && this.#opens(b, at, length)) return
      if (protocol === PROTOCOL_UDP && port > 0) this.#datagrams.expect(port)
      // Nothing else can be carried; an echo answered here would be a lie.
      if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP && !isFragment(b, at)) {
        this.#refuse(b, at, length, PROHIBITED)
        return
      }
    }
    this.#inner.push(b, at, length)
  }

  /** A first SYN is kept until the far side has answered. False: the stack's. */
  #opens(b: Bytes, at: number, length: number): boolean {
    const transport = transportAt(b, at, length)
    if (transport + 20 > at + length) return false
    if ((u8(b, transport + 13) & (SYN | ACK)) !== SYN) return false
    const v4 = u8(b, at) >>> 4 === 4
    const size = v4 ? 4 : 16
    const from = at + (v4 ? 12 : 8)
    const to = {
      host: formatIp(b.slice(from + size, from + 2 * size)),
      port: destinationPort(b, at, length),
    }
    const key = connectionKey(
      { host: formatIp(b.slice(from, from + size)), port: sourcePort(b, at, length) },
      to,
    )
    if (this.#opening.has(key)) return this.#opening.get(key) === undefined
    if (this.#opening.size >= MAX_OPENING || this.#carried >= MAX_CARRIED) return true
    this.#opening.set(key, undefined)
    void this.#open(key, to, b.slice(at, at + length))
    return true
  }

  async #open(key: string, to: Target, syn: Bytes): Promise<void> {
    const { signal } = this.#abort
    try {
      const stream = await this.#o.environment.dial(to, { signal })
      if (signal.aborted) {
        stream.abort()
        return
      }
      this.#await(key, to.port, stream)
      this.#inner.push(syn, 0, syn.length)
    } catch (thrown) {
      this.#opening.delete(key)
      if (signal.aborted) return
      const { code } = toPvpnError(thrown)
      // A time-out is the program's own to find: it has waited as long.
      if (code === 'ERR_TIMEOUT') return
      this.#refuse(syn, 0, syn.length, code === 'ERR_REFUSED' ? PORT : HOST)
      this.#flush()
    }
  }

  /** The far side has answered: the program's connection is accepted now, or never. */
  #await(key: string, port: number, stream: ByteStream): void {
    this.#opening.set(key, stream)
    this.#listen(port)
    const forget = () => {
      if (this.#opening.get(key) !== stream) return
      this.#opening.delete(key)
      this.#unlisten(port)
    }
    stream.onClose = forget
    const { clock } = this.#o
    clock.at(clock.now() + ACCEPT_LIMIT, () => {
      if (this.#opening.get(key) === stream) stream.abort()
      forget()
    })
  }

  #listen(port: number): void {
    const known = this.#listeners.get(port)
    if (known !== undefined) {
      known.users++
      return
    }
    const listener = this.#inner.stack.listenTcp({ port })
    listener.onConnection = (stream) => this.#accepted(port, stream)
    this.#listeners.set(port, { listener, users: 1 })
  }

  #accepted(port: number, stream: ByteStream): void {
    const { local, remote } = stream
    const key = connectionKey(
      { host: remote.address, port: remote.port },
      { host: local.address, port: local.port },
    )
    const far = this.#opening.get(key)
    if (far === undefined) {
      stream.abort()
      return
    }
    this.#opening.delete(key)
    this.#carried++
    pump(stream, far, () => {
      this.#carried--
      this.#unlisten(port)
    })
  }

  #unlisten(port: number): void {
    const known = this.#listeners.get(port)
    if (known === undefined) return
    known.users--
    if (known.users > 0) return
    known.listener.close()
    this.#listeners.delete(port)
  }

  #refuse(
    b: Bytes,
    at: number,
    length: number,
    why: { readonly v4: number; readonly v6: number },
  ): void {
    if (this.#out.full) this.#flush()
    appendUnreachable(this.#out, b, at, length, why)
  }

  #flush(): void {
    if (this.#out.count > 0 && !this.#abort.signal.aborted) this.#o.device.send(this.#out, 0)
    this.#out.reset()
  }
}

function connectionKey(from: Target, to: Target): string {
  return `${from.host} ${from.port} ${to.host} ${to.port}`
}
