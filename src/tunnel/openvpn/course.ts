/** Where attempts go: the addresses of the current remote one after the other, then the next remote. */
import { u8 } from '../../core/bytes.js'
import { formatHostPort, parseIp } from '../../core/ip.js'
import type { OpenvpnOptions, OpenvpnRemote } from '../../core/options.js'
import { formatSocketAddress, socketAddress } from '../../core/socket-address.js'
import type { Bytes, Millis, Random } from '../../core/types.js'
import type { Failure } from './failure.js'
import { OVPN_REMOTE_ADDRESSES } from './limits.js'
import { Remotes } from './remotes.js'

const SECOND = 1000

export class Course {
  readonly #remotes: Remotes
  /** Addresses of the current remote that were not tried yet. */
  #left: Bytes[] = []
  #lookups = 0
  /** Where the present attempt goes, or the last one went: core/socket-address. */
  to: Bytes | undefined

  constructor(options: OpenvpnOptions, random: Random) {
    const { remotes, remoteRandom, retrySeconds, retryMaximum } = options
    this.#remotes = new Remotes({
      remotes,
      shuffle: remoteRandom,
      random,
      ...(retrySeconds === undefined ? {} : { retryFirst: retrySeconds * SECOND }),
      ...(retryMaximum === undefined ? {} : { retryLongest: retryMaximum * SECOND }),
    })
  }

  get remote(): OpenvpnRemote {
    return this.#remotes.current
  }

  /** For status: the address that is or was tried, before that the remote as it is configured. */
  get endpoint(): string {
    const { host, port } = this.remote
    return this.to === undefined ? formatHostPort(host, port) : formatSocketAddress(this.to)
  }

  /** The remote for people. */
  get words(): string {
    const { host, port, transport } = this.remote
    return `${formatHostPort(host, port)} (${transport})`
  }

  /** Sets out for the next address; undefined: the remote's name has to be resolved first. */
  next(): Bytes | undefined {
    const { host, port } = this.remote
    const ip = parseIp(host)
    const to = this.#left.shift() ?? (ip === undefined ? undefined : socketAddress(ip, port))
    if (to !== undefined) this.to = to
    return to
  }

  /** A lookup of the remote's name, with a number of its own. */
  lookUp(): { readonly host: string; readonly port: number; readonly id: number } {
    const { host, port } = this.remote
    return { host, port, id: ++this.#lookups }
  }

  /** Is the answer with this number the one that is waited for? */
  isCurrent(id: number): boolean {
    return id === this.#lookups
  }

  /** What the name resolved to. False: to nothing that the remote's transport may use. */
  resolved(addresses: readonly Bytes[]): boolean {
    const { family } = this.remote
    this.#left = addresses
      .filter((address) => family === undefined || u8(address, 0) === family)
      .slice(0, OVPN_REMOTE_ADDRESSES)
    return this.#left.length > 0
  }

  worked(): void {
    this.#remotes.worked()
  }

  /** The next attempt goes to the same address again. */
  stay(): void {
    if (this.to !== undefined) this.#left.unshift(this.to)
  }

  /** The attempt failed, or what was up went down: the same remote again when it worked, else its next address, or the next remote. */
  advance(
    wasUp: boolean,
    how: Failure['advance'],
  ): { readonly wait: Millis; readonly roundEnded: boolean } {
    if (wasUp) {
      this.#left = []
      return { wait: this.#remotes.pause, roundEnded: false }
    }
    if (how === 'no') {
      this.stay()
      return { wait: 0, roundEnded: false }
    }
    if (how === 'remote') this.#left = []
    if (this.#left.length > 0) return { wait: 0, roundEnded: false }
    return this.#remotes.failed()
  }
}
