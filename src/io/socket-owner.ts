/**
 * Who has the other end of a connection on this host: its user and inode, the process that holds it.
 * By the addon where there is one; else by /proc alone, slower, and nothing is known of Unix sockets.
 * What cannot be found is undefined, never guessed.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { parseIp } from '../core/ip.js'
import type { Bytes, Endpoint } from '../core/types.js'
import { accel } from '../native/accel.js'

export interface SocketIdentity {
  readonly uid: number
  readonly inode: number
}

export interface PeerProcess {
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/** Of the connected TCP socket on this host that is bound to `local` and connected to `remote`. */
export function socketIdentity(local: Endpoint, remote: Endpoint): SocketIdentity | undefined {
  const from = parseIp(local.address)
  const to = parseIp(remote.address)
  if (from === undefined || to === undefined || from.length !== to.length) return undefined
  const owner = accel()?.owner
  const out = new Float64Array(2)
  if (owner?.socketOwner(from, local.port, to, remote.port, out) === 0) {
    return identity(out[0], out[1])
  }
  const wanted = [tableEntry(from, local.port), tableEntry(to, remote.port)] as const
  // A program may use an IPv6 socket for IPv4: then it stands in the other table, as mapped.
  const mapped = [
    tableEntry(mappedAddress(from), local.port),
    tableEntry(mappedAddress(to), remote.port),
  ] as const
  return from.length === 4
    ? (inTable('/proc/net/tcp', wanted) ?? inTable('/proc/net/tcp6', mapped))
    : inTable('/proc/net/tcp6', wanted)
}

/** A socket of Node, or a LeanSocket. */
export interface AcceptedSocket {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  readonly descriptor?: number
}

/** Who connected to our Unix socket; undefined without the addon. */
export function unixPeer(socket: AcceptedSocket): PeerProcess | undefined {
  const owner = accel()?.owner
  const { _handle: handle } = socket as { _handle?: { fd?: number } }
  const fd = socket.descriptor ?? handle?.fd ?? -1
  const out = new Float64Array(3)
  if (owner === undefined || fd < 0 || owner.peerCredentials(fd, out) !== 0) return undefined
  const [pid = 0, uid = 0, gid = 0] = out
  // A process of another PID namespace shows as 0.
  return { pid, uid, gid }
}

/** Which of the process's descriptors is that socket? Undefined: none, or we may not look. */
export function socketDescriptor(pid: number, inode: number): number | undefined {
  const owner = accel()?.owner
  if (owner !== undefined) {
    const found = owner.socketDescriptor(pid, inode)
    return found < 0 ? undefined : found
  }
  try {
    for (const name of readdirSync(`/proc/${pid}/fd`)) {
      if (isSocket(pid, Number(name), inode)) return Number(name)
    }
  } catch {
    // Ended, or not ours to look into.
  }
  return undefined
}

/** Is this descriptor of the process that socket, now? */
export function isSocket(pid: number, descriptor: number, inode: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/fd/${descriptor}`) === `socket:[${inode}]`
  } catch {
    return false
  }
}

function inTable(
  file: string,
  [local, remote]: readonly [string, string],
): SocketIdentity | undefined {
  let table: string
  try {
    table = readFileSync(file, 'latin1')
  } catch {
    return undefined
  }
  const at = table.indexOf(` ${local} ${remote} `)
  if (at < 0) return undefined
  // State, queues, timer, retransmissions, then user, time-out and inode.
  const fields = table.slice(at + local.length + remote.length + 3, at + 200).split(/ +/)
  return identity(Number(fields[4]), Number(fields[6]))
}

/** The kernel shows user 0 and inode 0 for a socket that no process has any more: that is nobody. */
function identity(uid: number | undefined, inode: number | undefined): SocketIdentity | undefined {
  if (uid === undefined || inode === undefined || !(inode > 0)) return undefined
  return { uid, inode }
}

/** As in /proc/net/tcp: words in the machine's (little-endian) order, hexadecimal. */
function tableEntry(address: Bytes, port: number): string {
  let text = ''
  for (let word = 0; word < address.length; word += 4) {
    for (let i = 3; i >= 0; i--) text += hex(address[word + i] ?? 0, 2)
  }
  return `${text}:${hex(port, 4)}`
}

function mappedAddress(address: Bytes): Bytes {
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...address)
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0')
}
