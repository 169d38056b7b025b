/** Logs on standard error: lines for people on a terminal, JSON otherwise. */
import { type DestinationStream, destination, pino, stdTimeFunctions } from 'pino'
import type { Logger, LogLevel } from '../core/log.js'

export interface LoggerOptions {
  readonly level: LogLevel
  /** Lines for people; default: when standard error is a terminal. */
  readonly terminal?: boolean
}

/** A logger that writes to standard error, every line at once (nothing is lost when the process dies). */
export function createLogger({ level, terminal }: LoggerOptions): Logger {
  const stderr = destination({ fd: 2, sync: true })
  // Nobody reads any more: no reason to end.
  stderr.on('error', () => {})
  const stream: DestinationStream =
    (terminal ?? process.stderr.isTTY === true)
      ? { write: (line) => stderr.write(readable(line)) }
      : stderr
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return pino(options, stream)
}

/** `12:00:01 warn  office: message key=value` of one JSON line. */
export function readable(line: string): string {
  const { level, time, msg, environment, ...fields } = JSON.parse(line) as Record<string, unknown>
  const rest = Object.entries(fields).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const who = environment === undefined ? '' : `${environment}: `
  const text = `${String(time).slice(11, 19)} ${String(level).padEnd(5)} ${who}${msg}${rest.join('')}`
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach a terminal
  return `${text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')}\n`
}
