/** SOCKS5 UDP ASSOCIATE (RFC 1928 section 7): datagrams of one client, for as long as its TCP connection lives. */

import { setMaxListeners } from 'node:events'
import { equalBytes } from '../core/bytes.js'
import type { Environment } from '../core/environment.js'
import { PvpnError } from '../core/errors.js'
import { parseIp } from '../core/ip.js'
import { plainAddress } from '../core/listen-address.js'
import type { DatagramPort } from '../core/stream.js'
import type { Bytes, Endpoint, Millis, Target } from '../core/types.js'
import { bindHostUdp } from '../io/host-datagram.js'
import {
  encodeSocks5Datagram,
  encodeSocks5Reply,
  parseSocks5Datagram,
  REPLY_SUCCEEDED,
} from '../wire/socks5.js'
import type { ClientReader } from './client-reader.js'
import type { Connection } from './connection.js'
import {
  ASSOCIATION_NAME_AGE,
  MAX_ASSOCIATION_NAMES,
  MAX_ASSOCIATIONS,
  MAX_WAITING_DATAGRAMS,
} from './limits.js'
import { checkTarget, type ListenerContext } from './listener-context.js'

/** Rejects with a PvpnError when there is nothing to associate with. `declared` is where the client says it will send from. */
export async function associate(
  context: ListenerContext,
  connection: Connection,
  reader: ClientReader,
  declared: Target,
): Promise<void> {
  if (context.associations >= MAX_ASSOCIATIONS) {
    throw new PvpnError('ERR_LIMIT', 'too many UDP associations')
  }
  context.associations++
  try {
    const environment = await context.route(connection, undefined, reader.signal)
    const inside = new InsidePorts(environment)
    // Tells now whether this environment carries datagrams at all.
    await inside
      .open(4)
      .catch((error: unknown) => inside.open(6).catch(() => Promise.reject(error)))
    const own = plainAddress(connection.socket.localAddress ?? '127.0.0.1')
    const outside = await bindHostUdp({ address: own, family: own.includes(':') ? 6 : 4 }).catch(
      (error: unknown) => {
        inside.close()
        throw error
      },
    )
    const association = new Association(connection, environment, outside, inside, declared.port)
    context.logger.debug(connection.describe(), 'UDP association')
    const { socket } = connection
    reader.release()
    const end = () => {
      if (!association.close()) return
      context.associations--
      socket.end()
    }
    socket.onClose = end
    socket.onEnd = end
    if (reader.ended || socket.closed) {
      end()
      return
    }
    socket.write(encodeSocks5Reply(REPLY_SUCCEEDED, outside.local))
    // Nothing more is said on it; reading shows its end.
    socket.resume()
  } catch (error) {
    context.associations--
    throw error
  }
}

const NOTHING = new Uint8Array(0)
/** Where a datagram for a client is put together; `send` takes a copy. */
const scratch = new Uint8Array(65_536)

interface NameEntry {
  readonly since: Millis
  /** Undefined while the resolver is asked; empty when there is no such name. */
  addresses: readonly string[] | undefined
  readonly waiting: { readonly port: number; readonly payload: Bytes }[]
}

class Association {
  readonly #environment: Environment
  readonly #outside: DatagramPort
  readonly #inside: InsidePorts
  readonly #names = new Map<string, NameEntry>()
  readonly #clientAddress: string
  readonly #gone = new AbortController()
  #clientPort: number
  #client: Endpoint | undefined
  /** The last header from the client and to it: most associations have one partner. */
  #header: Bytes = NOTHING
  #headerTarget: Target = { host: '', port: 0 }
  #answerFrom: Endpoint | undefined
  #answerHeader: Bytes = NOTHING

