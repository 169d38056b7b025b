/** TCP ports of programs inside: who listens where, on loopback and in the tunnel. */
import { constants } from 'node:os'
import { PvpnError } from '../../core/errors.js'
import type { ManagedEnvironment } from '../../core/managed-environment.js'
import type { ByteStream, StreamListener } from '../../core/stream.js'
import type { Endpoint } from '../../core/types.js'
import { MAX_BACKLOG } from './limits.js'
import {
  familyOf,
  isAny,
  isLoopback,
  isV6Only,
  loopbackOf,
  ownAddress,
  ownAddresses,
} from './places.js'
import { Errno, taken } from './protocol.js'
import { streamPair } from './stream-pair.js'
import type { VirtualStream } from './virtual-stream.js'

const { EADDRINUSE, EADDRNOTAVAIL, EINVAL } = constants.errno
/** Ports that are given to who asks for any: not those of the environment's own stack. */
const FIRST_PORT = 16_384
const PORTS = 16_384

interface Place {
  readonly at: Endpoint
  /** IPv4 connections too: bound to "::". */
  readonly both: boolean
  readonly socket: VirtualStream
  backlog: number
  listening: boolean
  readonly pending: ByteStream[]
  readonly inside: StreamListener[]
}

export class Listeners {
  readonly #environment: ManagedEnvironment
  readonly #places = new Map<VirtualStream, Place>()
  #next = Math.floor(Math.random() * PORTS)

  constructor(environment: ManagedEnvironment) {
    this.#environment = environment
  }

  /** Reserves a place; the port is the real one then. Throws an Errno. */
  bind(socket: VirtualStream, to: Endpoint): Endpoint {
    if (this.#places.has(socket)) throw new Errno(EINVAL)
    const { address } = to
    if (!isAny(address) && !isLoopback(address) && !this.#isOwn(address)) {
      throw new Errno(EADDRNOTAVAIL)
    }
    const port = to.port === 0 ? this.#freePort(address) : to.port
    const both = address === '::' && !isV6Only(socket.options)
    if (this.#taken(address, port, both)) throw new Errno(EADDRINUSE)
    const at = { address, port }
    this.#places.set(socket, {
      at,
      both,
      socket,
      backlog: 0,
      listening: false,
      pending: [],
      inside: [],
    })
    socket.onRelease = () => this.#release(socket)
    socket.local = at
    return at
  }

  async listen(socket: VirtualStream, backlog: number): Promise<void> {
    const address = socket.family === 4 ? '0.0.0.0' : '::'
    if (!this.#places.has(socket)) this.bind(socket, { address, port: 0 })
    const place = this.#places.get(socket)
    if (place === undefined) throw new Errno(EINVAL)
    place.backlog = Math.min(Math.max(backlog, 1), MAX_BACKLOG)
    if (place.listening) return
    place.listening = true
    try {
      await this.#listenInside(place)
    } catch (thrown) {
      place.listening = false
      for (const listener of place.inside.splice(0)) listener.close()
      throw taken(thrown)
    }
    socket.listening(place.at)
  }

  /** The oldest connection that waits there. */
  take(socket: VirtualStream): ByteStream | undefined {
    return this.#places.get(socket)?.pending.shift()
  }

  /** Is this a place of ours, where nothing of the tunnel is asked? */
  owns(address: string): boolean {
    return isLoopback(address) || isAny(address) || this.#isOwn(address)
  }

  /** A connection between programs inside. Throws ERR_REFUSED when nobody listens. */
  connect(to: Endpoint): ByteStream {
    const place = this.#find(to)
    if (place === undefined) throw new PvpnError('ERR_REFUSED', 'nobody listens there inside')
    const from = { address: this.#sourceFor(to.address), port: this.#anyPort() }
    const [near, far] = streamPair(from, to)
    if (!this.#offer(place, far)) throw new PvpnError('ERR_REFUSED', 'too many wait there')
    return near
  }

  listens(to: Endpoint): boolean {
    return this.#find(to) !== undefined
  }

  #isOwn(address: string): boolean {
    return ownAddresses(this.#environment).includes(address)
  }

  /** Whoever may reach loopback alone gets no port in the tunnel. */
  async #listenInside(place: Place): Promise<void> {
    const { address, port } = place.at
    if (isLoopback(address)) return
    // A tunnel without an IP layer has no port that anybody reaches: loopback is served alone.
    if (this.#environment.link === undefined) return
    const families = place.both ? ([4, 6] as const) : ([familyOf(address)] as const)
    for (const family of families) {
      if (isAny(ownAddress(this.#environment, family))) continue
      const listener = await this.#environment.listenTcp({ port, family, backlog: place.backlog })
      listener.onConnection = (stream) => {
        if (!this.#offer(place, stream)) stream.abort()
      }
      if (this.#places.get(place.socket) === place) place.inside.push(listener)
      else listener.close()
    }
  }

  #offer(place: Place, stream: ByteStream): boolean {
    if (place.pending.length >= place.backlog) return false
    place.pending.push(stream)
    place.socket.announce()
    return true
  }

  #find({ address, port }: Endpoint): Place | undefined {
    const family = familyOf(address)
    for (const place of this.#places.values()) {
      if (!place.listening || place.at.port !== port) continue
      if (place.at.address === address || isAny(address)) return place
      if (isAny(place.at.address) && (place.both || familyOf(place.at.address) === family)) {
        return place
      }
    }
    return undefined
  }

  #taken(address: string, port: number, wide: boolean): boolean {
    for (const { at, both } of this.#places.values()) {
      if (at.port !== port) continue
      const related = both || wide || familyOf(at.address) === familyOf(address)
      if (related && (isAny(at.address) || isAny(address) || at.address === address)) return true
    }
    return false
  }

  #anyPort(): number {
    this.#next = (this.#next + 1) % PORTS
    return FIRST_PORT + this.#next
  }

  #freePort(address: string): number {
    for (let i = 0; i < PORTS; i++) {
      const port = this.#anyPort()
      if (!this.#taken(address, port, address === '::')) return port
    }
    throw new Errno(EADDRINUSE)
  }

  #sourceFor(address: string): string {
    return isLoopback(address) || isAny(address) ? loopbackOf(familyOf(address)) : address
  }

  #release(socket: VirtualStream): void {
    const place = this.#places.get(socket)
    this.#places.delete(socket)
    if (place === undefined) return
    for (const listener of place.inside) listener.close()
    for (const stream of place.pending) stream.abort()
  }
}
