/**
 * npm run build && node build/bench/dashboard.js: the dashboard before ten environments with 500 open
 * connections that talk, in Chromium without a window. Nothing but loopback, no root: the environments
 * are `direct`, as the gateway's work is the same for every kind of tunnel. Prints how long the page takes
 * to open until all environments are shown, without a cache, and what CPU the gateway uses with and
 * without a page that looks; exits with 1 beyond the bounds below.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Chromium, type Tab } from '../test/support/chromium.js'
import { freePort } from '../test/support/free-port.js'

const ENVIRONMENTS = 10
/** The first has more than the page shows. */
const FIRST = 140
const EACH = 40
/** A byte on every connection, this often; milliseconds. */
const TALK = 500
const OPENINGS = 15
const SECONDS = 20
const OPEN_MOST = 200
const CPU_MOST = 2

const PVPN = fileURLToPath(new URL('../../bin/pvpn', import.meta.url))
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

interface World {
  readonly folder: string
  readonly gateway: ChildProcess
  readonly ports: readonly number[]
  readonly control: number
  pvpn(...args: string[]): Promise<string>
}

async function world(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'pvpn-bench-'))
  const ports = await Promise.all(Array.from({ length: ENVIRONMENTS }, freePort))
  const control = await freePort()
  const lines = ports.map(
    (port, i) => `  office-${i}: { tunnel: { type: direct }, listen: 127.0.0.1:${port} }`,
  )
  const config = join(folder, 'pvpn.yaml')
  const text = `version: 1\ncontrol: { listen: 127.0.0.1:${control} }\nenvironments:\n${lines.join('\n')}\n`
  writeFileSync(config, text, { mode: 0o600 })
  const env = { ...process.env, PVPN_CONFIG: config, PVPN_RUNTIME_DIR: join(folder, 'run') }
  const gateway = spawn(process.execPath, [PVPN, 'up', '--log-level', 'error'], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const pvpn = async (...args: string[]) => {
    const child = spawn(process.execPath, [PVPN, ...args], { env, stdio: ['ignore', 'pipe', 2] })
    let out = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    await once(child, 'close')
    return out.trim()
  }
  await pvpn('status', '--wait', '60')
  return { folder, gateway, ports, control, pvpn }
}

/** Connections through the proxy ports to an echo of our own, which all say something now and then. */
async function connections(ports: readonly number[]): Promise<() => void> {
  const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const { port } = echo.address() as { port: number }
  const open = async (proxy: number): Promise<Socket> => {
    const socket = connect(proxy, '127.0.0.1')
    socket.write(Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255]))
    let got = 0
    while (got < 12) got += ((await once(socket, 'data')) as [Buffer])[0].length
    return socket.resume()
  }
  const sockets: Socket[] = []
  for (const [i, proxy] of ports.entries()) {
    for (let n = 0; n < (i === 0 ? FIRST : EACH); n++) sockets.push(await open(proxy))
  }
  const timer = setInterval(() => {
    for (const socket of sockets) socket.write('x')
  }, TALK)
  console.log(`${sockets.length} connections through ${ports.length} environments`)
  return () => {
    clearInterval(timer)
    for (const socket of sockets) socket.destroy()
    echo.close()
  }
}

/** Milliseconds from the navigation until every environment is shown. */
async function opening(tab: Tab, url: string): Promise<number> {
  await tab.call('Page.navigate', { url: 'about:blank' })
  await sleep(200)
  await tab.call('Page.navigate', { url })
  for (let i = 0; i < 200; i++) {
    await sleep(25)
    const shown = await tab.evaluate('window.shownAt ?? 0').catch(() => 0)
    if (Number(shown) > 0) return Number(shown)
  }
  throw new Error('the page does not show the environments')
}

const WATCH = `new MutationObserver((_, observer) => {
  if (document.querySelectorAll('article').length < ${ENVIRONMENTS}) return
  observer.disconnect()
  requestAnimationFrame(() => setTimeout(() => { window.shownAt = performance.now() }))
}).observe(document, { subtree: true, childList: true })`

/** CPU of the process over some seconds, in percent of one core. */
async function cpu(pid: number): Promise<number> {
  const used = () => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  }
  const [before, began] = [used(), performance.now()]
  await sleep(SECONDS * 1000)
  return (100 * (used() - before)) / ((performance.now() - began) / 1000)
}

async function main(): Promise<boolean> {
  const { folder, gateway, ports, control, pvpn } = await world()
  const where = {
    spawn: ([program = '', ...args]: readonly string[], options: SpawnOptions) =>
      spawn(program, args, options),
  }
  const chromium = new Chromium(where, folder)
  let hangUp: () => void = () => {}
  try {
    hangUp = await connections(ports)
    await chromium.started()
    const pid = gateway.pid as number
    await sleep(2000)
    const idle = await cpu(pid)
    const tab = await chromium.open(await pvpn('dashboard'))
    await tab.call('Page.enable')
    await tab.call('Network.enable')
    await tab.call('Network.setCacheDisabled', { cacheDisabled: true })
    await tab.call('Page.addScriptToEvaluateOnNewDocument', { source: WATCH })
    await sleep(1000)
    const times: number[] = []
    for (let i = 0; i < OPENINGS; i++)
      times.push(await opening(tab, `http://127.0.0.1:${control}/`))
    times.sort((a, b) => a - b)
    const [median = 0, most = 0] = [times[times.length >> 1], times.at(-1)]
    console.log(
      `opening, ms: median ${median.toFixed(0)}, of ${OPENINGS} the longest ${most.toFixed(0)}`,
    )
    const looked = await cpu(pid)
    await tab.evaluate(`document.querySelector('summary').click()`)
    const details = await cpu(pid)
    const rows = await tab.evaluate(`document.querySelectorAll('tbody tr').length`)
    console.log(
      `CPU of the gateway, % of a core: ${idle.toFixed(2)} while nobody looks, ${looked.toFixed(2)} with the page, ${details.toFixed(2)} with ${rows} connections on it`,
    )
    return median < OPEN_MOST && details < CPU_MOST
  } finally {
    hangUp()
    chromium.close()
    const ended = once(gateway, 'exit')
    gateway.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

process.exitCode = (await main()) ? 0 : 1
