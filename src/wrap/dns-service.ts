/** Answers DNS for one namespace with the environment's resolver: datagrams, and streams (RFC 7766). */
import { set16, u16 } from '../core/bytes.js'
import type { Environment } from '../core/environment.js'
import type { ByteStream } from '../core/stream.js'
import type { Bytes } from '../core/types.js'
import { DNS_HEADER, fitUdpAnswer, udpAnswerSize } from '../wire/dns-raw.js'
import { MAX_DNS_STREAMS, MAX_PIPELINED, MAX_QUESTIONS } from './limits.js'

export class DnsService {
  readonly #environment: Pick<Environment, 'exchange'>
  readonly #streams = new Set<DnsStream>()
  #questions = 0

  constructor(environment: Pick<Environment, 'exchange'>) {
    this.#environment = environment
  }

  /** `reply` is called at most once, later; the query is borrowed. */
  datagram(query: Bytes, reply: (answer: Bytes) => void): void {
    const own = query.slice()
    this.#ask(own, 'udp', (answer) => {
      if (answer !== undefined) reply(fitUdpAnswer(answer, udpAnswerSize(own)))
    })
  }

  stream(stream: ByteStream): void {
    if (this.#streams.size >= MAX_DNS_STREAMS) {
      stream.abort()
      return
    }
    const served = new DnsStream(
      stream,
      (query, done) => this.#ask(query, 'tcp', done),
      () => this.#streams.delete(served),
    )
    this.#streams.add(served)
    served.work()
  }

  close(): void {
    for (const stream of this.#streams) stream.abort()
  }

  #ask(query: Bytes, transport: 'udp' | 'tcp', done: (answer: Bytes | undefined) => void): void {
    if (query.length < DNS_HEADER || this.#questions >= MAX_QUESTIONS) {
      done(undefined)
      return
    }
    this.#questions++
    this.#environment
      .exchange(query, transport)
      // Not a query: nothing is owed to its sender.
      .catch(() => undefined)
      .then((answer) => {
        this.#questions--
        done(answer)
      })
      .catch(() => undefined)
  }
}

class DnsStream {
  readonly #stream: ByteStream
  readonly #ask: (query: Bytes, done: (answer: Bytes | undefined) => void) => void
  readonly #onDone: () => void
  #received: Bytes = new Uint8Array(0)
  #unsent: Bytes[] = []
  #pending = 0
  #done = false

  constructor(
    stream: ByteStream,
    ask: (query: Bytes, done: (answer: Bytes | undefined) => void) => void,
    onDone: () => void,
  ) {
    this.#stream = stream
    this.#ask = ask
    this.#onDone = onDone
    stream.onReadable = () => this.work()
    stream.onWritable = () => this.#flush()
    stream.onClose = () => this.#finish()
  }

  abort(): void {
    if (this.#done) return
    this.#stream.abort()
    this.#finish()
  }

  work(): void {
    while (!this.#done && this.#pending + this.#unsent.length < MAX_PIPELINED) {
      if (!this.#whole()) {
        const more = this.#stream.read()
        if (more === undefined) break
        this.#received = this.#received.length === 0 ? more : Buffer.concat([this.#received, more])
        continue
      }
      const end = 2 + u16(this.#received, 0)
      const query = this.#received.slice(2, end)
      this.#received = this.#received.subarray(end)
      this.#pending++
      this.#ask(query, (answer) => this.#answer(answer))
    }
    const over = this.#stream.ended && !this.#whole()
    if (!this.#done && over && this.#pending === 0 && this.#unsent.length === 0) this.#stream.end()
  }

  #whole(): boolean {
    return this.#received.length >= 2 && this.#received.length >= 2 + u16(this.#received, 0)
  }

  #answer(answer: Bytes | undefined): void {
    this.#pending--
    if (this.#done) return
    if (answer === undefined) {
      this.abort()
      return
    }
    const framed = new Uint8Array(2 + answer.length)
    set16(framed, 0, answer.length)
    framed.set(answer, 2)
    this.#unsent.push(framed)
    this.#flush()
  }

  #flush(): void {
    while (!this.#done && this.#unsent.length > 0) {
      const next = this.#unsent[0] as Bytes
      const taken = this.#stream.write(next)
      if (taken < next.length) {
        this.#unsent[0] = next.subarray(taken)
        return
      }
      this.#unsent.shift()
    }
    this.work()
  }

  #finish(): void {
    if (this.#done) return
    this.#done = true
    this.#unsent = []
    this.#onDone()
  }
}
