/** A configuration file to frozen options, with every problem at its place. */
import { dirname, resolve } from 'node:path'
import type { GatewayOptions } from '../core/options.js'
import type { Context } from './context.js'
import { decodeText, readBounded } from './files.js'
import { MAX_CONFIG_BYTES } from './limits.js'
import { ConfigError, type Problem, sortProblems } from './problem.js'
import { Reader, Report } from './reader.js'
import { readRoot } from './root.js'
import { Secrets } from './secrets.js'
import { ownerOfUsers } from './users.js'
import { parseYaml } from './yaml.js'

export interface LoadOptions {
  /**
   * Run `x_command`s, as needed to start. Without it their secrets are placeholders (empty texts,
   * zero keys) and only what stands in files is checked.
   */
  readonly secrets: boolean
  /** With `secrets`: only those of this environment's users, as a client needs them. */
  readonly usersOf?: string
}

export interface LoadedConfig {
  /** Undefined when there are problems. */
  readonly options: GatewayOptions | undefined
  /** Worth telling, in reading order; they stop nothing. */
  readonly warnings: readonly Problem[]
  /** In reading order. */
  readonly problems: readonly Problem[]
}

/**
 * Reads, checks and freezes the file at `path` (as the user typed it: messages begin with it).
 * Never rejects for what is in files; a file that can't be read is a problem too.
 */
export async function loadConfig(path: string, options: LoadOptions): Promise<LoadedConfig> {
  const report = new Report()
  const whole = { file: path, line: 0, column: 0 }
  const found = readBounded(path, MAX_CONFIG_BYTES)
  if (typeof found === 'string') {
    report.problem(whole, found)
    return outcome(path, report, undefined)
  }
  const text = decodeText(found.bytes)
  if (text === undefined) {
    report.problem(whole, 'is not UTF-8 text')
    return outcome(path, report, undefined)
  }
  if ((found.mode & 0o002) !== 0) {
    report.warning(whole, 'anybody can change this file, and so make pvpn run commands: chmod o-w')
  }
  const loaded = await loadText(text, { path, mode: found.mode, report, ...options })
  return outcome(path, report, loaded)
}

/** As `loadConfig`, but throws a ConfigError when there are problems. */
export async function requireConfig(
  path: string,
  options: LoadOptions,
): Promise<{ readonly options: GatewayOptions; readonly warnings: readonly Problem[] }> {
  const { options: loaded, warnings, problems } = await loadConfig(path, options)
  if (loaded === undefined) throw new ConfigError(problems)
  return { options: loaded, warnings }
}

interface TextOptions extends LoadOptions {
  readonly path: string
  readonly mode: number
  readonly report: Report
}

async function loadText(text: string, options: TextOptions): Promise<GatewayOptions | undefined> {
  const { path, mode, report } = options
  const source = parseYaml(text, path)
  for (const problem of source.problems) report.problem(problem, problem.message)
  // Behind a syntax error the nodes are guesses, and problems in them would be too.
  if (source.problems.length > 0) return undefined
  if (source.root === undefined) {
    report.problem(
      { file: path, line: 1, column: 1 },
      'the file is empty: "environments" is missing',
    )
    return undefined
  }
  const absolute = resolve(path)
  const folder = dirname(absolute)
  const credentials = process.env.CREDENTIALS_DIRECTORY
  const secrets = new Secrets(folder, path, mode, report, credentials)
  const context: Context = {
    folder,
    file: path,
    report,
    secrets,
    secretsOf: (environment) => secrets.of(environment),
  }
  const finish = readRoot(source.root, new Reader(source, report), context, absolute)
  // A command may ask a person or cost money: none runs for a file that can't be used anyway.
  if (options.secrets && report.problems.length === 0) {
    const { usersOf } = options
    await secrets.runCommands(usersOf === undefined ? undefined : ownerOfUsers(usersOf))
  }
  return finish()
}

function outcome(path: string, report: Report, options: GatewayOptions | undefined): LoadedConfig {
  const problems = sortProblems(report.problems, path)
  const warnings = sortProblems(report.warnings, path)
  if (problems.length > 0 || options === undefined)
    return { options: undefined, warnings, problems }
  return { options: deepFreeze(options), warnings, problems }
}

/** Freezes objects and lists; keys (typed arrays) can't be frozen. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  for (const member of Object.values(value)) deepFreeze(member)
  return Object.freeze(value)
}
