/** Two browser profiles on two ports show the two sites, at one address, at the same time. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { eventually, programsMissing } from '../support/namespace.js'

const PVPN = fileURLToPath(new URL('../../../bin/pvpn', import.meta.url))
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The page's DOM, as Chromium has it after loading. */
async function dom(folder: string, profile: string, proxy: string, url: string): Promise<string> {
  const args = [...FLAGS, `--user-data-dir=${join(folder, profile)}`, `--proxy-server=${proxy}`]
  const child = spawn('chromium', [...args, '--dump-dom', url], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), 50_000)
  let text = ''
  child.stdout.on('data', (b: Buffer) => {
    text += b.toString()
  })
  await once(child, 'close')
  clearTimeout(timer)
  return text
}

const skip = programsMissing('chromium') ?? false

t.test(
  'Chromium shows both sites of the demo side by side',
  { skip, timeout: 600_000 },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'pvpn-chromium-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
    const demo = spawn(process.execPath, [PVPN, 'demo'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, PVPN_RUNTIME_DIR: join(folder, 'run') },
    })
    const ended = once(demo, 'exit')
    let text = ''
    demo.stdout.on('data', (b: Buffer) => {
      text += b.toString()
    })
    t.teardown(() => demo.kill('SIGKILL'))
    t.ok(await eventually(() => text.includes('Ctrl-C'), 20_000), 'the demo runs')
    const port = (name: string) =>
      new RegExp(`^ *${name} +127\\.0\\.0\\.1:(\\d+)$`, 'm').exec(text)?.[1]

    const [office, site] = await Promise.all([
      dom(folder, 'office', `socks5://127.0.0.1:${port('office')}`, 'http://192.168.11.10/'),
      dom(folder, 'site', `http://127.0.0.1:${port('site')}`, 'http://intranet.example/'),
    ])
    t.match(office, /You reached “office”/)
    t.match(office, /192\.168\.9\.52/)
    t.match(site, /You reached “site”/)

    demo.kill('SIGINT')
    t.same(await ended, [0, null], 'Ctrl-C ends the demo in order')
  },
)
