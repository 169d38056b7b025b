/** How failures look on standard error: one line each, then a hint; a stack only at debug. */
import { ConfigError, formatProblem } from '../config/problem.js'
import { type PvpnError, toPvpnError } from '../core/errors.js'
import type { LogLevel } from '../core/log.js'

/** Control characters, which could move the cursor or split a line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g

/** Text on one line, without control characters. */
export function oneLine(text: string): string {
  return text.replace(CONTROL, ' ').trim()
}

/** 2 for wrong usage or configuration, 1 for everything else. */
export function exitStatus(error: PvpnError): 1 | 2 {
  return error.code === 'ERR_CONFIG' ? 2 : 1
}

/** The lines for standard error, each ended by a newline. */
export function describeFailure(thrown: unknown, level: LogLevel): string {
  const error = toPvpnError(thrown)
  const lines =
    error instanceof ConfigError && error.problems.length > 0
      ? error.problems.map((problem) => oneLine(formatProblem(problem)))
      : [`pvpn: ${oneLine(error.message)}`]
  const hint =
    error.hint ??
    (error.code === 'ERR_INTERNAL' && !isSystemError(error.cause ?? thrown)
      ? 'this looks like a defect of pvpn; --log-level debug shows where it happened'
      : undefined)
  if (hint !== undefined) lines.push(`hint: ${oneLine(hint)}`)
  if (level === 'debug') {
    const origin = error.cause instanceof Error ? error.cause : error
    if (origin.stack !== undefined) lines.push(origin.stack)
  }
  return `${lines.join('\n')}\n`
}

/** A full disk, a missing right: named by the operating system, and no defect of ours. */
function isSystemError(thrown: unknown): boolean {
  return thrown instanceof Error && 'syscall' in thrown && 'errno' in thrown
}
