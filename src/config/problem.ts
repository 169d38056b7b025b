/** What is wrong with a configuration, and where. */
import { PvpnError } from '../core/errors.js'

export interface Problem {
  /** Path as the user would type it. */
  readonly file: string
  /** From 1; 0 when the whole file is meant. */
  readonly line: number
  readonly column: number
  /** Never holds a secret. */
  readonly message: string
}

/** `FILE:LINE:COL: message`; without line and column when the whole file is meant. */
export function formatProblem(problem: Problem): string {
  const { file, line, column, message } = problem
  return line === 0 ? `${file}: ${message}` : `${file}:${line}:${column}: ${message}`
}

/** What was written, in quotes for a message, cut when it is long; what looks like a key, which may have got into the wrong place, is left out. */
export function quote(text: string): string {
  const shown = text.replace(/[A-Za-z0-9+/]{40,}=*/g, '(a key?)')
  return `"${shown.length > 80 ? `${shown.slice(0, 77)}...` : shown}"`
}

/** Problems in reading order: `first`, then file by file as they came up, each from top to bottom. */
export function sortProblems(problems: readonly Problem[], first: string): readonly Problem[] {
  const files = [...new Set([first, ...problems.map((problem) => problem.file)])]
  return [...problems].sort(
    (a, b) =>
      files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  )
}

/** A configuration that can't be used; `problems` has every reason. */
export class ConfigError extends PvpnError {
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[], options?: { hint?: string }) {
    super('ERR_CONFIG', problems.map(formatProblem).join('\n'), options)
    this.problems = problems
  }
}
