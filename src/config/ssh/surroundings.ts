/** What of the user's surroundings SSH's defaults rest on. */
import { homedir, hostname, userInfo } from 'node:os'
import { join } from 'node:path'

export interface Surroundings {
  readonly home: string
  readonly user: string
  readonly uid: number
  readonly hostname: string
  readonly env: NodeJS.ProcessEnv
}

export function surroundings(): Surroundings {
  const { username, uid } = accountOf()
  return { home: homedir(), user: username, uid, hostname: hostname(), env: process.env }
}

/** A user without an entry in passwd (containers) has a number all the same. */
function accountOf(): { readonly username: string; readonly uid: number } {
  try {
    return userInfo()
  } catch {
    const uid = process.getuid?.() ?? 0
    return { username: process.env.USER ?? String(uid), uid }
  }
}

/** A leading `~/` is the home folder. */
export function expandHome(path: string, home: string): string {
  return path === '~' ? home : path.startsWith('~/') ? join(home, path.slice(2)) : path
}

export function defaultKnownHosts(home: string): readonly string[] {
  return [
    join(home, '.ssh/known_hosts'),
    join(home, '.ssh/known_hosts2'),
    '/etc/ssh/ssh_known_hosts',
    '/etc/ssh/ssh_known_hosts2',
  ]
}

/** Key files that ssh tries without being told (hardware keys are not supported). */
export function defaultIdentities(home: string): readonly string[] {
  return ['id_rsa', 'id_ecdsa', 'id_ed25519'].map((name) => join(home, '.ssh', name))
}
