/** An installed program that makes a tunnel's connection, and hands its packets to the environment. */

export interface ProgramEnd {
  /** It could not be started: there is none of this name, or no way to take its packets. */
  readonly missing?: 'program' | 'relay'
  /** What it printed last, hostile. */
  readonly output: string
}

export interface ProgramHandlers {
  /** Until `onLink`; in any cuts, hostile. `errors`: on standard error. */
  onPrinted(text: string, errors: boolean): void
  /** Packets come and go from here on; what the program said of the link. */
  onLink(variables: ReadonlyMap<string, string>): void
  /** It has ended; nothing follows. */
  onEnd(end: ProgramEnd): void
}

/** Its answers never come during a call, and none of a run that was stopped. */
export interface TunnelProgram {
  /** `input` is what it reads first; nothing secret may stand in `args`. */
  start(args: readonly string[], input: string, handlers: ProgramHandlers): void
  /** A line more for it to read, without its end. Once there are packets it reads nothing any more. */
  say(line: string): void
  stop(): void
}
