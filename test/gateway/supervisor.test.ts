import { once } from 'node:events'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { ENVIRONMENT_YOUNG_MIB } from '../../src/gateway/limits.js'
import { environmentFigures } from '../support/figures.js'
import { freePort } from '../support/free-port.js'
import {
  environmentOptions,
  greeting,
  greetingLike,
  type Harness,
  harness,
  LineClient,
} from './support.js'

type Setup = Parameters<typeof harness>

/** A started supervisor that ends with the test. */
function started(t: Test, ...setup: Setup): Harness {
  const made = harness(...setup)
  t.teardown(() => made.supervisor.stop())
  made.supervisor.start()
  return made
}

const dead = (pid: number) => {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}

t.test('supervisor starts every environment and stops them', async (t) => {
  const [a, b] = [await freePort(), await freePort()]
  const h = started(t, [environmentOptions('a', a), environmentOptions('b', b)])
  t.notOk(h.supervisor.ready)
  await Promise.all([h.state('a', 'up'), h.state('b', 'up')])
  t.ok(h.supervisor.ready)
  t.match(await greeting(a), /^a \d+ own$/)
  t.match(await greeting(b), /^b \d+ own$/)
  const status = await h.supervisor.status()
  t.same(
    status.environments.map((e) => [e.name, e.state, e.listen.proxy, e.addresses]),
    [
      ['a', 'up', [`127.0.0.1:${a}`], ['192.168.9.52']],
      ['b', 'up', [`127.0.0.1:${b}`], ['192.168.9.52']],
    ],
  )
  const pids = status.environments.map((e) => e.pid as number)
  t.not(pids[0], pids[1])
  await h.supervisor.stop()
  t.ok(pids.every(dead), 'no process is left')
  await t
    .rejects(
      once(new LineClient(a).socket, 'connect').then(() => undefined),
      'port is free',
    )
    .catch(() => {})
})

t.test('a killed environment is answered for at once and comes back', async (t) => {
  const [a, b] = [await freePort(), await freePort()]
  const h = started(t, [environmentOptions('a', a), environmentOptions('b', b)], {
    backoffFirst: 250,
  })
  await Promise.all([h.state('a', 'up'), h.state('b', 'up')])
  const other = new LineClient(b)
  t.match(await other.line(), /^b /)
  const { pid } = (await h.supervisor.environment('a')) ?? {}
  process.kill(pid as number, 'SIGKILL')
  const began = performance.now()
  await h.state('a', 'down')
  t.match(await greetingLike(a, /^down/), /signal SIGKILL/)
  const line = await greetingLike(a, /^a /)
  t.ok(performance.now() - began < 3000, 'back within 3 s')
  t.notMatch(line, String(pid))
  other.send('still here\n')
  t.equal(await other.line(), 'still here', 'the other connection carries on')
  other.close()
  const [reading] = await h.supervisor.readings()
  t.equal(reading?.restarts, 1)
  t.ok((reading?.standbyAnswers ?? 0) > 0, 'who was told that it is down is counted')
  t.same(reading?.figures, environmentFigures())
})

t.test('back-off doubles while crashes go on, and the port says why', async (t) => {
  const port = await freePort()
  const h = started(t, [environmentOptions('crash-boot', port)], {
    backoffFirst: 20,
    backoffMost: 80,
  })
  await h.until(() => h.events.filter((e) => e.kind === 'state' && e.error !== null).length >= 3)
  const waits = h.events.flatMap((e) =>
    e.kind === 'state' && e.error !== null ? [/in (.*) s$/.exec(e.error.message)?.[1]] : [],
  )
  t.same(waits.slice(0, 3), ['0.02', '0.04', '0.08'])
  t.match(await greeting(port), /^down ERR_INTERNAL its process ended \(exit code 4\)/)
})

