/** CPU time and memory of processes and everything below them, from /proc. */
import { readdirSync, readFileSync } from 'node:fs'

const TICKS = 100 // USER_HZ, fixed in the kernel's interface (getconf CLK_TCK)

export interface Memory {
  /** Proportional set size of all, MB (10^6 bytes). */
  readonly pss: number
  /** Private memory (unique set size) of the largest process, MB. */
  readonly uss: number
}

/** Process ids of the trees. */
export function processTree(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>()
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    if (!Number.isInteger(pid)) continue
    const parent = Number(statFields(pid)?.[1])
    children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  const tree: number[] = []
  const todo = [...roots]
  for (let pid = todo.pop(); pid !== undefined; pid = todo.pop()) {
    tree.push(pid)
    todo.push(...(children.get(pid) ?? []))
  }
  return tree
}

/** User and system seconds of the trees, ended children of their members included. */
export function cpuSeconds(roots: readonly number[]): number {
  let ticks = 0
  for (const pid of processTree(roots)) {
    const f = statFields(pid)
    if (f !== undefined) ticks += Number(f[11]) + Number(f[12]) + Number(f[13]) + Number(f[14])
  }
  return ticks / TICKS
}

export function memory(roots: readonly number[]): Memory {
  let pss = 0
  let uss = 0
  for (const pid of processTree(roots)) {
    try {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
      const kib = (key: string) =>
        Number(new RegExp(`^${key}: +(\\d+)`, 'm').exec(rollup)?.[1] ?? 0)
      pss += kib('Pss')
      uss = Math.max(uss, kib('Private_Clean') + kib('Private_Dirty'))
    } catch {
      // The process ended while we looked.
    }
  }
  return { pss: (pss * 1024) / 1e6, uss: (uss * 1024) / 1e6 }
}

/** Fields of /proc/PID/stat from `state` on; undefined when the process has ended. */
function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
