/** One Chromium, the PAC file of the gateway, two sites at one address: in two tabs. */
import t from 'tap'
import { Chromium } from '../support/chromium.js'
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

t.test(
  'Chromium follows the PAC file',
  { skip: labSkip(...LAB_PROGRAMS, 'chromium'), timeout: 240_000 },
  async (t) => {
    const lab = await VpnLab.create()
    t.teardown(() => lab.destroy())
    const gateway = new LabGateway(lab, WITH_POLICY)
    t.ok(await gateway.up(), `up: ${gateway.stderr}`)
    const pac = 'http://127.0.0.1:1090/proxy.pac'
    const browser = new Chromium(lab.client, lab.folder, `--proxy-pac-url=${pac}`)
    t.teardown(() => browser.close())
    const show = async (url: string) => (await browser.page(url)).text.trim()

    const [office, site] = await Promise.all(
      ['office', 'site'].map((name) => show(`http://${WEB}.${name}.pvpn.internal/`)),
    )
    t.match(office, new RegExp(`^office ${WEB} \\S+ ${WEB}$`))
    t.match(site, new RegExp(`^site ${WEB} \\S+ ${WEB}$`))
    t.match(await show('http://www.office.example/'), /^office .* www\.office\.example$/)
    t.match(await show('http://www.site.example/'), /^site .* www\.site\.example$/)
    t.match(await show('http://only6.site.example/'), /^site fd00:11::10 /)
    t.match(await show('http://192.168.13.10/'), /^local-13 /)
    t.match(await show(`http://[${WEB_6}]/`), /^site fd00:11::10 /)
    t.match(await show('http://denied.example/'), /403 Forbidden[\s\S]*denied by the rule at/)
    t.match(await show('http://203.0.113.2/'), /403 Forbidden[\s\S]*no rule of the policy/)
    // The search domain of the site completes it inside; the browser asks for it as it is.
    t.match(await show('http://intranet/'), /site|502|504/)

    const visited = await browser.page(`http://www.office.example.office.pvpn.internal/login`)
    t.equal(visited.address, 'http://www.office.example.office.pvpn.internal/who')
    t.match(visited.text, /^office knows seen=office/, 'redirected, with the cookie')
    t.match(await show(`http://www.site.example.site.pvpn.internal/who`), /^site knows nobody/)

    const { stdout } = await gateway.pvpn('explain', '--last')
    t.match(stdout, /www\.office\.example\.office\.pvpn\.internal:80 → office, as www/)
    t.notMatch(stdout, /www\.office\.example:80/, 'that one went to the environment by itself')
  },
)
