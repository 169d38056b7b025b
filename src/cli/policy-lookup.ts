/** What the running gateway says of the policy, or the configuration where none runs. */
import { existsSync } from 'node:fs'
import { findConfig } from '../config/find.js'
import { requireConfig } from '../config/load.js'
import { PvpnError } from '../core/errors.js'
import { formatHostPort } from '../core/ip.js'
import type { GatewayOptions } from '../core/options.js'
import type { PolicyDecision, PolicyQuestion } from '../gateway/contract.js'
import { askGateway } from '../io/control-client.js'
import { runtimeFolder } from '../io/runtime-folder.js'
import { Callers } from '../policy/callers.js'
import { PolicyEngine } from '../policy/engine.js'
import { decideAsking, type Explanation, explanation } from '../policy/explain.js'
import { type PacFile, pacFile } from '../policy/pac.js'
import { programPath } from '../policy/processes.js'
import { fetchStatus } from './control-commands.js'

/** Long enough for a resolver inside that is slow, in milliseconds. */
const EXPLAIN_TIMEOUT = 60_000
const ANSWER_TIMEOUT = 10_000

const NO_POLICY = new PvpnError('ERR_CONFIG', 'the configuration has no policy', {
  hint: 'add a section `policy:` with `rules:`',
})

/** Undefined: no gateway runs. */
export async function explainByGateway(question: PolicyQuestion): Promise<Explanation | undefined> {
  const query = new URLSearchParams({ host: question.host, port: String(question.port) })
  if (question.program !== undefined) query.set('program', question.program)
  if (question.user !== undefined) query.set('user', question.user)
  const answer = await askRunning(`/api/v1/policy/explain?${query}`, EXPLAIN_TIMEOUT)
  if (answer?.status === 404) throw NO_POLICY
  return answer && (accepted(answer) as Explanation)
}

/** As the file says; an environment that would have to be asked can't be. */
export async function explainByConfig(
  { host, port, program, user }: PolicyQuestion,
  config: string | undefined,
): Promise<Explanation> {
  const { policy, environments } = await configuration(config)
  if (policy === undefined) throw NO_POLICY
  const names = environments.map(({ name }) => name)
  const engine = new PolicyEngine({ policy, environments: names, resolvePath: programPath })
  const caller = new Callers().described(program, user)
  const decided = await decideAsking(engine, { host, port, caller }, async (environment) => {
    throw new PvpnError(
      'ERR_DOWN',
      `the resolver of ${environment} decides about ${formatHostPort(host, port)}, and no gateway runs to ask it`,
      { hint: 'start one with: pvpn up' },
    )
  })
  return explanation(decided, host, port)
}

/** The last requests at the policy port, the newest first. ERR_CONFIG where there is no such port. */
export async function recentDecisions(): Promise<readonly PolicyDecision[]> {
  if ((await fetchStatus()).policy === null) throw NO_POLICY
  const answer = await askGateway(runtimeFolder(), {
    method: 'GET',
    path: '/api/v1/policy/decisions',
    timeout: ANSWER_TIMEOUT,
  })
  return accepted(answer) as readonly PolicyDecision[]
}

/** The PAC file: the running gateway's, unless a configuration is named. */
export async function lookUpPac(config: string | undefined): Promise<Pick<PacFile, 'text'>> {
  const answer = config === undefined ? await askRunning('/proxy.pac', ANSWER_TIMEOUT) : undefined
  if (answer !== undefined) return { text: String(accepted(answer)) }
  return pacFile(await configuration(config), new Callers().self())
}

/** The options of the configuration, for files that are made of them. */
export async function configuration(config: string | undefined): Promise<GatewayOptions> {
  const file = config ?? findConfig({ env: process.env })
  if (!existsSync(file)) {
    throw new PvpnError('ERR_CONFIG', `no gateway runs, and there is no configuration (${file})`, {
      hint: '`pvpn import FILE` makes one',
    })
  }
  return (await requireConfig(file, { secrets: false })).options
}

async function askRunning(path: string, timeout: number) {
  try {
    return await askGateway(runtimeFolder(), { method: 'GET', path, timeout })
  } catch (error) {
    if (error instanceof PvpnError && error.code === 'ERR_DOWN') return undefined
    throw error
  }
}

function accepted({ status, body }: { status: number; body: unknown }): unknown {
  if (status === 200) return body
  const { error } = (body ?? {}) as { error?: { code?: string; message?: string } }
  throw new PvpnError('ERR_DOWN', error?.message ?? `the gateway answers ${status}`)
}
