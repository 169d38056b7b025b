/**
 * The policy port: one address for every program. It reads what a client asks for, decides by the
 * rules which environment serves it, and hands the open socket to that environment's process.
 */
import type { Socket } from 'node:net'
import type { Admission, HandedConnection } from '../core/admission.js'
import type { Session } from '../core/environment.js'
import { PvpnError, toPvpnError } from '../core/errors.js'
import { formatHostPort } from '../core/ip.js'
import type { Logger } from '../core/log.js'
import type { GatewayOptions, PolicyOptions } from '../core/options.js'
import type { Bytes, Target } from '../core/types.js'
import { socketPair } from '../io/socket-pair.js'
import type { Divert, DivertedClient } from '../listener/divert.js'
import { createMixedListener, type MixedListener } from '../listener/mixed-listener.js'
import { Callers } from '../policy/callers.js'
import { PolicyEngine } from '../policy/engine.js'
import { decideAsking, type Explanation, explanation } from '../policy/explain.js'
import { type PacFile, pacFile } from '../policy/pac.js'
import { programPath } from '../policy/processes.js'
import type { Policy, PolicyDecision, PolicyFigures, PolicyQuestion } from './contract.js'
import { DecisionRing } from './decision-ring.js'
import { PolicyCounts } from './policy-counts.js'

/** What the port needs of the supervisor. */
export interface PolicyEnvironments {
  /** The socket is taken; false: there is no such environment (any more), and it is not. */
  client(environment: string, handed: HandedConnection, socket: Socket): boolean
  /** The name's addresses inside; none: no such name. */
  resolve(environment: string, host: string): Promise<readonly string[]>
  /** Its search domains, as far as they are known now. */
  search(environment: string): readonly string[]
}

export class PolicyPort implements Policy {
  readonly #environments: PolicyEnvironments
  readonly #logger: Logger
  readonly #callers = new Callers()
  readonly #ring = new DecisionRing()
  readonly #counts = new PolicyCounts()
  #engine: PolicyEngine | undefined
  #options: GatewayOptions | undefined
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

  get figures(): PolicyFigures {
    return this.#counts.figures
  }

  pac(reader: Socket): PacFile {
    const search = (name: string) => this.#environments.search(name)
    return pacFile({ ...(this.#options ?? NOTHING), search }, this.#callers.reader(reader))
  }

  /** Follows the configuration; connections that were handed over are not touched. Returns problems in words. */
  async configure(options: GatewayOptions): Promise<readonly string[]> {
    const { policy, environments } = options
    this.#options = options
    const names = environments.map(({ name }) => name)
    this.#counts.configure(names)
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
        divert: this.#divert,
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

  readonly #divert: Divert = {
    connection: async (client, { kind, target }) => {
      const wanted = kind === 'resolve' ? { host: target.host, port: 0 } : target
      const { environment, ...decided } = await this.#decide(client, wanted)
      const { session } = client
      return (socket, head) =>
        this.#enter(environment, session, socket, { asked: target, ...decided }, head)
    },
    datagram: async (client, target) => {
      const { environment, host, addresses } = await this.#decide(client, target)
      return { environment, host: addresses?.[0] ?? host }
    },
    enter: async ({ session }, environment) => {
      const { ours, theirs } = await socketPair()
      this.#enter(environment, session, theirs, { asked: NOWHERE, host: NOWHERE.host })
      return ours
    },
  }

  #enter(
    environment: string,
    { listener, user }: Session,
    socket: Socket,
    target: Omit<Admission, 'user'>,
    head?: Bytes,
  ): void {
    const admission = { ...target, ...(user === undefined ? {} : { user }) }
    const handed = { listener, admission, ...(head === undefined ? {} : { head }) }
    if (!this.#environments.client(environment, handed, socket)) socket.destroy()
  }

  /** Rejects with ERR_DENIED, or the error of an environment that had to be asked. */
  async #decide(
    { socket, session }: DivertedClient,
    { host, port }: Target,
  ): Promise<Omit<Admission, 'asked' | 'user'> & { readonly environment: string }> {
    const engine = this.#engine
    if (engine === undefined) throw new PvpnError('ERR_DENIED', 'there is no policy any more')
    const began = performance.now()
    const caller = this.#callers.of(socket, session.user)
    const decided = await decideAsking(engine, { host, port, caller }, this.#ask).catch(
      (error: unknown) => {
        this.#counts.undecided()
        throw error
      },
    )
    const took = performance.now() - began
    this.#counts.took(took)
    const { program = null, user = null } = caller.seen
    const { address, port: clientPort } = session.client
    this.#ring.add({
      ...explanation(decided, host, port),
      at: new Date().toISOString(),
      took,
      client: address === '' ? '' : formatHostPort(address, clientPort),
      program,
      user,
    })
    const { decision } = decided
    if (decision.kind === 'deny') {
      this.#counts.deny()
      throw new PvpnError('ERR_DENIED', decision.reason)
    }
    const { environment, by, addresses } = decision
    this.#counts.allow(environment)
    return {
      environment,
      // Otherwise as the program wrote it: whoever is asked inside may see the difference.
      host: by.kind === 'name' ? decision.host : host,
      ...(addresses === undefined ? {} : { addresses }),
    }
  }
}

/** What is asked for on a connection that carries datagrams: they name their targets themselves. */
const NOWHERE: Target = { host: '0.0.0.0', port: 0 }

/** Before there is a configuration. */
const NOTHING: Pick<GatewayOptions, 'environments' | 'policy' | 'control'> = {
  environments: [],
  policy: undefined,
  control: { listen: undefined },
}

const NONE: Pick<PolicyOptions, 'listen' | 'users' | 'allowUnauthenticated'> = {
  listen: [],
  users: [],
  allowUnauthenticated: false,
}
