/** SOCKS5 (RFC 1928, 1929) from the client's side, as far as `pvpn nc` needs it: CONNECT. */
import { connect, type Socket } from 'node:net'
import { type ErrorCode, PvpnError } from '../core/errors.js'
import { parseIp } from '../core/ip.js'
import { formatListenAddress } from '../core/listen-address.js'
import type { ListenAddress, ProxyUser } from '../core/options.js'
import type { Target } from '../core/types.js'

/** Until the listener has taken the connection and answered the greeting, in milliseconds. */
const GREETING_TIMEOUT = 10_000

const REPLIES: Readonly<Record<number, readonly [code: ErrorCode, words: string]>> = {
  1: ['ERR_RESOLVER', 'its name could not be resolved (the DNS servers inside fail or are silent)'],
  2: ['ERR_DENIED', 'the policy denies it'],
  3: ['ERR_NET_UNREACHABLE', 'the environment is not up, or there is no route'],
  4: ['ERR_HOST_UNREACHABLE', 'no such name or host inside'],
  5: ['ERR_REFUSED', 'connection refused'],
  6: ['ERR_TIMEOUT', 'no answer'],
  7: ['ERR_UNSUPPORTED', 'the listener does not know CONNECT'],
  8: ['ERR_UNSUPPORTED', 'the listener does not take this kind of address'],
}

export interface SocksRequest {
  readonly proxy: ListenAddress
  readonly target: Target
  /** Asked for only when the listener wants a password. */
  readonly user: () => Promise<ProxyUser | undefined>
}

/** A connection to the target, paused, half-open allowed. Rejects with the listener's reason. */
export async function connectThroughSocks(request: SocksRequest): Promise<Socket> {
  const { proxy, target } = request
  const socket = connect(
    proxy.kind === 'unix'
      ? { path: proxy.path, allowHalfOpen: true }
      : { host: proxy.address, port: proxy.port, allowHalfOpen: true, noDelay: true },
  )
  const reader = new Reader(socket, formatListenAddress(proxy))
  try {
    const timer = setTimeout(
      () => reader.fail(new PvpnError('ERR_TIMEOUT', 'the listener does not answer')),
      GREETING_TIMEOUT,
    )
    try {
      socket.write(Uint8Array.of(5, 2, 0, 2))
      const [version, method] = await reader.take(2)
      if (version !== 5) throw new PvpnError('ERR_PROTOCOL', 'the listener does not speak SOCKS5')
      if (method === 2) await logIn(socket, reader, await request.user())
      else if (method !== 0) throw new PvpnError('ERR_AUTH', 'the listener wants another login')
    } finally {
      clearTimeout(timer)
    }
    socket.write(connectRequest(target))
    await readReply(reader, target)
    reader.release()
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}

async function logIn(socket: Socket, reader: Reader, user: ProxyUser | undefined): Promise<void> {
  if (user === undefined) {
    throw new PvpnError('ERR_AUTH', 'the listener wants a user and password', {
      hint: 'name the configuration that has them: -c FILE',
    })
  }
  const name = Buffer.from(user.name)
  const password = Buffer.from(user.password)
  socket.write(Buffer.from([1, name.length, ...name, password.length, ...password]))
  const [, status] = await reader.take(2)
  if (status !== 0) throw new PvpnError('ERR_AUTH', 'the listener refuses user and password')
}

function connectRequest({ host, port }: Target): Uint8Array {
  const ip = parseIp(host)
  const name = Buffer.from(host)
  const address = ip === undefined ? [3, name.length, ...name] : [ip.length === 4 ? 1 : 4, ...ip]
  return Uint8Array.from([5, 1, 0, ...address, port >> 8, port & 255])
}

async function readReply(reader: Reader, target: Target): Promise<void> {
  const [, code = 0, , type] = await reader.take(4)
  if (code !== 0) {
    const [error, words] = REPLIES[code] ?? ['ERR_PROTOCOL', `the listener failed (${code})`]
    throw new PvpnError(error, `${target.host} port ${target.port}: ${words}`)
  }
  const length = type === 1 ? 4 : type === 4 ? 16 : ((await reader.take(1))[0] ?? 0)
  await reader.take(length + 2)
}

/** Takes exact numbers of bytes from a socket; what is left over goes back into it. */
class Reader {
  readonly #socket: Socket
  readonly #name: string
  #pending: Buffer = Buffer.alloc(0)
  #waiting: (() => void) | undefined
  #error: Error | undefined

  /** `name` is the listener's address, for messages. */
  constructor(socket: Socket, name: string) {
    this.#socket = socket
    this.#name = name
    socket.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError)
  }

  #onData = (chunk: Buffer): void => {
    this.#pending = Buffer.concat([this.#pending, chunk])
    this.#waiting?.()
  }

  #onEnd = (): void => {
    this.fail(new PvpnError('ERR_PROTOCOL', 'the listener closed the connection'))
  }

  #onError = (error: NodeJS.ErrnoException): void => {
    const down = error.code === 'ECONNREFUSED' || error.code === 'ENOENT'
    const words = down
      ? `nothing listens on ${this.#name}`
      : `${this.#name} failed (${error.code ?? error.message})`
    const hint = down ? { hint: 'is the gateway running? start it with: pvpn up' } : {}
    this.fail(new PvpnError('ERR_DOWN', words, { cause: error, ...hint }))
  }

  fail(error: Error): void {
    this.#error ??= error
    this.#waiting?.()
  }

  async take(length: number): Promise<Buffer> {
    while (this.#pending.length < length) {
      if (this.#error !== undefined) throw this.#error
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
      })
    }
    const taken = this.#pending.subarray(0, length)
    this.#pending = this.#pending.subarray(length)
    return taken
  }

  release(): void {
    this.#socket.pause()
    this.#socket.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError)
    if (this.#pending.length > 0) this.#socket.unshift(this.#pending)
  }
}
