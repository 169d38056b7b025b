/** A DNS port for tools that want a server: raw messages go to the environment's servers, UDP and TCP. */
import { setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import { set16, u16 } from '../core/bytes.js'
import type { Environment } from '../core/environment.js'
import { PvpnError, toPvpnError } from '../core/errors.js'
import { formatListenAddress, listenProblem } from '../core/listen-address.js'
import type { Logger } from '../core/log.js'
import type { ListenAddress } from '../core/options.js'
import type { DatagramPort } from '../core/stream.js'
import type { Bytes, Endpoint, Lifecycle } from '../core/types.js'
import { bindHostUdp } from '../io/host-datagram.js'
import { type BoundListener, listenStream } from '../io/listen.js'
import { resetSocket } from '../io/socket-reset.js'
import {
  DNS_HEADER,
  dnsFailure,
  fitUdpAnswer,
  isDnsQuery,
  RCODE_FORMERR,
  RCODE_SERVFAIL,
  udpAnswerSize,
} from '../wire/dns-raw.js'
import {
  DNS_IDLE_TIMEOUT,
  MAX_DNS_CONNECTIONS,
  MAX_DNS_PIPELINED,
  MAX_DNS_QUESTIONS,
} from './limits.js'

export interface DnsListenerOptions {
  /** A Unix socket serves the TCP form alone. */
  readonly listen: ListenAddress
  readonly environment: Pick<Environment, 'exchange'>
  /** Listen off loopback: DNS has no users. Default false. */
  readonly allowUnauthenticated?: boolean
  readonly logger: Logger
}

export interface DnsListener extends Lifecycle {
  /** As bound, with the real port; empty while not bound. */
  readonly addresses: readonly string[]
}

/** `start` rejects with ERR_CONFIG when the address cannot be had or may not be opened. */
export function createDnsListener(options: DnsListenerOptions): DnsListener {
  return new DnsPort(options)
}

class DnsPort implements DnsListener {
  addresses: readonly string[] = []
  readonly #options: DnsListenerOptions
  readonly #clients = new Set<DnsClient>()
  #questions = 0
  #tcp: BoundListener | undefined
  #udp: DatagramPort | undefined

  constructor(options: DnsListenerOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const { listen } = this.#options
    const problem = listenProblem(listen, {
      authenticated: false,
      allowUnauthenticated: this.#options.allowUnauthenticated ?? false,
    })
    if (problem !== undefined) throw new PvpnError('ERR_CONFIG', problem)
    const tcp = await listenStream(listen, (socket) => this.#accept(socket))
    this.#tcp = tcp
    if (tcp.address.kind === 'tcp') {
      // The same port for both: what was bound first decides where any will do.
      const { address, port } = tcp.address
      const family = address.includes(':') ? 6 : 4
      this.#udp = await bindHostUdp({ address, port, family }).catch((error: unknown) => {
        tcp.close()
        throw new PvpnError('ERR_CONFIG', toPvpnError(error).message, { cause: error })
      })
      this.#udp.onMessage = (from, bytes) => this.#receive(from, bytes)
    }
    this.addresses = [formatListenAddress(tcp.address)]
  }

  async stop(): Promise<void> {
    this.#tcp?.close()
    this.#udp?.close()
    this.#udp = undefined
    this.addresses = []
    for (const client of this.#clients) client.reset()
  }

  /** Undefined: dropped, since too many questions are waiting. */
  ask(query: Bytes, transport: 'udp' | 'tcp', signal?: AbortSignal): Promise<Bytes> | undefined {
    if (!isDnsQuery(query)) return Promise.resolve(dnsFailure(query, RCODE_FORMERR))
    if (this.#questions >= MAX_DNS_QUESTIONS) return undefined
    this.#questions++
    return this.#options.environment
      .exchange(query, transport, signal === undefined ? {} : { signal })
      .catch((thrown: unknown) => {
        const error = toPvpnError(thrown)
        this.#options.logger.debug({ code: error.code }, error.message)
        return dnsFailure(query, RCODE_SERVFAIL)
      })
      .finally(() => {
        this.#questions--
      })
  }

  #receive(from: Endpoint, bytes: Bytes): void {
    // Answering answers would let two servers talk for ever; shorter ones have no id to answer to.
    if (bytes.length < DNS_HEADER || ((bytes[2] as number) & 0x80) !== 0) return
    const query = bytes.slice()
    void this.ask(query, 'udp')?.then((answer) => {
      this.#udp?.send(from, fitUdpAnswer(answer, udpAnswerSize(query)))
    })
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {})
    if (this.#clients.size >= MAX_DNS_CONNECTIONS) {
      resetSocket(socket)
      return
    }
    const client = new DnsClient(socket, (query, signal) => this.ask(query, 'tcp', signal))
    this.#clients.add(client)
    socket.on('close', () => this.#clients.delete(client))
  }
}

/** One TCP connection (RFC 7766): questions may be sent ahead, answers come as they are ready. */
class DnsClient {
  readonly #socket: Socket
  readonly #ask: (query: Bytes, signal: AbortSignal) => Promise<Bytes> | undefined
  readonly #gone = new AbortController()
  #received: Bytes = new Uint8Array(0)
  #pending = 0
  #ended = false

  constructor(
    socket: Socket,
    ask: (query: Bytes, signal: AbortSignal) => Promise<Bytes> | undefined,
  ) {
    this.#socket = socket
    this.#ask = ask
    // Each question under way listens, and their number has a bound: no leak to warn of.
    setMaxListeners(0, this.#gone.signal)
    socket.on('data', (chunk: Bytes) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
      this.#work()
    })
    socket.on('end', () => {
      this.#ended = true
      this.#work()
    })
    socket.on('close', () => this.#gone.abort())
    socket.on('drain', () => this.#work())
    socket.setTimeout(DNS_IDLE_TIMEOUT, () => this.reset())
    socket.resume()
  }

  reset(): void {
    resetSocket(this.#socket)
  }

  #work(): void {
    const socket = this.#socket
    while (this.#pending < MAX_DNS_PIPELINED && !socket.writableNeedDrain) {
      const received = this.#received
      if (received.length < 2) break
      const end = 2 + u16(received, 0)
      if (received.length < end) break
      if (end < 2 + DNS_HEADER) {
        this.reset()
        return
      }
      const answer = this.#ask(received.slice(2, end), this.#gone.signal)
      this.#received = received.subarray(end)
      if (answer === undefined) {
        this.reset()
        return
      }
      this.#pending++
      void answer.then((bytes) => this.#answer(bytes))
    }
    const full = this.#pending >= MAX_DNS_PIPELINED || socket.writableNeedDrain
    if (full) socket.pause()
    else socket.resume()
    if (this.#ended && this.#pending === 0) socket.end()
  }

  #answer(bytes: Bytes): void {
    this.#pending--
    const socket = this.#socket
    if (!socket.writable) return
    const framed = new Uint8Array(2 + bytes.length)
    set16(framed, 0, bytes.length)
    framed.set(bytes, 2)
    socket.write(framed)
    this.#work()
  }
}
