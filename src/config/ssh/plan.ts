/** One server on the way: what was found out about it before keys are read. */
import { matchesWildcard } from '../../core/host-pattern.js'
import {
  SSH_ALGORITHMS,
  type SshAlgorithmChoice,
  type SshAlgorithmKind,
} from '../../core/ssh-algorithms.js'
import type { Place } from '../place.js'
import type { SshEntry, SshValue } from './evaluate.js'
import {
  defaultIdentities,
  defaultKnownHosts,
  expandHome,
  type Surroundings,
} from './surroundings.js'

export interface Identity {
  /** Absolute. */
  readonly path: string
  /** As the user would type it. */
  readonly shown: string
  /** Where the configuration names it; absent: an ssh_config file does, or it is a guess. */
  readonly place?: Place
  /** A default of ssh, which need not be there. */
  readonly guessed?: boolean
}

export interface HopPlan {
  readonly host: string
  readonly port: number
  readonly username: string
  /** Files of private keys, or of the public halves of an agent's. */
  readonly identities: readonly Identity[]
  /** Of the agent only these. */
  readonly identitiesOnly: boolean
  readonly agent: string | undefined
  readonly passwordAllowed: boolean
  readonly knownHosts: readonly string[]
  readonly hostKeyAlias?: string
  readonly algorithms: SshAlgorithmChoice
  readonly connectTimeout?: number
  readonly aliveInterval: number
  readonly aliveCount: number
}

/** Seconds of silence before the server is asked, and how often: OpenSSH's default is never, with which a dead path shows after hours. */
const ALIVE = { aliveInterval: 15, aliveCount: 3 }

/** What holds without a file: as `ssh` does. */
export function plainPlan(
  { host, port, username }: Pick<HopPlan, 'host' | 'port' | 'username'>,
  around: Surroundings,
): HopPlan {
  const { home, env } = around
  return {
    host,
    port,
    username,
    identities: defaultIdentities(home).map((path) => ({ path, shown: path, guessed: true })),
    identitiesOnly: false,
    agent: env.SSH_AUTH_SOCK || undefined,
    passwordAllowed: true,
    knownHosts: defaultKnownHosts(home),
    algorithms: {},
    ...ALIVE,
  }
}

export interface PlanQuestion {
  /** The entry's name. */
  readonly name: string
  /** These win over the file's. */
  readonly user: string | undefined
  readonly port: number | undefined
}

export type Say = (at: SshValue, message: string) => void

/** The plan of an entry; mistakes go to `say`. */
export function planOf(
  entry: SshEntry,
  question: PlanQuestion,
  around: Surroundings,
  say: Say,
): HopPlan {
  const { home } = around
  const value = (keyword: string) => entry.values.get(keyword)?.[0]
  const number = (keyword: string, least: number, most: number): number | undefined => {
    const found = value(keyword)
    if (found === undefined) return undefined
    const parsed = seconds(found.args[0] ?? '')
    if (parsed !== undefined && parsed >= least && parsed <= most) return parsed
    if (/^none$/i.test(found.args[0] ?? '')) return undefined
    say(found, `${keyword} must be a number from ${least} to ${most}`)
    return undefined
  }
  const no = (keyword: string) => /^no$/i.test(value(keyword)?.args[0] ?? '')

  const username = question.user ?? value('user')?.args[0] ?? around.user
  const port = question.port ?? number('port', 1, 65_535) ?? 22
  const plain: Readonly<Record<string, string>> = { '%': '%', h: question.name }
  const hostName = value('hostname')
  const host =
    hostName === undefined
      ? question.name
      : expandTokens(hostName.args[0] ?? '', plain, hostName, say)
  const alias = value('hostkeyalias')?.args[0]
  const tokens: Readonly<Record<string, string>> = {
    '%': '%',
    d: home,
    h: host,
    i: String(around.uid),
    k: alias ?? question.name,
    L: around.hostname.replace(/\..*/, ''),
    l: around.hostname,
    n: question.name,
    p: String(port),
    r: username,
    u: around.user,
  }
  const path = (text: string, at: SshValue) =>
    expandHome(expandVariables(expandTokens(text, tokens, at, say), around.env, at, say), home)
  const given = entry.values.get('identityfile')
  const identities = given
    ?.filter(({ args }) => args[0]?.toLowerCase() !== 'none')
    .map((at) => path(at.args[0] ?? '', at))
    .map((file) => ({ path: file, shown: file }))
  const keys = !no('pubkeyauthentication')
  const files = (keyword: string): readonly string[] | undefined => {
    const found = value(keyword)
    const paths = found?.args.filter((arg) => arg.toLowerCase() !== 'none')
    return found && paths?.map((arg) => path(arg, found))
  }
  const [user1, user2, ...global] = defaultKnownHosts(home)
  const plan = plainPlan({ host, port, username }, around)
  const connectTimeout = number('connecttimeout', 1, 600)
  return {
    ...plan,
    identities: keys ? (identities ?? plan.identities) : [],
    identitiesOnly: /^yes$/i.test(value('identitiesonly')?.args[0] ?? ''),
    agent: keys ? agentOf(value('identityagent'), path, around) : undefined,
    passwordAllowed: !no('passwordauthentication') || !no('kbdinteractiveauthentication'),
    knownHosts: [
      ...(files('userknownhostsfile') ?? [user1, user2]),
      ...(files('globalknownhostsfile') ?? global),
    ].filter((file) => file !== undefined),
    ...(alias === undefined ? {} : { hostKeyAlias: alias }),
    algorithms: algorithmsOf(entry, say),
    ...(connectTimeout === undefined ? {} : { connectTimeout }),
    aliveInterval: number('serveraliveinterval', 0, 86_400) ?? ALIVE.aliveInterval,
    aliveCount: number('serveralivecountmax', 1, 1000) ?? ALIVE.aliveCount,
  }
}

