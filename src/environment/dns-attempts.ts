/** Sends the resolver machine's queries over the environment's own stack: a port or connection per attempt. */
import { set16, u16 } from '../core/bytes.js'
import { toPvpnError } from '../core/errors.js'
import type { ByteStream, DatagramPort } from '../core/stream.js'
import type { Bytes, Endpoint } from '../core/types.js'

/** The way to DNS servers: inside the environment, never the host's network. */
export interface DnsTransport {
  /** A port with a random number. Rejects with ERR_UNSUPPORTED where the tunnel carries no datagrams. */
  openUdp(family: 4 | 6): Promise<DatagramPort>
  dialTcp(endpoint: Endpoint, signal: AbortSignal): Promise<ByteStream>
}

/** What came of an attempt; the driver passes it to the machine. */
export interface AttemptEvents {
  datagram(attempt: number, from: Endpoint, bytes: Bytes): void
  message(attempt: number, bytes: Bytes): void
  failed(attempt: number, text: string): void
  udpUnsupported(attempt: number): void
}

export class DnsAttempts {
  readonly #transport: DnsTransport
  readonly #events: AttemptEvents
  /** How to end each attempt that is under way. */
  readonly #open = new Map<number, () => void>()

  constructor(transport: DnsTransport, events: AttemptEvents) {
    this.#transport = transport
    this.#events = events
  }

  close(attempt: number): void {
    const end = this.#open.get(attempt)
    this.#open.delete(attempt)
    end?.()
  }

  udp(attempt: number, server: Endpoint, bytes: Bytes): void {
    this.#open.set(attempt, () => {})
    const family = server.address.includes(':') ? 6 : 4
    this.#transport.openUdp(family).then(
      (port) => {
        if (!this.#open.has(attempt)) {
          port.close()
          return
        }
        this.#open.set(attempt, () => port.close())
        port.onMessage = (from, data) => this.#events.datagram(attempt, from, data)
        port.onError = (_to, error) => this.#events.failed(attempt, error.message)
        if (!port.send(server, bytes)) this.#events.failed(attempt, 'unreachable')
      },
      (thrown: unknown) => {
        const error = toPvpnError(thrown)
        if (error.code === 'ERR_UNSUPPORTED') this.#events.udpUnsupported(attempt)
        else this.#events.failed(attempt, error.message)
      },
    )
  }

  tcp(attempt: number, server: Endpoint, bytes: Bytes): void {
    const abort = new AbortController()
    this.#open.set(attempt, () => abort.abort())
    this.#transport.dialTcp(server, abort.signal).then(
      (stream) => {
        if (!this.#open.has(attempt)) {
          stream.abort()
          return
        }
        this.#open.set(attempt, () => stream.abort())
        ask(stream, bytes, (answer) => {
          if (answer instanceof Uint8Array) this.#events.message(attempt, answer)
          else this.#events.failed(attempt, answer.message)
        })
      },
      (thrown: unknown) => this.#events.failed(attempt, toPvpnError(thrown).message),
    )
  }
}

/** Writes one query and reads one answer (RFC 1035 section 4.2.2: two bytes of length in front). */
function ask(stream: ByteStream, query: Bytes, done: (answer: Bytes | Error) => void): void {
  let unsent: Bytes = new Uint8Array(2 + query.length)
  set16(unsent, 0, query.length)
  unsent.set(query, 2)
  const answer = new AnswerReader()
  let over = false
  const finish = (result: Bytes | Error) => {
    if (over) return
    over = true
    done(result)
  }
  stream.onWritable = () => {
    unsent = unsent.subarray(stream.write(unsent))
  }
  stream.onReadable = () => {
    if (over) return
    const chunk = stream.read()
    const whole = chunk && answer.push(chunk)
    if (whole !== undefined) finish(whole)
    else if (stream.ended) finish(new Error('connection closed without an answer'))
  }
  stream.onClose = (error) => {
    stream.onReadable()
    finish(error ?? new Error('connection closed without an answer'))
  }
  stream.onWritable()
  stream.onReadable()
}

/** Gathers the first message of a stream; never holds more than one of the largest size. */
export class AnswerReader {
  readonly #prefix = new Uint8Array(2)
  #prefixLength = 0
  #body: Bytes | undefined
  #filled = 0

  /** The message once it is whole. What comes behind it is not looked at. */
  push(chunk: Bytes): Bytes | undefined {
    let at = 0
    while (this.#prefixLength < 2 && at < chunk.length) {
      this.#prefix[this.#prefixLength++] = chunk[at++] as number
    }
    if (this.#prefixLength < 2) return undefined
    this.#body ??= new Uint8Array(u16(this.#prefix, 0))
    const part = chunk.subarray(at, at + this.#body.length - this.#filled)
    this.#body.set(part, this.#filled)
    this.#filled += part.length
    return this.#filled === this.#body.length ? this.#body : undefined
  }
}
