/** What specs (spec.ts) read from and report to: one configuration file being looked at. */
import { MAX_CONFIG_VALUES, MAX_PROBLEMS } from './limits.js'
import type { Place } from './place.js'
import { type Problem, quote } from './problem.js'
import type { Source, YamlNode } from './yaml.js'

/** Collects problems and warnings of one configuration, bounded. */
export class Report {
  readonly problems: Problem[] = []
  readonly warnings: Problem[] = []
  readonly #said = new Set<string>()

  problem(place: Place, message: string): void {
    this.#add(this.problems, place, message)
  }

  warning(place: Place, message: string): void {
    this.#add(this.warnings, place, message)
  }

  #add(list: Problem[], { file, line, column }: Place, message: string): void {
    // Two environments may use one file: what is wrong in it is said once.
    const key = `${file}:${line}:${column}:${message}`
    if (list.length > MAX_PROBLEMS || this.#said.has(key)) return
    this.#said.add(key)
    const full = list.length === MAX_PROBLEMS
    const left = { file, line: 0, column: 0, message: 'more of the kind is left out' }
    list.push(full ? left : { file, line, column, message })
  }
}

/** Walks the nodes of one file. */
export class Reader {
  readonly report: Report
  readonly #source: Source
  #budget = MAX_CONFIG_VALUES
  #subject = 'the file'
  readonly #path: string[] = []

  constructor(source: Source, report: Report) {
    this.#source = source
    this.report = report
  }

  place(node: YamlNode): Place {
    return this.#source.place(node)
  }

  /** A message that begins with "is" or "must" is about the key being read, which is put in front. */
  problem(at: YamlNode | Place, message: string): undefined {
    const whole = /^(is|must) /.test(message) ? `${this.#subject} ${message}` : message
    this.report.problem('line' in at ? at : this.place(at), whole)
    return undefined
  }

  /** Reads the value of `key`. */
  under<T>(key: string, read: () => T): T {
    const before = this.#subject
    this.#subject = quote(key)
    this.#path.push(key)
    const value = read()
    this.#path.pop()
    this.#subject = before
    return value
  }

  /** The keys that lead to what is being read, as they were written. */
  get path(): readonly string[] {
    return this.#path
  }

  /** The node with aliases followed; undefined (and reported) when it stands for nothing or too much was read. */
  value(node: YamlNode): YamlNode | undefined {
    if (this.#budget === 0) return undefined
    if (--this.#budget === 0) {
      return this.problem(node, `too many values (${MAX_CONFIG_VALUES}; aliases count each time)`)
    }
    const value = this.#source.value(node)
    if (value === undefined) {
      return this.problem(
        node,
        'this alias has no anchor before it; text that begins with * needs quotes',
      )
    }
    return value
  }
}
