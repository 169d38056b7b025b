/** How a person in the same folder types this program's name. */
import { realpathSync } from 'node:fs'
import { delimiter, join, relative } from 'node:path'

/**
 * `pvpn` where the search path leads to this program, else its path: from the current folder where that
 * is below it, else from the root. `script` is what Node was told to run.
 */
export function ownCommand(script: string, searchPath = process.env.PATH, cwd = process.cwd()) {
  const own = real(script) ?? script
  const found = (searchPath ?? '')
    .split(delimiter)
    .map((folder) => real(join(folder || '.', 'pvpn')))
    .find((path) => path !== undefined)
  if (found === own) return 'pvpn'
  const below = relative(real(cwd) ?? cwd, own)
  return below === '' || below.startsWith('..') ? own : below
}

function real(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}
