/**
 * The dashboard of a real gateway in a real browser, as a person uses it: signing in, looking, starting and
 * stopping by keyboard; in light, dark and on a narrow screen; and what other sites' pages can do to it.
 * PVPN_SCREENSHOTS=docs/images writes the pictures of the documents.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { Chromium, type Tab } from '../support/chromium.js'
import { CONFIGURATION, LabGateway, unprivileged } from '../support/lab-gateway.js'
import { eventually, labSkip } from '../support/namespace.js'
import { LAB_PROGRAMS, VpnLab, WEB } from '../support/vpn-lab.js'

const CONTROL = 'http://127.0.0.1:1090'
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const PICTURES = process.env.PVPN_SCREENSHOTS
const FOUR = `${CONFIGURATION}  lost:
    tunnel: { type: socks5, server: '127.0.0.1:9' }
    listen: 127.0.0.1:1088
`
const VIEWS = [
  { name: 'light', width: 1280, height: 900, scheme: 'light' },
  { name: 'dark', width: 1280, height: 900, scheme: 'dark' },
  { name: 'narrow', width: 360, height: 780, scheme: 'light' },
] as const

class Page {
  readonly #tab: Tab

  constructor(tab: Tab) {
    this.#tab = tab
  }

  /** A new tab, loaded. */
  static async open(browser: Chromium, url: string): Promise<Page> {
    const page = new Page(await browser.open(url))
    const loaded = `location.href !== 'about:blank' && document.readyState === 'complete'`
    // Until the first answer has come there is nothing that could be asked.
    await eventually(async () => (await page.run(loaded).catch(() => false)) === true, 20_000, 50)
    return page
  }

  async run(expression: string): Promise<unknown> {
    return await this.#tab.evaluate(expression)
  }

  async text(selector: string): Promise<string> {
    return String(
      await this.run(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ''`),
    )
  }

  async shows(selector: string, pattern: RegExp, milliseconds = 15_000): Promise<boolean> {
    return await eventually(async () => pattern.test(await this.text(selector)), milliseconds, 100)
  }

  async key(key: string, code = key): Promise<void> {
    const text = key === 'Enter' ? { text: '\r' } : key === ' ' ? { text: ' ' } : {}
    const windowsVirtualKeyCode = KEYS[key] ?? 0
    const event = { key, code, windowsVirtualKeyCode, ...text }
    await this.#tab.call('Input.dispatchKeyEvent', { type: 'keyDown', ...event })
    await this.#tab.call('Input.dispatchKeyEvent', { type: 'keyUp', ...event })
  }

  /** Tab until the element that has the focus is named so; false: it went round without. */
  async tabTo(name: string): Promise<boolean> {
    for (let i = 0; i < 80; i++) {
      await this.key('Tab')
      const focused = await this.run(
        `document.activeElement.ariaLabel ?? document.activeElement.innerText`,
      )
      if (focused === name) return true
    }
    return false
  }

  async view({ width, height, scheme }: (typeof VIEWS)[number]): Promise<void> {
    const metrics = { width, height, deviceScaleFactor: 1, mobile: width < 500 }
    await this.#tab.call('Emulation.setDeviceMetricsOverride', metrics)
    const features = [{ name: 'prefers-color-scheme', value: scheme }]
    await this.#tab.call('Emulation.setEmulatedMedia', { features })
    const wanted = `innerWidth === ${width} && matchMedia('(prefers-color-scheme: ${scheme})').matches`
    await eventually(async () => (await this.run(wanted)) === true, 5000, 50)
  }

  async picture(name: string): Promise<void> {
    if (PICTURES === undefined) return
    await this.run('scrollTo(0, 0)')
    const { data = '' } = await this.#tab.call('Page.captureScreenshot', { format: 'png' })
    writeFileSync(join(PICTURES, `dashboard-${name}.png`), Buffer.from(data, 'base64'))
  }

  /** A tab behind another one is not kept live. */
  async toFront(): Promise<void> {
    await this.#tab.call('Page.bringToFront')
  }
}

const KEYS: Readonly<Record<string, number>> = { Tab: 9, Enter: 13, ' ': 32 }
const card = (name: string) => `article[aria-labelledby=environment-${name}]`
const inside = (name: string, selector: string) => `${card(name)} ${selector}`

t.test(
  'the dashboard in Chromium',
  { skip: labSkip(...LAB_PROGRAMS, 'chromium'), timeout: 600_000 },
  async (t) => {
    const lab = await VpnLab.create()
    t.teardown(() => lab.destroy())
    const gateway = new LabGateway(lab, FOUR)
    await gateway.up(1)
    t.ok(await gateway.reaches('office', 'up', 15_000), gateway.stderr)
    t.ok(await gateway.reaches('site', 'up', 15_000))
    t.teardown(() => gateway.kill())
    const chromium = new Chromium(
      lab.client,
      lab.folder,
      '--host-resolver-rules=MAP rebound.example 127.0.0.1',
    )
    t.teardown(() => chromium.close())
    await chromium.started()
    const address = async () => (await gateway.pvpn('dashboard')).stdout.trim()
    const state = async (name: string) => (await gateway.environment(name)).state

    await t.test('a stranger sees the state, and is asked for the token once', async (t) => {
      const page = await Page.open(chromium, `${CONTROL}/`)
      t.ok(await page.shows(card('office'), /● up/), await page.text('main'))
      t.equal(await page.run(`document.getElementById('sign-in').hidden`), false)
      t.equal(
        await page.run(`document.querySelectorAll('.buttons button:enabled').length`),
        0,
        'nothing can be pressed',
      )
      t.notOk(await page.run(`document.cookie`))
      await page.run(
        `document.getElementById('token').value = 'wrong', document.querySelector('#sign-in button').click()`,
      )
      t.ok(await page.shows('#sign-in-error', /this is not the token/))
      t.match(await page.text('#sign-in-error'), /pvpn dashboard/, 'and says where it is')
    })

    const page = await Page.open(chromium, await address())
    await t.test('the address of pvpn dashboard signs in, once and for all tabs', async (t) => {
      t.ok(
        await eventually(
          async () => (await page.run(`!document.getElementById('sign-out').hidden`)) === true,
        ),
      )
      t.equal(await page.run('location.href'), `${CONTROL}/`, 'the token is gone from the address')
      t.equal(await page.run('document.cookie'), '', 'no script reads the cookie')
      const other = await Page.open(chromium, `${CONTROL}/`)
      t.ok(
        await eventually(
          async () =>
            (await other.run(
              `document.getElementById('sign-in').hidden && !document.getElementById('sign-out').hidden`,
            )) === true,
        ),
      )
    })

    await page.toFront()
    await t.test('each environment tells what it is, and what is wrong with it', async (t) => {
      t.ok(await page.shows(card('office'), /Handshake/))
      const office = await page.text(card('office'))
      t.match(office, /127\.0\.0\.1:1081/)
      t.match(office, /wireguard to 203\.0\.113\.2:51820/)
      t.match(office, /Handshake\s+\d+ (s|min) ago/)
      t.match(office, /192\.168\.9\.52, fd00:9::52/)
      t.match(office, /192\.168\.10\.1/)
      t.match(await page.text(card('home')), /direct/)
      t.ok(await page.shows(inside('lost', '.problem'), /server unreachable|refused/))
      t.match(await page.text(inside('lost', '.hint')), /^→ \w+/, 'and what to do')
      t.match(await page.text(inside('lost', '.state')), /starting|down/)
    })

    await t.test('throughput and its curve follow the traffic', async (t) => {
      // In pieces of 64 KiB, one every 131 ms: 488 KiB/s.
      const url = `http://${WEB}/slow?n=4000000&ms=8000`
      const download = gateway.curl('site', url, '-o', '/dev/null')
      const rate = async () => {
        const [, number = '0', unit = ''] =
          /↓ ([\d.]+) (\w+)\/s/.exec(await page.text(inside('site', '.in.number'))) ?? []
        return Number(number) * (unit === 'KiB' ? 1 : unit === 'MiB' ? 1024 : 0)
      }
      // Headers are counted too, and a second has seven or eight pieces.
      t.ok(await eventually(async () => (await rate()) > 250 && (await rate()) < 1500, 6000, 50))
      const drawn = `document.querySelector('${inside('site', 'path.in')}').getAttribute('d')`
      let curve = ''
      await eventually(
        async () => {
          curve = String(await page.run(drawn))
          return curve.includes('L')
        },
        6000,
        100,
      )
      t.match(curve, /^M[\d.]+ [\d.]+(L[\d.]+ [\d.]+)+$/)
      const heights = [...curve.matchAll(/ ([\d.]+)/g)].map(([, y]) => Number(y))
      t.ok(Math.min(...heights) <= 3, 'the most fills it')
      t.ok(Math.max(...heights) <= 29 && heights.every(Number.isFinite))
      await download
      t.ok(await eventually(async () => (await rate()) < 20, 10_000), 'and it goes back to nothing')
    })

    // The gateway's own user: who has the connection is seen of its own user's programs only.
    const hold = lab.client.spawn(
      unprivileged([
        ...[
          'curl',
          '-sS',
          '-x',
          'socks5h://127.0.0.1:1081',
          '--limit-rate',
          '20k',
          '-o',
          '/dev/null',
        ],
        `http://${WEB}/big?n=20000000`,
      ]),
    )
    t.teardown(() => hold.kill('SIGKILL'))
    await gateway.curl('office', `http://${WEB}:81/`)
    await gateway.curl('office', 'http://nowhere.office.example/')

    await t.test('by keyboard: the details, a stop, a start, a restart', async (t) => {
      t.ok(await page.tabTo('Connections and errors'))
      await page.key('Enter')
      t.ok(await page.shows(inside('office', 'tbody'), /curl/), 'whose connection it is')
      t.match(await page.text(inside('office', 'tbody')), new RegExp(`${WEB}:80`))
      t.ok(await page.shows(inside('office', '.failures'), /connection refused|refused/i))
      const failures = await page.text(inside('office', '.failures'))
      t.match(failures, /nowhere\.office\.example/)
      t.match(failures, /→ .*nothing listens on this port/, 'and what to do')

      t.ok(await page.tabTo('Stop site'))
      await page.key('Enter')
      t.ok(await page.shows(inside('site', '.state'), /○ stopped/), 'live')
      t.equal(await state('site'), 'stopped')
      t.match(await page.text('#said'), /site is stopped/, 'screen readers are told')
      t.equal(await state('office'), 'up', 'the others run on')
      t.ok(await page.tabTo('Start site'))
      await page.key(' ', 'Space')
      t.ok(await page.shows(inside('site', '.state'), /● up/))
      const { pid } = await gateway.environment('site')
      t.ok(await page.tabTo('Restart site'))
      await page.key('Enter')
      t.ok(await eventually(async () => (await gateway.environment('site')).pid !== pid, 15_000))
      t.ok(await page.shows(inside('site', '.state'), /● up/))
    })

    for (const view of VIEWS) {
      await t.test(`${view.name}: nothing is cut off, and axe finds nothing`, async (t) => {
        await page.view(view)
        const wide = await page.run(`document.documentElement.scrollWidth`)
        t.ok(Number(wide) <= view.width, `${wide} px wide`)
        await page.run(`${AXE}; 0`)
        const violations = await page.run(
          `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
            .then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map((n) => n.html).join(' ')))`,
        )
        t.same(violations, [])
        const small = await page.run(
          `[...document.querySelectorAll('button, summary, a')].filter((e) => e.offsetParent && !e.classList.contains('skip') && e.getBoundingClientRect().height < 18).map((e) => e.outerHTML)`,
        )
        t.same(small, [], 'all can be hit with a finger')
        await page.picture(view.name)
      })
    }

    await t.test('pages of other sites can neither read nor change anything', async (t) => {
      const foreign = await Page.open(chromium, `http://${WEB}/`)
      t.ok(await foreign.shows('body', /local/), 'a page of the local network')
      const tries = await foreign.run(`(async () => {
        const api = '${CONTROL}/api/v1'
        const seen = []
        const attempt = (name, act) => act().then((r) => seen.push(name + ' ' + r), () => {})
        await attempt('read', () => fetch(api + '/environments', { credentials: 'include' }).then((r) => r.text()))
        await attempt('metrics', () => fetch('${CONTROL}/metrics').then((r) => r.text()))
        await attempt('post', () => fetch(api + '/environments/office/stop', { method: 'POST', credentials: 'include' }).then((r) => r.status))
        await attempt('simple post', () => fetch(api + '/environments/office/stop', { method: 'POST', mode: 'no-cors', credentials: 'include', body: '{}' }).then((r) => r.type === 'opaque' ? Promise.reject() : r.status))
        await new Promise((done) => {
          const source = new EventSource(api + '/events?live=true', { withCredentials: true })
          source.onmessage = () => seen.push('events')
          source.addEventListener('status', () => seen.push('events'))
          source.onerror = () => (source.close(), done())
          setTimeout(done, 3000)
        })
        const frame = document.createElement('iframe')
        const form = Object.assign(document.createElement('form'), { method: 'post', action: api + '/environments/office/stop', target: 'f' })
        frame.name = 'f'
        document.body.append(frame, form)
        form.submit()
        await new Promise((done) => setTimeout(done, 1000))
        return seen
      })()`)
      t.same(tries, [])
      t.equal(await state('office'), 'up')
      const framed = await foreign.run(`new Promise((done) => {
        const frame = Object.assign(document.createElement('iframe'), { src: '${CONTROL}/' })
        frame.onload = () => { try { done(frame.contentDocument?.title ?? 'nothing to see') } catch { done('nothing to see') } }
        document.body.append(frame)
      })`)
      t.equal(framed, 'nothing to see')
    })

    await t.test('a name that leads to loopback (DNS rebinding) gets nothing', async (t) => {
      const rebound = await Page.open(chromium, 'http://rebound.example:1090/')
      t.ok(await rebound.shows('body', /.+/))
      t.notMatch(await rebound.text('body'), /office|192\.168/)
      // The answer's own policy lets no script ask; one that could would get 421 (test/control).
      const ask = (method: string, path: string) =>
        rebound.run(
          `fetch('/api/v1/environments${path}', { method: '${method}' }).then((r) => r.status, () => 'blocked')`,
        )
      t.equal(await ask('GET', ''), 'blocked')
      t.equal(await ask('POST', '/office/stop'), 'blocked')
      t.equal(await state('office'), 'up')
    })

    await t.test('a gateway that is started anew: the page says so and asks anew', async (t) => {
      await page.toFront()
      t.ok(await page.shows('#live', /^Live$/), 'it was asleep while it was behind others')
      await gateway.kill()
      t.ok(await page.shows('#live', /does not answer/, 20_000))
      await gateway.up(1)
      t.ok(
        await eventually(
          async () => (await page.run(`document.getElementById('sign-in').hidden`)) === false,
          30_000,
        ),
        'its token is another',
      )
      t.ok(await page.shows(card('office'), /● up/))
    })
  },
)
