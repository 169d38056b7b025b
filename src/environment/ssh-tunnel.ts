/** An SSH server as a tunnel: one connection that is kept, over jump hosts where there are some. */
import type { CallOptions } from '../core/environment.js'
import { PvpnError, toPvpnError } from '../core/errors.js'
import { formatHostPort } from '../core/ip.js'
import type { SshHopOptions, SshKeyOptions, SshOptions } from '../core/options.js'
import type { Answers } from '../core/question.js'
import type { ByteStream, StreamListener } from '../core/stream.js'
import type { StreamTunnel, Underlay } from '../core/stream-tunnel.js'
import type { Clock, Millis, Target } from '../core/types.js'
import { readText } from '../io/read-text.js'
import { agentKeys, fileKey, publicBlob, type SshKey } from '../io/ssh-keys.js'
import type { KnownHostsView } from '../tunnel/ssh/host-key.js'
import { parseKnownHosts } from '../tunnel/ssh/known-hosts.js'
import { MAX_KNOWN_HOSTS_BYTES } from '../tunnel/ssh/limits.js'
import { SshAnswers } from './ssh-answers.js'
import { SshConnection } from './ssh-connection.js'

export interface SshTunnelOptions {
  readonly options: SshOptions
  readonly underlay: Underlay
  /** Milliseconds until a server counts as unreachable. */
  readonly timeout: Millis
  readonly clock: Clock
}

/** A port of the server; it outlives connections, and is asked for again on the next. */
interface Forward {
  port: number
  readonly accept: (stream: ByteStream) => void
}

export class SshTunnel implements StreamTunnel {
  readonly endpoint: string
  onLost: (error: PvpnError) => void = () => {}
  readonly #o: SshTunnelOptions
  /** In the order of the hops; empty while there is no connection. */
  #chain: readonly SshConnection[] = []
  #connecting: Promise<void> | undefined
  /** By hop. */
  readonly #answers: readonly SshAnswers[]
  readonly #forwards = new Set<Forward>()
  #closed = false

  constructor(options: SshTunnelOptions) {
    this.#o = options
    const { hops } = options.options
    this.#answers = hops.map(({ username, host, port, password }, i) => {
      const prefix = i < hops.length - 1 ? `jump${i + 1}.` : ''
      return new SshAnswers(`${username}@${formatHostPort(host, port)}`, prefix, password)
    })
    const last = hops.at(-1)
    this.endpoint = last === undefined ? '' : formatHostPort(last.host, last.port)
  }

  answer(answers: Answers): void {
    for (const hop of this.#answers) hop.answer(answers)
  }

  async check({ signal }: CallOptions): Promise<void> {
    const last = this.#chain.at(-1)
    if (last !== undefined) {
      try {
        await last.ping(signal)
      } catch (thrown) {
        // Silence here means that the next look begins from scratch.
        this.#drop()
        throw thrown
      }
      return
    }
    this.#connecting ??= this.#connect(signal).finally(() => {
      this.#connecting = undefined
    })
    await this.#connecting
  }

  async dial(target: Target, { signal }: CallOptions): Promise<ByteStream> {
    return await this.#last().dial(target, signal)
  }

  async listen({ port }: { readonly port: number }): Promise<StreamListener> {
    const listener = {
      local: { address: '0.0.0.0', port },
      onConnection: (stream: ByteStream) => stream.abort(),
      close: () => {
        if (!this.#forwards.delete(forward)) return
        this.#chain.at(-1)?.stopForward(forward.port)
      },
    }
    const forward: Forward = { port, accept: (stream) => listener.onConnection(stream) }
    forward.port = await this.#last().forward(port, forward.accept)
    listener.local.port = forward.port
    this.#forwards.add(forward)
    return listener
  }

  close(): void {
    this.#closed = true
    this.#drop()
  }

  #last(): SshConnection {
    const last = this.#chain.at(-1)
    if (last !== undefined) return last
    throw new PvpnError('ERR_DOWN', `there is no connection to ${this.endpoint}`)
  }

  #drop(): void {
    const chain = this.#chain
    this.#chain = []
    // From the far end, so that each can say its goodbye through the ones before.
    for (const connection of chain.toReversed()) {
      connection.onLost = () => {}
      connection.close()
    }
  }

  async #connect(signal: AbortSignal | undefined): Promise<void> {
    const chain: SshConnection[] = []
    const { hops } = this.#o.options
    try {
      for (const [i, hop] of hops.entries()) {
        const jump = i < hops.length - 1 ? `jump host ${formatHostPort(hop.host, hop.port)}: ` : ''
        const answers = this.#answers[i] as SshAnswers
        chain.push(
          await this.#hop(hop, answers, chain.at(-1), signal).catch((thrown: unknown) => {
            throw named(jump, toPvpnError(thrown))
          }),
        )
      }
      if (this.#closed) throw new PvpnError('ERR_ABORTED', 'given up')
      const last = chain.at(-1)
      for (const forward of this.#forwards) await last?.forward(forward.port, forward.accept)
    } catch (thrown) {
      for (const connection of chain.toReversed()) connection.close()
      throw thrown
    }
    this.#chain = chain
    for (const connection of chain) {
      connection.onLost = (error) => {
        if (this.#chain !== chain) return
        this.#drop()
        this.onLost(error)
      }
    }
  }

  async #hop(
    hop: SshHopOptions,
    answers: SshAnswers,
    before: SshConnection | undefined,
    signal: AbortSignal | undefined,
  ): Promise<SshConnection> {
    // What is wrong on this side shows before anything is sent.
    const knownHosts = readKnownHosts(hop.knownHosts)
    const keys = await loadKeys(hop, answers)
    const stream = await this.#reach(hop, before, signal)
    const { clock } = this.#o
    return await SshConnection.open({ stream, hop, keys, answers, knownHosts, clock }, signal)
  }

  async #reach(
    { host, port, connectTimeout }: SshHopOptions,
    before: SshConnection | undefined,
    signal: AbortSignal | undefined,
  ): Promise<ByteStream> {
    const timeout = connectTimeout === undefined ? this.#o.timeout : connectTimeout * 1000
    const target = { host, port }
    try {
      if (before !== undefined) return await before.dial(target, signal)
      const { underlay } = this.#o
      return await underlay.dial(target, { timeout, ...(signal === undefined ? {} : { signal }) })
    } catch (thrown) {
      const error = toPvpnError(thrown)
      if (error.code === 'ERR_ABORTED') throw error
      throw new PvpnError('ERR_DOWN', `server unreachable: ${error.message}`, {
        cause: error,
        hint: `check that ${formatHostPort(host, port)} is the server's address, and that it runs`,
      })
    }
  }
}

