/** The servers on the way to an entry of an ssh_config file, jump hosts first. */
import { MAX_SSH_JUMPS } from '../limits.js'
import type { Problem } from '../problem.js'
import { evaluateSsh, type SshEntry } from './evaluate.js'
import { parseJump } from './jump.js'
import { type HopPlan, type PlanQuestion, planOf, type Say } from './plan.js'
import type { Surroundings } from './surroundings.js'

export interface SshChain {
  readonly hops: readonly HopPlan[]
  /** The entry itself. */
  readonly entry: SshEntry
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
}

/** `shown` is the file as the user would type it. Never throws. */
export function sshChain(
  text: string,
  shown: string,
  question: PlanQuestion,
  around: Surroundings,
): SshChain {
  return new ChainReader(text, shown, around).read(question)
}

class ChainReader {
  readonly #text: string
  readonly #shown: string
  readonly #around: Surroundings
  readonly #problems: Problem[] = []
  readonly #warnings: Problem[] = []
  readonly #way: string[] = []
  #count = 0

  constructor(text: string, shown: string, around: Surroundings) {
    this.#text = text
    this.#shown = shown
    this.#around = around
  }

  read(question: PlanQuestion): SshChain {
    const { hops, entry } = this.#hops(question, true)
    return { hops, entry, problems: this.#problems, warnings: this.#warnings }
  }

  /** `jumps`: by its own ProxyJump; ssh does so for the first of a list alone. */
  #hops(question: PlanQuestion, jumps: boolean): { hops: readonly HopPlan[]; entry: SshEntry } {
    const { user, name: host } = question
    const { home, user: localUser } = this.#around
    const entry = evaluateSsh(this.#text, this.#shown, { host, user, localUser, home })
    this.#problems.push(...entry.problems)
    this.#warnings.push(...entry.warnings)
    const say: Say = ({ file, line }, message) => {
      this.#problems.push({ file, line, column: 1, message })
    }
    const plan = planOf(entry, question, this.#around, say)
    const command = entry.values.get('proxycommand')?.[0]
    if (command !== undefined && command.args[0]?.toLowerCase() !== 'none') {
      const by = /(?:^|\s)-W\s/.test(command.args.join(' ')) ? 'ProxyJump HOST' : 'ProxyJump'
      say(
        command,
        `ProxyCommand of "${host}" is refused (programs of a tunnel file are never run): use ${by}, or through: ENV`,
      )
    }
    const jump = entry.values.get('proxyjump')?.[0]
    const list = jump?.args[0] ?? 'none'
    if (!jumps || jump === undefined || list.toLowerCase() === 'none') {
      return { hops: [plan], entry }
    }
    if (this.#way.includes(host)) {
      say(jump, `ProxyJump makes a loop: ${[...this.#way, host].join(' -> ')}`)
      return { hops: [plan], entry }
    }
    this.#way.push(host)
    const before: HopPlan[] = []
    for (const [i, part] of list.split(',').entries()) {
      const parsed = parseJump(part.trim())
      if (parsed === undefined) say(jump, `"${part}" is not [USER@]HOST[:PORT]`)
      else if (++this.#count > MAX_SSH_JUMPS) {
        say(jump, `more than ${MAX_SSH_JUMPS} jump hosts`)
        break
      } else {
        const { host: name, user: login, port } = parsed
        before.push(...this.#hops({ name, user: login, port }, i === 0).hops)
      }
    }
    this.#way.pop()
    return { hops: [...before, plan], entry }
  }
}
