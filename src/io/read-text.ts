/** Text of a file that may be absent, bounded, regular files only. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/** The first `most` bytes as UTF-8; undefined for what can't be read. Never blocks on a FIFO or device. */
export function readText(path: string, most: number): string | undefined {
  let fd: number | undefined
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = fstatSync(fd)
    if (!stat.isFile()) return undefined
    const bytes = Buffer.alloc(Math.min(most, stat.size))
    const length = readSync(fd, bytes, 0, bytes.length, 0)
    return bytes.toString('utf8', 0, length)
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
