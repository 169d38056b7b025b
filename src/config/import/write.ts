/** Writing what an import makes: private, whole or not at all, and over nobody's file. */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  fchownSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { PvpnError } from '../../core/errors.js'
import { readBounded } from '../files.js'
import { MAX_TUNNEL_FILE_BYTES } from '../limits.js'
import { numbered } from './name.js'

/** Runs `write`; what the file system refuses becomes a PvpnError (status 1). */
export function explainWrites<T>(write: () => T): T {
  try {
    return write()
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    throw new PvpnError('ERR_DENIED', `can't write ${path ?? 'there'} (${code})`, { cause: error })
  }
}

/** Makes the folder (and those above it) 0700; one that is there stays as it is. */
export function makeFolder(path: string): void {
  // Not by `recursive`: Node (20) turns in circles for ever where a parent exists and yet says ENOENT, as in /proc.
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    makeFolder(dirname(path))
    mkdirSync(path, { mode: 0o700 })
  }
}

/** The new file's bytes under a name of its own beside `path`, 0600, on disk. */
function writeBeside(path: string, bytes: Uint8Array): string {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const fd = openSync(temporary, 'wx', 0o600)
  try {
    let done = 0
    while (done < bytes.length) done += writeSync(fd, bytes, done)
    fsyncSync(fd)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  } finally {
    closeSync(fd)
  }
  return temporary
}

/** The file that a link leads to: that one is replaced, not the link. */
function behindLink(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** Replaces (or makes) the file in one step, 0600; it stays its owner's. */
export function replaceFile(path: string, bytes: Uint8Array): void {
  const target = behindLink(path)
  const temporary = writeBeside(target, bytes)
  try {
    keepOwner(target, temporary)
    renameSync(temporary, target)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** Root editing somebody's file must not take it away from them. */
function keepOwner(target: string, temporary: string): void {
  const owner = statSync(target, { throwIfNoEntry: false })
  if (owner === undefined || process.getuid?.() !== 0 || owner.uid === 0) return
  const fd = openSync(temporary, 'r')
  try {
    fchownSync(fd, owner.uid, owner.gid)
  } finally {
    closeSync(fd)
  }
}

export interface Copy {
  /** File name inside the folder. */
  readonly name: string
  /** False: the same file was there already. */
  readonly made: boolean
}

/** What `copyBeside` would do; takes the first of `wanted`, `wanted-2`, … that is free or the same. */
export function planCopy(folder: string, wanted: string, bytes: Uint8Array): Copy {
  for (const name of numbered(wanted)) {
    const found = readBounded(join(folder, name), MAX_TUNNEL_FILE_BYTES)
    if (typeof found !== 'string' && Buffer.compare(found.bytes, bytes) === 0) {
      return { name, made: false }
    }
    const free = statSync(join(folder, name), { throwIfNoEntry: false }) === undefined
    if (free) return { name, made: true }
  }
  throw new PvpnError('ERR_INTERNAL', 'no name is free')
}

/** Puts the bytes into `folder`, 0600, under a name that no different file has. */
export function copyBeside(folder: string, wanted: string, bytes: Uint8Array): Copy {
  for (;;) {
    const copy = planCopy(folder, wanted, bytes)
    const path = join(folder, copy.name)
    if (!copy.made) {
      if ((statSync(path).mode & 0o777) !== 0o600) chmodSync(path, 0o600)
      return copy
    }
    const temporary = writeBeside(path, bytes)
    try {
      // link, unlike rename, fails when somebody was quicker.
      linkSync(temporary, path)
      return copy
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    } finally {
      rmSync(temporary, { force: true })
    }
  }
}

/** Takes back what `copyBeside` made. */
export function removeCopy(folder: string, copy: Copy): void {
  if (copy.made) rmSync(join(folder, copy.name), { force: true })
}
