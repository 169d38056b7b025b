/** What failed in a TAP file (version 14: subtests are indented by four and stand before their test point). */

/** Lines of a failed assertion's details that are kept. */
const DETAIL = 40

export interface Failure {
  /** The assertion and the tests around it, outermost first. */
  readonly name: string
  /** Its YAML block without the indentation, cut at DETAIL lines. */
  readonly detail: readonly string[]
}

/** The innermost test points that are `not ok`, in the file's order. */
export function failures(tap: string): Failure[] {
  const lines = tap.split('\n')
  const found: { names: string[]; depth: number; detail: string[] }[] = []
  lines.forEach((line, i) => {
    const [, indent, name = ''] = /^( *)not ok \d+ - (.*?)(?: # time=\S+)?$/.exec(line) ?? []
    if (indent === undefined || /# (SKIP|TODO)\b/i.test(name)) return
    const depth = indent.length
    const inside = found.filter((f) => f.depth > depth)
    for (const f of inside) {
      f.names.unshift(name)
      f.depth = depth
    }
    if (inside.length === 0) {
      found.push({ names: [name], depth, detail: yamlBlock(lines, i + 1, `${indent}  `) })
    }
  })
  return found.map(({ names, detail }) => ({ name: names.join(' > '), detail }))
}

function yamlBlock(lines: readonly string[], start: number, indent: string): string[] {
  if (lines[start] !== `${indent}---`) return []
  const end = lines.indexOf(`${indent}...`, start)
  if (end < 0) return []
  return lines
    .slice(start + 1, Math.min(end, start + 1 + DETAIL))
    .map((l) => l.slice(indent.length))
}
