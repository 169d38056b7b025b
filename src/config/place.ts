/** A spot in a file, for messages; line and column from 1. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}

export interface Located<T> {
  readonly value: T
  readonly place: Place
}
