/** Dialing several addresses (RFC 8305), in virtual time. */
import t from 'tap'
import { type ErrorCode, PvpnError } from '../../src/core/errors.js'
import type { ByteStream } from '../../src/core/stream.js'
import type { Endpoint, Target } from '../../src/core/types.js'
import { dialHappyEyeballs } from '../../src/environment/happy-eyeballs.js'
import { DIAL_ADDRESSES } from '../../src/environment/limits.js'
import { VirtualClock } from './virtual-clock.js'

type Family = 4 | 6
/** After so many ms: connected, or failed with this code. Absent: silence. */
type Fate = readonly [after: number, code?: ErrorCode]

interface Names {
  /** When and which addresses each family brings; absent: it never answers. */
  readonly [family: number]: readonly [after: number, ...addresses: string[]]
  /** When the resolver says that this was all, and with which error. */
  readonly end?: readonly [after: number, code?: ErrorCode]
}

class World {
  readonly clock = new VirtualClock()
  /** `ms address` of each attempt. */
  readonly attempts: string[] = []
  readonly aborted: string[] = []
  readonly streamsAborted: string[] = []
  families: readonly Family[] = [6, 4]
  asked: { name: string; family: Family | undefined } | undefined
  timeout = 15_000
  readonly #fates: Record<string, Fate>
  readonly #names: Names

  constructor(names: Names, fates: Record<string, Fate>) {
    this.#names = names
    this.#fates = fates
  }

  dial(
    target: Target = { host: 'web.example', port: 80 },
    signal?: AbortSignal,
  ): Promise<ByteStream> {
    return dialHappyEyeballs({
      target,
      families: this.families,
      clock: this.clock,
      timeout: this.timeout,
      resolve: (name, onAddresses, { signal: gone, family }) => {
        this.asked = { name, family }
        return new Promise((resolve, reject) => {
          gone.addEventListener('abort', () => this.aborted.push(name))
          for (const version of [4, 6] as const) {
            const [after, ...addresses] = this.#names[version] ?? []
            if (after !== undefined) this.#later(after, () => onAddresses(addresses, version))
          }
          const [after, code] = this.#names.end ?? []
          if (after !== undefined) {
            this.#later(after, () =>
              code === undefined ? resolve() : reject(new PvpnError(code, 'names')),
            )
          }
        })
      },
      connect: (endpoint, gone) => this.#connect(endpoint, gone),
      ...(signal === undefined ? {} : { signal }),
    })
  }

  /** What the dial comes to, and when. */
  async outcome(
    dial: Promise<ByteStream>,
    ms = 20_000,
  ): Promise<{ at: number; to?: string; error?: PvpnError }> {
    const result = dial.then(
      (stream) => ({ at: this.clock.now(), to: stream.remote.address }),
      (error: PvpnError) => ({ at: this.clock.now(), error }),
    )
    await this.clock.advance(ms)
    return result
  }

  #connect(endpoint: Endpoint, gone: AbortSignal): Promise<ByteStream> {
    const { address } = endpoint
    this.attempts.push(`${this.clock.now()} ${address}`)
    return new Promise((resolve, reject) => {
      gone.addEventListener('abort', () => {
        this.aborted.push(address)
        reject(new PvpnError('ERR_ABORTED', 'aborted'))
      })
      const [after, code] = this.#fates[address] ?? []
      if (after === undefined) return
      this.#later(after, () => {
        if (code === undefined) resolve(this.#stream(endpoint))
        else reject(new PvpnError(code, `${code} from ${address}`))
      })
    })
  }

  #stream(remote: Endpoint): ByteStream {
    const nothing = () => {}
    return {
      local: remote,
      remote,
      ended: false,
      write: () => 0,
      read: () => undefined,
      end: nothing,
      abort: () => void this.streamsAborted.push(remote.address),
      onReadable: nothing,
      onWritable: nothing,
      onClose: nothing,
    }
  }

  #later(after: number, run: () => void): void {
    this.clock.at(this.clock.now() + after, run)
  }
}

const BOTH: Names = {
  4: [10, '192.0.2.1', '192.0.2.2'],
  6: [10, '2001:db8::1', '2001:db8::2'],
  end: [10],
}

