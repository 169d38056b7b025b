/** Logging as the rooms see it; io/ and cli/ make one from pino. Never give it secrets. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug'

export interface Logger {
  error(fields: object, message: string): void
  warn(fields: object, message: string): void
  info(fields: object, message: string): void
  debug(fields: object, message: string): void
  child(fields: object): Logger
}

/** A logger that says nothing, for tests and defaults. */
export const silentLogger: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  child: () => silentLogger,
}
