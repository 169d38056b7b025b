/**
 * Who is at the other end of a client's connection. Looked up only when a rule wants to know, and at
 * most once for a connection. A process that has ended, or that we may not look into, is unknown.
 */
import { plainAddress } from '../core/listen-address.js'
import {
  type AcceptedSocket,
  isSocket,
  socketDescriptor,
  socketIdentity,
  unixPeer,
} from '../io/socket-owner.js'
import { Accounts } from './accounts.js'
import type { Caller } from './engine.js'
import { ANCESTORS_MOST, RECENT_PROCESSES } from './limits.js'
import { isBrowser, type PacReader } from './pac.js'
import { executable, ownedBy, processes, processGroups, processRow } from './processes.js'

interface Owner {
  readonly pid: number | undefined
  readonly uid: number
}

/** A process that had a connection before: the next one is probably its too, with a descriptor near by. */
interface Recent {
  readonly pid: number
  descriptor: number
}

export interface ObservedCaller extends Caller {
  /** What was found out so far; nothing is looked up for it. */
  readonly seen: { readonly program: string | undefined; readonly user: string | undefined }
}

export class Callers {
  readonly #accounts: Accounts
  readonly #recent: Recent[] = []

  constructor(accounts = new Accounts()) {
    this.#accounts = accounts
  }

  /** As a person describes one: for `pvpn explain`. */
  described(program: string | undefined, user: string | undefined): Caller {
    const uid = user === undefined ? undefined : this.#accounts.uid(user)
    const groups = uid === undefined ? [] : this.#accounts.groupsOf(uid)
    const names = uid === undefined ? [] : this.#accounts.userNames(uid)
    return {
      program,
      ancestors: [],
      users: user === undefined ? [] : [user, ...names],
      groups: this.#accounts.groupNames(groups),
    }
  }

  /** Who reads a PAC file on this connection. A program that is no browser fetches it for somebody's browser. */
  reader(socket: AcceptedSocket): PacReader {
    return asReader(this.of(socket))
  }

  /** This process, likewise. */
  self(): PacReader {
    const users = this.#accounts.userNames(process.getuid?.() ?? 0)
    return { users, groups: this.#accounts.groupNames(process.getgroups?.() ?? []) }
  }

  /** `user` is the proxy user that has given a password: rules with `user` mean it as well. */
  of(socket: AcceptedSocket, user?: string): ObservedCaller {
    return new SocketCaller(this.#accounts, () => this.#owner(socket), user)
  }

  #owner(socket: AcceptedSocket): Owner | undefined {
    const { remoteAddress, remotePort, localAddress, localPort } = socket
    if (remoteAddress === undefined || localAddress === undefined) {
      const peer = unixPeer(socket)
      if (peer === undefined) return undefined
      return { pid: peer.pid > 0 ? peer.pid : undefined, uid: peer.uid }
    }
    const identity = socketIdentity(
      { address: plainAddress(remoteAddress), port: remotePort ?? 0 },
      { address: plainAddress(localAddress), port: localPort ?? 0 },
    )
    if (identity === undefined) return undefined
    const { uid, inode } = identity
    return { pid: this.#holder(uid, inode), uid }
  }

  #holder(uid: number, inode: number): number | undefined {
    for (const recent of this.#recent) {
      const next = [recent.descriptor + 1, recent.descriptor, recent.descriptor + 2]
      const hit = next.find((descriptor) => isSocket(recent.pid, descriptor, inode))
      if (hit !== undefined) return this.#found(recent.pid, hit, inode)
    }
    const tried = new Set<number>()
    for (const pid of this.#candidates(uid)) {
      if (tried.has(pid)) continue
      tried.add(pid)
      const descriptor = socketDescriptor(pid, inode)
      if (descriptor !== undefined) return this.#found(pid, descriptor, inode)
    }
    return undefined
  }

  /** Lazily, because the first one is it most often. */
  *#candidates(uid: number): Generator<number> {
    yield* this.#recent.map(({ pid }) => pid).filter((pid) => ownedBy(pid, uid))
    const all = processes()
    yield* all.filter((pid) => ownedBy(pid, uid))
    // A process that may not be dumped shows as root's.
    yield* all
  }

  /** A child may have inherited it: the socket is the program's that had it first. */
  #found(pid: number, descriptor: number, inode: number): number {
    let first = { pid, descriptor }
    for (let i = 0; i < ANCESTORS_MOST; i++) {
      const parent = processRow(first.pid)?.parent ?? 0
      const held = parent > 0 ? socketDescriptor(parent, inode) : undefined
      if (held === undefined) break
      first = { pid: parent, descriptor: held }
    }
    const at = this.#recent.findIndex((recent) => recent.pid === first.pid)
    if (at >= 0) this.#recent.splice(at, 1)
    this.#recent.unshift(first)
    if (this.#recent.length > RECENT_PROCESSES) this.#recent.pop()
    return first.pid
  }
}

function asReader({ program: path, ancestors, users, groups }: Caller): PacReader {
  return {
    ...(path === undefined || !isBrowser(path) ? {} : { program: { path, ancestors } }),
    // Nobody is found where the kernel does not say: from another host, say.
    ...(users.length === 0 ? {} : { users, groups }),
  }
}

class SocketCaller implements ObservedCaller {
  readonly #accounts: Accounts
  readonly #find: () => Owner | undefined
  readonly #user: string | undefined
  #owner: Owner | undefined
  #looked = false
  #program: string | undefined
  #ancestors: readonly string[] | undefined

  constructor(accounts: Accounts, find: () => Owner | undefined, user: string | undefined) {
    this.#accounts = accounts
    this.#find = find
    this.#user = user
  }

  get program(): string | undefined {
    return this.#known()?.pid === undefined ? undefined : this.#program
  }

  get ancestors(): readonly string[] {
    const pid = this.#known()?.pid
    if (pid === undefined) return []
    this.#ancestors ??= ancestorsOf(pid)
    return this.#ancestors
  }

  get users(): readonly string[] {
    const uid = this.#known()?.uid
    const names = uid === undefined ? [] : this.#accounts.userNames(uid)
    return this.#user === undefined ? names : [...names, this.#user]
  }

  get groups(): readonly string[] {
    const owner = this.#known()
    if (owner === undefined) return []
    const own = owner.pid === undefined ? undefined : processGroups(owner.pid)
    return this.#accounts.groupNames(own ?? this.#accounts.groupsOf(owner.uid))
  }

  get seen(): { program: string | undefined; user: string | undefined } {
    const uid = this.#owner?.uid
    const user = uid === undefined ? undefined : this.#accounts.userNames(uid)[0]
    return { program: this.#program, user: this.#user ?? user }
  }

  #known(): Owner | undefined {
    if (this.#looked) return this.#owner
    this.#looked = true
    this.#owner = this.#find()
    if (this.#owner?.pid !== undefined) this.#program = executable(this.#owner.pid)
    return this.#owner
  }
}

/** A parent started before its child: a number that was given anew shows by that. */
function ancestorsOf(pid: number): readonly string[] {
  const paths: string[] = []
  let row = processRow(pid)
  for (let i = 0; i < ANCESTORS_MOST && row !== undefined && row.parent > 0; i++) {
    const parent = processRow(row.parent)
    if (parent === undefined || parent.started > row.started) break
    const path = executable(row.parent)
    if (path !== undefined) paths.push(path)
    row = parent
  }
  return paths
}
