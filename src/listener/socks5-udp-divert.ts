/**
 * SOCKS5 UDP ASSOCIATE where each datagram's environment is decided by its target (the policy port).
 * Datagrams name their target, the association does not: so the client talks with a port of ours, and
 * for every environment that gets something of it an association is opened there.
 *
 *   client ── outside port ── decide ──┬── branch "office" ── its association in that process
 *                                      └── branch "site" …
 */
import type { Socket } from 'node:net'
import { PvpnError, toPvpnError } from '../core/errors.js'
import { formatHostPort, parseIp } from '../core/ip.js'
import { plainAddress } from '../core/listen-address.js'
import type { DatagramPort } from '../core/stream.js'
import type { Bytes, Endpoint, Millis, Target } from '../core/types.js'
import { bindHostUdp } from '../io/host-datagram.js'
import { HostSocket } from '../io/host-socket.js'
import type { LeanSocket } from '../io/lean-socket.js'
import {
  COMMAND_UDP_ASSOCIATE,
  encodeSocks5Datagram,
  encodeSocks5Reply,
  parseSocks5Datagram,
  parseSocks5Request,
  REPLY_SUCCEEDED,
} from '../wire/socks5.js'
import { ClientReader } from './client-reader.js'
import type { Connection } from './connection.js'
import type { DatagramDecision, Divert, DivertedClient } from './divert.js'
import {
  ASSOCIATION_NAME_AGE,
  MAX_ASSOCIATION_NAMES,
  MAX_ASSOCIATIONS,
  MAX_WAITING_DATAGRAMS,
} from './limits.js'
import { checkTarget, type ListenerContext } from './listener-context.js'

/** Rejects with a PvpnError when no port can be had. `declared` is where the client says it will send from. */
export async function divertAssociation(
  context: ListenerContext,
  divert: Divert,
  connection: Connection,
  reader: ClientReader,
  declared: Target,
): Promise<void> {
  if (context.associations >= MAX_ASSOCIATIONS) {
    throw new PvpnError('ERR_LIMIT', 'too many UDP associations')
  }
  const { socket, session } = connection
  const own = plainAddress(socket.localAddress ?? '127.0.0.1')
  const outside = await bindHostUdp({ address: own, family: own.includes(':') ? 6 : 4 })
  context.associations++
  const client = { socket, session, signal: reader.signal }
  const association = new DivertedAssociation(context, divert, client, outside, declared.port)
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
}

/** What was decided for one target; datagrams wait for it. */
interface Destination {
  readonly since: Millis
  /** Undefined while it is being decided, null: refused. */
  decision: DatagramDecision | null | undefined
  readonly waiting: Bytes[]
}

class DivertedAssociation {
  readonly #context: ListenerContext
  readonly #divert: Divert
  readonly #client: DivertedClient
  readonly #outside: DatagramPort
  readonly #address: string
  readonly #destinations = new Map<string, Destination>()
  readonly #branches = new Map<string, Branch>()
  #port: number
  #closed = false

  constructor(
    context: ListenerContext,
    divert: Divert,
    client: DivertedClient,
    outside: DatagramPort,
    declaredPort: number,
  ) {
    this.#context = context
    this.#divert = divert
    this.#client = client
    this.#outside = outside
    // A client on a Unix socket has no address: it is on this host.
    this.#address = client.session.client.address || outside.local.address
    this.#port = declaredPort
    outside.onMessage = (from, bytes) => this.#fromClient(from, bytes)
  }

