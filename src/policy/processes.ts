/** Processes as /proc shows them: executable, parent, groups. What can't be seen is undefined. */
import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'

const DELETED = ' (deleted)'

/** Path of the executable. Undefined: ended, or another user's. */
export function executable(pid: number): string | undefined {
  const link = `/proc/${pid}/exe`
  try {
    const path = readlinkSync(link)
    // A program that was replaced while it runs; a file may also be named so.
    const gone = path.endsWith(DELETED) && statSync(link).nlink === 0
    return gone ? path.slice(0, -DELETED.length) : path
  } catch {
    return undefined
  }
}

export interface ProcessRow {
  readonly parent: number
  /** Clock ticks since boot at which it started: with the number it names one process for ever. */
  readonly started: number
  /** By SIGSTOP or SIGTSTP: it does nothing until SIGCONT. */
  readonly stopped: boolean
}

export function processRow(pid: number): ProcessRow | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name in parentheses may hold anything, parentheses too: fields begin behind the last one.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { parent: Number(fields[1]), started: Number(fields[19]), stopped: fields[0] === 'T' }
  } catch {
    return undefined
  }
}

/** Effective and supplementary groups. */
export function processGroups(pid: number): readonly number[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1')
    const gid = /^Gid:\t\d+\t(\d+)/m.exec(text)?.[1]
    const groups = /^Groups:\t?(.*)$/m.exec(text)?.[1] ?? ''
    return [gid, ...groups.trim().split(/\s+/)].filter(Boolean).map(Number)
  } catch {
    return undefined
  }
}

/** Numbers of all processes that can be seen, the newest first. */
export function processes(): readonly number[] {
  try {
    const all = readdirSync('/proc').map(Number)
    return all.filter((pid) => pid > 0).sort((a, b) => b - a)
  } catch {
    return []
  }
}

export function ownedBy(pid: number, uid: number): boolean {
  try {
    return statSync(`/proc/${pid}`).uid === uid
  } catch {
    return false
  }
}

/** What a rule's path leads to, links followed, as processes show it: `/bin/git` may be /usr/bin/git. */
export function programPath(path: string): string {
  if (!path.includes('/') || path.includes('*')) return path
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
