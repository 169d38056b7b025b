import t from 'tap'
import { PvpnError } from '../../src/core/errors.js'
import type { ByteStream } from '../../src/core/stream.js'
import { dialAny } from '../../src/listener/dial-any.js'
import { fakeEnvironment } from '../support/fake-environment.js'

type Outcome = 'answers' | 'late' | 'refuses' | 'silent'

function world(outcomes: Record<string, Outcome>) {
  const log: string[] = []
  const environment = fakeEnvironment({
    dial: ({ host }, { signal } = {}) =>
      new Promise<ByteStream>((resolve, reject) => {
        log.push(`dial ${host}`)
        const stream = { abort: () => log.push(`abort ${host}`) } as unknown as ByteStream
        const outcome = outcomes[host]
        if (outcome === 'answers') resolve(Object.assign(stream, { host }))
        if (outcome === 'refuses') reject(new PvpnError('ERR_REFUSED', host))
        signal?.addEventListener('abort', () => {
          log.push(`given up ${host}`)
          if (outcome === 'late') resolve(stream)
          else reject(new PvpnError('ERR_ABORTED', host))
        })
      }),
  })
  const dial = (signal = new AbortController().signal) =>
    dialAny(environment, Object.keys(outcomes), 80, signal)
  return { log, dial }
}

t.test('the first that answers, without waiting for one that refuses', async (t) => {
  const { log, dial } = world({ a: 'refuses', b: 'answers', c: 'answers' })
  t.match(await dial(), { host: 'b' })
  t.same(log, ['dial a', 'dial b'])
})

t.test('a silent one is passed by and given up; what it opens late is closed', async (t) => {
  for (const outcome of ['silent', 'late'] as const) {
    const { log, dial } = world({ a: outcome, b: 'answers' })
    t.match(await dial(), { host: 'b' })
    await new Promise(setImmediate)
    const late = outcome === 'late' ? ['abort a'] : []
    t.same(log, ['dial a', 'dial b', 'given up a', ...late])
  }
})

t.test('none: the first error; none at all: no such name', async (t) => {
  await t.rejects(world({ a: 'refuses', b: 'refuses' }).dial(), { message: 'a' })
  await t.rejects(world({}).dial(), { code: 'ERR_NAME' })
})

t.test('the client has gone: all are given up', async (t) => {
  const { log, dial } = world({ a: 'silent', b: 'silent' })
  const controller = new AbortController()
  const dialling = dial(controller.signal)
  setTimeout(() => controller.abort(), 400)
  await t.rejects(dialling, { code: 'ERR_ABORTED' })
  t.same(log, ['dial a', 'dial b', 'given up a', 'given up b'])
  await t.rejects(dial(controller.signal), { code: 'ERR_ABORTED' })
})
