/** What an incremental parser says of the bytes it has: undefined means that more are wanted. */
export type Parsed<T> =
  | {
      readonly kind: 'done'
      readonly value: T
      /** Bytes that were used; the rest belongs to what follows. */
      readonly length: number
    }
  | { readonly kind: 'invalid'; readonly reason: string }
  | undefined
