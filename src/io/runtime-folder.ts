/**
 * The gateway's runtime folder: where its control socket, its token and its lock are. Only the owner
 * can look into it, which is what the control socket's trust rests on. Folders in /tmp can be made by
 * anybody: nothing is believed that was not checked.
 */
import { randomBytes } from 'node:crypto'
import { chmod, lstat, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { PvpnError } from '../core/errors.js'

/** Longest path of a Unix socket on Linux, in bytes (sun_path less its zero). */
const SOCKET_PATH_MOST = 107

export interface RuntimeFolder {
  readonly path: string
  readonly controlSocket: string
  readonly token: string
  readonly lock: string
}

/** `$PVPN_RUNTIME_DIR`, else `$XDG_RUNTIME_DIR/pvpn`, else `/run/pvpn` for root, else `/tmp/pvpn-$UID`. */
export function runtimeFolder(
  env: Readonly<Record<string, string | undefined>> = process.env,
  uid: number = userId(),
): RuntimeFolder {
  const path = env.PVPN_RUNTIME_DIR
    ? resolve(env.PVPN_RUNTIME_DIR)
    : env.XDG_RUNTIME_DIR
      ? join(env.XDG_RUNTIME_DIR, 'pvpn')
      : uid === 0
        ? '/run/pvpn'
        : `/tmp/pvpn-${uid}`
  return {
    path,
    controlSocket: join(path, 'control.sock'),
    token: join(path, 'token'),
    lock: join(path, 'lock'),
  }
}

/**
 * Makes the folder when there is none, and makes sure that it is a real folder of ours which nobody
 * else can enter. ERR_CONFIG otherwise.
 */
export async function makeRuntimeFolder(folder: RuntimeFolder): Promise<void> {
  if (Buffer.byteLength(folder.controlSocket) > SOCKET_PATH_MOST) {
    throw refused(
      folder,
      'its path is too long for a socket',
      'set PVPN_RUNTIME_DIR to a shorter one',
    )
  }
  try {
    await makeFolders(folder.path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EEXIST') {
      throw refused(
        folder,
        `it can't be made (${code})`,
        'set PVPN_RUNTIME_DIR to a folder of yours',
      )
    }
  }
  const found = await lstat(folder.path)
  if (!found.isDirectory())
    throw refused(folder, found.isSymbolicLink() ? 'it is a link' : 'it is no folder')
  if (found.uid !== userId()) throw refused(folder, `it belongs to user ${found.uid}`)
  // The sticky bit marks a folder that is meant to be shared, as /tmp itself: not to be taken over.
  if ((found.mode & 0o1000) !== 0) throw refused(folder, 'it is shared with others')
  if ((found.mode & 0o777) !== 0o700) await chmod(folder.path, 0o700)
}

/**
 * Makes the folder and what is missing above it. Not by `recursive`: Node (20) turns in circles for
 * ever where a parent exists and yet says ENOENT, as in /proc.
 */
async function makeFolders(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    await makeFolders(dirname(path)).catch((above: NodeJS.ErrnoException) => {
      if (above.code !== 'EEXIST') throw above
    })
    await mkdir(path, { mode: 0o700 })
  }
}

/** Is it safe to talk to the control socket in there? ERR_CONFIG when somebody else may have put it there; false: no folder. */
export async function checkRuntimeFolder(folder: RuntimeFolder): Promise<boolean> {
  let found: Awaited<ReturnType<typeof lstat>>
  try {
    found = await lstat(folder.path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return false
    throw refused(folder, `it can't be read (${code})`)
  }
  if (!found.isDirectory())
    throw refused(folder, found.isSymbolicLink() ? 'it is a link' : 'it is no folder')
  // Root may look after somebody else's gateway; nobody else may be sent to a stranger's.
  if (found.uid !== userId() && userId() !== 0)
    throw refused(folder, `it belongs to user ${found.uid}`)
  return true
}

/** Writes a new bearer token (0600), in one step, and returns it. */
export async function writeToken(folder: RuntimeFolder): Promise<string> {
  const token = randomBytes(32).toString('base64url')
  const fresh = `${folder.token}.${process.pid}.${randomBytes(6).toString('hex')}`
  await writeFile(fresh, `${token}\n`, { mode: 0o600, flag: 'wx' })
  await rename(fresh, folder.token)
  return token
}

/** Takes a file away; none is fine. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true })
}

function userId(): number {
  return process.getuid?.() ?? 0
}

function refused(folder: RuntimeFolder, why: string, hint?: string): PvpnError {
  return new PvpnError('ERR_CONFIG', `the runtime folder ${folder.path} can't be used: ${why}`, {
    hint: hint ?? 'set PVPN_RUNTIME_DIR to a folder of yours',
  })
}
