/** Exact figures of one process, from /proc. */
import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessFigures {
  /** CPU of all threads that live, in milliseconds. */
  readonly cpu: number
  /** How often one of its threads went to sleep by itself: how often it was woken. */
  readonly wakes: number
  /** MB (10^6 bytes): private, and its share of everything. */
  readonly uss: number
  readonly pss: number
}

export function processFigures(pid: number): ProcessFigures {
  let [cpu, wakes] = [0, 0]
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${task}`
    cpu += Number(readFileSync(`${folder}/schedstat`, 'utf8').split(' ')[0]) / 1e6
    const status = readFileSync(`${folder}/status`, 'utf8')
    wakes += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0)
  }
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const mb = (key: string) =>
    (Number(new RegExp(`^${key}: +(\\d+)`, 'm').exec(rollup)?.[1] ?? 0) * 1024) / 1e6
  return { cpu, wakes, uss: mb('Private_Clean') + mb('Private_Dirty'), pss: mb('Pss') }
}
