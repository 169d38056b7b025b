/** The demo as a person runs it, and what its environments bear: many connections at once and in turn. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { eventually } from '../support/namespace.js'

const run = promisify(execFile)
const PVPN = fileURLToPath(new URL('../../../bin/pvpn', import.meta.url))
const CONCURRENT = 1000
const IN_TURN = 3000
const LANES = 20

const folder = mkdtempSync(join(tmpdir(), 'pvpn-demo-test-'))
const env = { ...process.env, PVPN_RUNTIME_DIR: join(folder, 'run') }
const demo = spawn(process.execPath, [PVPN, 'demo'], { stdio: ['ignore', 'pipe', 'inherit'], env })
const ended = once(demo, 'exit')
let text = ''
demo.stdout.on('data', (b: Buffer) => {
  text += b.toString()
})
t.teardown(() => {
  demo.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function port(name: string): number {
  return Number(new RegExp(`^ *${name} +127\\.0\\.0\\.1:(\\d+)$`, 'm').exec(text)?.[1])
}

/** An HTTP request by the proxy port, as curl sends it; everything that comes back. `hold` is awaited before it asks. */
async function get(proxy: number, url: string, hold: () => Promise<void> = async () => undefined) {
  const socket = connect(proxy, '127.0.0.1')
  await once(socket, 'connect')
  await hold()
  const { host } = new URL(url)
  socket.write(`GET ${url} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  return answer
}

async function status(): Promise<{ environments: { name: string; pid: number; state: string }[] }> {
  const child = spawn(process.execPath, [PVPN, 'status', '--json'], { env })
  let out = ''
  for await (const chunk of child.stdout) out += String(chunk)
  return JSON.parse(out)
}

function residentKib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

t.test('both networks answer at one address, by one name, in both families', async (t) => {
  t.ok(await eventually(() => text.includes('Ctrl-C'), 20_000), 'the demo says what to paste')
  for (const name of ['office', 'site']) {
    for (const url of [
      'http://192.168.11.10/',
      'http://intranet.example/',
      'http://[fd00:11::10]/',
    ]) {
      t.match(await get(port(name), url), new RegExp(`200 OK[^]*\n${name}: this is www\\.${name}`))
    }
  }
  t.match(await get(port('site'), 'http://192.168.11.10//'), / 404 /, 'an odd path ends nothing')
  t.match(
    (await status()).environments.map((e) => `${e.name} ${e.state}`),
    ['office up', 'site up'],
  )
})

t.test('one port for both: the name chooses, and explain says why', async (t) => {
  for (const name of ['office', 'site']) {
    const url = `http://192.168.11.10.${name}.pvpn.internal/`
    t.match(await get(port('both'), url), new RegExp(`200 OK[^]*\n${name}: this is`))
    t.match(await get(port('both'), `http://www.${name}.example/`), new RegExp(`\n${name}: this`))
  }
  t.match(await get(port('both'), 'http://192.168.11.10/'), / 403 /)
  const { stdout } = await run(process.execPath, [PVPN, 'explain', '--last'], { env })
  t.match(stdout, /192\.168\.11\.10:80 → denied: .*\n {2}by policy\.default/)
  t.match(stdout, /www\.site\.example:80 → site\n {2}by demo: site's names/)
  t.match(stdout, /pvpn\.internal:80 → office, as 192\.168\.11\.10\n {2}by its name/)
})

t.test('a thousand connections at once', async (t) => {
  let release: () => void = () => undefined
  const all = new Promise<void>((resolve) => {
    release = resolve
  })
  let open = 0
  const whenAllAreOpen = () => {
    if (++open === CONCURRENT) release()
    return all
  }
  const answers = Array.from({ length: CONCURRENT }, () =>
    get(port('office'), 'http://192.168.11.10/', whenAllAreOpen),
  )
  const good = (await Promise.all(answers)).filter((answer) => answer.includes('office: this is'))
  t.equal(good.length, CONCURRENT)
})

t.test('thousands in turn leave no growth', async (t) => {
  const pid = (await status()).environments[0]?.pid ?? 0
  const before = residentKib(pid)
  let left = IN_TURN
  let good = 0
  const lane = async () => {
    while (left-- > 0) {
      if ((await get(port('office'), 'http://192.168.11.10/')).includes('office: this is')) good++
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  t.equal(good, IN_TURN)
  const grown = residentKib(pid) - before
  t.ok(grown < 60_000, `${grown} KiB more after ${IN_TURN} connections`)
})

t.test('Ctrl-C ends everything', async (t) => {
  const { environments } = await status()
  demo.kill('SIGINT')
  t.same(await ended, [0, null])
  for (const { pid } of environments) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})
