import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { listenStream } from '../../src/io/listen.js'

const folder = mkdtempSync(join(tmpdir(), 'pvpn-listen-'))
t.teardown(() => rmSync(folder, { recursive: true }))

const dial = (path: string) =>
  new Promise<string>((resolve) => {
    const socket = connect(path)
    socket.on('connect', () => {
      socket.destroy()
      resolve('connected')
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
  })

t.test('a TCP port that is taken is told', async (t) => {
  const first = await listenStream({ kind: 'tcp', address: '127.0.0.1', port: 0 }, () => {})
  t.teardown(() => first.close())
  t.match(first.address, { kind: 'tcp', address: '127.0.0.1', port: Number })
  await t.rejects(
    listenStream(first.address, () => {}),
    {
      code: 'ERR_CONFIG',
      message: /in use by another program/,
    },
  )
  await t.rejects(
    listenStream({ kind: 'tcp', address: '192.0.2.1', port: 0 }, () => {}),
    { code: 'ERR_CONFIG', message: /not an address of this machine/ },
  )
})

t.test('a Unix socket is for its owner alone, and goes with its listener', async (t) => {
  const path = join(folder, 'own.sock')
  const mask = process.umask()
  const listener = await listenStream({ kind: 'unix', path }, (socket) => socket.destroy())
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(process.umask(), mask)
  t.equal(await dial(path), 'connected')
  listener.close()
  t.equal(await dial(path), 'ENOENT')
})

t.test('a stale socket is replaced, a living one and a file are not', async (t) => {
  const stale = join(folder, 'stale.sock')
  spawnSync(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ])
  t.ok(statSync(stale).isSocket())
  const listener = await listenStream({ kind: 'unix', path: stale }, (socket) => socket.destroy())
  t.equal(await dial(stale), 'connected')
  listener.close()

  const living = join(folder, 'living.sock')
  const other = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => other.listen(living, resolve))
  await t.rejects(
    listenStream({ kind: 'unix', path: living }, () => {}),
    { code: 'ERR_CONFIG' },
  )
  t.equal(await dial(living), 'connected')
  other.close()

  const file = join(folder, 'file')
  writeFileSync(file, 'precious')
  await t.rejects(
    listenStream({ kind: 'unix', path: file }, () => {}),
    { code: 'ERR_CONFIG' },
  )
  t.equal(statSync(file).size, 8)
})
