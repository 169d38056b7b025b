/** When the server of a stream tunnel is looked for again, by a clock that the test moves. */
import t from 'tap'
import { PvpnError } from '../../src/core/errors.js'
import { KnownSecrets } from '../../src/core/known-secrets.js'
import { silentLogger } from '../../src/core/log.js'
import { askFor, question } from '../../src/core/question.js'
import type { StreamTunnel } from '../../src/core/stream-tunnel.js'
import {
  StreamEnvironment,
  type StreamEnvironmentOptions,
} from '../../src/environment/stream-environment.js'
import { systemRandom } from '../../src/io/random.js'
import { VirtualClock } from './virtual-clock.js'

function behind(
  tunnel: StreamTunnel,
  clock: VirtualClock,
  more: Partial<StreamEnvironmentOptions> = {},
): StreamEnvironment {
  return new StreamEnvironment({
    name: 'lab',
    tunnelType: 'ssh',
    dns: { servers: undefined, search: undefined, zones: {}, hosts: {}, listen: [] },
    connectTimeout: 15,
    tunnel,
    clock,
    random: systemRandom,
    logger: silentLogger,
    secrets: new KnownSecrets(),
    onState: () => {},
    ...more,
  })
}

t.test('a server that is away: sooner when a program asks, at most once a second', async (t) => {
  const clock = new VirtualClock()
  const looks: number[] = []
  let gone = true
  let error = new PvpnError('ERR_DOWN', 'server unreachable')
  const tunnel: StreamTunnel = {
    endpoint: 'gate.example:22',
    check: async () => {
      looks.push(clock.now())
      if (gone) throw error
    },
    dial: () => Promise.reject(new PvpnError('ERR_REFUSED', 'refused')),
    close: () => {},
  }
  const environment = behind(tunnel, clock)
  const ask = () =>
    t.rejects(environment.dial({ host: '192.0.2.1', port: 80 }), { code: 'ERR_DOWN' })
  await environment.start()
  await clock.advance(300_000)
  const waits = looks.slice(1).map((at, i) => at - (looks[i] ?? 0))
  t.same(waits.slice(0, 7), [500, 1000, 2000, 4000, 8000, 16_000, 30_000])

  // Long after the last try: at once.
  await clock.advance((looks.at(-1) ?? 0) + 40_000 - clock.now())
  const before = looks.length
  t.ok(clock.now() - (looks.at(-1) ?? 0) > 1000)
  const now = clock.now()
  await ask()
  await clock.advance(0)
  t.same(looks.slice(before), [now])

  // A program that asks all the time: once a second.
  for (let i = 0; i < 50; i++) {
    await ask()
    await clock.advance(100)
  }
  t.same(
    looks.slice(before),
    [0, 1, 2, 3, 4, 5].map((s) => now + s * 1000).slice(0, looks.length - before),
  )
  t.ok(looks.length - before >= 5, `${looks.length - before} looks in 5 s`)

  // Nobody asks any more: half a minute again.
  const last = looks.length
  await clock.advance(29_000)
  t.ok(looks.length - last <= 1)

  gone = false
  await clock.advance(1000)
  await environment.dial({ host: '192.0.2.1', port: 80 }).catch(() => {})
  await clock.advance(1000)
  t.equal(environment.state, 'up')

  // What needs a person is not tried again, whoever asks.
  gone = true
  error = new PvpnError('ERR_AUTH', 'auth failed')
  await clock.advance(30_000)
  t.equal(environment.state, 'failed')
  const tried = looks.length
  await ask()
  await clock.advance(60_000)
  t.equal(looks.length, tried)
  await environment.stop()
  t.equal(clock.pending, 0)
})

t.test('what a server repeats of a secret is nowhere to be seen', async (t) => {
  const clock = new VirtualClock()
  const lines: string[] = []
  const note = (fields: object, text: string) => void lines.push(JSON.stringify([fields, text]))
  const errors = [new PvpnError('ERR_DOWN', 'busy, right horse'), undefined]
  const tunnel: StreamTunnel = {
    endpoint: 'gate.example:22',
    check: async () => {
      const error = errors.shift()
      if (error !== undefined) throw error
    },
    dial: () => Promise.reject(new PvpnError('ERR_REFUSED', 'no, right horse')),
    answer: () => undefined,
    close: () => {},
  }
  const environment = behind(tunnel, clock, {
    logger: { ...silentLogger, warn: note, error: note },
    secrets: new KnownSecrets(['right horse']),
  })
  const dial = () => environment.dial({ host: '192.0.2.1', port: 80 })
  await environment.start()
  await clock.advance(0)
  await t.rejects(dial(), { code: 'ERR_DOWN', message: /busy, \*\*\*$/ })
  await clock.advance(1000)
  await t.rejects(dial(), { code: 'ERR_REFUSED', message: 'no, ***' })
  tunnel.onLost?.(askFor('gate', [question('prompt.0', 'Code', { once: true })]))
  environment.answer({ 'prompt.0': '471100' })
  tunnel.onLost?.(new PvpnError('ERR_AUTH', 'not 471100'))
  t.equal(environment.error?.message, 'not ***')
  t.ok(lines.length >= 3)
  t.notMatch(lines.join(), /horse|4711/)
})
