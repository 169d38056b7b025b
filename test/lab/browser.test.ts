/**
 * `pvpn browser`: pages of two sites at one address in two windows at once, and nothing but the
 * tunnels' own packets outside: at the start, on a page that tries every way around a proxy, when the
 * environment is stopped, and at the end.
 */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { PAGE } from '../support/hostile-page.js'
import { eventually, labSkip } from '../support/namespace.js'
import { LAB_PROGRAMS, WEB, WEB_6 } from '../support/vpn-lab.js'
import { BrowserLab, HOSTILE } from './browser-lab.js'

const root = process.getuid?.() === 0
const skip = (browser: string) =>
  labSkip(...LAB_PROGRAMS, 'python3', 'git', 'ssh', browser) ||
  (!root && 'needs root, to make /run and /etc of its own for the client')

async function started(t: Test): Promise<BrowserLab> {
  const lab = await BrowserLab.create()
  t.teardown(() => lab.destroy())
  // As a person sets it up: import, import, up; and then browser.
  const { gateway } = lab.lab
  rmSync(gateway.config)
  mkdirSync(join(gateway.folder, 'given'), { mode: 0o755 })
  for (const site of ['office', 'site'] as const) {
    gateway.write(`given/${site}.conf`, readFileSync(lab.lab.lab.files[site], 'utf8'))
    rmSync(join(gateway.folder, `${site}.conf`))
    const { code, stderr } = await lab.pvpn('import', join(gateway.folder, 'given', `${site}.conf`))
    t.equal(code, 0, `import ${site}: ${stderr}`)
  }
  t.ok(await lab.lab.gateway.up(), `up: ${lab.lab.gateway.stderr}`)
  await lab.lab.capture()
  return lab
}

async function quiet(t: Test, lab: BrowserLab, what: string): Promise<void> {
  t.same(await lab.strange(), [], `nothing went another way: ${what}`)
}

function private_(t: Test, path: string): void {
  t.equal(statSync(path).mode & 0o077, 0, `${path} is the owner's alone`)
}

