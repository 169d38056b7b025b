import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { greeting, LineClient } from '../gateway/support.js'
import { freePort } from '../support/free-port.js'
import { workplace } from './gateway-support.js'

t.test('without a gateway the commands say so', async (t) => {
  const w = workplace(t)
  for (const args of [
    ['status'],
    ['status', '--json'],
    ['start', 'a'],
    ['stop', 'a'],
    ['restart', 'a'],
    ['reload'],
    ['dashboard'],
  ]) {
    const { status, stdout, stderr } = await w.pvpn(...args)
    t.equal(status, 1, args.join(' '))
    t.equal(stdout, '')
    t.match(stderr, /no gateway runs here .*\nhint: start one with: pvpn up\n/)
  }
  const began = performance.now()
  t.equal((await w.pvpn('status', '--wait', '0.5')).status, 1)
  t.ok(performance.now() - began >= 500)
  t.equal((await w.pvpn('status', '--wait', 'x')).status, 2)
  t.equal((await w.pvpn('stop')).status, 2)
})

t.test('status shows what runs; start, stop and restart wait for their effect', async (t) => {
  const w = workplace(t)
  const ports = [await freePort(), await freePort(), await freePort()]
  const [a, slow, lazy] = ports as [number, number, number]
  w.configure({
    environments: [
      { name: 'office', port: a },
      { name: 'slow', port: slow },
      { name: 'lazy', port: lazy, start: 'on-demand' },
    ],
    control: 0,
  })
  const waiting = w.pvpn('status', '--wait', '20', '--json')
  const up = w.up()
  const waited = await waiting
  t.equal(waited.status, 0, waited.stderr)
  const status = JSON.parse(waited.stdout)
  t.match(status, {
    version: '0.0.0',
    pid: up.pid,
    control: /^127\.0\.0\.1:\d+$/,
    policy: null,
    environments: [
      { name: 'office', state: 'up', error: null, listen: { proxy: [`127.0.0.1:${a}`], dns: [] } },
      { name: 'slow', state: 'up' },
      { name: 'lazy', state: 'stopped', pid: null, listen: { proxy: [`127.0.0.1:${lazy}`] } },
    ],
  })
  const table = await w.pvpn('status')
  t.equal(table.status, 0)
  t.match(table.stdout, /^NAME +STATE +LISTEN/)
  t.match(table.stdout, new RegExp(`^office +up +127\\.0\\.0\\.1:${a} +192\\.168\\.9\\.52 `, 'm'))

  const stopped = await w.pvpn('stop', 'office')
  t.same([stopped.status, stopped.stdout], [0, 'office is stopped\n'])
  t.equal((await w.pvpn('status', '--wait', '0')).status, 0, 'a stopped one does not count')
  const started = await w.pvpn('start', 'office')
  t.same([started.status, started.stdout], [0, `office is up (127.0.0.1:${a})\n`])
  const restarted = await w.pvpn('restart', 'slow')
  t.same([restarted.status, restarted.stdout], [0, `slow is up (127.0.0.1:${slow})\n`])
  const byHand = await w.pvpn('start', 'lazy')
  t.same([byHand.status, byHand.stdout], [0, `lazy is up (127.0.0.1:${lazy})\n`])

  for (const name of ['offise', 'NO/../NAME', '']) {
    const unknown = await w.pvpn('restart', name)
    t.equal(unknown.status, 2, name)
    t.match(
      unknown.stderr,
      /there is no environment .*\nhint: the gateway has: office, slow, lazy\n/,
    )
  }
  t.match((await w.pvpn('start', 'offise')).stderr, /did you mean "office"\?/)
})

t.test('errors of environments are shown with what to do', async (t) => {
  const w = workplace(t)
  const thief = createServer().listen(0, '127.0.0.1')
  await once(thief, 'listening')
  t.teardown(() => thief.close())
  const { port } = thief.address() as { port: number }
  w.configure({
    environments: [
      { name: 'silent', port: await freePort() },
      { name: 'taken', port },
    ],
  })
  const up = w.up()
  await up.says(/^taken {2}failed .* is in use by another program/m)
  await up.says(/^silent {2}starting .* no answer from/m)
  const status = await w.pvpn('status', '--wait', '0.2')
  t.equal(status.status, 1)
  t.match(status.stdout, /^silent +starting /m)
  t.match(
    status.stdout,
    /^silent: no answer from 127\.0\.0\.1:9\n {2}hint: Are host and port right/m,
  )
  t.match(
    status.stdout,
    /^taken: 127\.0\.0\.1:\d+ is in use by another program; next try .*\n {2}hint:/m,
  )
  const start = await w.pvpn('start', 'silent')
  t.same([start.status, start.stdout], [1, 'silent is starting: no answer from 127.0.0.1:9\n'])
})

t.test('reload says what has changed', async (t) => {
  const w = workplace(t)
  const [a, b] = [await freePort(), await freePort()]
  w.configure({ environments: [{ name: 'a', port: a }] })
  const up = w.up()
  await up.says(/^a {2}up/m)
  await up.says(/^control/m)
  const client = new LineClient(a)
  await client.line()
  w.configure({
    environments: [
      { name: 'a', port: a },
      { name: 'b', port: b },
    ],
    control: 0,
  })
  const good = await w.pvpn('reload')
  t.same([good.status, good.stdout], [0, 'started: b\nunchanged: a\n'])
  await up.says(/^b {2}up/m)
  w.configure('nonsense')
  const bad = await w.pvpn('reload')
  t.equal(bad.status, 2)
  t.match(bad.stderr, /^fake\.json:1:1: no JSON\n.*everything runs on as before/)
  t.match(await greeting(b), /^b /)
  client.send('x\n')
  t.equal(await client.line(), 'x')
  client.close()
  const status = JSON.parse((await w.pvpn('status', '--json')).stdout)
  t.match(status.control, /^127\.0\.0\.1:\d+$/, 'the control port came with the reload')
})

t.test('a gateway that does not answer is no gateway', async (t) => {
  const w = workplace(t)
  mkdirSync(w.folder, { mode: 0o700 })
  const server = createServer((socket) => socket.end('nonsense')).listen(
    join(w.folder, 'control.sock'),
  )
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { status, stderr } = await w.pvpn('status')
  t.equal(status, 1)
  t.match(stderr, /^pvpn: can't talk to the gateway/)
})