function named(jump: string, error: PvpnError): PvpnError {
  if (jump === '' || error.code === 'ERR_ABORTED') return error
  return new PvpnError(error.code, `${jump}${error.message}`, {
    cause: error,
    asks: error.asks,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  })
}

function readKnownHosts(files: readonly string[]): KnownHostsView {
  const entries = files.flatMap((file) =>
    parseKnownHosts(readText(file, MAX_KNOWN_HOSTS_BYTES) ?? '', file),
  )
  return { entries, writeTo: files[0] ?? 'known_hosts' }
}

/** An encrypted key is opened by the configured password, or else by what a person said. */
function openKey(key: SshKeyOptions, number: number, answers: SshAnswers): SshKey {
  if (key.locked !== true || key.password !== undefined) return fileKey(key)
  const password = answers.keyPassword(number)
  if (password === undefined) throw answers.askForKey(number, key.file)
  try {
    return fileKey({ ...key, password })
  } catch {
    throw answers.askForKey(number, key.file)
  }
}

/** The agent's keys first, as OpenSSH does; a key that is in both is used by the agent. */
async function loadKeys(hop: SshHopOptions, answers: SshAnswers): Promise<readonly SshKey[]> {
  const files = hop.keys.map((key, i) => openKey(key, i, answers))
  if (hop.agent === undefined) return files
  const allowed = hop.agentKeys?.map(publicBlob)
  const blobs = files.map((key) => key.parsed.getPublicSSH())
  const has = (list: readonly (Buffer | undefined)[], key: SshKey) =>
    list.some((blob) => blob?.equals(key.parsed.getPublicSSH()))
  const found = await agentKeys(hop.agent).catch((thrown: unknown) => {
    // Without any other means it is the reason; else it is one of several.
    if (files.length === 0 && hop.password === undefined) throw thrown
    return []
  })
  const usable = found.filter(
    (key) => allowed === undefined || has(allowed, key) || has(blobs, key),
  )
  const wanted = (key: SshKey) => has(blobs, key) || (allowed !== undefined && has(allowed, key))
  const ordered = [...usable.filter(wanted), ...usable.filter((key) => !wanted(key))]
  const inAgent = ordered.map((key) => key.parsed.getPublicSSH())
  return [...ordered, ...files.filter((key) => !has(inAgent, key))]
}
