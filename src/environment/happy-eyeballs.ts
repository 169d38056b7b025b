/**
 * Connects to a name by the first of its addresses that answers (RFC 8305): families in turn, a new
 * attempt every 250 ms while the earlier ones go on, at once when one fails.
 */
import { type ErrorCode, PvpnError, toPvpnError } from '../core/errors.js'
import { formatHostPort, formatIp, parseIp } from '../core/ip.js'
import type { ByteStream } from '../core/stream.js'
import type { Clock, Endpoint, Millis, Target } from '../core/types.js'
import { DIAL_ADDRESSES } from './limits.js'

/** Connection Attempt Delay (RFC 8305 section 5), in ms. */
const ATTEMPT_DELAY = 250
/** Resolution Delay (RFC 8305 section 3): how long IPv4 addresses wait for IPv6 ones, in ms. */
const RESOLUTION_DELAY = 50

export interface HappyEyeballsOptions {
  readonly target: Target
  /** Families that the environment has addresses for. */
  readonly families: readonly (4 | 6)[]
  /** Hands over addresses family by family; resolves when that is all, rejects when there are none. See EnvironmentResolver.lookupEach. */
  readonly resolve: (
    name: string,
    onAddresses: (addresses: readonly string[], family: 4 | 6) => void,
    options: { readonly signal: AbortSignal; readonly family?: 4 | 6 },
  ) => Promise<void>
  /** Opens one connection; on abort it gives up and rejects. */
  readonly connect: (endpoint: Endpoint, signal: AbortSignal) => Promise<ByteStream>
  readonly clock: Clock
  /** The environment's connect_timeout, in ms: from the call to the connection, names included. */
  readonly timeout: Millis
  readonly signal?: AbortSignal
}

/** Why the rest of a dial is given up. */
const DECIDED = new PvpnError('ERR_ABORTED', 'the dial is decided')

/** A connection to the target, or a PvpnError whose code tells what all its addresses had to say. */
export function dialHappyEyeballs(options: HappyEyeballsOptions): Promise<ByteStream> {
  return new Dial(options).run()
}

class Dial {
  readonly #options: HappyEyeballsOptions
  readonly #waiting: Record<4 | 6, string[]> = { 4: [], 6: [] }
  /** While a name is resolved. */
  #resolveAbort: AbortController | undefined
  readonly #failures: { readonly address: string; readonly error: PvpnError }[] = []
  /** Attempts under way, and how each is given up. */
  readonly #open = new Map<string, AbortController>()
  #started = 0
  #turn: 4 | 6 = 6
  /** More addresses may come. */
  #resolving = true
  #nameError: PvpnError | undefined
  /** Addresses may be tried: not while IPv4 waits for IPv6. */
  #released = false
  #cancelNext: (() => void) | undefined
  #cancelRelease: (() => void) | undefined
  #settle: ((outcome: ByteStream | PvpnError) => void) | undefined

  constructor(options: HappyEyeballsOptions) {
    this.#options = options
  }

  async run(): Promise<ByteStream> {
    const { clock, signal, timeout } = this.#options
    if (signal?.aborted) throw givenUp()
    const outcome = new Promise<ByteStream | PvpnError>((resolve) => {
      this.#settle = resolve
    })
    const cancelTimeout = clock.at(clock.now() + timeout, () => this.#finish(this.#timedOut()))
    const onAbort = () => this.#finish(givenUp())
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#resolve()
    const result = await outcome
    cancelTimeout()
    signal?.removeEventListener('abort', onAbort)
    if (result instanceof PvpnError) throw result
    return result
  }

  #resolve(): void {
    const { target, families, resolve } = this.#options
    const literal = parseIp(target.host)
    if (literal !== undefined) {
      const family = literal.length === 4 ? 4 : 6
      this.#resolving = false
      if (families.includes(family)) this.#addresses([formatIp(literal)], family)
      else this.#finish(noFamily(target.host, family))
      return
    }
    const [only] = families.length === 1 ? families : []
    this.#resolveAbort = new AbortController()
    resolve(
      target.host,
      (addresses, family) => {
        if (families.includes(family)) this.#addresses(addresses, family)
      },
      { signal: this.#resolveAbort.signal, ...(only === undefined ? {} : { family: only }) },
    ).then(
      () => this.#resolved(undefined),
      (thrown: unknown) => this.#resolved(toPvpnError(thrown)),
    )
  }

  #resolved(error: PvpnError | undefined): void {
    this.#resolving = false
    this.#nameError = error
    this.#release()
  }

