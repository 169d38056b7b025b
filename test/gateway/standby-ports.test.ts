import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { ListenAddress } from '../../src/core/options.js'
import { StandbyPorts } from '../../src/gateway/standby-ports.js'
import { freePort } from '../support/free-port.js'
import { greeting } from './support.js'

const tcp = (port: number): ListenAddress => ({ kind: 'tcp', address: '127.0.0.1', port })

function ports() {
  const held = new StandbyPorts()
  held.onClient = (socket: Socket, listener: string) => socket.end(`${listener}\n`)
  return held
}

t.test('held ports are answered, released ones are free at once', async (t) => {
  const [a, b] = [await freePort(), await freePort()]
  const held = ports()
  t.same(await held.hold([tcp(a), tcp(b)]), [])
  t.equal(await greeting(a), `127.0.0.1:${a}`)
  t.same(await held.hold([tcp(b)]), [], 'only what is wanted stays')
  t.equal(await greeting(a), undefined)
  t.equal(await greeting(b), `127.0.0.1:${b}`)
  held.release()
  const server = createServer((socket) => socket.end('mine\n')).listen(b, '127.0.0.1')
  await once(server, 'listening')
  t.equal(await greeting(b), 'mine')
  server.close()
})

t.test('a port that is let go of soon is waited for', async (t) => {
  const port = await freePort()
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  setTimeout(() => server.close(), 200)
  const held = ports()
  t.same(await held.hold([tcp(port)]), [])
  t.equal(await greeting(port), `127.0.0.1:${port}`)
  held.release()
})

t.test('what can not be had is told in words', async (t) => {
  const held = ports()
  t.same(await held.hold([{ kind: 'tcp', address: '192.0.2.1', port: 1081 }]), [
    '192.0.2.1:1081 is not an address of this machine',
  ])
  t.match(await held.hold([{ kind: 'unix', path: '/nowhere/at/all' }]), [
    /^unix:\/nowhere\/at\/all needs rights/,
  ])
  held.release()
})

t.test('wishes that overtake each other end with the last one', async (t) => {
  const port = await freePort()
  const held = ports()
  const wishes = [held.hold([tcp(port)]), held.hold([]), held.hold([tcp(port)])]
  await Promise.all(wishes)
  t.equal(await greeting(port), `127.0.0.1:${port}`)
  const last = held.hold([tcp(await freePort())])
  held.release()
  await last
  t.equal(await greeting(port), undefined)
})

t.test('a stale socket file is replaced, another file is not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pvpn-standby-'))
  const path = join(folder, 'proxy.sock')
  const ask = async () => {
    const socket = connect(path)
    const [data] = await once(socket, 'data')
    return String(data)
  }
  const held = ports()
  const child = createServer().listen(path)
  await once(child, 'listening')
  t.match(await held.hold([{ kind: 'unix', path }]), [/is in use/], 'somebody listens on it')
  child.close()
  t.same(await held.hold([{ kind: 'unix', path }]), [])
  t.equal(await ask(), `unix:${path}\n`)
  held.release()
  writeFileSync(path, 'precious')
  t.match(await held.hold([{ kind: 'unix', path }]), [/is in use/])
})
