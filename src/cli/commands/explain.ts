/** `pvpn explain`: which environment would serve a request at the policy port, and which rule says so. */
import type { Command } from 'commander'
import { PvpnError } from '../../core/errors.js'
import type { PolicyDecision } from '../../gateway/contract.js'
import type { Explanation } from '../../policy/explain.js'
import { addConfigOption, addExamples, type CommandContext } from '../command.js'
import { explainByConfig, explainByGateway, recentDecisions } from '../policy-lookup.js'
import { parseTarget } from '../policy-target.js'
import { findProgram } from '../program-search.js'

const NONE_YET = 'no connection has come to the policy port yet\n'

interface ExplainOptions {
  readonly program?: string
  readonly user?: string
  readonly last?: boolean
  readonly json?: boolean
  readonly config?: string
}

export function configure(command: Command, _context: CommandContext): void {
  command
    .argument('[target]', 'HOST, HOST:PORT or a URL')
    .option(
      '--program <program>',
      'as if this program asked: a path, or a name to be found in PATH',
    )
    .option('--user <user>', 'as if this user asked')
    .option('--last', 'why the last connections at the policy port went where they went')
    .option('--json', 'as JSON')
  addConfigOption(command)
  addExamples(command, [
    ['pvpn explain git.office.example', 'the rule, and the environment'],
    ['pvpn explain https://10.20.1.1/ --program curl', 'for one program'],
    ['pvpn explain --last', 'the last connections, the newest first'],
  ])
  command.action(async (target: string | undefined, options: ExplainOptions) => {
    if ((target === undefined) !== (options.last === true)) {
      throw new PvpnError('ERR_CONFIG', 'a target is needed, or --last', {
        hint: 'pvpn explain --help shows how',
      })
    }
    if (target === undefined) {
      const decisions = await recentDecisions()
      print(decisions, decisions.map(decisionText).join('') || NONE_YET, options)
      return
    }
    const { program, user, config } = options
    const question = {
      ...parseTarget(target),
      ...(program === undefined ? {} : { program: findProgram(program) }),
      ...(user === undefined ? {} : { user }),
    }
    const found =
      (config === undefined ? await explainByGateway(question) : undefined) ??
      (await explainByConfig(question, config))
    print(found, explanationText(found), options)
  })
}

function print(value: unknown, text: string, { json }: ExplainOptions): void {
  process.stdout.write(json === true ? `${JSON.stringify(value, null, 2)}\n` : text)
}

function explanationText(found: Explanation): string {
  const asked = found.consulted.map(({ environment, addresses, rule }) => {
    const answer = addresses.length === 0 ? 'no such name' : addresses.join(', ')
    return `  asked ${environment} for the rule at ${rule}: ${answer}\n`
  })
  return `${found.target} → ${outcome(found)}\n  by ${decidedBy(found)}\n${asked.join('')}`
}

function outcome({ environment, reason, host, by }: Explanation): string {
  if (environment === null) return `denied: ${reason}`
  return by === 'name' ? `${environment}, as ${host}` : environment
}

function decidedBy({ by, rule }: Explanation): string {
  switch (by) {
    case 'rule':
      return rule ?? 'a rule'
    case 'name':
      return 'its name (policy.names)'
    case 'default':
      return 'policy.default: no rule matches'
    default:
      return by satisfies never
  }
}

function decisionText(found: PolicyDecision): string {
  const client = found.client === '' ? 'a Unix socket' : found.client
  // Known only where a rule looked at them.
  const program = found.program === null ? '' : `, ${found.program}`
  const user = found.user === null ? '' : `, user ${found.user}`
  const from = `${found.at}  from ${client}${program}${user}, ${found.took.toFixed(1)} ms`
  return `${from}\n  ${explanationText(found)}`
}
