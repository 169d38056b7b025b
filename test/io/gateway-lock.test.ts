import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { takeGatewayLock } from '../../src/io/gateway-lock.js'
import { runtimeFolder } from '../../src/io/runtime-folder.js'

const fresh = () => runtimeFolder({ PVPN_RUNTIME_DIR: mkdtempSync(join(tmpdir(), 'pvpn-lock-')) })
const gonePid = 2 ** 22 + 1

const stale = (pid: number, started: string | null) => JSON.stringify({ pid, started })

t.test('a lock is held once and released', async (t) => {
  const folder = fresh()
  const lock = await takeGatewayLock(folder)
  await t.rejects(takeGatewayLock(folder), {
    code: 'ERR_DENIED',
    message: new RegExp(`process ${process.pid}$`),
  })
  t.same(readdirSync(folder.path), ['lock.1'], 'no draft is left over')
  await lock.release()
  t.equal(readFileSync(join(folder.path, 'lock.1'), 'utf8'), '')
  await (await takeGatewayLock(folder)).release()
  t.same(readdirSync(folder.path), ['lock.2'])
})

t.test('stale locks are passed over: dead process, reused number, nonsense', async (t) => {
  const contents = [
    stale(gonePid, '1'),
    stale(gonePid, null),
    stale(process.pid, '1'),
    stale(-1, null),
    '{"pid":"1"}',
    'null',
    '',
    'x'.repeat(10_000),
  ]
  for (const content of contents) {
    const folder = fresh()
    writeFileSync(`${folder.lock}.7`, content)
    writeFileSync(`${folder.lock}.x`, 'not ours')
    const lock = await takeGatewayLock(folder)
    t.same(readdirSync(folder.path).sort(), ['lock.8', 'lock.x'], content.slice(0, 40))
    await lock.release()
  }
})

t.test('a killed holder whose parent has not asked for its end is gone', async (t) => {
  // `sleep` takes the shell's place and never asks what became of the shell's child.
  const parent = spawn('sh', ['-c', 'sleep 0.5 & echo $!; exec sleep 20'])
  t.teardown(() => parent.kill('SIGKILL'))
  const [line] = await once(parent.stdout, 'data')
  const zombie = Number(String(line))
  const state = () => readFileSync(`/proc/${zombie}/stat`, 'utf8').split(') ')[1]
  while (!state()?.startsWith('Z')) await new Promise((resolve) => setTimeout(resolve, 10))
  const folder = fresh()
  writeFileSync(`${folder.lock}.1`, stale(zombie, state()?.split(' ')[19] ?? null))
  await (await takeGatewayLock(folder)).release()
  t.same(readdirSync(folder.path), ['lock.2'])
})

t.test('a holder whose number says nothing here is asked by its socket', async (t) => {
  const folder = fresh()
  writeFileSync(`${folder.lock}.1`, stale(gonePid, '1'))
  const server = createServer((socket) => socket.end()).listen(folder.controlSocket)
  await once(server, 'listening')
  await t.rejects(takeGatewayLock(folder), { code: 'ERR_DENIED' })
  server.close()
  await once(server, 'close')
  await (await takeGatewayLock(folder)).release()
})

t.test('of many that start at once over a stale lock exactly one gets it', async (t) => {
  for (let round = 0; round < 50; round++) {
    const folder = fresh()
    writeFileSync(`${folder.lock}.1`, stale(gonePid, '1'))
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, () => takeGatewayLock(folder)),
    )
    t.equal(results.filter((r) => r.status === 'fulfilled').length, 1, `round ${round}`)
  }
})

t.test('takers and leavers never overlap', async (t) => {
  const folder = fresh()
  let holders = 0
  let taken = 0
  const worker = async () => {
    for (let i = 0; i < 40; i++) {
      try {
        const lock = await takeGatewayLock(folder)
        taken++
        t.equal(++holders, 1)
        await new Promise((resolve) => setImmediate(resolve))
        holders--
        await lock.release()
      } catch (error) {
        t.match(error, { code: 'ERR_DENIED' })
      }
    }
  }
  await Promise.all(Array.from({ length: 6 }, worker))
  t.ok(taken > 1)
})