t.test('families take turns, 250 ms apart, until one answers', async (t) => {
  const world = new World(BOTH, { '192.0.2.2': [30] })
  const { at, to } = await world.outcome(world.dial())
  t.same(world.attempts, ['10 2001:db8::1', '260 192.0.2.1', '510 2001:db8::2', '760 192.0.2.2'])
  t.equal(to, '192.0.2.2')
  t.equal(at, 790)
  t.same(
    world.aborted.sort(),
    ['192.0.2.1', '2001:db8::1', '2001:db8::2'],
    'not the winner, nor the look-up that is over',
  )
  t.equal(world.clock.pending, 0)
})

t.test('a quick answer needs one attempt', async (t) => {
  const world = new World(BOTH, { '2001:db8::1': [20] })
  t.match(await world.outcome(world.dial()), { at: 30, to: '2001:db8::1' })
  t.equal(world.attempts.length, 1)
})

t.test('a failure brings the next attempt at once', async (t) => {
  const world = new World(BOTH, { '2001:db8::1': [5, 'ERR_NET_UNREACHABLE'], '192.0.2.1': [5] })
  t.match(await world.outcome(world.dial()), { at: 20, to: '192.0.2.1' })
  t.same(world.attempts, ['10 2001:db8::1', '15 192.0.2.1'])
})

t.test('a slow first address that answers later still wins', async (t) => {
  const world = new World(BOTH, { '2001:db8::1': [400] })
  t.match(await world.outcome(world.dial()), { at: 410, to: '2001:db8::1' })
})

t.test('IPv4 waits 50 ms for IPv6 names, and no longer', async (t) => {
  const late = new World(
    { 4: [10, '192.0.2.1'], 6: [40, '2001:db8::1'], end: [40] },
    { '2001:db8::1': [1] },
  )
  t.match(await late.outcome(late.dial()), { to: '2001:db8::1' })
  t.same(late.attempts, ['40 2001:db8::1'])

  const silent = new World({ 4: [10, '192.0.2.1'] }, { '192.0.2.1': [1] })
  t.match(await silent.outcome(silent.dial()), { at: 61, to: '192.0.2.1' })
  t.same(silent.aborted, ['web.example'], 'the look-up is given up')

  const none = new World({ 4: [10, '192.0.2.1'], end: [20] }, { '192.0.2.1': [1] })
  t.match(await none.outcome(none.dial()), { at: 21 }, 'no IPv6 name: no more waiting')

  const six = new World({ 6: [10, '2001:db8::1'] }, { '2001:db8::1': [1] })
  t.match(await six.outcome(six.dial()), { at: 11 }, 'IPv6 does not wait')
})

t.test('IPv6 names that come late join in', async (t) => {
  const world = new World(
    { 4: [10, '192.0.2.1', '192.0.2.2'], 6: [200, '2001:db8::1'], end: [200] },
    { '2001:db8::1': [1] },
  )
  t.match(await world.outcome(world.dial()), { to: '2001:db8::1' })
  t.same(world.attempts, ['60 192.0.2.1', '310 2001:db8::1'])
})

t.test('late names are tried at once when all others have failed', async (t) => {
  const world = new World(
    { 4: [10, '192.0.2.1'], 6: [2000, '2001:db8::1'], end: [2000] },
    { '192.0.2.1': [5, 'ERR_REFUSED'], '2001:db8::1': [1] },
  )
  t.match(await world.outcome(world.dial()), { at: 2001, to: '2001:db8::1' })
})

t.test('only families that the environment has', async (t) => {
  const world = new World(
    { 4: [10, '192.0.2.1'], 6: [10, '2001:db8::1'], end: [10] },
    { '192.0.2.1': [1] },
  )
  world.families = [4]
  t.match(await world.outcome(world.dial()), { at: 11, to: '192.0.2.1' })
  t.equal(world.asked?.family, 4)
  t.equal(world.attempts.length, 1)
})

t.test('IP literals are dialed without asking', async (t) => {
  const world = new World({}, { '192.0.2.9': [1], '2001:db8::9': [1] })
  t.match(await world.outcome(world.dial({ host: '192.0.2.9', port: 80 })), { to: '192.0.2.9' })
  t.match(await world.outcome(world.dial({ host: '2001:DB8::9', port: 80 })), { to: '2001:db8::9' })
  t.equal(world.asked, undefined)
  world.families = [4]
  const { error } = await world.outcome(world.dial({ host: '2001:db8::9', port: 80 }))
  t.match(error, { code: 'ERR_NET_UNREACHABLE', message: /no IPv6 address/ })
})

