/**
 * Where network namespaces of `pvpn-wrap` come to the environment: a Unix socket in the runtime
 * folder. A holder (native/wrap) connects, sends the descriptors that it has, and is told the link:
 *
 *   holder                              environment's process
 *     "tun" + TUN device ─────────────►
 *     "dns-udp", "dns-tcp" + sockets ─►  (loopback inside; more than one of each)
 *     "host-port N" + listening socket►
 *     ◄──────────── "link STATE MTU ADDRESS,ADDRESS…"   (now, and after each change)
 */
import { chmodSync, mkdirSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { toPvpnError } from '../core/errors.js'
import type { Outcome } from '../core/figures.js'
import type { Logger } from '../core/log.js'
import type { ManagedEnvironment } from '../core/managed-environment.js'
import type { Clock, Lifecycle, Random } from '../core/types.js'
import { DescriptorChannel } from '../io/descriptor-channel.js'
import { type BoundListener, listenStream } from '../io/listen.js'
import { DnsService } from './dns-service.js'
import { HolderSession } from './holder-session.js'
import { MAX_HOLDERS } from './limits.js'
import { writeNamespaceFiles } from './namespace-files.js'
import { answerNames } from './virtual/names.js'
import { QueryPort } from './virtual/query-port.js'
import { VirtualSockets } from './virtual/virtual-sockets.js'

export interface WrapPortOptions {
  readonly environment: ManagedEnvironment
  /** The environment's own names. */
  readonly hosts: Readonly<Record<string, readonly string[]>>
  /** The gateway's runtime folder. */
  readonly folder: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** How each connection of a program without packets of its own came out. */
  readonly onOutcome?: (outcome: Outcome) => void
}

export class WrapPort implements Lifecycle {
  readonly #o: WrapPortOptions
  readonly #folder: string
  readonly #sessions = new Set<HolderSession>()
  readonly #queries: QueryPort
  readonly #virtual: VirtualSockets
  readonly #dns: DnsService
  #bound: BoundListener | undefined

  constructor(options: WrapPortOptions) {
    this.#o = options
    this.#folder = join(options.folder, 'wrap')
    const { environment, clock, hosts, random, onOutcome = () => {} } = options
    this.#dns = new DnsService(environment)
    this.#queries = new QueryPort(clock)
    this.#virtual = new VirtualSockets({
      environment,
      clock,
      dns: this.#dns,
      port: this.#queries,
      onOutcome,
    })
    answerNames({ environment, hosts, random, port: this.#queries })
  }

  /** Never fails: an environment works without it, and says why there is none. */
  async start(): Promise<void> {
    const { environment, logger } = this.#o
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
      chmodSync(this.#folder, 0o700)
      this.#writeFiles()
      const path = join(this.#folder, `${environment.name}.sock`)
      await this.#queries.listen(join(this.#folder, `${environment.name}.query`))
      this.#bound = await listenStream({ kind: 'unix', path }, (socket) => this.#accept(socket))
    } catch (thrown) {
      logger.warn({}, `pvpn-wrap can't be used: ${toPvpnError(thrown).message}`)
    }
  }

  async stop(): Promise<void> {
    this.#bound?.close()
    this.#bound = undefined
    this.#queries.close()
    this.#virtual.close()
    this.#dns.close()
    for (const session of this.#sessions) session.close()
  }

  /** The environment's state, addresses or names may have changed. */
  changed(): void {
    if (this.#bound === undefined) return
    try {
      this.#writeFiles()
    } catch (thrown) {
      this.#o.logger.warn({}, `pvpn-wrap: ${toPvpnError(thrown).message}`)
    }
    for (const session of this.#sessions) session.changed()
  }

  #writeFiles(): void {
    const { environment, hosts } = this.#o
    writeNamespaceFiles(this.#folder, environment.name, { search: environment.dns.search, hosts })
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {})
    if (this.#sessions.size >= MAX_HOLDERS) {
      socket.destroy()
      return
    }
    try {
      const session = new HolderSession({
        ...this.#o,
        channel: new DescriptorChannel(socket),
        onClose: () => this.#sessions.delete(session),
      })
      this.#sessions.add(session)
      session.changed()
    } catch (thrown) {
      this.#o.logger.warn({}, `pvpn-wrap: ${toPvpnError(thrown).message}`)
      socket.destroy()
    }
  }
}
