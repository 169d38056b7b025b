/** Where the configuration is when nobody said. */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { PvpnError } from '../core/errors.js'

export interface FindOptions {
  /** The value of `-c`. */
  readonly file?: string | undefined
  readonly env: NodeJS.ProcessEnv
  /** Default: the process's user. */
  readonly uid?: number
}

const SYSTEM = '/etc/pvpn/pvpn.yaml'

/** `-c`, then `$PVPN_CONFIG`; these are meant, there or not. */
function named({ file, env }: FindOptions): string | undefined {
  return file ?? (env.PVPN_CONFIG || undefined)
}

/** The user's own; a relative `$XDG_CONFIG_HOME` counts as unset, as its specification wants. */
function personal(env: NodeJS.ProcessEnv): string {
  const base = env.XDG_CONFIG_HOME
  const folder = base?.startsWith('/') === true ? base : join(env.HOME || homedir(), '.config')
  return join(folder, 'pvpn', 'pvpn.yaml')
}

/** The configuration to read. Throws ERR_CONFIG, with how to begin, when there is none. */
export function findConfig(options: FindOptions): string {
  const given = named(options)
  if (given !== undefined) return given
  const own = personal(options.env)
  for (const candidate of [own, SYSTEM]) if (existsSync(candidate)) return candidate
  throw new PvpnError('ERR_CONFIG', `there is no configuration (neither ${own} nor ${SYSTEM})`, {
    hint: '`pvpn import office.conf` makes one from a WireGuard file; `pvpn demo` needs none',
  })
}

/**
 * The configuration to write: the one that is found, else the one to be made (root, unless it has an
 * `$XDG_CONFIG_HOME`: the system's).
 */
export function findConfigToWrite(options: FindOptions): string {
  const given = named(options)
  if (given !== undefined) return given
  const own = personal(options.env)
  for (const candidate of [own, SYSTEM]) if (existsSync(candidate)) return candidate
  const root = (options.uid ?? process.getuid?.()) === 0
  return root && !options.env.XDG_CONFIG_HOME ? SYSTEM : own
}
