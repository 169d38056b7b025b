/** A person with two .conf files and nothing else: import, import, up, and one browser shows both sites. */
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { LabGateway } from '../support/lab-gateway.js'
import { labSkip } from '../support/namespace.js'
import { LAB_PROGRAMS, TUNNEL, VpnLab, WEB } from '../support/vpn-lab.js'

t.test(
  'two files, three commands, two windows',
  { skip: labSkip(...LAB_PROGRAMS, 'chromium'), timeout: 600_000 },
  async (t) => {
    const lab = await VpnLab.create()
    t.teardown(() => lab.destroy())
    const gateway = new LabGateway(lab)
    t.teardown(() => gateway.down())
    gateway.env.PVPN_CONFIG = join(gateway.folder, 'new/pvpn.yaml')
    for (const site of ['office', 'site']) {
      const { code, stdout } = await gateway.pvpn('import', join(gateway.folder, `${site}.conf`))
      t.equal(code, 0)
      t.match(stdout, `"${site}" listens on 127.0.0.1:`)
    }
    t.ok(await gateway.up(), gateway.stderr)
    // The same browser without a screen, and what its windows show into one file.
    const shown = join(gateway.folder, 'shown')
    const browser = join(gateway.folder, 'chromium-unseen')
    gateway.write('chromium-unseen', `#!/bin/sh\nexec chromium "$@" >> ${shown}\n`)
    chmodSync(browser, 0o755)
    const unseen = ['--headless', '--no-sandbox', '--disable-gpu', '--dump-dom']
    const options = ['--browser', browser, '--wait', '--', ...unseen]
    const opened = await gateway.pvpn('browser', `http://${WEB}/`, ...options)
    t.equal(opened.code, 0, opened.stderr)
    const text = readFileSync(shown, 'utf8')
    for (const site of ['office', 'site']) t.match(text, `${site} ${WEB} ${TUNNEL} ${WEB}`)
    const { stdout: table } = await gateway.pvpn('status')
    t.match(table, /^office +up +127\.0\.0\.1:1081 /m)
    t.match(table, /^site +up +127\.0\.0\.1:1082 /m)
  },
)
