/** Holds a proxy's handshake over a stream; what came behind it is read first from the result. */
import { PvpnError, toPvpnError } from '../core/errors.js'
import { type ByteStream, unattended } from '../core/stream.js'
import type { Bytes, Endpoint, Target } from '../core/types.js'
import type { ProxyHandshake } from '../tunnel/proxy/handshake.js'

export interface Handshaken {
  readonly stream: ByteStream
  readonly bound: Target | undefined
}

/** Rejects with what the handshake found; the stream is aborted then. */
export function shakeHands(
  stream: ByteStream,
  handshake: ProxyHandshake,
  server: string,
  signal: AbortSignal | undefined,
): Promise<Handshaken> {
  return new Promise((resolve, reject) => {
    let unsent: Bytes = handshake.greeting
    let over = false
    const settle = () => {
      over = true
      signal?.removeEventListener('abort', aborted)
      stream.onReadable = ignore
      stream.onWritable = ignore
      stream.onClose = unattended
    }
    const giveUp = (error: PvpnError) => {
      if (over) return
      settle()
      stream.abort()
      reject(error)
    }
    const aborted = () => giveUp(new PvpnError('ERR_ABORTED', 'given up'))
    const closed = () =>
      giveUp(
        new PvpnError('ERR_DOWN', `${server} closed the connection without an answer`, {
          hint: 'check the type of the proxy and its port; its log may say more',
        }),
      )
    const send = () => {
      unsent = unsent.subarray(stream.write(unsent))
    }
    const receive = () => {
      for (let chunk = over ? undefined : stream.read(); chunk !== undefined; ) {
        const step = handshake.push(chunk)
        if (step.kind === 'failed') return giveUp(step.error)
        if (step.kind === 'done') {
          settle()
          const rest = step.rest.length > 0 ? new PrefixedStream(stream, step.rest) : stream
          return resolve({ stream: rest, bound: step.bound })
        }
        if (step.send !== undefined) {
          unsent = step.send
          send()
        }
        chunk = stream.read()
      }
      if (!over && stream.ended) closed()
    }
    stream.onWritable = send
    stream.onReadable = () => {
      try {
        receive()
      } catch (thrown) {
        giveUp(toPvpnError(thrown))
      }
    }
    stream.onClose = closed
    signal?.addEventListener('abort', aborted)
    if (signal?.aborted === true) return aborted()
    send()
    stream.onReadable()
  })
}

/** A stream with bytes that were read from it already. */
class PrefixedStream implements ByteStream {
  readonly #below: ByteStream
  #prefix: Bytes | undefined

  constructor(below: ByteStream, prefix: Bytes) {
    this.#below = below
    this.#prefix = prefix
    queueMicrotask(() => {
      if (this.#prefix !== undefined) this.onReadable()
    })
  }

  get local(): Endpoint {
    return this.#below.local
  }

  get remote(): Endpoint {
    return this.#below.remote
  }

  get ended(): boolean {
    return this.#prefix === undefined && this.#below.ended
  }

  get onReadable(): () => void {
    return this.#below.onReadable
  }

  set onReadable(run: () => void) {
    this.#below.onReadable = run
  }

  get onWritable(): () => void {
    return this.#below.onWritable
  }

  set onWritable(run: () => void) {
    this.#below.onWritable = run
  }

  get onClose(): (error?: PvpnError) => void {
    return this.#below.onClose
  }

  set onClose(handler: (error?: PvpnError) => void) {
    this.#below.onClose = handler
  }

  write(bytes: Bytes): number {
    return this.#below.write(bytes)
  }

  read(): Bytes | undefined {
    const prefix = this.#prefix
    this.#prefix = undefined
    return prefix ?? this.#below.read()
  }

  end(): void {
    this.#below.end()
  }

  abort(): void {
    this.#prefix = undefined
    this.#below.abort()
  }
}

function ignore(): void {}
