/** Reads Prometheus' text format: enough for tests of our own. */

export interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Throws for a line that is no series. */
export function parseExposition(text: string): readonly Series[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line)
      if (match === null) throw new Error(`not a series: ${line}`)
      const [, name = '', labels = '', value] = match
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)",?/g)]
      return {
        name,
        labels: Object.fromEntries(pairs.map(([, label, text]) => [label, text])),
        value: Number(value),
      }
    })
}

/** The values of all series with this name and these labels. */
export function valuesOf(
  series: readonly Series[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number[] {
  return series
    .filter((s) => s.name === name)
    .filter((s) => Object.entries(labels).every(([label, text]) => s.labels[label] === text))
    .map(({ value }) => value)
}
