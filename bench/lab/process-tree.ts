/** CPU time and memory of a process and everything below it, from /proc. */
import { readdirSync, readFileSync } from 'node:fs'

const TICKS = 100 // USER_HZ, fixed in the kernel's interface (getconf CLK_TCK)

/** Process ids of the tree, the root first. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    if (!Number.isInteger(pid)) continue
    const parent = Number(statFields(pid)?.[1])
    children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  const tree: number[] = []
  const todo = [root]
  for (let pid = todo.pop(); pid !== undefined; pid = todo.pop()) {
    tree.push(pid)
    todo.push(...(children.get(pid) ?? []))
  }
  return tree
}

/** User and system seconds of the tree, ended children of its members included. */
export function cpuSeconds(root: number): number {
  let ticks = 0
  for (const pid of processTree(root)) {
    const f = statFields(pid)
    if (f !== undefined) ticks += Number(f[11]) + Number(f[12]) + Number(f[13]) + Number(f[14])
  }
  return ticks / TICKS
}

/** Proportional set size of the tree, MB (10^6 bytes). */
export function pssMegabytes(root: number): number {
  let kib = 0
  for (const pid of processTree(root)) {
    try {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
      kib += Number(/^Pss: +(\d+)/m.exec(rollup)?.[1] ?? 0)
    } catch {
      // The process ended while we looked.
    }
  }
  return (kib * 1024) / 1e6
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