t.test('Chromium', { skip: skip('chromium'), timeout: 600_000 }, async (t) => {
  const lab = await started(t)

  await t.test('the outside answers a browser that nobody keeps inside', async (t) => {
    const page = join(lab.lab.gateway.folder, 'hostile.html')
    writeFileSync(page, PAGE, { mode: 0o644 })
    const path = lab.program(
      'bare',
      `exec timeout 9 chromium --headless --no-sandbox --disable-gpu --no-first-run --user-data-dir=${lab.lab.gateway.folder}/bare-profile file://${page} >/dev/null 2>&1`,
    )
    await lab.lab.bare([path])
    const strange = (await lab.strange()).join('\n')
    for (const seen of [
      '198.51.100.1.3478',
      '198.51.100.7',
      'fetch.leak.example',
      '127.0.0.1.5432',
    ]) {
      t.ok(strange.includes(seen), `the capture saw ${seen}`)
    }
    // The kernel leaves its multicast groups a moment after it.
    await new Promise((resolve) => setTimeout(resolve, 2000))
    await lab.strange()
  })

  const office = await lab.chromium(
    'office',
    `--unsafely-treat-insecure-origin-as-secure=${HOSTILE.slice(0, -1)}`,
  )
  const site = await lab.chromium('site')

  await t.test('one address, two windows, two sites', async (t) => {
    const both = [office.page(`http://${WEB}/`), site.page(`http://${WEB}/`)]
    const [one, other] = await Promise.all(both)
    t.match([one?.text, other?.text], [/^office /, /^site /])
    t.match((await office.page('http://www.office.example/')).text, /^office .* www\.office/)
    t.match((await site.page(`http://[${WEB_6}]/`)).text, /^site fd00:11::10 /)
    const folder = lab.folder('office', 'chromium-office')
    private_(t, folder)
    private_(t, join(folder, 'profile'))
    private_(t, join(folder, 'profile/Default/Preferences'))
    await quiet(t, lab, 'start and pages')
  })

  await t.test('a hostile page', async (t) => {
    await office.tab(HOSTILE)
    const report = await lab.report()
    t.match(report?.tried, ['webrtc', 'websocket', 'webtransport'])
    t.same(
      report?.candidates.filter((line) => / udp /.test(line)),
      [],
      'no address is told',
    )
    t.notMatch((await office.page('http://127.0.0.1:5432/')).text, /^host /)
    t.notMatch((await office.page('http://localhost:5432/')).text, /^host /)
    t.notMatch((await office.page('http://198.51.100.1/')).text, /^outside /)
    await quiet(t, lab, 'the hostile page')
  })

  await t.test('an environment that is stopped', async (t) => {
    t.equal((await lab.pvpn('stop', 'office')).code, 0)
    t.match((await office.page(`http://${WEB}/?stopped`)).text, /office/i)
    t.notMatch((await office.page('http://www.office.example/?')).text, /^(office|site|outside) /)
    t.match((await site.page(`http://${WEB}/`)).text, /^site /, 'the other goes on')
    await quiet(t, lab, 'stopped')
  })

  await t.test('a second start brings the environment up again', async (t) => {
    const path = join(lab.lab.gateway.folder, 'chromium-office')
    const more = ['--', '--headless', '--no-sandbox', '--disable-gpu']
    const refused = await lab.pvpn(
      'browser',
      'office',
      '--browser',
      path,
      '--host-port',
      '8000',
      ...more,
    )
    t.match(refused, { code: 2, stderr: /the browser of office that runs .* another proxy port/ })
    // Connections that were told of the stop are let go a moment later.
    const back = await eventually(async () => {
      return /^office /.test((await office.page(`http://${WEB}/`)).text)
    })
    t.ok(back, 'the window that was open works again')
    await quiet(t, lab, 'a second start')
  })

  await t.test('the end', async (t) => {
    await office.quit()
    await site.quit()
    await new Promise((resolve) => setTimeout(resolve, 2500))
    await quiet(t, lab, 'the end')
  })
})

t.test('Firefox', { skip: skip('firefox-esr'), timeout: 600_000 }, async (t) => {
  const lab = await started(t)
  const office = await lab.firefox('office')
  const show = async (url: string) => (await office.page(url)).text.trim()

  t.match(await show(`http://${WEB}/`), /^office /)
  t.match(await show('http://www.office.example/'), /^office .* www\.office/)
  t.match(await show(`http://[${WEB_6}]/`), /^office fd00:11::10 /)
  private_(t, lab.folder('office', 'firefox-lab'))
  await quiet(t, lab, 'start and pages')

  await office.page(HOSTILE)
  const report = await lab.report()
  t.match(report?.tried, ['webrtc', 'websocket'])
  t.same(
    report?.candidates.filter((line) => / udp /i.test(line)),
    [],
    'no address is told',
  )
  t.notMatch(await show('http://127.0.0.1:5432/'), /^host /)
  t.notMatch(await show('http://localhost:5432/'), /^host /)
  t.notMatch(await show('http://198.51.100.1/'), /^outside /)
  await quiet(t, lab, 'the hostile page')

  t.equal((await lab.pvpn('stop', 'office')).code, 0)
  t.notMatch(await show(`http://${WEB}/?stopped`), /^(office|site|outside) /)
  t.notMatch(await show('http://www.office.example/?stopped'), /^(office|site|outside) /)
  await quiet(t, lab, 'stopped')

  const [pid] = (await lab.lab.lab.client.check(['pgrep', '-f', 'firefox-lab/profile'])).split('\n')
  await lab.lab.lab.client.check(['kill', pid ?? ''])
  t.ok(
    await eventually(
      async () => (await lab.lab.lab.client.run(['kill', '-0', pid ?? ''])).code !== 0,
    ),
  )
  await quiet(t, lab, 'the end')
})
