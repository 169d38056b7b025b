/** UDP ports of programs inside, by which they reach each other on loopback. */
import { constants } from 'node:os'
import type { Endpoint } from '../../core/types.js'
import { familyOf, isAny, isV6Only } from './places.js'
import { Errno } from './protocol.js'
import type { VirtualDatagrams } from './virtual-datagrams.js'

const { EADDRINUSE } = constants.errno
const FIRST_PORT = 16_384
const PORTS = 16_384

interface Place extends Endpoint {
  /** Bound to "::", and IPv4 left to others. */
  readonly only6: boolean
}

export class DatagramPlaces {
  readonly #sockets = new Map<VirtualDatagrams, Place>()
  #next = Math.floor(Math.random() * PORTS)

  /** Throws EADDRINUSE. */
  reserve(socket: VirtualDatagrams, at: Endpoint): Endpoint {
    for (let i = 0; i < PORTS; i++) {
      const port = at.port === 0 ? this.#anyPort() : at.port
      const place = { address: at.address, port, only6: isV6Only(socket.options) }
      if (!this.#taken(place)) {
        this.#sockets.set(socket, place)
        return { address: at.address, port }
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
      if (at.port === to.port && covers(at, to.address)) return socket
    }
    return undefined
  }

  #taken(place: Place): boolean {
    for (const at of this.#sockets.values()) {
      if (at.port !== place.port) continue
      if (covers(at, place.address) || covers(place, at.address)) return true
    }
    return false
  }

  #anyPort(): number {
    this.#next = (this.#next + 1) % PORTS
    return FIRST_PORT + this.#next
  }
}

/** Would a socket there get what is sent to `address`? */
function covers(place: Place, address: string): boolean {
  if (place.address === address) return true
  if (place.address === '::') return !place.only6 || familyOf(address) === 6
  if (familyOf(place.address) !== familyOf(address)) return false
  return isAny(place.address) || isAny(address)
}