t.test('a process that hangs is killed and started again', async (t) => {
  const port = await freePort()
  const h = started(t, [environmentOptions('a', port)], {
    heartbeatInterval: 100,
    heartbeatsMissed: 3,
  })
  await h.state('a', 'up')
  const client = new LineClient(port)
  const before = await client.line()
  client.send('hang\n')
  t.equal(await client.line(), undefined, 'its connection ends')
  const after = await greetingLike(port, /^a /)
  t.not(after, before)
  client.close()
})

t.test('a process that was stopped is not waited for', async (t) => {
  if (process.platform !== 'linux') return
  const port = await freePort()
  const h = started(t, [environmentOptions('a', port)], {
    heartbeatInterval: 100,
    heartbeatsMissed: 1_000_000,
  })
  await h.state('a', 'up')
  const client = new LineClient(port)
  const before = await client.line()
  process.kill(Number(before?.split(' ')[1]), 'SIGSTOP')
  t.equal(await client.line(), undefined, 'its connection ends')
  t.not(await greetingLike(port, /^a /), before)
  client.close()
})

t.test('a process that runs out of memory dies alone', async (t) => {
  const [a, b] = [await freePort(), await freePort()]
  const both = [environmentOptions('a', a), environmentOptions('b', b)]
  const h = started(t, both, {}, { heapMib: 48 })
  await Promise.all([h.state('a', 'up'), h.state('b', 'up')])
  const [eater, other] = [new LineClient(a), new LineClient(b)]
  await Promise.all([eater.line(), other.line()])
  eater.send('memory\n')
  t.equal(await eater.line(), undefined)
  t.match(await h.state('a', 'down'), {
    error: { message: /its process ended \((signal|exit code)/ },
  })
  other.send('x\n')
  t.equal(await other.line(), 'x')
  await greetingLike(a, /^a /)
  other.close()
  eater.close()
})

t.test('the young generation of a process stays small', async (t) => {
  const port = await freePort()
  const h = started(t, [environmentOptions('a', port)])
  await h.state('a', 'up')
  const client = new LineClient(port)
  await client.line()
  client.send('young\n')
  const size = Number(await client.line())
  t.ok(size > 0 && size <= 2.5 * ENVIRONMENT_YOUNG_MIB * 2 ** 20, `${size} bytes`)
  client.close()
})

t.test('a process that never says it is ready is killed', async (t) => {
  const port = await freePort()
  const h = started(t, [environmentOptions('never-ready', port)], { bootTimeout: 300 })
  const event = await h.until((e) => e.kind === 'state' && e.error !== null)
  t.match(event, { state: 'starting', error: { message: /signal SIGKILL/ } })
  t.match(await greeting(port), /^down/)
})

t.test('a slow start shows as starting, then up', async (t) => {
  const port = await freePort()
  const h = started(t, [environmentOptions('slow', port)])
  const status = await h.supervisor.act('slow', 'start', 5000)
  t.equal(status?.state, 'up')
})

t.test('a tunnel without answer is settled by its first error', async (t) => {
  const port = await freePort()
  const h = started(t, [environmentOptions('silent', port)])
  const status = await h.supervisor.act('silent', 'start', 5000)
  t.match(status, { state: 'starting', error: { message: 'no answer from 127.0.0.1:9' } })
  t.notOk(h.supervisor.ready)
})

t.test('a port of another program makes it failed, until it is free', async (t) => {
  const port = await freePort()
  const thief = createServer().listen(port, '127.0.0.1')
  await once(thief, 'listening')
  const h = started(t, [environmentOptions('a', port)])
  const event = await h.state('a', 'failed')
  t.match(event, {
    error: { code: 'ERR_CONFIG', message: `127.0.0.1:${port} is in use by another program` },
  })
  thief.close()
  await h.state('a', 'up')
})

t.test("a failure of the process's other listeners is shown", async (t) => {
  const port = await freePort()
  const h = started(t, [environmentOptions('dns-taken', port)])
  const event = await h.state('dns-taken', 'failed')
  t.match(event, { error: { message: /^127\.0\.0\.1:53 is in use; next try/ } })
  t.match(await greeting(port), /^down ERR_CONFIG/)
})

t.test('a stopped environment answers that it is stopped, and starts again', async (t) => {
  const port = await freePort()
  const h = started(t, [environmentOptions('a', port)])
  await h.state('a', 'up')
  const client = new LineClient(port)
  await client.line()
  const status = await h.supervisor.act('a', 'stop', 0)
  t.match(status, { state: 'stopped', pid: null, error: null })
  t.equal(await client.line(), undefined)
  t.equal(await greeting(port), 'down ERR_DOWN is stopped; start it with: pvpn start a')
  t.ok(h.supervisor.ready, 'a stopped one does not count')
  t.match(await h.supervisor.act('a', 'start', 5000), { state: 'up' })
  t.match(await greeting(port), /^a /)
  t.match(await h.supervisor.act('a', 'restart', 5000), { state: 'up' })
  t.equal(await h.supervisor.act('nobody', 'start', 0), undefined)
})

t.test('stopping while it boots or waits in back-off leaves nothing behind', async (t) => {
  const [a, b] = [await freePort(), await freePort()]
  const h = started(t, [environmentOptions('a', a), environmentOptions('crash-boot', b)], {
    backoffFirst: 10_000,
  })
  t.match(await h.supervisor.act('a', 'stop', 0), { state: 'stopped', pid: null })
  await h.until((e) => e.kind === 'state' && e.environment === 'crash-boot' && e.error !== null)
  t.match(await h.supervisor.act('crash-boot', 'stop', 0), { state: 'stopped', error: null })
  t.match(await greeting(a), /^down/)
  t.match(await greeting(b), /^down/)
})

t.test('a process that refuses to stop is killed', async (t) => {
  const port = await freePort()
  const h = started(t, [environmentOptions('stubborn', port)], { stopGrace: 200 })
  await h.state('stubborn', 'up')
  const { pid } = (await h.supervisor.environment('stubborn')) ?? {}
  await h.supervisor.act('stubborn', 'stop', 0)
  t.ok(dead(pid as number))
})

t.test('the port is never without an owner for long', async (t) => {
  const port = await freePort()
  const h = started(t, [environmentOptions('a', port)])
  await h.state('a', 'up')
  let longest = 0
  let last = performance.now()
  let busy = true
  const knock = (async () => {
    while (busy) {
      if ((await greeting(port)) !== undefined) {
        longest = Math.max(longest, performance.now() - last)
        last = performance.now()
      }
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  })()
  await h.supervisor.act('a', 'restart', 5000)
  await h.supervisor.act('a', 'stop', 0)
  await h.supervisor.act('a', 'start', 5000)
  busy = false
  await knock
  t.comment(`longest gap ${Math.round(longest)} ms`)
  // Two starts of a process, on a machine that has other work.
  t.ok(longest < 6000)
})

t.test('activity shows what an environment tells, and its own failures before it', async (t) => {
  const [a, b] = [await freePort(), await freePort()]
  const h = started(t, [environmentOptions('a', a), environmentOptions('wrong', b)])
  await Promise.all([h.state('a', 'up'), h.state('wrong', 'failed')])
  const [one, two] = await Promise.all([h.supervisor.activity('a'), h.supervisor.activity('a')])
  t.equal(one?.total, 2)
  t.same(one?.failures[0]?.target, '192.168.11.10:81')
  t.same(two, one, 'who asks at the same time gets the same answer')
  const wrong = await h.supervisor.activity('wrong')
  t.equal(wrong?.failures[0]?.message, 'wrong password')
  t.match(wrong?.failures[0]?.hint, /host and port/, 'with what to do')
  await h.supervisor.act('a', 'stop', 0)
  t.equal((await h.supervisor.activity('a'))?.total, 0, 'nothing is open where no process is')
  t.equal(await h.supervisor.activity('none'), undefined)
})
