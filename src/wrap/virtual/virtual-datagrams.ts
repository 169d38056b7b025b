/** One UDP socket of a program: its Unix pair, and the environment's ports that it sends and receives by. */
import { constants } from 'node:os'
import { PvpnError } from '../../core/errors.js'
import type { DatagramPort } from '../../core/stream.js'
import type { Bytes, Endpoint } from '../../core/types.js'
import { MessageSocket } from '../../io/message-socket.js'
import { MAX_WAITING_DATAGRAMS } from './limits.js'
import { familyOf, isAny, isLoopback, loopbackOf } from './places.js'
import {
  ADDRESS_SIZE,
  Errno,
  errnoOf,
  marker,
  PHASE,
  readAddress,
  type SocketState,
  taken,
  writeAddress,
} from './protocol.js'

const { EAGAIN, EINVAL } = constants.errno
const EMPTY = new Uint8Array(0)
const DNS_PORT = 53

/** What a socket's datagrams reach. */
export interface DatagramWorld {
  /** A port inside; `port` 0: any. */
  open(family: 4 | 6, port: number): Promise<DatagramPort>
  ownAddress(family: 4 | 6): string
  /** Of ours: nothing of the tunnel is asked. */
  owns(address: string): boolean
  /** Another socket inside that has this place. */
  find(to: Endpoint): VirtualDatagrams | undefined
  /** A place of its own for who is asked by others inside. Throws an Errno when taken. */
  reserve(socket: VirtualDatagrams, at: Endpoint): Endpoint
  release(socket: VirtualDatagrams): void
  ask(query: Bytes, reply: (answer: Bytes) => void): void
}

export interface VirtualDatagramsOptions {
  readonly family: 4 | 6
  /** Taken over. */
  readonly descriptor: number
  readonly world: DatagramWorld
  readonly onOver: () => void
}

export class VirtualDatagrams {
  readonly family: 4 | 6
  readonly options = new Map<string, Bytes>()
  /** Where it is bound, by the program or by its first datagram. */
  bound: Endpoint | undefined
  readonly #world: DatagramWorld
  readonly #pair: MessageSocket
  readonly #ports = new Map<4 | 6, DatagramPort>()
  readonly #opening = new Map<4 | 6, Promise<DatagramPort>>()
  #remote: Endpoint | undefined
  #error = 0
  #waiting = 0
  #over = false

