/**
 * The table of docs/wrap.md: what each case gives by each way, as the tests found it. Each test file
 * has a section of its own, and holds the document against its results; PVPN_WRITE_DOCS=yes writes it.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const DOCUMENT = fileURLToPath(new URL('../../../docs/wrap.md', import.meta.url))

export const WAYS = ['netns', 'preload'] as const
export type Way = (typeof WAYS)[number]

/** The ways that a run asks: PVPN_WRAP_WAYS names them, with commas; by default all that are there. */
export const ASKED: readonly Way[] = WAYS.filter((way) =>
  (process.env.PVPN_WRAP_WAYS ?? WAYS.join()).split(',').includes(way),
)

export class CaseTable {
  readonly #section: string
  readonly #rows = new Map<string, Map<Way, string>>()

  constructor(section: string) {
    this.#section = section
  }

  /** `result`: "works", or "refused" with what is said. */
  record(what: string, way: Way, result: string): void {
    const row = this.#rows.get(what) ?? new Map<Way, string>()
    this.#rows.set(what, row.set(way, result))
  }

  /** Ends the test when the document says anything else than these results. */
  hold(t: Test): void {
    const document = readFileSync(DOCUMENT, 'utf8')
    const [begin, end] = [`<!-- ${this.#section} -->\n`, `<!-- end ${this.#section} -->`]
    const [from, to] = [document.indexOf(begin), document.indexOf(end)]
    if (from < 0 || to < from) throw new Error(`docs/wrap.md has no section "${this.#section}"`)
    const start = from + begin.length
    const rows = this.#merged(document.slice(start, to))
    const table = ['| case | network namespace | preload |', '|---|---|---|', ...rows].join('\n')
    const wanted = `${document.slice(0, start)}\n${table}\n\n${document.slice(to)}`
    if (process.env.PVPN_WRITE_DOCS === 'yes') writeFileSync(DOCUMENT, wanted)
    else t.equal(document, wanted, 'docs/wrap.md (PVPN_WRITE_DOCS=yes writes it)')
  }

  /** What a way that this run did not ask has given before stays. */
  #merged(text: string): string[] {
    const before = new Map<string, string[]>()
    for (const line of text.split('\n').filter((line) => line.startsWith('| '))) {
      const [what = '', ...results] = line.slice(2, -2).split(' | ')
      before.set(what, results)
    }
    return [...this.#rows].map(([what, row]) => {
      const results = WAYS.map((way, i) => row.get(way) ?? before.get(what)?.[i] ?? '–')
      return `| ${[what, ...results].join(' | ')} |`
    })
  }
}
