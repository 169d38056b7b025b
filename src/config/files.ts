/** Reading files that a configuration names: bounded, regular files only, and who else may read them. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

export interface FoundFile {
  readonly bytes: Uint8Array
  /** Permission bits; without those of the group where the file is root's and was given to us by its group. */
  readonly mode: number
}

/** The file's bytes, or in words why not (to follow the file's name). Never blocks on a FIFO or device. */
export function readBounded(path: string, most: number): FoundFile | string {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    return reason(error)
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) return 'is not a regular file'
    if (stat.size > most) return `is larger than ${most} bytes`
    const bytes = new Uint8Array(most + 1)
    let length = 0
    for (;;) {
      const read = readSync(fd, bytes, length, bytes.length - length, null)
      length += read
      if (length > most) return `is larger than ${most} bytes`
      if (read === 0) return { bytes: bytes.slice(0, length), mode: permissions(stat) }
    }
  } catch (error) {
    return reason(error)
  } finally {
    closeSync(fd)
  }
}

/**
 * A file of root's that its group may read, read by somebody else, is how secrets are handed to one
 * unprivileged user (Kubernetes' fsGroup does it so): the group is no "other" then.
 */
function permissions(stat: { readonly uid: number; readonly mode: number }): number {
  const given = stat.uid === 0 && process.getuid?.() !== 0
  return stat.mode & (given ? 0o737 : 0o777)
}

/** In words why the file can't be read (to follow its name), or undefined when it can. */
export function unreadable(path: string): string | undefined {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const regular = fstatSync(fd).isFile()
    closeSync(fd)
    return regular ? undefined : 'is not a regular file'
  } catch (error) {
    return reason(error)
  }
}

function reason(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'does not exist'
    case 'EACCES':
    case 'EPERM':
      return 'can not be read: permission denied'
    default:
      return `can not be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`
  }
}

/** May anybody but the owner read it? */
export function othersCanRead(mode: number): boolean {
  return (mode & 0o044) !== 0
}

/** May the owner alone do anything with it? */
export function isPrivate(mode: number): boolean {
  return (mode & 0o077) === 0
}

/** UTF-8 text without byte order mark; undefined when the bytes are no text. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}
