/** What became of each directive of an imported file. */

export interface Directive {
  /** From 1. */
  readonly line: number
  /** As written, with its section: `[Interface] Address`. Values are left out: they may be secret. */
  readonly name: string
  readonly verdict: 'honoured' | 'ignored' | 'refused'
  /** Why, unless honoured. */
  readonly reason?: string
}

export const SCRIPT_REASON = 'scripts of a tunnel file are never run'
