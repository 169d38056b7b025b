/** UDP (RFC 768): ports of ours, what they send and what they get. */
import { equalBytes, u16 } from '../core/bytes.js'
import { PvpnError } from '../core/errors.js'
import { formatIp, parseIp } from '../core/ip.js'
import type { DatagramPort } from '../core/stream.js'
import type { Bytes, Endpoint, Random } from '../core/types.js'
import { PROTOCOL_UDP } from '../wire/ip.js'
import {
  UDP_HEADER,
  UDP_MAXIMUM_PAYLOAD,
  udpDestinationPort,
  udpLength,
  udpSourcePort,
  writeUdp,
} from '../wire/udp.js'
import type { Addresses } from './addresses.js'
import type { FlowUse } from './flow-mix.js'
import { UDP_LIGHT_DATAGRAMS, UDP_PORTS, UDP_PRESSED_SHARE, UDP_RECEIVE_PENDING } from './limits.js'
import type { Layout, PacketWriter } from './packet-writer.js'
import { UdpQueue, UdpUse } from './udp-queue.js'

type Family = 4 | 6

/** What ports need of the stack. */
export interface UdpHost {
  readonly addresses: Addresses
  readonly writer: PacketWriter
  readonly random: Random
  readonly ephemeralPorts: readonly [number, number]
  ready(): void
  /** The port of this use sends or is sent a datagram. */
  carries(use: FlowUse): void
  drop(reason: string): void
}

/** Random tries for a free port before all are looked at in turn. */
const TRIES = 64

export class UdpPorts {
  readonly queue = new UdpQueue()
  readonly #host: UdpHost
  readonly #ports: Readonly<Record<Family, Map<number, Port>>> = { 4: new Map(), 6: new Map() }
  /** Datagrams of this cycle, as places in the memory of the batch they came in. */
  readonly #pending: Pending[] = []
  #pendingCount = 0
  /**
   * There is a standing queue in front of the stack. What floods a port is dropped before it costs its
   * program's system calls: so the queue is worked off, and the others' packets do not stand in it.
   */
  pressed = false
  #share = 0

  constructor(host: UdpHost) {
    this.#host = host
  }

  /** Throws ERR_LIMIT when the port is taken or too many are open. */
  bind(options: { port?: number; family?: Family } = {}): DatagramPort {
    const families: readonly Family[] = options.family === undefined ? [4, 6] : [options.family]
    const count = this.#ports[4].size + this.#ports[6].size
    if (count + families.length > UDP_PORTS) {
      throw new PvpnError('ERR_LIMIT', 'too many UDP ports are open in this environment')
    }
    const number = options.port ? options.port : this.#freePort(families)
    if (this.#taken(families, number)) {
      throw new PvpnError('ERR_LIMIT', `UDP port ${number} is taken inside the environment`)
    }
    const port = new Port(this.#host, this.queue, families, number, () => {
      for (const family of families) this.#ports[family].delete(number)
    })
    for (const family of families) this.#ports[family].set(number, port)
    return port
  }

  owns(family: Family, port: number): boolean {
    return this.#ports[family].has(port)
  }

  /** A cycle begins, in which so many packets have come. */
  begin(packets: number): void {
    this.#share = Math.max(UDP_LIGHT_DATAGRAMS, packets * UDP_PRESSED_SHARE)
  }

  /** A valid datagram at `at` for us. False: nobody has its port. The bytes must stay until `notify`. */
  input(b: Bytes, at: number, source: number, destination: number, size: number): boolean {
    const port = this.#ports[size === 4 ? 4 : 6].get(udpDestinationPort(b, at))
    if (port === undefined) return false
    this.#host.carries(port.use)
    if (this.#pendingCount >= UDP_RECEIVE_PENDING) {
      this.#host.drop('udp-pending')
      return true
    }
    if (this.pressed && port.pending >= this.#share) {
      this.#host.drop('udp-pressed')
      return true
    }
    port.pending++
    let place = this.#pending[this.#pendingCount]
    if (place === undefined) {
      place = { port, bytes: b, at, source, destination, size }
      this.#pending.push(place)
    }
    place.port = port
    place.bytes = b
    place.at = at
    place.source = source
    place.destination = destination
    place.size = size
    this.#pendingCount++
    return true
  }

  /** Delivers what came in this cycle. */
  notify(): void {
    const count = this.#pendingCount
    this.#pendingCount = 0
    for (let i = 0; i < count; i++) {
      const place = this.#pending[i] as Pending
      place.port.pending = 0
      place.port.deliver(place)
      place.bytes = NOTHING
    }
  }

  /** An ICMP error about a datagram from `localPort` to an address and port. */
  error(family: Family, localPort: number, remote: Bytes, remotePort: number, e: PvpnError): void {
    const port = this.#ports[family].get(localPort)
    port?.onError({ address: formatIp(remote), port: remotePort }, e)
  }

  #taken(families: readonly Family[], port: number): boolean {
    return families.some((family) => this.#ports[family].has(port))
  }

  /** Random (RFC 6056 algorithm 1), so that an outsider can't guess where answers are awaited. */
  #freePort(families: readonly Family[]): number {
    const [low, high] = this.#host.ephemeralPorts
    const span = high - low + 1
    const draw = new Uint8Array(2)
    for (let i = 0; i < TRIES; i++) {
      this.#host.random(draw)
      const port = low + (u16(draw, 0) % span)
      if (!this.#taken(families, port)) return port
    }
    this.#host.random(draw)
    const first = u16(draw, 0) % span
    for (let i = 0; i < span; i++) {
      const port = low + ((first + i) % span)
      if (!this.#taken(families, port)) return port
    }
    throw new PvpnError('ERR_LIMIT', 'no UDP port is free inside the environment')
  }
}

