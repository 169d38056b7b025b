/** One SSH connection over a stream: host key, login, channels, forwarded ports, and whether the server is still there. */
import { PvpnError, toPvpnError } from '../core/errors.js'
import { formatHostPort } from '../core/ip.js'
import type { SshHopOptions } from '../core/options.js'
import type { ByteStream } from '../core/stream.js'
import type { Bytes, Clock, Target } from '../core/types.js'
import { fingerprint, type SshKey } from '../io/ssh-keys.js'
import { createSshProtocol, exchangesKeys, type SshProtocol } from '../io/ssh-protocol.js'
import { Channels } from '../tunnel/ssh/channels.js'
import {
  type KnownHostsView,
  orderHostKeyAlgorithms,
  refuseHostKey,
} from '../tunnel/ssh/host-key.js'
import { type HostNames, knownKeyTypes } from '../tunnel/ssh/known-hosts.js'
import { SSH_OUTPUT_HIGH, SSH_OUTPUT_MOST } from '../tunnel/ssh/limits.js'
import type { SshAnswers } from './ssh-answers.js'
import { protocolError, serverGone } from './ssh-errors.js'
import { SshLogin } from './ssh-login.js'

export interface SshConnectionOptions {
  readonly stream: ByteStream
  readonly hop: SshHopOptions
  readonly keys: readonly SshKey[]
  readonly answers: SshAnswers
  readonly knownHosts: KnownHostsView
  readonly clock: Clock
}

type Reply = (ok: boolean, data: Bytes | undefined) => void

export class SshConnection {
  /** It has ended by itself; called once, and only after `open` has resolved. */
  onLost: (error: PvpnError) => void = () => {}
  readonly #o: SshConnectionOptions
  readonly #where: string
  readonly #channels: Channels
  #protocol: SshProtocol | undefined
  #login: SshLogin | undefined
  #phase: 'handshake' | 'login' | 'up' | 'over' = 'handshake'
  #headerSeen = false
  #opened: { resolve(): void; reject(error: PvpnError): void } | undefined
  /** Why the host key was refused; the protocol then ends itself. */
  #refusal: PvpnError | undefined
  #acceptedKey: Buffer | undefined
  #output: Bytes[] = []
  #outputSize = 0
  #flushing = false
  #wasFull = false
  readonly #replies: Reply[] = []
  readonly #forwards = new Map<number, (channel: ByteStream) => void>()
  #cancelAlive: (() => void) | undefined
  #unanswered = 0

  /** Resolves once the server has let us in. Rejects with ERR_AUTH, ERR_CONFIG or ERR_DOWN; the stream is aborted then. */
  static async open(
    options: SshConnectionOptions,
    signal: AbortSignal | undefined,
  ): Promise<SshConnection> {
    const connection = new SshConnection(options)
    await connection.#open(signal)
    return connection
  }

