import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { accel } from '../../src/native/accel.js'
import { Accounts } from '../../src/policy/accounts.js'
import { Callers } from '../../src/policy/callers.js'
import { executable } from '../../src/policy/processes.js'

const NODE = realpathSync(process.execPath)
const UID = process.getuid?.() ?? 0

/** A server, and the sockets that it has accepted in their order. */
async function server(t: Test, where: { host: string; port: 0 } | { path: string }) {
  const accepted: Socket[] = []
  const waiting: ((socket: Socket) => void)[] = []
  const made = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    const next = waiting.shift()
    if (next === undefined) accepted.push(socket)
    else next(socket)
    t.teardown(() => socket.destroy())
  })
  made.listen(where)
  await once(made, 'listening')
  t.teardown(() => made.close())
  const address = made.address()
  return {
    port: typeof address === 'string' ? 0 : (address as AddressInfo).port,
    next: () =>
      new Promise<Socket>((resolve) => {
        const ready = accepted.shift()
        if (ready === undefined) waiting.push(resolve)
        else resolve(ready)
      }),
  }
}

/** Runs a script that connects and stays. */
function client(t: Test, argv: readonly string[]): ChildProcess {
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(argv[0] as string, argv.slice(1), { stdio: 'ignore', env })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

const connecting = (where: string) =>
  `const s = require('net').connect(${where}); s.on('error', () => {}); s.resume(); setTimeout(() => {}, 60000)`

for (const host of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
  t.test(`a program that connects to ${host} is known with its user and parents`, async (t) => {
    const plain = host === '::ffff:127.0.0.1' ? '127.0.0.1' : host
    const s = await server(t, { host: plain, port: 0 })
    const child = client(t, [
      'sh',
      '-c',
      `"$0" -e "$1" & wait`,
      process.execPath,
      connecting(`${s.port}, '${host}'`),
    ])
    const caller = new Callers().of(await s.next())
    t.equal(caller.program, NODE)
    t.equal(caller.ancestors[0], executable(child.pid as number), 'the shell')
    t.equal(caller.ancestors[1], NODE, 'and this test')
    t.ok(caller.users.includes(String(UID)))
    t.ok(caller.groups.includes(String(process.getgid?.())))
  })
}

t.test(
  'a client on a Unix socket is known by the kernel',
  {
    skip: accel() === undefined ? 'no addon' : false,
  },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'pvpn-callers-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'socket')
    const s = await server(t, { path })
    client(t, [process.execPath, '-e', connecting(`'${path}'`)])
    const caller = new Callers().of(await s.next())
    t.equal(caller.program, NODE)
    t.ok(caller.users.includes(String(UID)))
  },
)

t.test('a program that has ended its direction is known all the same', async (t) => {
  const s = await server(t, { host: '127.0.0.1', port: 0 })
  client(t, [
    process.execPath,
    '-e',
    `require('net').connect({ port: ${s.port}, host: '127.0.0.1', allowHalfOpen: true }).end();
     setTimeout(() => {}, 60000)`,
  ])
  const socket = await s.next()
  socket.resume()
  await once(socket, 'end')
  t.equal(new Callers().of(socket).program, NODE)
})

t.test('a process that has ended earns no guess, nor does its user', async (t) => {
  const s = await server(t, { host: '127.0.0.1', port: 0 })
  const child = client(t, [process.execPath, '-e', connecting(`${s.port}, '127.0.0.1'`)])
  const socket = await s.next()
  child.kill('SIGKILL')
  await once(child, 'exit')
  const caller = new Callers().of(socket)
  t.equal(caller.program, undefined)
  t.same(caller.ancestors, [])
  t.same(caller.users, [], 'the kernel says root of a socket without a process')
  t.same(caller.groups, [])
})

t.test('a socket that a child inherited is its parent’s', async (t) => {
  const s = await server(t, { host: '127.0.0.1', port: 0 })
  const child = client(t, [
    process.execPath,
    '-e',
    `const s = require('net').connect(${s.port}, '127.0.0.1', () => {
       require('child_process').spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', s] })
       s.write('x')
     }); setTimeout(() => {}, 60000)`,
  ])
  const socket = await s.next()
  await once(socket, 'data')
  t.equal(new Callers().of(socket).program, NODE)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const left = new Callers().of(socket)
  t.match(left.program, /sleep|coreutils|busybox/, 'whoever is left has it')
  // What inherited it ends with it.
  socket.destroy()
})

t.test('2,000 sockets open: every one of them is told apart', async (t) => {
  const s = await server(t, { host: '127.0.0.1', port: 0 })
  const [here, there]: [Socket[], Socket[]] = [[], []]
  for (let i = 0; i < 1000; i++) {
    const socket = connect(s.port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    here.push(socket)
    there.push(await s.next())
  }
  const callers = new Callers()
  const times: number[] = []
  for (const socket of there.filter((_, i) => i % 10 === 0)) {
    const began = performance.now()
    const { program, users } = callers.of(socket)
    times.push(performance.now() - began)
    if (program !== NODE || !users.includes(String(UID))) t.fail(`${program} ${users}`)
  }
  times.sort((a, b) => a - b)
  t.comment(`a look-up takes ${times[50]?.toFixed(2)} ms, 9 of 10 ${times[90]?.toFixed(2)} ms`)
  t.equal(times.length, 100)
})

t.test('a proxy user is a user', async (t) => {
  const s = await server(t, { host: '127.0.0.1', port: 0 })
  const socket = connect(s.port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  t.ok(new Callers().of(await s.next(), 'ann').users.includes('ann'))
})

t.test('accounts: names of numbers, and the groups that the files give', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pvpn-accounts-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [passwd, group] = [join(folder, 'passwd'), join(folder, 'group')]
  writeFileSync(passwd, 'root:x:0:0::/root:/bin/sh\nann:x:1000:100::/:\nanna:x:1000:100::/:\n')
  writeFileSync(group, 'root:x:0:\nusers:x:100:\ndocker:x:998:bob,ann\nother:x:5:annabel\n')
  const accounts = new Accounts(passwd, group)
  t.same(accounts.userNames(1000), ['ann', 'anna', '1000'])
  t.same(accounts.userNames(7), ['7'])
  t.same(accounts.groupNames(accounts.groupsOf(1000)), ['users', 'docker', '100', '100', '998'])
  writeFileSync(passwd, 'root:x:0:0::/root:/bin/sh\nzoe:x:1000:100::/:\n#\n')
  t.same(accounts.userNames(1000), ['zoe', '1000'], 'read again when they change')
  rmSync(passwd)
  t.same(accounts.userNames(0), ['0'])
})
