import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { askGateway } from '../../src/io/control-client.js'
import { type RuntimeFolder, runtimeFolder } from '../../src/io/runtime-folder.js'

async function serving(t: Test, answer: (socket: Socket) => void): Promise<RuntimeFolder> {
  const folder = runtimeFolder({ PVPN_RUNTIME_DIR: mkdtempSync(join(tmpdir(), 'pvpn-client-')) })
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => answer(socket))
  }).listen(folder.controlSocket)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return folder
}

const ask = (folder: RuntimeFolder, timeout = 5000) =>
  askGateway(folder, { method: 'POST', path: '/x', body: { a: 1 }, timeout })

const json = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'

t.test('client takes JSON and text, of any status', async (t) => {
  const good = await serving(t, (s) => s.end(`${json}Content-Length: 7\r\n\r\n{"a":1}`))
  t.same(await ask(good), { status: 200, body: { a: 1 } })
  const text = await serving(t, (s) => s.end('HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nno\n'))
  t.same(await ask(text), { status: 503, body: 'no\n' })
})

t.test('client survives whatever listens on the socket', async (t) => {
  const cases: [string, (socket: Socket) => void, string][] = [
    ['nonsense', (s) => s.end('nonsense\r\n\r\n'), 'ERR_DOWN'],
    ['nothing', (s) => s.end(), 'ERR_DOWN'],
    ['a reset', (s) => s.destroy(), 'ERR_DOWN'],
    ['bad JSON', (s) => s.end(`${json}Content-Length: 1\r\n\r\n{`), 'ERR_PROTOCOL'],
    ['half an answer', (s) => s.end(`${json}Content-Length: 100\r\n\r\n{`), 'ERR_DOWN'],
    ['silence', () => {}, 'ERR_TIMEOUT'],
    ['a stall', (s) => s.write(`${json}Content-Length: 100\r\n\r\n{`), 'ERR_TIMEOUT'],
    [
      'a flood',
      (s) => {
        s.write(`${json}\r\n`)
        const flood = () => {
          while (!s.destroyed && s.write('x'.repeat(65_536))) {}
        }
        s.on('drain', flood)
        flood()
      },
      'ERR_LIMIT',
    ],
  ]
  for (const [what, answer, code] of cases) {
    const folder = await serving(t, answer)
    const timeout = code === 'ERR_TIMEOUT' ? 300 : 5000
    await t.rejects(ask(folder, timeout), { code }, what)
  }
})

t.test('no folder and no socket mean no gateway', async (t) => {
  const none = runtimeFolder({ PVPN_RUNTIME_DIR: join(tmpdir(), 'pvpn-not-there') })
  await t.rejects(ask(none), { code: 'ERR_DOWN', hint: 'start one with: pvpn up' })
  const empty = runtimeFolder({ PVPN_RUNTIME_DIR: mkdtempSync(join(tmpdir(), 'pvpn-client-')) })
  await t.rejects(ask(empty), { code: 'ERR_DOWN', hint: 'start one with: pvpn up' })
})
