/** The folders of browsers: one for each environment and program, which nobody else can read. */
import { lstat, mkdir, mkdtemp, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises'
import { homedir, hostname } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { PvpnError } from '../../core/errors.js'
import type { JsonObject, JsonValue, ProfileFile } from './contract.js'
import type { BrowserProgram } from './programs.js'

/** Holds `profile`, the start page, and what the running browser was told. */
export interface BrowserFolder {
  readonly path: string
  readonly profile: string
  readonly startPage: string
}

/** `$XDG_DATA_HOME/pvpn/browser/ENV/PROGRAM`; a snap's below its own folder. */
export function browserFolder(
  environment: string,
  program: BrowserProgram,
  env: Readonly<Record<string, string | undefined>> = process.env,
): BrowserFolder {
  const home = env.HOME || homedir()
  const base =
    program.snap === undefined
      ? join(resolve(env.XDG_DATA_HOME || join(home, '.local/share')), 'pvpn', 'browser')
      : join(home, 'snap', program.snap, 'common', 'pvpn-browser')
  return folderAt(join(base, environment, program.name.replace(/[^\w.-]/g, '_')))
}

/** Beside it, for one time; to be removed by the caller. */
export async function freshFolder(kept: BrowserFolder): Promise<BrowserFolder> {
  await makeFolder(dirname(kept.path))
  return folderAt(await mkdtemp(join(dirname(kept.path), 'fresh-')))
}

function folderAt(path: string): BrowserFolder {
  return { path, profile: join(path, 'profile'), startPage: join(path, 'start.html') }
}

/** ERR_CONFIG when it can't be made, or is somebody else's. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new PvpnError('ERR_CONFIG', `the folder ${path} can't be made: ${codeOf(error)}`, {
      cause: error,
      hint: 'set XDG_DATA_HOME to a folder of yours',
    })
  }
  const { uid, mode } = await lstat(path)
  if (uid !== process.getuid?.() || (mode & 0o077) !== 0) {
    throw new PvpnError('ERR_CONFIG', `the folder ${path} is open to others`, {
      hint: `chmod 700 ${path}, or remove it`,
    })
  }
}

export async function removeFolder(folder: BrowserFolder): Promise<void> {
  await rm(folder.path, { recursive: true, force: true, maxRetries: 5 })
}

/** Writes them below `profile`. Only to be done while no browser runs on it. */
export async function writeProfile(profile: string, files: readonly ProfileFile[]): Promise<void> {
  for (const { path, content, once } of files) {
    const file = join(profile, path)
    await makeFolder(dirname(file))
    const before = await textOf(file)
    if (before !== undefined && once === true) continue
    await writeWhole(file, typeof content === 'string' ? content : merged(before, content))
  }
}

/** A browser that is killed while it reads finds the old file or the new one. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const next = `${file}.pvpn`
  await writeFile(next, text, { mode: 0o600 })
  await rename(next, file)
}

export async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The process that has the profile open: a link that both families make, `HOST-PID` or `ADDRESS:+PID`. */
export async function browserOn(profile: string): Promise<number | undefined> {
  for (const name of ['SingletonLock', 'lock']) {
    let link: string
    try {
      link = await readlink(join(profile, name))
    } catch {
      continue
    }
    const [, place = '', digits = ''] = /^(.*?)(?:-|:\+?)(\d+)$/.exec(link) ?? []
    const pid = Number(digits)
    const elsewhere = name === 'SingletonLock' && place !== hostname()
    if (elsewhere || (pid > 0 && lives(pid))) return pid
  }
  return undefined
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/** What cannot be read as an object is replaced. */
function merged(before: string | undefined, content: JsonObject): string {
  let old: JsonValue = {}
  try {
    old = JSON.parse(before ?? '{}') as JsonValue
  } catch {
    // A browser would begin anew as well.
  }
  return JSON.stringify(merge(isObject(old) ? old : {}, content))
}

function merge(old: JsonObject, more: JsonObject): JsonObject {
  const out: Record<string, JsonValue> = { ...old }
  for (const [name, value] of Object.entries(more)) {
    const before = Object.hasOwn(out, name) ? out[name] : undefined
    out[name] = isObject(value) ? merge(isObject(before) ? before : {}, value) : value
  }
  return out
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