t.test('errors tell the truth', async (t) => {
  const error = async (names: Names, fates: Record<string, Fate>) => {
    const world = new World(names, fates)
    const outcome = await world.outcome(world.dial())
    t.equal(world.clock.pending, 0)
    return outcome.error
  }
  const two: Names = { 4: [10, '192.0.2.1'], 6: [10, '2001:db8::1'], end: [10] }
  t.match(
    await error(two, { '192.0.2.1': [5, 'ERR_REFUSED'], '2001:db8::1': [5, 'ERR_REFUSED'] }),
    { code: 'ERR_REFUSED' },
  )
  t.match(await error(two, {}), { code: 'ERR_TIMEOUT', message: /no answer within 15 s/ })
  t.match(
    await error(two, {
      '192.0.2.1': [5, 'ERR_NET_UNREACHABLE'],
      '2001:db8::1': [5, 'ERR_HOST_UNREACHABLE'],
    }),
    { code: 'ERR_HOST_UNREACHABLE' },
  )
  const mixed = await error(two, {
    '192.0.2.1': [5, 'ERR_REFUSED'],
    '2001:db8::1': [5, 'ERR_NET_UNREACHABLE'],
  })
  t.match(
    mixed,
    { code: 'ERR_REFUSED', message: /192\.0\.2\.1:80.*\[2001:db8::1\]:80/ },
    'every address is told of',
  )
  t.match(await error(two, { '2001:db8::1': [5, 'ERR_NET_UNREACHABLE'] }), { code: 'ERR_TIMEOUT' })
  t.match(await error(two, { '192.0.2.1': [5, 'ERR_DOWN'], '2001:db8::1': [5, 'ERR_REFUSED'] }), {
    code: 'ERR_DOWN',
  })
  t.match(await error({ end: [10, 'ERR_NAME'] }, {}), { code: 'ERR_NAME', message: 'names' })
  t.match(await error({ end: [10, 'ERR_RESOLVER'] }, {}), { code: 'ERR_RESOLVER' })
  t.match(await error({ end: [10] }, {}), { code: 'ERR_NAME' })
  t.match(await error({}, {}), {
    code: 'ERR_RESOLVER',
    message: /could not be resolved within 15 s/,
  })
  const one = await error({ 4: [0, '192.0.2.1'], end: [0] }, { '192.0.2.1': [5, 'ERR_REFUSED'] })
  t.match(
    one,
    { code: 'ERR_REFUSED', message: 'ERR_REFUSED from 192.0.2.1' },
    'a sole address: its own words',
  )
})

t.test('foreign errors become ours', async (t) => {
  const world = new World({}, {})
  const dial = dialHappyEyeballs({
    target: { host: '192.0.2.1', port: 80 },
    families: [4],
    clock: world.clock,
    timeout: 1000,
    resolve: async () => {},
    connect: () => {
      throw new TypeError('oops')
    },
  })
  t.match((await world.outcome(dial)).error, { code: 'ERR_INTERNAL', message: 'oops' })
})

t.test('the number of attempts is bounded', async (t) => {
  const many = Array.from({ length: 40 }, (_, i) => `192.0.2.${i}`)
  const world = new World(
    { 4: [0, ...many], end: [0] },
    Object.fromEntries(many.map((address) => [address, [1, 'ERR_REFUSED']])),
  )
  t.match((await world.outcome(world.dial())).error, { code: 'ERR_REFUSED' })
  t.equal(world.attempts.length, DIAL_ADDRESSES)
})

t.test('given up by the caller', async (t) => {
  const world = new World(BOTH, {})
  const abort = new AbortController()
  const dial = world.dial(undefined, abort.signal)
  await world.clock.advance(300)
  abort.abort()
  await t.rejects(dial, { code: 'ERR_ABORTED' })
  t.same(world.aborted.sort(), ['192.0.2.1', '2001:db8::1'])
  t.equal(world.clock.pending, 0)
  await t.rejects(world.dial(undefined, abort.signal), { code: 'ERR_ABORTED' }, 'before it began')
  t.equal(world.attempts.length, 2)
})

t.test('a connection that comes too late is reset', async (t) => {
  const world = new World({}, {})
  const late: ((stream: ByteStream) => void)[] = []
  let aborted = 0
  const dial = dialHappyEyeballs({
    target: { host: '192.0.2.1', port: 80 },
    families: [4],
    clock: world.clock,
    timeout: 1000,
    resolve: async () => {},
    connect: () => new Promise((resolve) => late.push(resolve)),
  })
  t.match((await world.outcome(dial)).error, { code: 'ERR_TIMEOUT' })
  late[0]?.({ abort: () => aborted++ } as unknown as ByteStream)
  await world.clock.advance(0)
  t.equal(aborted, 1)
})
