/**
 * Where an environment's proxy listens, for the commands that are its clients: as the running gateway
 * says (which may be the demo, or have taken any free port), else as the configuration says.
 */
import { existsSync } from 'node:fs'
import { findConfig } from '../config/find.js'
import { requireConfig } from '../config/load.js'
import { didYouMean } from '../config/nearest.js'
import { quote } from '../config/problem.js'
import { PvpnError } from '../core/errors.js'
import { parseHostPort } from '../core/ip.js'
import { formatListenAddress } from '../core/listen-address.js'
import type {
  EnvironmentOptions,
  GatewayOptions,
  ListenAddress,
  ProxyUser,
} from '../core/options.js'
import { fetchStatus } from './control-commands.js'

export interface ProxyLookup {
  readonly listen: readonly ListenAddress[]
  /** Whom to log in as; undefined when nobody needs to. Reads the configuration, and runs the password's command. */
  user(): Promise<ProxyUser | undefined>
}

/**
 * Finds the environment. With `config` (the value of `-c`) only that file is asked. ERR_CONFIG when
 * nobody knows the name.
 */
export async function lookUpProxy(name: string, config: string | undefined): Promise<ProxyLookup> {
  const known = new Set<string>()
  const running = config === undefined ? await askRunning(name, known) : undefined
  if (running !== undefined) {
    return { listen: running, user: () => userFromConfig(name, undefined, running) }
  }
  const file = config ?? configIfAny()
  const environment = file === undefined ? undefined : await fromFile(file, name, known)
  if (environment === undefined) throw unknown(name, known)
  return {
    listen: environment.listen,
    user: () => userFromConfig(name, config, environment.listen),
  }
}

/** Names of all environments that gateway and configuration know; never rejects. */
export async function environmentNames(config: string | undefined): Promise<readonly string[]> {
  const names = new Set<string>()
  try {
    if (config === undefined) for (const { name } of await runningEnvironments()) names.add(name)
    const file = config ?? configIfAny()
    const loaded = file === undefined ? undefined : await requireConfig(file, { secrets: false })
    for (const { name } of loaded?.options.environments ?? []) names.add(name)
  } catch {
    // Completion has nobody to tell.
  }
  return [...names]
}

function configIfAny(): string | undefined {
  try {
    const file = findConfig({ env: process.env })
    return existsSync(file) ? file : undefined
  } catch {
    return undefined
  }
}

async function runningEnvironments() {
  try {
    return (await fetchStatus()).environments
  } catch (error) {
    // No gateway, or none that is ours: then the configuration answers.
    if (error instanceof PvpnError) return []
    throw error
  }
}

/** Undefined: the gateway does not run, does not know it, or it listens nowhere now. */
async function askRunning(
  name: string,
  known: Set<string>,
): Promise<readonly ListenAddress[] | undefined> {
  const environments = await runningEnvironments()
  for (const environment of environments) known.add(environment.name)
  const found = environments.find((environment) => environment.name === name)
  const listen = (found?.listen.proxy ?? []).map(parseShown).filter((at) => at !== undefined)
  return listen.length === 0 ? undefined : listen
}

/** An address as the status shows it. */
function parseShown(text: string): ListenAddress | undefined {
  if (text.startsWith('unix:')) return { kind: 'unix', path: text.slice(5) }
  const parts = parseHostPort(text)
  return parts && { kind: 'tcp', address: parts.host, port: parts.port }
}

async function fromFile(
  file: string,
  name: string,
  known: Set<string>,
): Promise<EnvironmentOptions | undefined> {
  const { options } = await requireConfig(file, { secrets: false })
  for (const environment of options.environments) known.add(environment.name)
  return options.environments.find((environment) => environment.name === name)
}

/** The first user of the configuration's environment, if that one is behind these addresses. */
async function userFromConfig(
  name: string,
  config: string | undefined,
  listen: readonly ListenAddress[],
): Promise<ProxyUser | undefined> {
  const file = config ?? configIfAny()
  if (file === undefined) return undefined
  let options: GatewayOptions
  try {
    options = (await requireConfig(file, { secrets: true, usersOf: name })).options
  } catch (error) {
    // A file that nobody named may be another gateway's, or broken: then there is no user to know.
    if (config !== undefined) throw error
    return undefined
  }
  const environment = options.environments.find((candidate) => candidate.name === name)
  const shown = listen.map(formatListenAddress)
  const same = environment?.listen.some(
    (at) => (at.kind === 'tcp' && at.port === 0) || shown.includes(formatListenAddress(at)),
  )
  return same === true ? environment?.users[0] : undefined
}

function unknown(name: string, known: ReadonlySet<string>): PvpnError {
  const hint =
    known.size === 0
      ? 'no gateway runs and there is no configuration: `pvpn import FILE` makes one'
      : `known: ${[...known].join(', ')}`
  return new PvpnError('ERR_CONFIG', `no environment ${quote(name)}${didYouMean(name, known)}`, {
    hint,
  })
}

/** The first address that a program of this machine can connect to; wildcards become loopback. */
export function connectAddress(listen: readonly ListenAddress[]): ListenAddress | undefined {
  const usable = listen.filter((at) => at.kind === 'unix' || at.port !== 0)
  const best = usable.find((at) => at.kind === 'tcp') ?? usable[0]
  if (best === undefined || best.kind === 'unix') return best
  const wildcard =
    best.address === '0.0.0.0' ? '127.0.0.1' : best.address === '::' ? '::1' : undefined
  return wildcard === undefined ? best : { ...best, address: wildcard }
}
