/** Questions of an environment's process to a person, by way of the gateway. */
import t from 'tap'
import { freePort } from '../support/free-port.js'
import { environmentOptions, gatewayOptions, greeting, harness, LineClient } from './support.js'

const RIGHT = { username: 'ann', password: 'right horse', code: '123456' }
const WAIT = 10_000

t.test('a person answers; what they said serves again, until they stop it', async (t) => {
  const port = await freePort()
  const options = environmentOptions('asks', port)
  const h = harness([options])
  t.teardown(() => h.supervisor.stop())
  h.supervisor.start()
  await h.state('asks', 'failed')
  t.match(h.events.at(-1), { asks: true, error: { code: 'ERR_AUTH' } })
  const first = await h.supervisor.environment('asks')
  t.same(
    first?.asks?.map(({ field, secret }) => [field, secret]),
    [
      ['username', false],
      ['password', true],
      ['code', false],
    ],
  )
  const again = await h.supervisor.act('asks', 'start', WAIT)
  t.equal(again?.pid, first?.pid, 'start asks the same question, and does not try anew')
  t.equal(again?.asks?.length, 3)

  const wrong = await h.answer({ ...RIGHT, password: 'wrong' })
  t.match(wrong, { state: 'failed', error: { message: 'auth failed: refused' } })
  t.match(wrong, { asks: { length: 3 } })
  const up = await h.answer(RIGHT)
  t.match(up, { state: 'up', error: null, pid: first?.pid })
  t.equal(await h.answer(RIGHT), 'stale', 'nothing is asked')
  t.equal(await h.supervisor.answer('nobody', { asksId: '', answers: RIGHT }, WAIT), undefined)
  t.notMatch(JSON.stringify(h.events), /horse/, 'no event tells it')

  process.kill(first?.pid as number, 'SIGKILL')
  await h.until((e) => e.kind === 'state' && e.error?.message.includes('SIGKILL') === true)
  const seen = h.events.length
  await h.until((e) => h.events.indexOf(e) >= seen && e.kind === 'state' && e.state === 'failed')
  const crashed = await h.supervisor.environment('asks')
  t.same(
    crashed?.asks?.map(({ field }) => field),
    ['code'],
    'a new process: user and password are known, codes are not kept',
  )
  t.match(await h.answer({ code: '123456' }), { state: 'up' })

  const restarted = await h.supervisor.act('asks', 'restart', WAIT)
  t.equal(restarted?.asks?.length, 1)
  await h.supervisor.act('asks', 'stop', 0)
  t.match((await h.supervisor.environment('asks'))?.asks, undefined)
  const stopped = await h.supervisor.act('asks', 'start', WAIT)
  t.equal(stopped?.asks?.length, 3, 'stopped by a person: forgotten')

  await h.answer(RIGHT)
  const other = { type: 'socks5', server: { host: '127.0.0.1', port: 9 } } as const
  h.loaded = {
    options: {
      file: undefined,
      control: { listen: undefined },
      environments: [environmentOptions('asks', port, { tunnel: other })],
      policy: undefined,
    },
    problems: [],
    warnings: [],
  }
  await h.supervisor.reload()
  t.equal(
    (await h.supervisor.act('asks', 'start', WAIT))?.asks?.length,
    3,
    'the password of one server is not for another',
  )
})

t.test('a tunnel that asks again for what is known gets it at once', async (t) => {
  const port = await freePort()
  const h = harness([environmentOptions('asks', port)])
  t.teardown(() => h.supervisor.stop())
  h.supervisor.start()
  await h.state('asks', 'failed')
  await h.answer(RIGHT)
  t.match(await greeting(port), /^asks /)
  const client = new LineClient(port)
  await client.line()
  client.send('again\n')
  const seen = h.events.length
  await h.until((e) => h.events.indexOf(e) >= seen && e.kind === 'state' && e.state === 'failed')
  const status = await h.supervisor.environment('asks')
  t.same(
    status?.asks?.map(({ field }) => field),
    ['code'],
  )
  client.close()
})

t.test('an answer typed for one server does not reach another', async (t) => {
  const port = await freePort()
  const h = harness([environmentOptions('asks', port)])
  t.teardown(() => h.supervisor.stop())
  h.supervisor.start()
  await h.state('asks', 'failed')
  const { asksId = '' } = (await h.supervisor.environment('asks')) ?? {}
  const tunnel = { type: 'socks5', server: { host: '127.0.0.1', port: 9 } } as const
  const configuration = gatewayOptions([environmentOptions('asks', port, { tunnel })])
  h.loaded = { options: configuration, problems: [], warnings: [] }
  await h.supervisor.reload()
  const now = await h.supervisor.act('asks', 'start', WAIT)
  t.equal(now?.asks?.length, 3, 'the other server asks in the same words')
  t.equal(await h.supervisor.answer('asks', { asksId, answers: RIGHT }, WAIT), 'stale')
  t.match(await h.supervisor.environment('asks'), { state: 'failed', asksId: now?.asksId })
  const restarted = await h.supervisor.act('asks', 'restart', WAIT)
  t.not(restarted?.asksId, now?.asksId, 'another one at each start')
  t.match(await h.answer(RIGHT), { state: 'up', asksId: undefined })
})
