/** The sockets of programs that come by the preload library: their questions, answered by one environment. */
import { constants } from 'node:os'
import { PvpnError, toPvpnError } from '../../core/errors.js'
import type { Outcome } from '../../core/figures.js'
import type { ManagedEnvironment } from '../../core/managed-environment.js'
import type { ByteStream } from '../../core/stream.js'
import type { Clock, Endpoint } from '../../core/types.js'
import { connectHost } from '../../io/host-connect.js'
import type { DnsService } from '../dns-service.js'
import { MAX_HOST_PORTS } from '../limits.js'
import { DatagramPlaces } from './datagram-places.js'
import { MAX_ENDED, MAX_OPTION_BYTES, MAX_OPTIONS, MAX_VIRTUAL_SOCKETS } from './limits.js'
import { Listeners } from './listeners.js'
import { ownAddress, ownAddresses } from './places.js'
import {
  ADDRESS_SIZE,
  Errno,
  encodeState,
  FLAG,
  idText,
  KIND,
  PHASE,
  type Query,
  type Reply,
  readAddress,
  type SocketState,
  writeAddress,
} from './protocol.js'
import type { QueryPort } from './query-port.js'
import { streamPair } from './stream-pair.js'
import { type DatagramWorld, VirtualDatagrams } from './virtual-datagrams.js'
import { VirtualStream } from './virtual-stream.js'

const { EADDRINUSE, EAGAIN, EINVAL, ENETDOWN, ENFILE, ENOBUFS, ENOPROTOOPT, ENOTCONN } =
  constants.errno
const DATAGRAMS = 256
const DNS_PORT = 53
/** Milliseconds until a port of the host's loopback must have answered. */
const HOST_PORT_TIMEOUT = 10_000

export interface VirtualSocketsOptions {
  readonly environment: ManagedEnvironment
  readonly dns: DnsService
  readonly port: QueryPort
  readonly clock: Clock
  /** How each connection inside came out. */
  readonly onOutcome: (outcome: Outcome) => void
}

export class VirtualSockets {
  readonly #o: VirtualSocketsOptions
  readonly #streams = new Map<string, VirtualStream>()
  readonly #datagrams = new Map<string, VirtualDatagrams>()
  readonly #places = new DatagramPlaces()
  readonly #world: DatagramWorld
  /** Ports of the host's loopback that somebody asked for. */
  readonly #hostPorts = new Set<number>()
  /** What is left of those whose programs may still hold their end. */
  readonly #ended = new Map<string, SocketState>()
  readonly #listeners: Listeners