/** `30`, `30s`, `5m`, `1h` (sshd_config(5), TIME FORMATS). */
function seconds(text: string): number | undefined {
  const [, digits, unit = 's'] = /^([0-9]{1,6})([smh]?)$/i.exec(text) ?? []
  if (digits === undefined) return undefined
  const size: Readonly<Record<string, number>> = { m: 60, h: 3600 }
  return Number(digits) * (size[unit.toLowerCase()] ?? 1)
}

function expandTokens(
  text: string,
  tokens: Readonly<Record<string, string>>,
  at: SshValue,
  say: Say,
): string {
  return text.replace(/%(.?)/g, (whole, token: string) => {
    const found = Object.hasOwn(tokens, token) ? tokens[token] : undefined
    if (found === undefined) say(at, `${whole} is not known here`)
    return found ?? ''
  })
}

function expandVariables(text: string, env: NodeJS.ProcessEnv, at: SshValue, say: Say): string {
  return text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_whole, name: string) => {
    if (env[name] === undefined) say(at, `the variable ${name} is not set`)
    return env[name] ?? ''
  })
}

function agentOf(
  at: SshValue | undefined,
  path: (text: string, at: SshValue) => string,
  { env }: Surroundings,
): string | undefined {
  const word = at?.args[0]
  if (at === undefined || word === undefined || word === 'SSH_AUTH_SOCK') {
    return env.SSH_AUTH_SOCK || undefined
  }
  if (word.toLowerCase() === 'none') return undefined
  return word.startsWith('$') && !word.startsWith('${')
    ? env[word.slice(1)] || undefined
    : path(word, at)
}

const ALGORITHM_KEYWORDS: Readonly<Record<SshAlgorithmKind, string>> = {
  kex: 'kexalgorithms',
  hostKey: 'hostkeyalgorithms',
  cipher: 'ciphers',
  mac: 'macs',
}

function algorithmsOf(entry: SshEntry, say: Say): SshAlgorithmChoice {
  const choice: Partial<Record<SshAlgorithmKind, readonly string[]>> = {}
  for (const kind of Object.keys(SSH_ALGORITHMS) as SshAlgorithmKind[]) {
    const at = entry.values.get(ALGORITHM_KEYWORDS[kind])?.[0]
    if (at === undefined) continue
    const list = chooseAlgorithms(SSH_ALGORITHMS[kind], at.args[0] ?? '')
    if (list.length === 0) say(at, `none of ${ALGORITHM_KEYWORDS[kind]} is supported`)
    else choice[kind] = list
  }
  return choice
}

/** A list of patterns; `+` adds to the defaults, `-` takes away, `^` puts in front (ssh_config(5), Ciphers). */
function chooseAlgorithms(known: readonly string[], text: string): readonly string[] {
  const sign = /^[+^-]/.exec(text)?.[0]
  const patterns = (sign === undefined ? text : text.slice(1)).split(',')
  const fits = (name: string) => patterns.some((pattern) => matchesWildcard(name, pattern))
  switch (sign) {
    // Whatever is supported is a default already.
    case '+':
      return known
    case '-':
      return known.filter((name) => !fits(name))
    case '^':
      return [...known.filter(fits), ...known.filter((name) => !fits(name))]
    default:
      return patterns.flatMap((pattern) => known.filter((name) => matchesWildcard(name, pattern)))
  }
}
