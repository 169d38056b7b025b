/** Which test file begins next: the longest first, while what runs leaves it room on the processors. */

export interface Cost {
  /** How long it takes alone on a quiet machine. */
  readonly seconds: number
  /** Processors that it keeps busy meanwhile, on average: near 0 for one that waits. */
  readonly cores: number
}

/** Files at once for each processor, however little they work: time-outs are to fail nothing. */
const MOST_PER_CORE = 3

/**
 * The index in `waiting` of the file to begin now; undefined: none before one of `running` ends. Something
 * always runs, even what wants more than the machine has.
 */
export function nextFile(
  waiting: readonly Cost[],
  running: readonly Cost[],
  cores: number,
): number | undefined {
  if (running.length >= MOST_PER_CORE * cores) return undefined
  const busy = running.reduce((sum, cost) => sum + cost.cores, 0)
  let chosen: number | undefined
  for (const [index, cost] of waiting.entries()) {
    // Sums of decimal fractions: 0.3 + 0.7 must fit.
    const fits = running.length === 0 || busy + cost.cores <= cores + 1e-9
    if (fits && cost.seconds > (waiting[chosen ?? -1]?.seconds ?? -1)) chosen = index
  }
  return chosen
}