  constructor(options: VirtualSocketsOptions) {
    this.#o = options
    this.#listeners = new Listeners(options.environment)
    this.#world = this.#datagramWorld()
    const { port } = options
    port.answer(KIND.open, (query) => this.#open(query))
    port.answer(KIND.connect, (query) => this.#connect(query))
    port.answer(KIND.state, (query) => this.#state(query))
    port.answer(KIND.bind, (query) => this.#bind(query))
    port.answer(KIND.listen, (query) => this.#listen(query))
    port.answer(KIND.accept, (query) => this.#accept(query))
    port.answer(KIND.send, (query) => this.#send(query))
    port.answer(KIND.disconnect, (query) => ({ value: this.#datagram(query).disconnect() }))
    port.answer(KIND.ready, () => ({
      error: options.environment.state === 'up' ? 0 : ENETDOWN,
    }))
    port.answer(KIND.hostPort, ({ value }) => this.#openHostPort(value))
    port.answer(KIND.interfaces, () => this.#interfaces())
    port.answer(KIND.setOption, (query) => this.#setOption(query))
    port.answer(KIND.getOption, (query) => this.#getOption(query))
  }

  get size(): number {
    return this.#streams.size + this.#datagrams.size
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.close()
    for (const socket of this.#datagrams.values()) socket.close()
  }

  #open(query: Query): Reply {
    const family = (query.value & 255) === 4 ? 4 : 6
    if ((query.value & DATAGRAMS) === 0) this.#newStream(query, query.id, family)
    else this.#newDatagrams(query, family)
    return {}
  }

  /** The other end of a new socket, when there may be one more. */
  #descriptor(query: Query, id: string): number {
    if (this.size >= MAX_VIRTUAL_SOCKETS) throw new Errno(ENFILE)
    if (this.#streams.has(id) || this.#datagrams.has(id)) throw new Errno(EADDRINUSE)
    const descriptor = query.takeDescriptor()
    if (descriptor === undefined) throw new Errno(EINVAL)
    return descriptor
  }

  #newDatagrams(query: Query, family: 4 | 6): void {
    const { id } = query
    const socket: VirtualDatagrams = new VirtualDatagrams({
      family,
      descriptor: this.#descriptor(query, id),
      world: this.#world,
      onOver: () => {
        this.#datagrams.delete(id)
        this.#places.release(socket)
      },
    })
    this.#datagrams.set(id, socket)
  }

  #datagramWorld(): DatagramWorld {
    const { environment, dns } = this.#o
    return {
      open: (family, port) => environment.bindUdp({ family, port }),
      ownAddress: (family) => ownAddress(environment, family),
      owns: (address) => this.#listeners.owns(address),
      find: (to) => this.#places.find(to),
      reserve: (socket, at) => this.#places.reserve(socket, at),
      release: (socket) => this.#places.release(socket),
      ask: (query, reply) => dns.datagram(query, reply),
    }
  }

  #datagram(query: Query): VirtualDatagrams {
    const socket = this.#datagrams.get(query.id)
    if (socket === undefined) throw new Errno(ENOTCONN)
    return socket
  }

  #send(query: Query): Reply {
    if (query.data.length < ADDRESS_SIZE) throw new Errno(EINVAL)
    this.#datagram(query).send(readAddress(query.data), query.data.subarray(ADDRESS_SIZE))
    return {}
  }

  #newStream(query: Query, id: string, family: 4 | 6): VirtualStream {
    const descriptor = this.#descriptor(query, id)
    const stream: VirtualStream = new VirtualStream({
      family,
      descriptor,
      dial: (to, signal) => this.#dial(to, signal),
      onOver: () => {
        this.#streams.delete(id)
        this.#remember(id, stream.state(false))
      },
    })
    this.#streams.set(id, stream)
    return stream
  }

  #remember(id: string, state: SocketState): void {
    this.#ended.set(id, { ...state, phase: PHASE.over })
    if (this.#ended.size <= MAX_ENDED) return
    for (const oldest of this.#ended.keys()) {
      this.#ended.delete(oldest)
      break
    }
  }

  async #dial(to: Endpoint, signal: AbortSignal): Promise<ByteStream> {
    const { environment, dns, onOutcome } = this.#o
    if (this.#listeners.owns(to.address) && this.#listeners.listens(to)) {
      return this.#listeners.connect(to)
    }
    if (to.port === DNS_PORT) {
      const [near, far] = streamPair({ address: '127.0.0.1', port: 0 }, to)
      dns.stream(far)
      return near
    }
    if (to.address === '127.0.0.1' && this.#hostPorts.has(to.port)) {
      const options = { timeout: HOST_PORT_TIMEOUT, signal }
      return await connectHost({ host: to.address, port: to.port }, options)
    }
    if (this.#listeners.owns(to.address)) {
      throw new PvpnError('ERR_REFUSED', 'nobody listens there inside')
    }
    try {
      const stream = await environment.dial({ host: to.address, port: to.port }, { signal })
      onOutcome('ok')
      return stream
    } catch (thrown) {
      onOutcome(toPvpnError(thrown).code)
      throw thrown
    }
  }

  #openHostPort(port: number): Reply {
    if (port < 1 || port > 65_535) throw new Errno(EINVAL)
    if (!this.#hostPorts.has(port) && this.#hostPorts.size >= MAX_HOST_PORTS) {
      throw new Errno(ENOBUFS)
    }
    this.#hostPorts.add(port)
    return {}
  }

  #stream(query: Query): VirtualStream {
    const stream = this.#streams.get(query.id)
    if (stream === undefined) throw new Errno(ENOTCONN)
    return stream
  }

  async #connect(query: Query): Promise<Reply> {
    const to = readAddress(query.data)
    if (to === undefined) throw new Errno(EINVAL)
    const datagrams = this.#datagrams.get(query.id)
    if (datagrams !== undefined) return { value: await datagrams.connect(to) }
    await this.#stream(query).connect(to, (query.flags & FLAG.nonblocking) !== 0)
    return {}
  }

  #state(query: Query): Reply {
    const clear = (query.flags & FLAG.clear) !== 0
    const socket = this.#streams.get(query.id) ?? this.#datagrams.get(query.id)
    if (socket !== undefined) return { data: encodeState(socket.state(clear)) }
    const ended = this.#ended.get(query.id)
    if (ended === undefined) throw new Errno(ENOTCONN)
    if (clear) this.#ended.set(query.id, { ...ended, error: 0 })
    return { data: encodeState(ended) }
  }

  async #bind(query: Query): Promise<Reply> {
    const to = readAddress(query.data)
    if (to === undefined) throw new Errno(EINVAL)
    const datagrams = this.#datagrams.get(query.id)
    if (datagrams !== undefined) {
      await datagrams.bind(to)
      return {}
    }
    this.#listeners.bind(this.#stream(query), to)
    return {}
  }

  async #listen(query: Query): Promise<Reply> {
    await this.#listeners.listen(this.#stream(query), query.value | 0)
    return {}
  }

  #accept(query: Query): Reply {
    const listener = this.#stream(query)
    if (query.data.length < 8) throw new Errno(EINVAL)
    const waiting = this.#listeners.take(listener)
    if (waiting === undefined) throw new Errno(EAGAIN)
    try {
      const stream = this.#newStream(query, idText(query.data, 0), listener.family)
      stream.attach(waiting)
      return { data: encodeState(stream.state(false)) }
    } catch (thrown) {
      waiting.abort()
      throw thrown
    }
  }

  #interfaces(): Reply {
    const { environment } = this.#o
    const addresses = ownAddresses(environment)
    const data = new Uint8Array(addresses.length * ADDRESS_SIZE)
    addresses.forEach((address, i) => {
      writeAddress(data, i * ADDRESS_SIZE, { address, port: 0 })
    })
    return { value: environment.link?.mtu ?? 1500, data }
  }

  #options(query: Query): Map<string, Uint8Array> {
    if (query.data.length < 8) throw new Errno(EINVAL)
    return (this.#datagrams.get(query.id) ?? this.#stream(query)).options
  }

  #setOption(query: Query): Reply {
    const options = this.#options(query)
    const key = idText(query.data, 0)
    if (query.data.length > 8 + MAX_OPTION_BYTES) throw new Errno(EINVAL)
    if (!options.has(key) && options.size >= MAX_OPTIONS) throw new Errno(ENOBUFS)
    options.set(key, query.data.slice(8))
    return {}
  }

  #getOption(query: Query): Reply {
    const data = this.#options(query).get(idText(query.data, 0))
    if (data === undefined) throw new Errno(ENOPROTOOPT)
    return { data }
  }
}
