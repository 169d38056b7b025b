/** A mixed listener on loopback over a direct environment, and raw clients for it. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Environment } from '../../src/core/environment.js'
import { isLoopback } from '../../src/core/listen-address.js'
import { silentLogger } from '../../src/core/log.js'
import { createDirect } from '../../src/environment/direct.js'
import { resetSocket } from '../../src/io/socket-reset.js'
import { onTrueEnd } from '../../src/io/true-end.js'
import {
  createMixedListener,
  type MixedListener,
  type MixedListenerOptions,
} from '../../src/listener/mixed-listener.js'

export interface TestProxy {
  readonly listener: MixedListener
  readonly environment: Environment
  readonly port: number
  stop(): Promise<void>
}

export interface Cleaner {
  teardown(run: () => unknown): void
}

/** Started on a free port; stopped with the test. Its environment is the host's loopback. */
export async function startProxy(
  t: Cleaner,
  options: Partial<MixedListenerOptions> & { environment?: Environment } = {},
): Promise<TestProxy> {
  const direct = createDirect({ name: 'lab', connectTimeout: 5 })
  await direct.start()
  const environment = options.environment ?? direct
  const listener = createMixedListener({
    listen: { kind: 'tcp', address: '127.0.0.1', port: 0 },
    users: [],
    route: () => environment,
    place: 'environment lab',
    connectTimeout: 5,
    logger: silentLogger,
    ...options,
  })
  await listener.start()
  const { bound } = listener
  const stop = async () => {
    await listener.stop()
    await direct.stop()
  }
  t.teardown(stop)
  return { listener, environment, port: bound?.kind === 'tcp' ? bound.port : 0, stop }
}

/** A TCP server on a free loopback port; its connections are destroyed with the test. */
export async function startServer(
  t: Cleaner,
  onSocket: (socket: Socket) => void,
  host = '127.0.0.1',
): Promise<{ server: Server; port: number }> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    onSocket(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 }
}

/** ms until a condition is looked at again of which no event of the client tells. */
const LOOK_AGAIN = 20

/** A client that sends bytes and waits for bytes. */
export class RawClient {
  readonly socket: Socket
  ended = false
  failed: NodeJS.ErrnoException | undefined
  closed = false
  /** What came, joined when somebody looks. */
  #chunks: Buffer[] = []
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    const wake = () => this.#wake()
    socket.on('data', (chunk) => {
      this.#chunks.push(chunk)
      wake()
    })
    onTrueEnd(socket, () => {
      this.ended = true
      wake()
    })
    socket.on('error', (error) => {
      this.failed = error
    })
    socket.on('close', () => {
      this.closed = true
      wake()
    })
  }

  static async open(port: number, host = '127.0.0.1'): Promise<RawClient> {
    if (!isLoopback(host)) throw new Error('tests stay on loopback')
    const socket = connect({ port, host, allowHalfOpen: true, noDelay: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new RawClient(socket)
  }

  send(bytes: Uint8Array | string | readonly number[]): this {
    this.socket.write(
      typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Uint8Array.from(bytes),
    )
    return this
  }

  /** What came and was not taken. */
  get received(): Buffer {
    const [first, ...more] = this.#chunks
    if (first === undefined) return Buffer.alloc(0)
    if (more.length > 0) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? first
  }

  set received(bytes: Buffer) {
    this.#chunks = [bytes]
  }

  /** Waits until `done` is content with what has happened, here or elsewhere; fails after `timeout` ms. */
  async until(done: () => boolean, what: string, timeout = 10_000): Promise<void> {
    const deadline = Date.now() + timeout
    while (!done()) {
      const left = deadline - Date.now()
      if (left <= 0)
        throw new Error(`${what}: not within ${timeout} ms; got ${this.text().slice(0, 300)}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, LOOK_AGAIN))
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** The next `length` bytes. */
  async take(length: number): Promise<Buffer> {
    await this.until(() => this.received.length >= length || this.closed, `${length} bytes`)
    const bytes = this.received.subarray(0, length)
    this.received = this.received.subarray(length)
    return bytes
  }

  /** Everything up to and including the marker. */
  async takeUntil(marker: string): Promise<string> {
    await this.until(() => this.received.includes(marker) || this.closed, JSON.stringify(marker))
    const at = this.received.indexOf(marker)
    return (await this.take(at < 0 ? this.received.length : at + marker.length)).toString('latin1')
  }

  /** Everything until the far side ends or resets. */
  async rest(): Promise<string> {
    await this.until(() => this.ended || this.closed, 'the end')
    return this.text()
  }

  text(): string {
    return this.received.toString('latin1')
  }

  close(): void {
    this.socket.destroy()
  }

  /** As a killed program does. Node's own way hangs, socket open and unread, where we have ended before. */
  reset(): void {
    resetSocket(this.socket)
  }
}

/** A SOCKS5 request for an IPv4 address on loopback. */
export function socks5Request(command: number, port: number): number[] {
  return [5, command, 0, 1, 127, 0, 0, 1, port >> 8, port & 255]
}

/** One SOCKS5 connection that sends a text, ends, and reads to the end. */
export async function throughSocks(proxy: number, target: number, text: string): Promise<string> {
  const client = await RawClient.open(proxy)
  client.send([5, 1, 0, ...socks5Request(1, target), ...Buffer.from(text)])
  client.socket.end()
  const got = await client.rest()
  await client.until(() => client.closed, 'close')
  return got.slice(12)
}
