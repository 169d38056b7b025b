/** The executable that a command's name means, as the gateway will see it. */
import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

/** `git` is looked for in `PATH`, links are followed; what cannot be found stays as it is. */
export function findProgram(name: string, path: string | undefined = process.env.PATH): string {
  const candidates = name.includes('/')
    ? [resolve(name)]
    : (path ?? '').split(delimiter).map((folder) => join(folder, name))
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK)
      if (statSync(candidate).isFile()) return realpathSync(candidate)
    } catch {
      // Not this one.
    }
  }
  return name
}
