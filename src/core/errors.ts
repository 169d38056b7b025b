import type { Question } from './question.js'

/**
 * The closed set of failures that cross a module's border. Listeners translate them to protocol
 * replies by table, so a new code does not compile until every table knows it.
 */
export const ERROR_CODES = [
  'ERR_ABORTED', // the caller gave up
  'ERR_AUTH', // wrong or missing credentials
  'ERR_CONFIG', // the configuration can't be used
  'ERR_DENIED', // policy forbids it
  'ERR_DOWN', // the environment is not up
  'ERR_HOST_UNREACHABLE', // ICMP host/port unreachable, no such neighbour
  'ERR_INTERNAL', // a defect of ours
  'ERR_LIMIT', // a named bound was reached
  'ERR_NAME', // no such name inside
  'ERR_NET_UNREACHABLE', // no route, no AllowedIPs, ICMP network unreachable
  'ERR_PROTOCOL', // the peer broke the protocol
  'ERR_REFUSED', // the target refused the connection
  'ERR_RESET', // the peer reset an open connection
  'ERR_RESOLVER', // every DNS server failed or was silent
  'ERR_TIMEOUT', // no answer in time
  'ERR_UNSUPPORTED', // this tunnel or protocol can't do that
] as const
export type ErrorCode = (typeof ERROR_CODES)[number]

/** An expected failure, with a code for programs and words for people. Never holds a secret. */
export class PvpnError extends Error {
  override readonly name = 'PvpnError'
  readonly code: ErrorCode
  /** What the reader can do about it, one sentence, when there is something. */
  readonly hint: string | undefined
  /** What a person would have to say for it to go on; made by `askFor` of core/question.ts. */
  readonly asks: readonly Question[]

  constructor(
    code: ErrorCode,
    message: string,
    options?: ErrorOptions & { hint?: string; asks?: readonly Question[] },
  ) {
    super(message, options)
    this.code = code
    this.hint = options?.hint
    this.asks = options?.asks ?? []
  }
}

/** An error as status shows it. */
export interface ErrorReport {
  readonly code: string
  readonly message: string
  /** What to do about it, where the one who knows the error has said so. */
  readonly hint?: string
}

export function errorReport({ code, message, hint }: PvpnError): ErrorReport {
  return { code, message, ...(hint === undefined ? {} : { hint }) }
}

/** Any thrown value as a PvpnError; foreign errors become ERR_INTERNAL with the original as cause. */
export function toPvpnError(thrown: unknown): PvpnError {
  if (thrown instanceof PvpnError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new PvpnError('ERR_INTERNAL', message, { cause: thrown })
}