  /** False: was closed before. */
  close(): boolean {
    if (this.#closed) return false
    this.#closed = true
    this.#outside.close()
    for (const branch of this.#branches.values()) branch.close()
    this.#branches.clear()
    this.#destinations.clear()
    return true
  }

  #fromClient(from: Endpoint, bytes: Bytes): void {
    // Anybody on the host could send here: only the client's address counts, and of its ports the first.
    if (from.address !== this.#address) return
    if (this.#port !== 0 && from.port !== this.#port) return
    const datagram = parseSocks5Datagram(bytes)
    if (datagram === undefined || datagram.fragment !== 0 || datagram.target.port === 0) return
    this.#port = from.port
    const { target, payloadAt } = datagram
    const destination = this.#destination(target)
    if (destination?.decision === null) return
    const payload = bytes.subarray(payloadAt)
    if (destination?.decision !== undefined) this.#send(destination.decision, target.port, payload)
    else if (destination !== undefined && destination.waiting.length < MAX_WAITING_DATAGRAMS) {
      destination.waiting.push(payload.slice())
    }
  }

  #destination(target: Target): Destination | undefined {
    const key = formatHostPort(target.host.toLowerCase(), target.port)
    const known = this.#destinations.get(key)
    if (known !== undefined && performance.now() - known.since < ASSOCIATION_NAME_AGE) return known
    try {
      checkTarget(target)
    } catch {
      return undefined
    }
    const made: Destination = { since: performance.now(), decision: undefined, waiting: [] }
    this.#destinations.delete(key)
    for (const oldest of this.#destinations.keys()) {
      if (this.#destinations.size < MAX_ASSOCIATION_NAMES) break
      this.#destinations.delete(oldest)
    }
    this.#destinations.set(key, made)
    const settle = (decision: DatagramDecision | null) => {
      made.decision = decision
      for (const payload of made.waiting.splice(0)) {
        if (decision !== null) this.#send(decision, target.port, payload)
      }
    }
    this.#divert.datagram(this.#client, target).then(settle, (thrown: unknown) => {
      const { message } = toPvpnError(thrown)
      this.#context.logger.debug({ target: key, error: message }, 'datagrams refused')
      settle(null)
    })
    return made
  }

  #send({ environment, host }: DatagramDecision, port: number, payload: Bytes): void {
    if (this.#closed) return
    const known = this.#branches.get(environment)
    const branch = known ?? new Branch((bytes) => this.#toClient(bytes))
    if (known === undefined) {
      this.#branches.set(environment, branch)
      branch.onClose = () => this.#branches.delete(environment)
      branch.open(this.#divert.enter(this.#client, environment)).catch((thrown: unknown) => {
        const { message } = toPvpnError(thrown)
        this.#context.logger.debug({ environment, error: message }, 'no UDP association')
        branch.close()
      })
    }
    branch.send(encodeSocks5Datagram({ address: host, port }, payload))
  }

  #toClient(bytes: Bytes): void {
    if (this.#closed || this.#port === 0) return
    this.#outside.send({ address: this.#address, port: this.#port }, bytes)
  }
}

/** The association in one environment's process. */
class Branch {
  /** Once, when it has ended; the next datagram opens another. */
  onClose: () => void = () => {}
  readonly #deliver: (bytes: Bytes) => void
  #socket: LeanSocket | undefined
  #inside: DatagramPort | undefined
  #relay: Endpoint | undefined
  #waiting: Bytes[] = []
  #closed = false

  constructor(deliver: (bytes: Bytes) => void) {
    this.#deliver = deliver
  }

  /** Asks for the association on a connection that is past its negotiation. */
  async open(entering: Promise<Socket>): Promise<void> {
    const socket = new HostSocket(await entering)
    this.#socket = socket
    if (this.#closed) {
      socket.destroy()
      return
    }
    socket.onGone = () => this.close()
    const reader = new ClientReader(socket)
    const inside = await bindHostUdp({ address: '127.0.0.1', family: 4 })
    this.#inside = inside
    // Its relay listens to this port alone.
    const { address, port } = inside.local
    const ip = parseIp(address) ?? [127, 0, 0, 1]
    socket.write(Uint8Array.of(5, COMMAND_UDP_ASSOCIATE, 0, 1, ...ip, port >> 8, port & 255))
    const { command: code, target: relay } = await reader.parse(parseSocks5Request)
    if (code !== REPLY_SUCCEEDED || relay === undefined) {
      throw new PvpnError('ERR_DOWN', `reply ${code}`)
    }
    reader.release()
    socket.onEnd = () => this.close()
    socket.resume()
    if (this.#closed) {
      inside.close()
      return
    }
    this.#relay = { address: relay.host, port: relay.port }
    inside.onMessage = (from, bytes) => {
      if (from.port === relay.port && from.address === relay.host) this.#deliver(bytes)
    }
    for (const bytes of this.#waiting.splice(0)) this.send(bytes)
  }

  send(bytes: Bytes): void {
    if (this.#relay !== undefined) this.#inside?.send(this.#relay, bytes)
    else if (this.#waiting.length < MAX_WAITING_DATAGRAMS) this.#waiting.push(bytes)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket?.destroy()
    this.#inside?.close()
    this.#waiting = []
    this.onClose()
  }
}
