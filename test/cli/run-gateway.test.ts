import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { greeting, greetingLike, LineClient } from '../gateway/support.js'
import { freePort } from '../support/free-port.js'
import { alive, gone, workplace } from './gateway-support.js'

const pidOf = (line: string | undefined) => Number(line?.split(' ')[1])

t.test('SIGTERM and SIGINT end the gateway and every environment with status 0', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const w = workplace(t)
    const [a, b] = [await freePort(), await freePort()]
    // One of them does not stop by itself; once is enough, it takes its time.
    const other = signal === 'SIGTERM' ? 'stubborn' : 'b'
    w.configure({
      environments: [
        { name: 'a', port: a },
        { name: other, port: b },
      ],
    })
    const up = w.up()
    await up.says(/^a {2}up .*\n/m)
    await up.says(new RegExp(`^${other} {2}up .*\n`, 'm'))
    await up.says(/^control null$/m)
    const pids = [pidOf(await greeting(a)), pidOf(await greeting(b))]
    t.same(readdirSync(w.folder).sort(), ['control.sock', 'lock.1', 'token'])
    t.equal(statSync(w.folder).mode & 0o777, 0o700)
    t.equal(statSync(join(w.folder, 'token')).mode & 0o777, 0o600)
    t.equal(statSync(join(w.folder, 'control.sock')).mode & 0o777, 0o600)
    const began = performance.now()
    const { status } = await up.signal(signal)
    t.equal(status, 0, signal)
    t.ok(performance.now() - began < 5000, 'within 5 s')
    t.notOk(pids.some(alive), 'no process is left')
    t.same(readdirSync(w.folder), ['lock.1'], 'no socket and no token is left')
  }
})

t.test('a signal while it starts ends it with status 0 too', async (t) => {
  const w = workplace(t)
  w.configure({ environments: [{ name: 'a', port: await freePort() }] })
  const up = w.up()
  await up.says(/^a {2}starting/m)
  t.equal((await up.signal('SIGTERM')).status, 0)
  t.same(readdirSync(w.folder), ['lock.1'])
})

t.test('environments end when the gateway is killed, and the next gateway cleans up', async (t) => {
  const w = workplace(t)
  const port = await freePort()
  w.configure({ environments: [{ name: 'a', port }] })
  const up = w.up()
  await up.says(/^a {2}up .*\n/m)
  await up.says(/^control/m)
  const token = readFileSync(join(w.folder, 'token'), 'utf8')
  const pid = pidOf(await greeting(port))
  await up.signal('SIGKILL')
  await gone(pid)
  const next = w.up()
  await next.says(/^a {2}up .*\n/m)
  await next.says(/^control/m)
  t.not(readFileSync(join(w.folder, 'token'), 'utf8'), token, 'a new token')
  t.match(await greeting(port), /^a /)
})

t.test('a second gateway refuses and names the first', async (t) => {
  const w = workplace(t)
  const port = await freePort()
  w.configure({ environments: [{ name: 'a', port }] })
  const up = w.up()
  await up.says(/^control/m)
  const second = await w.up().ended
  t.equal(second.status, 1)
  t.match(second.stderr, new RegExp(`process ${up.pid}\\b`))
  t.equal((await w.pvpn('status')).status, 0, 'the first one still answers')
})

t.test('of many gateways started at once over a stale lock one wins', async (t) => {
  const w = workplace(t)
  w.configure({ environments: [] })
  mkdirSync(w.folder, { mode: 0o700 })
  writeFileSync(join(w.folder, 'lock.1'), JSON.stringify({ pid: 2 ** 22 + 1, started: '1' }))
  const all = Array.from({ length: 5 }, () => w.up())
  const outcomes = await Promise.all(
    all.map((up) =>
      Promise.race([
        up.says(/^control/m).then(
          () => 'runs',
          () => 'refused',
        ),
      ]),
    ),
  )
  t.equal(outcomes.filter((o) => o === 'runs').length, 1, outcomes.join())
})

t.test('SIGHUP reloads: unchanged environments keep their connections', async (t) => {
  const w = workplace(t)
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()]
  const [a, b, c, d] = ports as [number, number, number, number]
  const entry = (name: string, port: number) => ({ name, port })
  w.configure({ environments: [entry('a', a), entry('b', b), entry('c', c)] })
  const up = w.up()
  for (const name of ['a', 'b', 'c']) await up.says(new RegExp(`^${name} {2}up`, 'm'))
  const [keep, moved, removed] = [new LineClient(a), new LineClient(b), new LineClient(c)]
  await Promise.all([keep.line(), moved.line(), removed.line()])
  // b moves to c's port, c goes, d is new.
  w.configure({ environments: [entry('a', a), entry('b', c), entry('d', d)] })
  up.child.kill('SIGHUP')
  await up.says(/"reloaded"/, 'stderr')
  const line = up.stderr.split('\n').find((l) => l.includes('"reloaded"')) ?? ''
  t.match(JSON.parse(line), { started: ['d'], restarted: ['b'], stopped: ['c'], unchanged: ['a'] })
  t.equal(await moved.line(), undefined)
  t.equal(await removed.line(), undefined)
  keep.send('still\n')
  t.equal(await keep.line(), 'still')
  t.match(await greetingLike(c, /^b /), /own|handed/)
  t.match(await greetingLike(d, /^d /), /own|handed/)
  t.equal(await greeting(b), undefined, 'the old port is free')
  w.configure('{ no json')
  up.child.kill('SIGHUP')
  await up.says(/everything runs on as before/, 'stderr')
  keep.send('still\n')
  t.equal(await keep.line(), 'still')
  t.match(await greeting(d), /^d /)
  keep.close()
})

t.test('folders that others could have put there are refused', async (t) => {
  const linked = workplace(t)
  mkdirSync(`${linked.folder}-real`, { mode: 0o700 })
  symlinkSync(`${linked.folder}-real`, linked.folder)
  linked.configure({ environments: [] })
  const { status, stderr } = await linked.up().ended
  t.equal(status, 1)
  t.match(stderr, /it is a link/)
  t.equal((await linked.pvpn('status')).status, 2)
})
