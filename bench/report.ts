/** Medians, spreads and the table. */
import type { Figures } from './lab/measure.js'

export interface Row {
  readonly path: string
  readonly case: string
  readonly contestant: string
  readonly runs: Figures[]
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/** A Markdown table: one line a case and contestant, each figure as median (least–most). */
export function table(rows: readonly Row[]): string {
  const lines = ['| path | case | contestant | figures: median (least–most) |', '|---|---|---|---|']
  for (const { path, case: name, contestant, runs } of rows) {
    const figures = Object.keys(runs[0] ?? {}).map((key) => {
      const values = runs.map((run) => run[key] as number)
      return `${key} **${short(median(values))}** (${short(Math.min(...values))}–${short(Math.max(...values))})`
    })
    lines.push(`| ${path} | ${name} | ${contestant} | ${figures.join(', ')} |`)
  }
  return lines.join('\n')
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
