/** One browser, the PAC file of the gateway, two sites at one address. */
import t, { type Test } from 'tap'
import { Chromium } from '../support/chromium.js'
import { Firefox } from '../support/firefox.js'
import { CONFIGURATION, LabGateway } from '../support/lab-gateway.js'
import { labSkip } from '../support/namespace.js'
import { LAB_PROGRAMS, VpnLab, WEB, WEB_6 } from '../support/vpn-lab.js'

const WITH_POLICY = `${CONFIGURATION}policy:
  rules:
    - { domain: denied.example, environment: deny }
    - { domain: intranet, environment: site }
    - { address: 192.168.13.0/24, environment: home }
    - { address: ['${WEB_6}'], port: 80, environment: site }
    - { program: chromium, address: ${WEB}, environment: office }
`

const PAC = 'http://127.0.0.1:1090/proxy.pac'
const MARIONETTE = 2828

/** What each browser must show; `page` loads a URL. */
async function follows(
  t: Test,
  gateway: LabGateway,
  page: (url: string) => Promise<{ address: string; text: string }>,
): Promise<void> {
  const show = async (url: string) => (await page(url)).text.trim()
  for (const name of ['office', 'site']) {
    const text = await show(`http://${WEB}.${name}.pvpn.internal/`)
    t.match(text, new RegExp(`^${name} ${WEB} \\S+ ${WEB}$`))
  }
  t.match(await show('http://www.office.example/'), /^office .* www\.office\.example$/)
  t.match(await show('http://www.site.example/'), /^site .* www\.site\.example$/)
  t.match(await show('http://only6.site.example/'), /^site fd00:11::10 /)
  t.match(await show('http://192.168.13.10/'), /^local-13 /)
  t.match(await show(`http://[${WEB_6}]/`), /^site fd00:11::10 /)
  t.match(await show('http://denied.example/'), /403 Forbidden[\s\S]*denied by the rule at/)
  t.match(await show('http://203.0.113.2/'), /403 Forbidden[\s\S]*no rule of the policy/)

  const visited = await page('http://www.office.example.office.pvpn.internal/login')
  t.equal(visited.address, 'http://www.office.example.office.pvpn.internal/who')
  t.match(visited.text, /^office knows seen=office/, 'redirected, with the cookie')
  t.match(await show('http://www.site.example.site.pvpn.internal/who'), /^site knows nobody/)

  const { stdout } = await gateway.pvpn('explain', '--last')
  t.match(stdout, /www\.office\.example\.office\.pvpn\.internal:80 → office, as www/)
  t.notMatch(stdout, /www\.office\.example:80/, 'that one went to the environment by itself')
}

async function started(t: Test): Promise<{ lab: VpnLab; gateway: LabGateway }> {
  const lab = await VpnLab.create()
  t.teardown(() => lab.destroy())
  const gateway = new LabGateway(lab, WITH_POLICY)
  t.ok(await gateway.up(), `up: ${gateway.stderr}`)
  return { lab, gateway }
}

t.test(
  'Chromium follows the PAC file, two sites in two tabs',
  { skip: labSkip(...LAB_PROGRAMS, 'chromium'), timeout: 600_000 },
  async (t) => {
    const { lab, gateway } = await started(t)
    const browser = new Chromium(lab.client, lab.folder, `--proxy-pac-url=${PAC}`)
    t.teardown(() => browser.close())
    const tabs = ['office', 'site'].map((name) =>
      browser.page(`http://${WEB}.${name}.pvpn.internal/`),
    )
    const [office, site] = await Promise.all(tabs)
    t.match([office?.text, site?.text], [/^office /, /^site /])
    await follows(t, gateway, (url) => browser.page(url))
  },
)

t.test(
  'Firefox follows the PAC file',
  { skip: labSkip(...LAB_PROGRAMS, 'firefox-esr'), timeout: 600_000 },
  async (t) => {
    const { lab, gateway } = await started(t)
    const preferences = { 'network.proxy.type': 2, 'network.proxy.autoconfig_url': PAC }
    const browser = new Firefox(lab.client, lab.folder, preferences, MARIONETTE)
    t.teardown(() => browser.close())
    await browser.started()
    await follows(t, gateway, (url) => browser.page(url))
  },
)