  #addresses(addresses: readonly string[], family: 4 | 6): void {
    if (this.#settle === undefined) return
    this.#waiting[family].push(...addresses)
    const { clock, families } = this.#options
    if (family === 6 || !this.#resolving || !families.includes(6)) this.#release()
    else {
      this.#cancelRelease ??= clock.at(clock.now() + RESOLUTION_DELAY, () => this.#release())
    }
  }

  #release(): void {
    this.#cancelRelease?.()
    this.#released = true
    if (this.#cancelNext === undefined) this.#next()
  }

  /** Tries one more address, when there is one; decides when there is nothing left. */
  #next(): void {
    this.#cancelNext?.()
    this.#cancelNext = undefined
    if (this.#settle === undefined || !this.#released) return
    const address = this.#take()
    if (address === undefined) {
      if (this.#open.size === 0 && !this.#resolving) this.#finish(this.#failure())
      return
    }
    const { clock } = this.#options
    this.#cancelNext = clock.at(clock.now() + ATTEMPT_DELAY, () => {
      this.#cancelNext = undefined
      this.#next()
    })
    void this.#try(address)
  }

  async #try(address: string): Promise<void> {
    const { connect, target } = this.#options
    const abort = new AbortController()
    this.#started++
    this.#open.set(address, abort)
    try {
      const stream = await connect({ address, port: target.port }, abort.signal)
      this.#open.delete(address)
      if (this.#settle === undefined) stream.abort()
      else this.#finish(stream)
    } catch (thrown) {
      this.#open.delete(address)
      this.#failures.push({ address, error: toPvpnError(thrown) })
      this.#next()
    }
  }

  /** The next address, families in turn. */
  #take(): string | undefined {
    if (this.#started >= DIAL_ADDRESSES) return undefined
    const other = this.#turn === 6 ? 4 : 6
    const family = this.#waiting[this.#turn].length > 0 ? this.#turn : other
    const address = this.#waiting[family].shift()
    if (address !== undefined) this.#turn = family === 6 ? 4 : 6
    return address
  }

  #finish(outcome: ByteStream | PvpnError): void {
    const settle = this.#settle
    if (settle === undefined) return
    this.#settle = undefined
    this.#cancelNext?.()
    this.#cancelRelease?.()
    settle(outcome)
    // A reason of our own: without one an exception with a stack would be made each time.
    if (this.#resolving) this.#resolveAbort?.abort(DECIDED)
    for (const abort of this.#open.values()) abort.abort(DECIDED)
  }

  #timedOut(): PvpnError {
    const { target, timeout } = this.#options
    const after = `within ${timeout / 1000} s`
    if (this.#started === 0) {
      return new PvpnError('ERR_RESOLVER', `${target.host} could not be resolved ${after}`)
    }
    for (const address of this.#open.keys()) {
      const error = new PvpnError('ERR_TIMEOUT', `no answer ${after}`)
      this.#failures.push({ address, error })
    }
    return this.#failure()
  }

  /** What all the failures come to: the most telling code, and every address's own story. */
  #failure(): PvpnError {
    const { target } = this.#options
    const rank = ({ error }: { error: PvpnError }) => {
      const at = TELLING.indexOf(error.code)
      return at < 0 ? TELLING.length : at
    }
    const [first, ...others] = this.#failures.toSorted((a, b) => rank(a) - rank(b))
    if (first === undefined) {
      return this.#nameError ?? new PvpnError('ERR_NAME', `${target.host} has no usable address`)
    }
    const { hint } = first.error
    const options = { cause: first.error, ...(hint === undefined ? {} : { hint }) }
    if (others.length === 0) return new PvpnError(first.error.code, first.error.message, options)
    const stories = [first, ...others].map(
      ({ address, error }) => `${formatHostPort(address, target.port)}: ${error.message}`,
    )
    return new PvpnError(
      first.error.code,
      `${target.host} can't be reached: ${stories.join('; ')}`,
      options,
    )
  }
}

/**
 * Failures, the most telling first: what concerns the whole environment, then what a host answered,
 * then silence, then what the way there said.
 */
const TELLING: readonly ErrorCode[] = [
  'ERR_DOWN',
  'ERR_LIMIT',
  'ERR_REFUSED',
  'ERR_RESET',
  'ERR_TIMEOUT',
  'ERR_HOST_UNREACHABLE',
  'ERR_NET_UNREACHABLE',
]

function noFamily(address: string, family: 4 | 6): PvpnError {
  return new PvpnError(
    'ERR_NET_UNREACHABLE',
    `${address} can't be reached: the environment has no IPv${family} address`,
  )
}

function givenUp(): PvpnError {
  return new PvpnError('ERR_ABORTED', 'the connection was given up')
}