interface Pending {
  port: Port
  bytes: Bytes
  at: number
  source: number
  destination: number
  size: number
}

const NOTHING = new Uint8Array(0)

class Port implements DatagramPort {
  onMessage: DatagramPort['onMessage'] = () => undefined
  onError: DatagramPort['onError'] = () => undefined
  /** Datagrams of this cycle. */
  pending = 0
  readonly use = new UdpUse()
  readonly #host: UdpHost
  readonly #queue: UdpQueue
  readonly #families: readonly Family[]
  readonly #number: number
  readonly #release: () => void
  #closed = false
  /** The last peers in both directions, as bytes and as text: most ports have one. */
  readonly #from = { address: NOTHING, endpoint: { address: '', port: 0 } }
  readonly #at = { address: NOTHING, text: '' }
  readonly #to = { text: '', address: NOTHING as Bytes | undefined }
  readonly #via = { text: '', address: NOTHING as Bytes | undefined }
  // What `#fill` writes, set by `send`: a closure per datagram would cost more than the copy.
  #payload: Bytes = NOTHING
  #destinationPort = 0

  constructor(
    host: UdpHost,
    queue: UdpQueue,
    families: readonly Family[],
    number: number,
    release: () => void,
  ) {
    this.#host = host
    this.#queue = queue
    this.#families = families
    this.#number = number
    this.#release = release
  }

  get local(): Endpoint {
    const { addresses } = this.#host
    const family = this.#families.find((f) => addresses.has(f)) ?? this.#families[0]
    const own = family === undefined ? undefined : addresses.first(family)
    const none = family === 6 ? '::' : '0.0.0.0'
    return { address: own === undefined ? none : formatIp(own), port: this.#number }
  }

  send(to: Endpoint, bytes: Bytes, from?: string): boolean {
    if (this.#closed || bytes.length > UDP_MAXIMUM_PAYLOAD || to.port < 1 || to.port > 65_535) {
      return false
    }
    const destination = parsed(this.#to, to.address)
    if (destination === undefined) return false
    if (!this.#families.includes(destination.length === 4 ? 4 : 6)) return false
    const { addresses, writer } = this.#host
    const wanted = from === undefined ? undefined : parsed(this.#via, from)
    const source =
      wanted !== undefined && wanted.length === destination.length && addresses.isLocal(wanted)
        ? wanted
        : addresses.sourceFor(destination)
    if (source === undefined) return false
    this.#payload = bytes
    this.#destinationPort = to.port
    const length = UDP_HEADER + bytes.length
    this.#host.carries(this.use)
    const line = this.#queue.line(this.use)
    const sent = writer.write(line, source, destination, PROTOCOL_UDP, length, this.#fill)
    this.#payload = NOTHING
    if (sent) this.#host.ready()
    else this.#host.drop('udp-queue')
    return sent
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#release()
  }

  deliver({ bytes, at, source, destination, size }: Pending): void {
    if (this.#closed) return
    const from = this.#from
    const port = udpSourcePort(bytes, at)
    const same = from.address.length === size && equalBytes(from.address, 0, bytes, source, size)
    if (!same) from.address = bytes.slice(source, source + size)
    if (!same || from.endpoint.port !== port) {
      from.endpoint = { address: formatIp(from.address), port }
    }
    const own = this.#at
    if (own.address.length !== size || !equalBytes(own.address, 0, bytes, destination, size)) {
      own.address = bytes.slice(destination, destination + size)
      own.text = formatIp(own.address)
    }
    const payload = bytes.subarray(at + UDP_HEADER, at + udpLength(bytes, at))
    this.onMessage(from.endpoint, payload, own.text)
  }

  readonly #fill = (packet: Bytes, at: number, layout: Layout): void => {
    packet.set(this.#payload, at + UDP_HEADER)
    const length = UDP_HEADER + this.#payload.length
    const { source, destination, size } = layout
    writeUdp(packet, at, this.#number, this.#destinationPort, length, source, destination, size)
  }
}

/** The address's bytes, parsed once as long as it stays the same. */
function parsed(
  last: { text: string; address: Bytes | undefined },
  text: string,
): Bytes | undefined {
  if (last.text !== text) {
    last.text = text
    last.address = parseIp(text)
  }
  return last.address
}
