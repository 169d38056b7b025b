/**
 * The regression check: how pvpn stands to its peers in this run against how it stood in the stored
 * one. Ratios of one run, as times of different machines and hours can't be compared.
 */
import { median, type Row } from './report.js'

const OURS = 'pvpn'
/** Figures that are compared, and whether more of them is better. */
const COMPARED: Readonly<Record<string, boolean>> = {
  gbit: true,
  perSecond: true,
  cpuPerGB: false,
  cpuMsEach: false,
  p50ms: false,
}
/** By how much a ratio may be worse than the stored one: runs on one machine differ by half of this. */
export const TOLERANCE = 0.3

/** `path, case, figure, peer` to our median divided by the peer's. */
export type Ratios = Readonly<Record<string, number>>

export function ratios(rows: readonly Row[]): Ratios {
  const found: Record<string, number> = {}
  for (const ours of rows.filter((row) => row.contestant === OURS)) {
    const peers = rows.filter(
      (row) => row.contestant !== OURS && row.path === ours.path && row.case === ours.case,
    )
    for (const peer of peers) {
      for (const figure of Object.keys(COMPARED)) {
        const [mine, theirs] = [of(ours, figure), of(peer, figure)]
        if (mine === undefined || theirs === undefined || theirs === 0) continue
        const key = `${ours.path}, ${ours.case}, ${figure}, ${peer.contestant}`
        found[key] = Number((mine / theirs).toFixed(2))
      }
    }
  }
  return found
}

/** What got worse by more than the tolerance, in words; what only one of the two has is left out. */
export function regressions(now: Ratios, stored: Ratios): string[] {
  const worse: string[] = []
  for (const [key, before] of Object.entries(stored)) {
    const after = now[key]
    if (after === undefined) continue
    // Names of cases and peers have commas in them.
    const figure = key.split(', ').find((part) => part in COMPARED)
    const more = figure === undefined || COMPARED[figure] === true
    const limit = more ? before * (1 - TOLERANCE) : before * (1 + TOLERANCE)
    if (more ? after < limit : after > limit) {
      worse.push(`${key}: ${after} times the peer's, was ${before}`)
    }
  }
  return worse
}

/** Those of this run in place of the stored ones, the others as they were. */
export function merged(now: Ratios, stored: Ratios): Ratios {
  return Object.fromEntries(
    Object.entries({ ...stored, ...now }).sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

function of(row: Row, figure: string): number | undefined {
  const values = row.runs.flatMap((run) => run[figure] ?? [])
  return values.length === 0 ? undefined : median(values)
}