  constructor(
    connection: Connection,
    environment: Environment,
    outside: DatagramPort,
    inside: InsidePorts,
    declaredPort: number,
  ) {
    this.#environment = environment
    // Each look-up under way listens, and their number has a bound: no leak to warn of.
    setMaxListeners(0, this.#gone.signal)
    this.#outside = outside
    this.#inside = inside
    // A client on a Unix socket has no address: it is on this host.
    this.#clientAddress = connection.client.address || outside.local.address
    this.#clientPort = declaredPort
    outside.onMessage = (from, bytes) => this.#fromClient(from, bytes)
    inside.onMessage = (from, bytes) => this.#toClient(from, bytes)
  }

  /** False: was closed before. */
  close(): boolean {
    if (this.#gone.signal.aborted) return false
    this.#gone.abort()
    this.#outside.close()
    this.#inside.close()
    this.#names.clear()
    return true
  }

  #fromClient(from: Endpoint, bytes: Bytes): void {
    // Anybody on the host could send here: only the client's address counts, and of its ports the first.
    if (from.address !== this.#clientAddress) return
    if (this.#clientPort !== 0 && from.port !== this.#clientPort) return
    const known = this.#header.length
    if (known === 0 || bytes.length < known || !equalBytes(this.#header, 0, bytes, 0, known)) {
      const datagram = parseSocks5Datagram(bytes)
      // Fragments may be dropped by those that do not reassemble (RFC 1928 section 7).
      if (datagram === undefined || datagram.fragment !== 0 || datagram.target.port === 0) return
      this.#header = bytes.slice(0, datagram.payloadAt)
      this.#headerTarget = datagram.target
    }
    this.#clientPort = from.port
    this.#client = from
    const { host, port } = this.#headerTarget
    const payload = bytes.subarray(this.#header.length)
    if (parseIp(host) === undefined) this.#toName(host, port, payload)
    else this.#inside.send([host], port, payload)
  }

  #toName(host: string, port: number, payload: Bytes): void {
    const name = host.toLowerCase()
    const entry = this.#names.get(name)
    if (entry !== undefined && performance.now() - entry.since < ASSOCIATION_NAME_AGE) {
      if (entry.addresses !== undefined) this.#inside.send(entry.addresses, port, payload)
      else if (entry.waiting.length < MAX_WAITING_DATAGRAMS) {
        entry.waiting.push({ port, payload: payload.slice() })
      }
      return
    }
    try {
      checkTarget({ host, port })
    } catch {
      return
    }
    this.#ask(name, { port, payload: payload.slice() })
  }

  #ask(name: string, first: { port: number; payload: Bytes }): void {
    const entry: NameEntry = { since: performance.now(), addresses: undefined, waiting: [first] }
    this.#names.delete(name)
    for (const oldest of this.#names.keys()) {
      if (this.#names.size < MAX_ASSOCIATION_NAMES) break
      this.#names.delete(oldest)
    }
    this.#names.set(name, entry)
    const settle = (addresses: readonly string[]) => {
      entry.addresses = addresses
      for (const { port, payload } of entry.waiting.splice(0)) {
        this.#inside.send(addresses, port, payload)
      }
    }
    this.#environment.lookup(name, { signal: this.#gone.signal }).then(settle, () => settle([]))
  }

  #toClient(from: Endpoint, bytes: Bytes): void {
    if (this.#client === undefined) return
    if (this.#answerFrom?.address !== from.address || this.#answerFrom.port !== from.port) {
      this.#answerFrom = from
      this.#answerHeader = encodeSocks5Datagram(from, NOTHING)
    }
    const at = this.#answerHeader.length
    if (at + bytes.length > scratch.length) return
    scratch.set(this.#answerHeader)
    scratch.set(bytes, at)
    this.#outside.send(this.#client, scratch.subarray(0, at + bytes.length))
  }
}

/** One port inside for each family, opened when it is first needed. */
class InsidePorts {
  onMessage: (from: Endpoint, bytes: Bytes) => void = () => {}
  readonly #environment: Environment
  readonly #ports = new Map<4 | 6, DatagramPort>()
  readonly #opening = new Map<4 | 6, Promise<void>>()
  readonly #missing = new Set<4 | 6>()
  #waiting = 0
  #closed = false

  constructor(environment: Environment) {
    this.#environment = environment
  }

  open(family: 4 | 6): Promise<void> {
    const known = this.#opening.get(family)
    if (known !== undefined) return known
    const opening = this.#environment.bindUdp({ family }).then(
      (port) => {
        if (this.#closed) {
          port.close()
          return
        }
        port.onMessage = (from, bytes) => this.onMessage(from, bytes)
        this.#ports.set(family, port)
      },
      (error: unknown) => {
        this.#missing.add(family)
        throw error
      },
    )
    this.#opening.set(family, opening)
    return opening
  }

  /** To the first of the addresses whose family there is inside. */
  send(addresses: readonly string[], port: number, payload: Bytes): void {
    for (const address of addresses) {
      const family = address.includes(':') ? 6 : 4
      const open = this.#ports.get(family)
      if (open !== undefined) {
        open.send({ address, port }, payload)
        return
      }
      if (!this.#missing.has(family)) {
        this.#sendLater(family, { address, port }, payload.slice())
        return
      }
    }
  }

  close(): void {
    this.#closed = true
    for (const port of this.#ports.values()) port.close()
    this.#ports.clear()
  }

  #sendLater(family: 4 | 6, to: Endpoint, payload: Bytes): void {
    if (this.#waiting >= MAX_WAITING_DATAGRAMS) return
    this.#waiting++
    this.open(family).then(
      () => {
        this.#waiting--
        this.#ports.get(family)?.send(to, payload)
      },
      () => {
        this.#waiting--
      },
    )
  }
}
