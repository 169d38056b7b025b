/** Puts an environment's questions (core/question.ts) to the person at the terminal. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { EnvironmentStatus } from '../core/environment.js'
import type { Answers, Question } from '../core/question.js'
import { readLine, type Terminal, terminal } from '../io/terminal.js'
import { act, answer, fetchEnvironment } from './control-commands.js'
import { oneLine } from './report.js'

/** Rounds of questions of one command: a server that goes on asking is left. */
const ROUNDS_MOST = 12
/** Between two looks while a login is waited for, in milliseconds. */
const LOOK_INTERVAL = 300
/** How long a login is waited for, in milliseconds: longer than a tunnel lets a server wait. */
const LOGIN_MOST = 330_000
/** Answers for a question that stands no more. */
const CHANGED = 'it has begun anew meanwhile, and the answer was not sent'
/** Times that one choice is asked for. */
const CHOOSING_MOST = 3

/** Asks until nothing is left to ask, or the person gives up. Without a terminal it says what to do instead. */
export async function answerQuestions(first: EnvironmentStatus): Promise<EnvironmentStatus> {
  let status = first
  for (let round = 0; round < ROUNDS_MOST; round++) {
    const { name, asks = [], error } = status
    if (waitsForLogin(status)) {
      status = await afterLogin(status)
      continue
    }
    if (asks.length === 0) return status
    const person = terminal()
    if (person === undefined) {
      process.stderr.write(`${withoutTerminal(name, asks).join('\n')}\n`)
      return status
    }
    if (error !== null) person.output.write(`${name}: ${oneLine(error.message)}\n`)
    const answers = await askAll(person, name, asks)
    if (answers === undefined) return status
    const answered = await answer(status, answers)
    if (answered === undefined) person.output.write(`${name}: ${CHANGED}\n`)
    // Waits, and begins nothing: what asks is not tried anew.
    status = answered ?? (await act(name, 'start'))
  }
  return status
}

/** Not up yet, because somebody has to log in elsewhere: the error says where. */
function waitsForLogin({ state, error }: EnvironmentStatus): boolean {
  return state === 'starting' && error?.code === 'ERR_AUTH'
}

/** Says where to log in, and waits for what comes of it, as long as the server does. */
async function afterLogin(first: EnvironmentStatus): Promise<EnvironmentStatus> {
  process.stderr.write(`${first.name}: ${oneLine(first.error?.message ?? '')}\n`)
  let status = first
  const until = performance.now() + LOGIN_MOST
  while (
    performance.now() < until &&
    waitsForLogin(status) &&
    status.error?.message === first.error?.message
  ) {
    await sleep(LOOK_INTERVAL)
    status = await fetchEnvironment(first.name)
  }
  // Between two attempts there is nothing to say yet.
  for (let looks = 0; status.state === 'starting' && status.error === null && looks < 20; looks++) {
    await sleep(LOOK_INTERVAL)
    status = await fetchEnvironment(first.name)
  }
  return status
}

/** Undefined: the person gave up. */
async function askAll(
  person: Terminal,
  name: string,
  asks: readonly Question[],
): Promise<Answers | undefined> {
  const answers: Record<string, string> = {}
  for (const one of asks) {
    const text =
      one.choices === undefined ? await ask(person, name, one) : await choose(person, name, one)
    if (text === undefined) return undefined
    answers[one.field] = text
  }
  return answers
}

function ask(
  person: Terminal,
  name: string,
  { label, secret }: Question,
): Promise<string | undefined> {
  return readLine(person, `${name}: ${oneLine(label).replace(/[:\s]+$/, '')}: `, { echo: !secret })
}

/** One of the choices, by its words or its number. */
async function choose(person: Terminal, name: string, one: Question): Promise<string | undefined> {
  const { choices = [] } = one
  const list = choices.map((choice, i) => `  ${i + 1}  ${oneLine(choice)}\n`)
  for (let n = 0; n < CHOOSING_MOST; n++) {
    person.output.write(list.join(''))
    const text = await ask(person, name, { ...one, secret: false })
    if (text === undefined) return undefined
    const chosen = choices.includes(text) ? text : choices[Number(text) - 1]
    if (chosen !== undefined) return chosen
  }
  return undefined
}

function withoutTerminal(name: string, asks: readonly Question[]): readonly string[] {
  const lines = [
    `hint: this is no terminal, so nobody can be asked here. Run on one: pvpn start ${name}`,
  ]
  const settings = asks.flatMap(({ setting }) => setting ?? [])
  if (settings.length === 0) return lines
  const keys = settings.map((key) => (key === 'username' ? key : `${key}_file (or ${key}_command)`))
  lines.push(
    `hint: or set ${keys.join(' and ')} below the tunnel of ${name} in the configuration, then: pvpn reload`,
  )
  return lines
}
