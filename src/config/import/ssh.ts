/** An ssh_config file as an environment: which of its hosts, and what becomes of each directive. */
import { PvpnError } from '../../core/errors.js'
import type { Directive } from '../directive.js'
import { ConfigError, type Problem, sortProblems } from '../problem.js'
import { sshChain } from '../ssh/chain.js'
import { evaluateSsh } from '../ssh/evaluate.js'
import { type Surroundings, surroundings } from '../ssh/surroundings.js'
import { nameFromFile } from './name.js'

export interface SshImport {
  /** The entry, as `host` of the tunnel. */
  readonly host: string
  readonly directives: readonly Directive[]
  readonly warnings: readonly Problem[]
  readonly notes: readonly string[]
}

/** Hosts that are told when there are several. */
const SHOWN = 12

/** `wanted` is the environment's name, if one was given: it chooses the host. Throws ERR_CONFIG. */
export function importSsh(
  text: string,
  file: string,
  wanted: string | undefined,
  around: Surroundings = surroundings(),
): SshImport {
  const { home, user: localUser } = around
  const { hosts } = evaluateSsh(text, file, { host: '', user: undefined, localUser, home })
  const host = chooseHost(hosts, file, wanted)
  const chain = sshChain(text, file, { name: host, user: undefined, port: undefined }, around)
  const problems = sortProblems(chain.problems, file)
  if (problems.length > 0) throw new ConfigError(problems, { hint: 'nothing was written' })
  const { directives } = chain.entry
  return {
    host,
    directives,
    // What is left out stands in the report itself.
    warnings: chain.warnings.filter(({ message }) => !message.includes(' is left out: ')),
    notes: [
      `the entry of host ${host}; later changes of ${file} do not reach the copy`,
      ...(directives.some(({ name }) => name === 'Include')
        ? ['included files are read where they are']
        : []),
    ],
  }
}

function chooseHost(hosts: readonly string[], file: string, wanted: string | undefined): string {
  const [only] = hosts
  if (only === undefined) {
    throw new PvpnError('ERR_CONFIG', `${file} has no Host without wildcards`)
  }
  const none: ReadonlySet<string> = new Set()
  const named =
    hosts.find((host) => host === wanted) ??
    hosts.find((host) => nameFromFile(host, none) === wanted)
  if (named !== undefined) return named
  if (hosts.length === 1) return only
  const more = hosts.length > SHOWN ? `, and ${hosts.length - SHOWN} more` : ''
  throw new PvpnError(
    'ERR_CONFIG',
    `${file} has several hosts: ${hosts.slice(0, SHOWN).join(', ')}${more}`,
    { hint: 'choose one with --name HOST' },
  )
}