  constructor(options: VirtualDatagramsOptions) {
    this.family = options.family
    this.#world = options.world
    this.#pair = new MessageSocket(options.descriptor)
    this.#pair.onMessage = (bytes) => this.#fromProgram(bytes)
    this.#pair.onClose = () => {
      if (this.#over) return
      this.#over = true
      for (const port of this.#ports.values()) port.close()
      options.onOver()
    }
  }

  state(clear: boolean): SocketState {
    const state = {
      phase: this.#remote === undefined ? PHASE.fresh : PHASE.connected,
      error: this.#error,
      local: this.#local(),
      remote: this.#remote,
    }
    if (clear) this.#error = 0
    return state
  }

  close(): void {
    this.#pair.close()
  }

  async bind(at: Endpoint): Promise<void> {
    if (this.bound !== undefined) throw new Errno(EINVAL)
    this.bound = at
    try {
      await this.#bind(at)
    } catch (thrown) {
      this.bound = undefined
      this.#world.release(this)
      throw taken(thrown)
    }
  }

  /** 1: a marker was sent in the old way, as later datagrams are bare. */
  async connect(to: Endpoint): Promise<number> {
    const bare = this.#remote !== undefined
    // What was sent before goes where it was meant to go.
    this.#pair.drain()
    if (this.#over) throw new PvpnError('ERR_DOWN', 'the socket was closed')
    await this.#ready(to)
    if (!bare && !this.#pair.send(marker())) throw new Errno(EAGAIN)
    this.#remote = to
    this.#error = 0
    return bare ? 0 : 1
  }

  disconnect(): number {
    if (this.#remote === undefined) return 0
    this.#pair.drain()
    if (!this.#pair.send(marker())) throw new Errno(EAGAIN)
    this.#remote = undefined
    return 1
  }

  /** Undefined: to where it is connected. */
  send(to: Endpoint | undefined, bytes: Bytes): void {
    const target = to ?? this.#remote
    if (target !== undefined) this.#send(target, bytes)
  }

  /** From another socket inside, or from the tunnel. */
  deliver(from: Endpoint, bytes: Bytes): void {
    const remote = this.#remote
    if (remote !== undefined) {
      if (from.port !== remote.port || from.address !== remote.address) return
      this.#pair.send(bytes)
      return
    }
    const framed = new Uint8Array(ADDRESS_SIZE + bytes.length)
    writeAddress(framed, 0, from)
    framed.set(bytes, ADDRESS_SIZE)
    this.#pair.send(framed)
  }

  #local(): Endpoint | undefined {
    const { bound } = this
    const remote = this.#remote
    if (remote === undefined || bound === undefined) return bound
    const family = familyOf(remote.address)
    if (!isAny(bound.address)) return bound
    const address = isLoopback(remote.address) ? loopbackOf(family) : this.#world.ownAddress(family)
    return { address, port: this.#ports.get(family)?.local.port ?? bound.port }
  }

  #fromProgram(message: Bytes): void {
    if (this.#remote !== undefined) {
      this.#send(this.#remote, message)
      return
    }
    const to = readAddress(message)
    if (to !== undefined) this.#send(to, message.subarray(ADDRESS_SIZE))
  }

  /** The bytes are borrowed. */
  #send(to: Endpoint, bytes: Bytes): void {
    if (this.#world.owns(to.address) || to.port === DNS_PORT) {
      this.#sendInside(to, bytes)
      return
    }
    const port = this.#ports.get(familyOf(to.address))
    if (port !== undefined) {
      port.send(to, bytes)
      return
    }
    if (this.#waiting >= MAX_WAITING_DATAGRAMS) return
    this.#waiting++
    const own = bytes.slice()
    this.#port(familyOf(to.address)).then(
      (opened) => {
        this.#waiting--
        opened.send(to, own)
      },
      (thrown: unknown) => {
        this.#waiting--
        this.#fail(to, thrown)
      },
    )
  }

  #sendInside(to: Endpoint, bytes: Bytes): void {
    const there = this.#world.find(to)
    if (there !== undefined) {
      there.deliver(this.#sourceFor(to), bytes)
    } else if (to.port === DNS_PORT) {
      this.#world.ask(bytes, (answer) => this.deliver(to, answer))
    } else {
      this.#fail(to, new PvpnError('ERR_REFUSED', 'nobody is there inside'))
    }
  }

  #sourceFor(to: Endpoint): Endpoint {
    const family = familyOf(to.address)
    const wild = family === 4 ? '0.0.0.0' : '::'
    this.bound ??= this.#world.reserve(this, { address: wild, port: 0 })
    const { address, port } = this.bound
    if (!isAny(address)) return { address, port }
    return { address: isAny(to.address) ? loopbackOf(family) : to.address, port }
  }

  /** An error came back for what was sent there: a connected socket learns of it. */
  #fail(to: Endpoint, thrown: unknown): void {
    const remote = this.#remote
    if (remote === undefined || remote.address !== to.address || remote.port !== to.port) return
    this.#error = errnoOf(thrown)
    this.#pair.send(EMPTY)
  }

  async #bind(at: Endpoint): Promise<void> {
    const world = this.#world
    if (isLoopback(at.address)) {
      this.bound = world.reserve(this, at)
      return
    }
    const family = familyOf(at.address)
    if (!isAny(at.address) && !world.owns(at.address)) {
      throw new Errno(constants.errno.EADDRNOTAVAIL)
    }
    this.bound = world.reserve(this, at)
    await this.#port(family, this.bound.port)
  }

  /** Has what it takes to be connected: a place of its own, as getsockname tells. */
  async #ready(to: Endpoint): Promise<void> {
    if (this.#world.owns(to.address) || to.port === DNS_PORT) this.#sourceFor(to)
    else await this.#port(familyOf(to.address))
  }

  #port(family: 4 | 6, port = this.#boundPort): Promise<DatagramPort> {
    const known = this.#opening.get(family)
    if (known !== undefined) return known
    const opening = this.#world.open(family, port).then((opened) => {
      if (this.#over) {
        opened.close()
        throw new PvpnError('ERR_ABORTED', 'the socket was closed')
      }
      this.#ports.set(family, opened)
      this.bound ??= { address: this.family === 4 ? '0.0.0.0' : '::', port: opened.local.port }
      opened.onMessage = (from, bytes) => this.deliver(from, bytes)
      opened.onError = (to, error) => this.#fail(to, error)
      return opened
    })
    this.#opening.set(family, opening)
    opening.catch(() => this.#opening.delete(family))
    return opening
  }

  get #boundPort(): number {
    return this.bound?.port ?? 0
  }
}
