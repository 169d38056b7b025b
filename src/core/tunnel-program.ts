/** An installed program that makes a tunnel's connection, and hands its packets to the environment. */

export interface ProgramEnd {
  /** It could not be started: there is none of this name, or no way to take its packets. */
  readonly missing?: 'program' | 'relay'
  /** What it printed last, hostile. */
  readonly output: string
}

export interface ProgramHandlers {
  /** Packets come and go from here on; what the program said of the link. */
  onLink(variables: ReadonlyMap<string, string>): void
  /** It has ended; nothing follows. */
  onEnd(end: ProgramEnd): void
}

/** Its answers never come during a call, and none of a run that was stopped. */
export interface TunnelProgram {
  /** `input` is what it reads; nothing secret may stand in `args`. */
  start(args: readonly string[], input: string, handlers: ProgramHandlers): void
  stop(): void
}
