/**
 * Gives memory back when a process has nothing to do: garbage of its start or of a load, the heap's young
 * generation (which grows to tens of MB and stays), free memory of malloc, and big buffers' pages. It has no
 * timer: whoever beats regularly anyway asks it to look. CPU time tells whether there was anything.
 */
import { performance } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { Bytes, Millis } from '../core/types.js'
import { accel } from '../native/accel.js'
import {
  FREED_MEMORY_KEPT,
  RELEASE_AFTER,
  RELEASE_HEAP_MOST,
  RELEASE_INTERVAL,
  RELEASE_QUIET,
  RELEASE_SHARE,
} from './limits.js'
import { rawMemory } from './raw-memory.js'

export interface IdleMemoryOptions {
  /** Default: the addon's; without it nothing is ever done. */
  readonly release?: (() => void) | undefined
  /** Milliseconds of CPU that the process has used. */
  readonly cpu?: () => Millis
  readonly now?: () => Millis
  /** Bytes of the heap in use, garbage not yet found included. */
  readonly heap?: () => number
}

/** Buffers whose content nobody needs between two turns of the event loop. */
const scratch = new Set<Bytes>()

/** From now on the buffer's pages may go, and it may read as zeros, whenever the process is idle. */
export function addScratch(bytes: Bytes): void {
  scratch.add(bytes)
}

/**
 * Keeps what a load frees at hand until the process is idle: a buffer of received data is freed with the
 * next collection of garbage, and a page that goes back to the kernel each time costs more than what was
 * received into it. For who has an `IdleMemory`. False: it can't be done here.
 */
export function keepFreedMemory(): boolean {
  return accel()?.memory?.keepMemory?.(FREED_MEMORY_KEPT) ?? false
}

export class IdleMemory {
  readonly #release: (() => void) | undefined
  readonly #cpu: () => Millis
  readonly #now: () => Millis
  readonly #heap: () => number
  #looked: { readonly at: Millis; readonly cpu: Millis } | undefined
  /** CPU time at the end of the last release, and what that took. */
  #released: Millis = 0
  #cost: Millis = 0

  constructor(options: IdleMemoryOptions = {}) {
    this.#release = options.release ?? releaseByAddon()
    this.#cpu = options.cpu ?? processCpu
    this.#now = options.now ?? (() => performance.now())
    this.#heap = options.heap ?? (() => getHeapStatistics().used_heap_size)
  }

  /**
   * To be called now and then. Releases when the time since the last call was quiet and there was
   * something to do before; what that costs stays a small share of what the process does.
   */
  look(): void {
    if (this.#release === undefined) return
    const [at, cpu] = [this.#now(), this.#cpu()]
    const before = this.#looked
    if (before !== undefined && at - before.at < RELEASE_INTERVAL) return
    this.#looked = { at, cpu }
    if (before === undefined || cpu - before.cpu > (at - before.at) * RELEASE_QUIET) return
    if (cpu - this.#released < Math.max(RELEASE_AFTER, this.#cost / RELEASE_SHARE)) return
    // A heap full of connections: collecting would hold them all up for too long.
    if (this.#heap() > RELEASE_HEAP_MOST) return
    this.#release()
    this.#released = this.#cpu()
    this.#cost = this.#released - cpu
  }
}

function releaseByAddon(): (() => void) | undefined {
  const memory = accel()?.memory
  if (memory === undefined) return undefined
  return () => {
    rawMemory.forget()
    for (const bytes of scratch) memory.releasePages(bytes)
    memory.releaseMemory()
  }
}

function processCpu(): Millis {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
