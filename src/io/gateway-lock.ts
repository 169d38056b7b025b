/**
 * One gateway per runtime folder. The lock is a file that names its holder; a hard link makes taking
 * it atomic. A holder is gone when its process is, or when the number belongs to another process
 * by now (start times differ) and nobody answers on the control socket.
 */
import { randomBytes } from 'node:crypto'
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { PvpnError } from '../core/errors.js'
import type { RuntimeFolder } from './runtime-folder.js'

/** Tries before giving up when others break and take the same stale lock at the same time. */
const TRIES = 8

export interface GatewayLock {
  /** Do we still hold it? Asked once the control socket is bound: two that broke a stale lock together end here. */
  held(): Promise<boolean>
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
  const draft = `${folder.lock}.${process.pid}.${randomBytes(6).toString('hex')}`
  await writeFile(draft, own, { mode: 0o600, flag: 'wx' })
  try {
    for (let i = 0; i < TRIES; i++) {
      if (await linked(draft, folder.lock)) return lockOf(folder, own)
      const found = await contents(folder.lock)
      if (found === undefined) continue
      const holder = parse(found)
      if (holder !== undefined && (await alive(holder, folder))) throw inUse(folder, holder)
      await breakStale(folder, found)
    }
  } finally {
    await unlink(draft)
  }
  throw new PvpnError('ERR_CONFIG', `can't take the lock in ${folder.path}`)
}

function lockOf(folder: RuntimeFolder, own: string): GatewayLock {
  const held = async () => (await contents(folder.lock)) === own
  return {
    held,
    async release() {
      if (await held()) await unlink(folder.lock)
    },
  }
}

/** Takes the stale file away; when it was another one by then, puts that back. */
async function breakStale(folder: RuntimeFolder, stale: string): Promise<void> {
  const aside = `${folder.lock}.${process.pid}.stale`
  try {
    await rename(folder.lock, aside)
  } catch {
    return // somebody else was first
  }
  if ((await contents(aside)) !== stale) await linked(aside, folder.lock)
  await unlink(aside)
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

function parse(text: string): Holder | undefined {
  try {
    const { pid, started } = JSON.parse(text) as Partial<Holder>
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
  const now = await startTime(holder.pid)
  return now === null || holder.started === null || now === holder.started
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

/** Field 22 of /proc/PID/stat; the command's name before it may hold anything, so count from its last parenthesis. */
async function startTime(pid: number): Promise<string | null> {
  const stat = await contents(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
}

function inUse(folder: RuntimeFolder, holder: Holder): PvpnError {
  return new PvpnError(
    'ERR_DENIED',
    `a gateway runs already in ${folder.path}: process ${holder.pid}`,
    { hint: 'use `pvpn reload`, end that process, or set another PVPN_RUNTIME_DIR' },
  )
}
