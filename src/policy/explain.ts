/** Decides with the help of resolvers, and keeps what was asked: for the policy port and `pvpn explain`. */
import { PvpnError } from '../core/errors.js'
import type { Decision, PolicyEngine, PolicyRequest } from './engine.js'

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
