import { readFileSync } from 'node:fs'

/** Memory that a process shares with no other (its unique set size), in MB. */
export function privateMemory(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const kib = (key: string) => Number(new RegExp(`^${key}: +(\\d+)`, 'm').exec(rollup)?.[1] ?? 0)
  return ((kib('Private_Clean') + kib('Private_Dirty')) * 1024) / 1e6
}
