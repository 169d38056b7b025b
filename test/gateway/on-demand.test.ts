import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { HANDOVER_PENDING, ON_DEMAND_WAITING } from '../../src/gateway/limits.js'
import { freePort } from '../support/free-port.js'
import { environmentOptions, greeting, type Harness, harness, LineClient } from './support.js'

const onDemand = (name: string, port: number, connectTimeout = 5) =>
  environmentOptions(name, port, { start: 'on-demand', connectTimeout })

async function started(t: Test, ...setup: Parameters<typeof harness>): Promise<Harness> {
  const made = harness(...setup)
  t.teardown(() => made.supervisor.stop())
  made.supervisor.start()
  // Ports are taken within a turn or two; a client may come as soon as they are.
  await new Promise((resolve) => setTimeout(resolve, 50))
  return made
}

t.test('the first connection starts the environment and is served by it', async (t) => {
  const port = await freePort()
  const h = await started(t, [onDemand('slow', port)])
  t.ok(h.supervisor.ready, 'not started: it does not count')
  t.match(await h.supervisor.environment('slow'), {
    state: 'stopped',
    pid: null,
    listen: { proxy: [`127.0.0.1:${port}`] },
  })
  const clients = [new LineClient(port), new LineClient(port)]
  for (const client of clients) client.send('early bytes\n')
  const lines = await Promise.all(clients.map((client) => client.line()))
  for (const line of lines) t.match(line, /^slow \d+ handed$/)
  t.equal(await clients[0]?.line(), 'early bytes', 'nothing was read on the way')
  t.match(await greeting(port), /^slow \d+ handed$/, 'later ones too')
  t.match(await h.supervisor.environment('slow'), {
    state: 'up',
    listen: { proxy: [`127.0.0.1:${port}`] },
  })
  for (const client of clients) client.close()
})

t.test('with `always`, who comes before the process is there waits for it too', async (t) => {
  const port = await freePort()
  const h = await started(t, [environmentOptions('slow', port)])
  const lines = await Promise.all([greeting(port), greeting(port)])
  for (const line of lines) t.match(line, /^slow \d+ handed$/)
  await h.state('slow', 'up')
  t.match(await greeting(port), /^slow \d+ own$/, 'later ones come to the process itself')
})

t.test('half-close survives the hand-over', async (t) => {
  const port = await freePort()
  await started(t, [onDemand('a', port)])
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  socket.end('last words\n')
  await once(socket, 'end')
  t.match(text, /^a \d+ handed\nlast words\n$/)
})

t.test('a client waits until the first error, then the process tells it', async (t) => {
  const port = await freePort()
  await started(t, [onDemand('silent', port)])
  const began = performance.now()
  t.match(await greeting(port), /^silent \d+ handed$/)
  t.ok(performance.now() - began >= 250, 'not before the error')
})

t.test('a client waits no longer than the connect time-out', async (t) => {
  const port = await freePort()
  await started(t, [onDemand('never-ready', port, 0.3)])
  t.equal(await greeting(port), 'down ERR_DOWN is starting')
})

t.test('clients beyond the bound are answered at once', async (t) => {
  const port = await freePort()
  await started(t, [onDemand('slow', port)])
  const clients = Array.from({ length: ON_DEMAND_WAITING + 1 }, () => new LineClient(port))
  const lines = await Promise.all(clients.map((client) => client.line()))
  t.equal(lines.filter((line) => line === 'down ERR_DOWN is starting').length, 1)
  t.equal(lines.filter((line) => line?.endsWith('handed')).length, ON_DEMAND_WAITING)
  for (const client of clients) client.close()
})

t.test('a crash answers those who wait, and it comes back', async (t) => {
  const port = await freePort()
  const h = await started(t, [onDemand('crash-boot', port)], { backoffFirst: 10_000 })
  t.match(await greeting(port), /^down ERR_INTERNAL its process ended \(exit code 4\)/)
  t.match(await greeting(port), /^down ERR_INTERNAL/, 'and those who come later, at once')
  t.notOk(h.supervisor.ready, 'it was started: it counts')
})

t.test('one that a person stopped stays stopped', async (t) => {
  const port = await freePort()
  const h = await started(t, [onDemand('a', port)])
  t.match(await greeting(port), /handed$/)
  await h.supervisor.act('a', 'stop', 0)
  t.match(await greeting(port), /^down ERR_DOWN is stopped; start it/)
  t.match(await h.supervisor.environment('a'), { state: 'stopped', pid: null })
  await h.supervisor.act('a', 'start', 5000)
  t.match(await greeting(port), /handed$/)
})

t.test('a thousand connections, one after another, are all handed over', async (t) => {
  const port = await freePort()
  await started(t, [onDemand('a', port)])
  t.match(await greeting(port), /handed$/)
  let served = 0
  for (let i = 0; i < 50; i++) {
    const lines = await Promise.all(Array.from({ length: 20 }, () => greeting(port)))
    served += lines.filter((line) => line?.endsWith('handed')).length
  }
  t.equal(served, 1000)
})

t.test('connections on their way to a process that hangs end with it', async (t) => {
  const port = await freePort()
  await started(t, [onDemand('a', port)], { heartbeatInterval: 1_500, heartbeatsMissed: 3 })
  const hanging = new LineClient(port)
  t.match(await hanging.line(), /handed$/)
  hanging.send('hang\n')
  const stuck: LineClient[] = []
  while (stuck.length < HANDOVER_PENDING + 50) {
    const some = Array.from({ length: 200 }, () => new LineClient(port))
    await Promise.all(some.map((client) => once(client.socket, 'connect')))
    stuck.push(...some)
  }
  const lines = await Promise.all(stuck.map((client) => client.line()))
  t.ok(
    lines.every((line) => line === undefined || /^(down|a )/.test(line)),
    'every one got an end or an answer',
  )
  t.ok(
    lines.some((line) => line?.startsWith('down ERR_LIMIT')),
    'those beyond the bound at once',
  )
  for (const client of stuck) client.close()
  for (;;) if (/handed$/.test((await greeting(port)) ?? '')) break
  hanging.close()
})