  private constructor(options: SshConnectionOptions) {
    this.#o = options
    this.#where = formatHostPort(options.hop.host, options.hop.port)
    const connection = this
    this.#channels = new Channels(
      {
        get full() {
          return connection.#full
        },
        open: (local, window, packet, { host, port }) =>
          this.#protocol?.directTcpip(local, window, packet, {
            dstIP: host,
            dstPort: port,
            srcIP: '127.0.0.1',
            srcPort: 0,
          }),
        confirm: (remote, local, window, packet) =>
          this.#protocol?.channelOpenConfirm(remote, local, window, packet),
        refuse: (remote, reason) => this.#protocol?.channelOpenFail(remote, reason, ''),
        data: (remote, bytes) => this.#protocol?.channelData(remote, asBuffer(bytes)),
        eof: (remote) => this.#protocol?.channelEOF(remote),
        close: (remote) => this.#protocol?.channelClose(remote),
        adjust: (remote, bytes) => this.#protocol?.channelWindowAdjust(remote, bytes),
      },
      this.#where,
    )
    this.#channels.onForwarded = (port) => this.#forwards.get(port)
  }

  dial(target: Target, signal: AbortSignal | undefined): Promise<ByteStream> {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        cancel()
        reject(new PvpnError('ERR_ABORTED', 'given up'))
      }
      const cancel = this.#channels.open(target, (opened) => {
        signal?.removeEventListener('abort', giveUp)
        if (opened instanceof PvpnError) reject(opened)
        else resolve(opened)
      })
      if (signal?.aborted === true) giveUp()
      else signal?.addEventListener('abort', giveUp, { once: true })
    })
  }

  /** A port of the server that leads to `accept`; resolves with its number. Rejects with ERR_DENIED. */
  forward(port: number, accept: (channel: ByteStream) => void): Promise<number> {
    return new Promise((resolve, reject) => {
      const refused = new PvpnError(
        'ERR_DENIED',
        `the SSH server ${this.#where} does not listen on port ${port} for us`,
        {
          hint: 'AllowTcpForwarding, PermitListen and GatewayPorts of the server; is the port taken, or below 1024?',
        },
      )
      if (this.#phase !== 'up') {
        reject(this.#gone())
        return
      }
      // Connections may come with the same bytes as the answer.
      if (port !== 0) this.#forwards.set(port, accept)
      this.#ask((ok, data) => {
        const given = port === 0 && data?.length === 4 ? asBuffer(data).readUInt32BE(0) : port
        if (ok) this.#forwards.set(given, accept)
        else this.#forwards.delete(port)
        if (ok) resolve(given)
        else reject(this.#phase === 'over' ? this.#gone() : refused)
      })
      this.#protocol?.tcpipForward('', port, true)
    })
  }

  stopForward(port: number): void {
    this.#forwards.delete(port)
    if (this.#phase === 'up') this.#protocol?.cancelTcpipForward('', port, false)
  }

  /** Does the server answer? */
  ping(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#phase !== 'up') {
        reject(this.#gone())
        return
      }
      signal?.addEventListener('abort', () => reject(new PvpnError('ERR_ABORTED', 'given up')), {
        once: true,
      })
      this.#ask(() => (this.#phase === 'up' ? resolve() : reject(this.#gone())))
      this.#protocol?.ping()
    })
  }

  close(): void {
    if (this.#phase === 'over') return
    if (this.#phase === 'up') this.#protocol?.disconnect(BY_APPLICATION)
    this.#flush()
    this.#end(this.#gone())
  }

  async #open(signal: AbortSignal | undefined): Promise<void> {
    const { stream, hop, keys, knownHosts } = this.#o
    const names: HostNames = {
      host: hop.host,
      port: hop.port,
      ...(hop.hostKeyAlias === undefined ? {} : { alias: hop.hostKeyAlias }),
    }
    const known = knownKeyTypes(knownHosts.entries, names)
    const hostKey = orderHostKeyAlgorithms(known, hop.algorithms.hostKey)
    const opened = new Promise<void>((resolve, reject) => {
      this.#opened = { resolve, reject }
    })
    const aborted = () => this.#fail(new PvpnError('ERR_ABORTED', 'given up'))
    signal?.addEventListener('abort', aborted, { once: true })
    stream.onClose = (error) => this.#fail(this.#lost(error))
    const protocol = await createSshProtocol({
      algorithms: { ...hop.algorithms, hostKey },
      onWrite: (bytes) => this.#send(bytes),
      onError: (error) => this.#fail(this.#refusal ?? protocolError(error, this.#where)),
      onHeader: () => {
        this.#headerSeen = true
      },
      onKeys: () => this.#keysChanged(),
      hostKey: (key) => {
        // Keys that are changed later come from whoever was believed.
        if (this.#acceptedKey !== undefined) return this.#acceptedKey.equals(key)
        const shown = { key, fingerprint: fingerprint(key) }
        this.#refusal = refuseHostKey(knownHosts, names, shown)
        if (this.#refusal === undefined) this.#acceptedKey = Buffer.from(key)
        return this.#refusal === undefined
      },
      handlers: this.#handlers(),
    })
    this.#protocol = protocol
    this.#login = new SshLogin({
      protocol,
      username: hop.username,
      answers: this.#o.answers,
      keys,
      where: this.#where,
      onFailed: (error) => this.#fail(error),
    })
    if (signal?.aborted === true) aborted()
    if (this.#phase === 'handshake') {
      stream.onReadable = () => this.#receive()
      stream.onWritable = () => this.#flush()
      protocol.start()
      this.#receive()
    }
    try {
      await opened
    } finally {
      signal?.removeEventListener('abort', aborted)
    }
  }

  #keysChanged(): void {
    if (this.#phase === 'handshake') {
      this.#phase = 'login'
      this.#protocol?.service('ssh-userauth')
    } else {
      this.#room()
    }
  }

  #handlers(): Parameters<typeof createSshProtocol>[0]['handlers'] {
    const channels = this.#channels
    const login = () => (this.#phase === 'login' ? this.#login : undefined)
    const must = (good: boolean) => {
      if (!good) this.#broken()
    }
    /** Channels exist only after the login. */
    const up = (act: () => boolean) =>
      must(this.#phase === 'over' || (this.#phase === 'up' && act()))
    return {
      DISCONNECT: (_p, reason, text) => this.#disconnected(reason, text),
      SERVICE_ACCEPT: () => login()?.begin(),
      EXT_INFO: (_p, extensions) => {
        const algorithms = extensions.find(({ name }) => name === 'server-sig-algs')?.algs
        if (algorithms !== undefined) this.#login?.signatureAlgorithms(algorithms)
      },
      USERAUTH_SUCCESS: () => {
        if (this.#phase !== 'login' || this.#login?.begun !== true) return this.#broken()
        this.#phase = 'up'
        this.#o.answers.over()
        this.#opened?.resolve()
        this.#watch()
      },
      USERAUTH_FAILURE: (_p, methods, partial) => login()?.refused(methods, partial),
      USERAUTH_PASSWD_CHANGEREQ: () => login()?.passwordExpired(),
      USERAUTH_PK_OK: () => login()?.keyAccepted(),
      USERAUTH_INFO_REQUEST: (_p, _name, _instructions, prompts) =>
        login()?.asked(prompts.map(({ prompt, echo }) => ({ text: prompt, echo }))),
      REQUEST_SUCCESS: (_p, data) => this.#replies.shift()?.(true, data),
      REQUEST_FAILURE: () => this.#replies.shift()?.(false, undefined),
      GLOBAL_REQUEST: (p, _name, wantReply) => {
        if (wantReply) p.requestFailure()
      },
      CHANNEL_OPEN: (_p, { type, sender, window, packetSize, data }) =>
        up(() => {
          const { destPort: port, srcIP, srcPort } = data
          const origin =
            srcIP === undefined || srcPort === undefined
              ? undefined
              : { address: srcIP, port: srcPort }
          channels.opened({ type, sender, window, packet: packetSize, port, origin })
          return true
        }),
      CHANNEL_OPEN_CONFIRMATION: (_p, { recipient, sender, window, packetSize }) =>
        up(() => channels.confirmed(recipient, sender, window, packetSize)),
      CHANNEL_OPEN_FAILURE: (_p, recipient, reason, text) =>
        up(() => channels.failed(recipient, reason, text)),
      CHANNEL_DATA: (_p, recipient, data) => up(() => channels.received(recipient, data)),
      CHANNEL_EXTENDED_DATA: () => this.#broken(),
      CHANNEL_WINDOW_ADJUST: (_p, recipient, amount) =>
        up(() => channels.adjusted(recipient, amount)),
      CHANNEL_REQUEST: (p, recipient, _type, wantReply) => {
        // OpenSSH asks this way whether we are there.
        const number = channels.numberOf(recipient)
        if (wantReply && number !== undefined) p.channelFailure(number)
      },
      CHANNEL_EOF: (_p, recipient) => up(() => channels.ended(recipient)),
      CHANNEL_CLOSE: (_p, recipient) => up(() => channels.closed(recipient)),
    }
  }

  #receive(): void {
    const { stream } = this.#o
    try {
      for (let chunk = stream.read(); chunk !== undefined; chunk = stream.read()) {
        if (this.#phase === 'over') return
        this.#unanswered = 0
        this.#protocol?.parse(asBuffer(chunk), 0, chunk.length)
        this.#channels.flush()
      }
    } catch (thrown) {
      this.#fail(this.#refusal ?? protocolError(toError(thrown), this.#where))
      return
    }
    this.#flush()
    if (stream.ended) this.#fail(this.#lost(undefined))
  }

  #send(bytes: Bytes): void {
    if (this.#phase === 'over') return
    this.#output.push(bytes)
    this.#outputSize += bytes.length
    if (this.#outputSize > SSH_OUTPUT_MOST) {
      this.#fail(serverGone(`${this.#where} reads nothing of what it demands`))
      return
    }
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  /** Many small packets go out as one write. */
  #flush(): void {
    if (this.#outputSize === 0 || this.#phase === 'over') return
    const [first] = this.#output
    const bytes =
      this.#output.length === 1 && first !== undefined
        ? first
        : Buffer.concat(this.#output, this.#outputSize)
    const taken = this.#o.stream.write(bytes)
    this.#outputSize = bytes.length - taken
    this.#output = this.#outputSize === 0 ? [] : [bytes.subarray(taken)]
    this.#room()
  }

  get #full(): boolean {
    const protocol = this.#protocol
    const full =
      this.#outputSize >= SSH_OUTPUT_HIGH || protocol === undefined || exchangesKeys(protocol)
    if (full) this.#wasFull = true
    return full
  }

  /** Tells the channels, once, that there is room again. */
  #room(): void {
    if (!this.#wasFull || this.#full) return
    this.#wasFull = false
    this.#channels.writable()
  }

  #ask(reply: Reply): void {
    this.#replies.push(reply)
  }

  #watch(): void {
    const { hop, clock } = this.#o
    if (hop.aliveInterval === 0) return
    this.#cancelAlive = clock.at(clock.now() + hop.aliveInterval * 1000, () => {
      if (this.#phase !== 'up') return
      if (this.#unanswered >= hop.aliveCount) {
        const seconds = hop.aliveInterval * hop.aliveCount
        this.#fail(serverGone(`no answer from ${this.#where} for ${seconds} s`))
        return
      }
      this.#unanswered++
      this.#ask(() => {})
      this.#protocol?.ping()
      this.#watch()
    })
  }

  #disconnected(reason: number, text: string): void {
    const words = text.replace(/[^\x20-\x7e]/g, ' ').slice(0, 200)
    if (this.#phase === 'login' && (reason === NO_MORE_AUTH || /authentication/i.test(words))) {
      this.#login?.ended(words)
    } else {
      this.#fail(serverGone(`${this.#where} has ended the connection (${words})`))
    }
  }

  #lost(error: PvpnError | undefined): PvpnError {
    const why = error === undefined ? '' : `: ${error.message}`
    if (this.#phase === 'handshake' && !this.#headerSeen) {
      return serverGone(`${this.#where} closed the connection before it said anything${why}`)
    }
    return serverGone(`${this.#where} closed the connection${why}`)
  }

  #gone(): PvpnError {
    return new PvpnError('ERR_DOWN', `the SSH connection to ${this.#where} is closed`)
  }

  #broken(): void {
    this.#fail(
      new PvpnError('ERR_DOWN', `${this.#where} broke the SSH protocol`, {
        hint: 'is that an SSH server? The log of the server may say more',
      }),
    )
  }

  #fail(error: PvpnError): void {
    if (this.#phase === 'over') return
    const wasUp = this.#phase === 'up'
    this.#end(error)
    if (wasUp) this.onLost(error)
    else this.#opened?.reject(error)
  }

  #end(error: PvpnError): void {
    // What the protocol says in its last breath (why it ends) still goes out.
    this.#flush()
    this.#phase = 'over'
    this.#cancelAlive?.()
    const { stream } = this.#o
    stream.onReadable = () => {}
    stream.onWritable = () => {}
    stream.onClose = () => {}
    stream.abort()
    // The protocol may be in the middle of a packet that led here.
    const protocol = this.#protocol
    if (protocol !== undefined) queueMicrotask(() => protocol.cleanup())
    this.#output = []
    this.#outputSize = 0
    this.#channels.end(toPvpnError(error))
    for (const reply of this.#replies.splice(0)) reply(false, undefined)
  }
}

/** Reasons of a disconnect (RFC 4253 section 11.1). */
const BY_APPLICATION = 11
const NO_MORE_AUTH = 14

function asBuffer(bytes: Bytes): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
