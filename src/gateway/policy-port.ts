/**
 * The policy port: one address for every program. It reads what a client asks for, decides by the
 * rules which environment serves it, and hands the open socket to that environment's process.
 */
import type { Socket } from 'node:net'
import type { HandedConnection } from '../core/admission.js'
import { PvpnError, toPvpnError } from '../core/errors.js'
import { formatHostPort } from '../core/ip.js'
import type { Logger } from '../core/log.js'
import type { GatewayOptions, PolicyOptions } from '../core/options.js'
import type { Bytes } from '../core/types.js'
import type { Diverted, DivertedClient } from '../listener/divert.js'
import { createMixedListener, type MixedListener } from '../listener/mixed-listener.js'
import { Callers } from '../policy/callers.js'
import { PolicyEngine } from '../policy/engine.js'
import { decideAsking, type Explanation, explanation } from '../policy/explain.js'
import { type PacFile, pacFile } from '../policy/pac.js'
import { programPath } from '../policy/processes.js'
import type { Policy, PolicyDecision, PolicyQuestion } from './contract.js'
import { DecisionRing } from './decision-ring.js'

/** What the port needs of the supervisor. */
export interface PolicyEnvironments {
  /** The socket is taken; false: there is no such environment (any more), and it is not. */
  client(environment: string, handed: HandedConnection, socket: Socket): boolean
  /** The name's addresses inside; none: no such name. */
  resolve(environment: string, host: string): Promise<readonly string[]>
}

export class PolicyPort implements Policy {
  readonly #environments: PolicyEnvironments
  readonly #logger: Logger
  readonly #callers = new Callers()
  readonly #ring = new DecisionRing()
  #engine: PolicyEngine | undefined
  #pac: PacFile = pacFile({ environments: [], policy: undefined, control: { listen: undefined } })
  #listeners: readonly MixedListener[] = []
  /** What the listeners were made of. */
  #served = ''

  constructor(environments: PolicyEnvironments, logger: Logger) {
    this.#environments = environments
    this.#logger = logger.child({ port: 'policy' })
  }

  /** Where it listens, as text; null when it does not. */
  get listening(): string | null {
    return this.#listeners.flatMap(({ addresses }) => addresses)[0] ?? null
  }

  get recent(): readonly PolicyDecision[] {
    return this.#ring.list()
  }

  get pac(): PacFile {
    return this.#pac
  }

  /** Follows the configuration; connections that were handed over are not touched. Returns problems in words. */
  async configure(options: GatewayOptions): Promise<readonly string[]> {
    const { policy, environments } = options
    this.#pac = pacFile(options)
    const names = environments.map(({ name }) => name)
    this.#engine =
      policy === undefined
        ? undefined
        : new PolicyEngine({ policy, environments: names, resolvePath: programPath })
    const { listen, users, allowUnauthenticated } = policy ?? NONE
    const wanted = JSON.stringify([listen, users, allowUnauthenticated])
    if (wanted === this.#served) return []
    this.#served = wanted
    await this.close()
    const problems: string[] = []
    const made: MixedListener[] = []
    for (const address of listen) {
      const listener = createMixedListener({
        listen: address,
        users,
        allowUnauthenticated,
        place: 'policy port',
        connectTimeout: 1,
        logger: this.#logger,
        divert: (client, request) => this.#divert(client, request),
        route: () => {
          throw new PvpnError('ERR_INTERNAL', 'the policy port serves nothing by itself')
        },
      })
      try {
        await listener.start()
        made.push(listener)
      } catch (error) {
        problems.push(`policy port: ${toPvpnError(error).message}`)
      }
    }
    this.#listeners = made
    // The next reload tries again what could not be had.
    if (problems.length > 0) this.#served = ''
    return problems
  }

  async close(): Promise<void> {
    const closing = this.#listeners
    this.#listeners = []
    await Promise.all(closing.map((listener) => listener.stop()))
  }

  async explain({ host, port, program, user }: PolicyQuestion): Promise<Explanation | undefined> {
    if (this.#engine === undefined) return undefined
    const caller = this.#callers.described(program, user)
    const decided = await decideAsking(this.#engine, { host, port, caller }, this.#ask)
    return explanation(decided, host, port)
  }

  readonly #ask = (environment: string, host: string) =>
    this.#environments.resolve(environment, host)

  async #divert(client: DivertedClient, request: Diverted): Promise<(head: Bytes) => void> {
    const engine = this.#engine
    if (engine === undefined) throw new PvpnError('ERR_DENIED', 'there is no policy any more')
    const { socket, session } = client
    const { host, port } = request.target
    if (request.kind === 'associate') {
      throw new PvpnError('ERR_UNSUPPORTED', 'UDP is not served at the policy port')
    }
    const began = performance.now()
    const caller = this.#callers.of(socket, session.user)
    const wantedPort = request.kind === 'resolve' ? 0 : port
    const decided = await decideAsking(engine, { host, port: wantedPort, caller }, this.#ask)
    const { program = null, user = null } = caller.seen
    this.#ring.add({
      ...explanation(decided, host, port),
      at: new Date().toISOString(),
      took: performance.now() - began,
      client:
        session.client.address === ''
          ? ''
          : formatHostPort(session.client.address, session.client.port),
      program,
      user,
    })
    const { decision } = decided
    if (decision.kind === 'deny') throw new PvpnError('ERR_DENIED', decision.reason)
    const admission = {
      ...(session.user === undefined ? {} : { user: session.user }),
      asked: request.target,
      // Otherwise as the program wrote it: whoever is asked inside may see the difference.
      host: decision.by.kind === 'name' ? decision.host : host,
    }
    return (head) => {
      const handed = { listener: session.listener, head, admission }
      if (!this.#environments.client(decision.environment, handed, socket)) socket.destroy()
    }
  }
}

const NONE: Pick<PolicyOptions, 'listen' | 'users' | 'allowUnauthenticated'> = {
  listen: [],
  users: [],
  allowUnauthenticated: false,
}
