/** `pvpn browser` without a gateway: what it would do, and what it refuses. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { workplace } from './gateway-support.js'

const CONFIGURATION = `version: 1
environments:
  office: { tunnel: { type: direct }, listen: 127.0.0.1:1081, users: [{ name: ann, password: tell-nobody }] }
  site: { tunnel: { type: direct }, listen: 0.0.0.0:1082, allow_unauthenticated: true }
  socket: { tunnel: { type: direct }, listen: 'unix:/tmp/pvpn-none.sock' }
`

function configured(t: Parameters<typeof workplace>[0]) {
  const w = workplace(t)
  const folder = join(w.folder, '..', 'pvpn')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'pvpn.yaml'), CONFIGURATION)
  chmodSync(join(folder, 'pvpn.yaml'), 0o600)
  const program = (name: string) => {
    const path = join(folder, name)
    writeFileSync(path, '#!/bin/sh\nexit 3\n', { mode: 0o755 })
    return path
  }
  return { ...w, program, pvpn: w.pvpn.bind(w) }
}

t.test('--print: command line and profile, and no password', async (t) => {
  const w = configured(t)
  const chromium = await w.pvpn(
    ...['browser', 'office', '192.168.11.10', '--browser', w.program('chromium'), '--print'],
    ...['--', '--incognito'],
  )
  t.match(chromium, {
    status: 0,
    stdout:
      /chromium .*browser\/office\/chromium\/profile --proxy-server=http:\/\/127\.0\.0\.1:1081 '--proxy-bypass-list=<-loopback>'.* --incognito http:\/\/192\.168\.11\.10\/\n/,
  })
  t.notMatch(chromium.stdout, /tell-nobody/)
  const firefox = await w.pvpn(
    ...['browser', 'site', '--browser', w.program('firefox'), '--print', '--host-port', '8000'],
  )
  t.match(firefox, { status: 0, stdout: /"network\.proxy\.http_port", 1082\)/ })
  t.match(firefox.stdout, /"network\.proxy\.http", "127\.0\.0\.1"\)/)
  t.match(firefox.stdout, /no_proxies_on", "127\.0\.0\.1:8000, localhost:8000"/)
  t.match(firefox.stdout, /--new-window 'file:\/\/|--new-window file:\/\/.*start\.html/)
})

t.test('refusals say what to do', async (t) => {
  const w = configured(t)
  const chromium = w.program('chromium')
  const refused = async (status: number, stderr: RegExp, ...args: string[]) =>
    t.match(await w.pvpn('browser', ...args), { status, stderr }, stderr.source)
  const by = ['--browser', chromium]
  await refused(
    2,
    /there is no browser netscape\nhint: install one/,
    'office',
    '--browser',
    'netscape',
  )
  await refused(2, /--proxy-server is set by pvpn/, 'office', ...by, '--', '--proxy-server=x:1')
  await refused(2, /no address of a page/, 'office', 'a b', ...by)
  await refused(2, /no environment "offce".*office/s, 'offce', ...by, '--print')
  await refused(1, /Unix socket only/, 'socket', ...by, '--print')
  await refused(2, /1 to 65535/, 'office', ...by, '--host-port', '0')
  await refused(1, /no gateway runs/, 'office', ...by, '--', '--headless', '--no-sandbox')
})

t.test('without a name: a window on each environment', async (t) => {
  const w = configured(t)
  const by = ['--browser', w.program('chromium'), '--print']
  const all = await w.pvpn('browser', 'http://192.168.11.10/', ...by)
  // The one without a port fails alone, and is told.
  t.match(all, { status: 1, stderr: /"socket" listens on a Unix socket only/ })
  const proxies = [...all.stdout.matchAll(/--proxy-server=(\S+) .* http:\/\/192\.168\.11\.10\/$/gm)]
  t.same(proxies.map((match) => match[1]).sort(), [
    'http://127.0.0.1:1081',
    'http://127.0.0.1:1082',
  ])
  const none = await workplace(t).pvpn('browser', ...by)
  t.match(none, { status: 2, stderr: /no environment to open a window on\nhint: .*pvpn import/ })
})
