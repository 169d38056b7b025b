/** Upstream proxies as a tunnel: one connection to the server for each that is asked for. */
import type { CallOptions } from '../core/environment.js'
import { PvpnError, toPvpnError } from '../core/errors.js'
import { formatHostPort } from '../core/ip.js'
import type { HttpProxyOptions, Socks5Options } from '../core/options.js'
import type { Answers } from '../core/question.js'
import type { ByteStream, DatagramPort } from '../core/stream.js'
import type { StreamTunnel, Underlay } from '../core/stream-tunnel.js'
import type { Millis, Target } from '../core/types.js'
import { tlsStream } from '../io/tls-stream.js'
import { HttpConnect } from '../tunnel/proxy/http-connect.js'
import { Socks5Handshake, type Socks5Wish } from '../tunnel/proxy/socks5.js'
import { COMMAND_CONNECT, COMMAND_UDP_ASSOCIATE } from '../wire/socks5.js'
import { type Handshaken, shakeHands } from './handshake-stream.js'
import { ProxyLogin } from './proxy-login.js'
import { UpstreamUdpPort } from './upstream-udp.js'

export interface ProxyTunnelOptions<T> {
  readonly options: T
  readonly underlay: Underlay
  /** Milliseconds until the server counts as unreachable. */
  readonly timeout: Millis
}

/** Connects to the proxy itself. What goes wrong is the tunnel's fault, never the target's. */
async function reach(
  { options, underlay, timeout }: ProxyTunnelOptions<{ readonly server: Target }>,
  signal: AbortSignal | undefined,
): Promise<ByteStream> {
  const { server } = options
  try {
    return await underlay.dial(server, { timeout, ...(signal === undefined ? {} : { signal }) })
  } catch (thrown) {
    const error = toPvpnError(thrown)
    if (error.code === 'ERR_ABORTED') throw error
    throw new PvpnError('ERR_DOWN', `server unreachable: ${error.message}`, {
      cause: error,
      hint:
        error.hint ??
        `check that ${formatHostPort(server.host, server.port)} is the proxy's address, and that it runs`,
    })
  }
}

export class Socks5Tunnel implements StreamTunnel {
  readonly endpoint: string
  readonly #o: ProxyTunnelOptions<Socks5Options>
  readonly #login: ProxyLogin
  /** The server has said that it carries none. */
  #noUdp = false

  constructor(options: ProxyTunnelOptions<Socks5Options>) {
    this.#o = options
    const { host, port } = options.options.server
    this.endpoint = formatHostPort(host, port)
    this.#login = new ProxyLogin(this.endpoint, options.options)
  }

  answer(answers: Answers): void {
    this.#login.answer(answers)
  }

  async check({ signal }: CallOptions): Promise<void> {
    const { stream } = await this.#open(undefined, signal)
    this.#noUdp = false
    stream.abort()
  }

  async dial(target: Target, { signal }: CallOptions): Promise<ByteStream> {
    return (await this.#open({ command: COMMAND_CONNECT, target }, signal)).stream
  }

  async bindUdp({
    family,
    signal,
  }: CallOptions & { readonly family: 4 | 6 }): Promise<DatagramPort> {
    const any = { host: family === 4 ? '0.0.0.0' : '::', port: 0 }
    const refused = () =>
      new PvpnError('ERR_UNSUPPORTED', `the SOCKS server ${this.endpoint} carries no UDP`)
    if (this.#noUdp) throw refused()
    const wish = { command: COMMAND_UDP_ASSOCIATE, target: any }
    const opened = await this.#open(wish, signal).catch((thrown: unknown) => {
      const { code } = toPvpnError(thrown)
      if (code !== 'ERR_UNSUPPORTED' && code !== 'ERR_DENIED') throw thrown
      this.#noUdp = true
      throw refused()
    })
    return await UpstreamUdpPort.open(opened, this.#o.underlay)
  }

  close(): void {}

  async #open(wish: Socks5Wish | undefined, signal: AbortSignal | undefined): Promise<Handshaken> {
    const handshake = new Socks5Handshake({
      server: this.endpoint,
      credentials: this.#login.credentials,
      ...(wish === undefined ? {} : { wish }),
    })
    const stream = await reach(this.#o, signal)
    try {
      return await shakeHands(stream, handshake, this.endpoint, signal)
    } catch (thrown) {
      throw this.#login.failure(thrown)
    }
  }
}

export class HttpTunnel implements StreamTunnel {
  readonly endpoint: string
  readonly #o: ProxyTunnelOptions<HttpProxyOptions>
  readonly #login: ProxyLogin

  constructor(options: ProxyTunnelOptions<HttpProxyOptions>) {
    this.#o = options
    const { host, port } = options.options.server
    this.endpoint = formatHostPort(host, port)
    this.#login = new ProxyLogin(this.endpoint, options.options)
  }

  answer(answers: Answers): void {
    this.#login.answer(answers)
  }

  /** HTTP has no greeting: as far as the connection and TLS. A wrong password shows at the first dial. */
  async check({ signal }: CallOptions): Promise<void> {
    const stream = await this.#connect(signal)
    stream.abort()
  }

  async dial(target: Target, { signal }: CallOptions): Promise<ByteStream> {
    const { credentials } = this.#login
    const handshake = new HttpConnect({ server: this.endpoint, credentials, target })
    const stream = await this.#connect(signal)
    try {
      return (await shakeHands(stream, handshake, this.endpoint, signal)).stream
    } catch (thrown) {
      throw this.#login.failure(thrown)
    }
  }

  close(): void {}

  async #connect(signal: AbortSignal | undefined): Promise<ByteStream> {
    const stream = await reach(this.#o, signal)
    const { tls, server } = this.#o.options
    if (tls === undefined) return stream
    return await tlsStream(stream, {
      serverName: tls.serverName ?? server.host,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(signal === undefined ? {} : { signal }),
    })
  }
}
