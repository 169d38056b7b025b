/**
 * One gateway per runtime folder. The lock is a file that names its holder, `lock.N`: the one with the
 * highest number counts. Whoever finds that its holder is gone takes N+1, by a hard link, which only
 * one can make; what is lower is litter. So no stale lock is ever taken away before a newer one is
 * there, and two that start at once can't both believe they have it. A holder is gone when its
 * process is, or when the number belongs to another process by now (start times differ), and nobody
 * answers on the control socket.
 */
import { randomBytes } from 'node:crypto'
import { link, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { basename, join } from 'node:path'
import { PvpnError } from '../core/errors.js'
import { LOCK_TRIES } from './limits.js'
import type { RuntimeFolder } from './runtime-folder.js'

export interface GatewayLock {
  /** The empty file stays, for the numbering. */
  release(): Promise<void>
}

interface Holder {
  readonly pid: number
  /** Start time of the process in clock ticks since boot (Linux), or null where it is not known. */
  readonly started: string | null
}

/** Takes the lock. ERR_DENIED, with the holder's process number, when another gateway has it. */
export async function takeGatewayLock(folder: RuntimeFolder): Promise<GatewayLock> {
  const own = JSON.stringify({ pid: process.pid, started: await startTime(process.pid) })
  const draft = join(folder.path, `draft.${process.pid}.${randomBytes(6).toString('hex')}`)
  await writeFile(draft, own, { mode: 0o600, flag: 'wx' })
  try {
    for (let i = 0; i < LOCK_TRIES; i++) {
      const newest = Math.max(0, ...(await numbers(folder)))
      const holder = parse(await contents(numbered(folder, newest)))
      if (holder !== undefined && (await alive(holder, folder))) throw inUse(folder, holder)
      if (!(await linked(draft, numbered(folder, newest + 1)))) continue
      // Slow here? Then this number may have been used and cleaned away: a higher one is in force.
      if (await isNewest(folder, newest + 1)) return lockOf(folder, newest + 1)
      await rm(numbered(folder, newest + 1), { force: true })
    }
  } finally {
    await rm(draft, { force: true })
  }
  throw new PvpnError('ERR_DENIED', `other gateways start in ${folder.path} at this moment`)
}

async function lockOf(folder: RuntimeFolder, number: number): Promise<GatewayLock> {
  const litter = (await numbers(folder)).filter((other) => other < number)
  await Promise.all(litter.map((other) => rm(numbered(folder, other), { force: true })))
  return { release: () => writeFile(numbered(folder, number), '', { mode: 0o600 }) }
}

function numbered(folder: RuntimeFolder, number: number): string {
  return `${folder.lock}.${number}`
}

async function numbers(folder: RuntimeFolder): Promise<readonly number[]> {
  const prefix = `${basename(folder.lock)}.`
  const names = await readdir(folder.path)
  return names
    .filter(
      (name) => name.startsWith(prefix) && /^[1-9][0-9]{0,14}$/.test(name.slice(prefix.length)),
    )
    .map((name) => Number(name.slice(prefix.length)))
}

async function isNewest(folder: RuntimeFolder, number: number): Promise<boolean> {
  return (await numbers(folder)).every((other) => other <= number)
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function contents(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return undefined
  }
}

function parse(text: string | undefined): Holder | undefined {
  try {
    const { pid, started } = JSON.parse(text ?? '') as Partial<Holder>
    if (!Number.isSafeInteger(pid) || (pid as number) < 1) return undefined
    return { pid: pid as number, started: typeof started === 'string' ? started : null }
  } catch {
    return undefined
  }
}

async function alive(holder: Holder, folder: RuntimeFolder): Promise<boolean> {
  // Another container may share the folder, and its process numbers mean nothing here: so ask.
  if (await answers(folder.controlSocket)) return true
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const fields = await processFields(holder.pid)
  if (fields === undefined) return true
  // Killed, and nobody has asked for its end yet (a container without an init, say).
  if (fields[0] === 'Z' || fields[0] === 'X') return false
  return holder.started === null || fields[19] === holder.started
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
}

async function startTime(pid: number): Promise<string | null> {
  return (await processFields(pid))?.[19] ?? null
}

/** /proc/PID/stat from field 3 on; the command's name before it may hold anything, so count from its last parenthesis. */
async function processFields(pid: number): Promise<readonly string[] | undefined> {
  const stat = await contents(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function inUse(folder: RuntimeFolder, holder: Holder): PvpnError {
  return new PvpnError(
    'ERR_DENIED',
    `a gateway runs already in ${folder.path}: process ${holder.pid}`,
    { hint: 'use `pvpn reload`, end that process, or set another PVPN_RUNTIME_DIR' },
  )
}
