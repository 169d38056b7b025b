/** Decides with the help of resolvers, and keeps what was asked: for the policy port and `pvpn explain`. */
import { PvpnError } from '../core/errors.js'
import { formatHostPort } from '../core/ip.js'
import type { DecidedBy, Decision, PolicyEngine, PolicyRequest } from './engine.js'

/** The name's addresses in that environment; none: no such name there. */
export type Ask = (environment: string, host: string) => Promise<readonly string[]>

export interface Consulted {
  readonly environment: string
  readonly host: string
  readonly addresses: readonly string[]
  /** `FILE:LINE` of the rule that wanted to know. */
  readonly source: string
}

export interface Decided {
  readonly decision: Decision
  readonly consulted: readonly Consulted[]
}

export interface Explanation {
  /** `host:port`, as it was asked for. */
  readonly target: string
  /** Who would serve it; null: refused. */
  readonly environment: string | null
  /** The host that is asked for there. */
  readonly host: string
  readonly by: DecidedBy['kind']
  /** `FILE:LINE`; null when no rule decided. */
  readonly rule: string | null
  /** Why it is refused; null when it is not. */
  readonly reason: string | null
  /** Resolvers that had to be asked. */
  readonly consulted: readonly {
    readonly environment: string
    readonly addresses: readonly string[]
    /** `FILE:LINE` of the rule that wanted to know. */
    readonly rule: string
  }[]
}

/** Rejects with the error of an environment that cannot answer: what it might serve goes nowhere else. */
export async function decideAsking(
  engine: PolicyEngine,
  request: PolicyRequest,
  ask: Ask,
): Promise<Decided> {
  const known = new Map<string, readonly string[]>()
  const consulted: Consulted[] = []
  for (;;) {
    const step = engine.decide(request, known)
    if (step.kind !== 'resolve') return { decision: step, consulted }
    const { environment, host, source } = step
    if (known.has(environment)) throw new PvpnError('ERR_INTERNAL', 'the policy asks twice')
    const addresses = await ask(environment, host)
    known.set(environment, addresses)
    consulted.push({ environment, host, addresses, source })
  }
}

/** For people and programs: what `pvpn explain` shows. */
export function explanation(
  { decision, consulted }: Decided,
  host: string,
  port: number,
): Explanation {
  const { by } = decision
  return {
    target: formatHostPort(host, port),
    environment: decision.kind === 'allow' ? decision.environment : null,
    host: decision.kind === 'allow' ? decision.host : host,
    by: by.kind,
    rule: by.kind === 'rule' ? by.source : null,
    reason: decision.kind === 'deny' ? decision.reason : null,
    consulted: consulted.map(({ environment, addresses, source }) => {
      return { environment, addresses, rule: source }
    }),
  }
}
