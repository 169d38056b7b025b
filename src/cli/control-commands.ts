/** What the commands that talk to a running gateway share. */

import { didYouMean } from '../config/nearest.js'
import { quote } from '../config/problem.js'
import type { EnvironmentStatus } from '../core/environment.js'
import { PvpnError } from '../core/errors.js'
import type { Answers } from '../core/question.js'
import type { Action, GatewayStatus, ReloadReport } from '../gateway/contract.js'
import { askGateway, type ControlAnswer } from '../io/control-client.js'
import { runtimeFolder } from '../io/runtime-folder.js'

/** For questions that are answered at once, in milliseconds. */
const ANSWER_TIMEOUT = 10_000
/** How long a command waits for an environment to come up or to say why not, in seconds. */
const WAIT_FOR_START = 20
/** A reload waits for processes that stop. */
const RELOAD_TIMEOUT = 60_000

export async function fetchStatus(): Promise<GatewayStatus> {
  const answer = await askGateway(runtimeFolder(), {
    method: 'GET',
    path: '/api/v1/environments',
    timeout: ANSWER_TIMEOUT,
  })
  return accepted(answer) as GatewayStatus
}

export async function fetchEnvironment(name: string): Promise<EnvironmentStatus> {
  const answer = await askGateway(runtimeFolder(), {
    method: 'GET',
    path: `/api/v1/environments/${encodeURIComponent(name)}`,
    timeout: ANSWER_TIMEOUT,
  })
  return accepted(answer) as EnvironmentStatus
}

/** Is every environment up that should be? */
export async function fetchReady(): Promise<boolean> {
  const { status } = await askGateway(runtimeFolder(), {
    method: 'GET',
    path: '/readyz',
    timeout: ANSWER_TIMEOUT,
  })
  return status === 200
}

/** Starts, stops or restarts one, and waits until that has taken effect. ERR_CONFIG: no such environment. */
export async function act(name: string, action: Action): Promise<EnvironmentStatus> {
  const answer = await askGateway(runtimeFolder(), {
    method: 'POST',
    path: `/api/v1/environments/${encodeURIComponent(name)}/${action}`,
    body: action === 'stop' ? {} : { wait: WAIT_FOR_START },
    timeout: WAIT_FOR_START * 1000 + RELOAD_TIMEOUT,
  })
  // A name that can't be one is refused by its form: for the user both are an unknown environment.
  if (answer.status === 404 || answer.status === 400) {
    const { environments } = await fetchStatus()
    throw unknownEnvironment(
      name,
      environments.map((environment) => environment.name),
    )
  }
  return accepted(answer) as EnvironmentStatus
}

/** What a person said to what it asks; waits as `act`. Undefined: it does not ask that any more, and nothing was taken. */
export async function answer(
  { name, asksId = '' }: EnvironmentStatus,
  answers: Answers,
): Promise<EnvironmentStatus | undefined> {
  const answered = await askGateway(runtimeFolder(), {
    method: 'POST',
    path: `/api/v1/environments/${encodeURIComponent(name)}/answers`,
    body: { asksId, answers, wait: WAIT_FOR_START },
    timeout: WAIT_FOR_START * 1000 + ANSWER_TIMEOUT,
  })
  return answered.status === 409 ? undefined : (accepted(answered) as EnvironmentStatus)
}

export async function reload(): Promise<ReloadReport> {
  const answer = await askGateway(runtimeFolder(), {
    method: 'POST',
    path: '/api/v1/reload',
    timeout: RELOAD_TIMEOUT,
  })
  return (answer.status === 422 ? answer.body : accepted(answer)) as ReloadReport
}

export function unknownEnvironment(name: string, known: readonly string[]): PvpnError {
  return new PvpnError(
    'ERR_CONFIG',
    `there is no environment ${quote(name)}${didYouMean(name, known)}`,
    {
      hint:
        known.length === 0 ? 'the gateway has none' : `the gateway has: ${[...known].join(', ')}`,
    },
  )
}

function accepted(answer: ControlAnswer): unknown {
  if (answer.status === 200) return answer.body
  const { error } = (answer.body ?? {}) as { error?: { message?: string } }
  throw new PvpnError('ERR_PROTOCOL', error?.message ?? `the gateway answers ${answer.status}`)
}
