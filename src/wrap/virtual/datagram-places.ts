/** UDP ports of programs inside, by which they reach each other on loopback. */
import { constants } from 'node:os'
import type { Endpoint } from '../../core/types.js'
import { familyOf, isAny } from './places.js'
import { Errno } from './protocol.js'
import type { VirtualDatagrams } from './virtual-datagrams.js'

const { EADDRINUSE } = constants.errno
const FIRST_PORT = 16_384
const PORTS = 16_384

export class DatagramPlaces {
  readonly #sockets = new Map<VirtualDatagrams, Endpoint>()
  #next = Math.floor(Math.random() * PORTS)

  /** Throws EADDRINUSE. */
  reserve(socket: VirtualDatagrams, at: Endpoint): Endpoint {
    for (let i = 0; i < PORTS; i++) {
      const port = at.port === 0 ? this.#anyPort() : at.port
      if (!this.#taken(at.address, port)) {
        const place = { address: at.address, port }
        this.#sockets.set(socket, place)
        return place
      }
      if (at.port !== 0) break
    }
    throw new Errno(EADDRINUSE)
  }

  release(socket: VirtualDatagrams): void {
    this.#sockets.delete(socket)
  }

  find(to: Endpoint): VirtualDatagrams | undefined {
    for (const [socket, at] of this.#sockets) {
      if (at.port === to.port && covers(at.address, to.address)) return socket
    }
    return undefined
  }

  #taken(address: string, port: number): boolean {
    for (const at of this.#sockets.values()) {
      if (at.port !== port) continue
      if (covers(at.address, address) || covers(address, at.address)) return true
    }
    return false
  }

  #anyPort(): number {
    this.#next = (this.#next + 1) % PORTS
    return FIRST_PORT + this.#next
  }
}

/** Would a socket at `place` get what is sent to `address`? */
function covers(place: string, address: string): boolean {
  if (place === address || place === '::') return true
  return isAny(place) ? familyOf(address) === 4 : isAny(address)
}
