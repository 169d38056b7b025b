/** OpenVPN refused: every reason has its words in status, and nothing else is disturbed. */
import t from 'tap'
import type { Checks } from '../support/lab-gateway.js'
import { labSkip } from '../support/namespace.js'
import { WEB } from '../support/vpn-lab.js'
import { CONFIGURATION, OPENVPN_PROGRAMS, OpenvpnLab, SERVER_ADDRESS } from './openvpn-lab.js'

const skip = labSkip(...OPENVPN_PROGRAMS)

const VERIFY = `#!/bin/sh
{ read -r user; read -r password; } < "$1"
[ "$user" = ann ] && [ "$password" = 'right horse' ]
`
const PASSWORDS = [
  'script-security 2',
  'auth-user-pass-verify ./verify.sh via-file',
  'verify-client-cert none',
  'username-as-common-name',
]

t.test('refusals have the right words', { skip, timeout: 600_000 }, async (t) => {
  const lab = await OpenvpnLab.create()
  t.teardown(() => lab.destroy())
  lab.serverFile('verify.sh', VERIFY, 0o755)
  const password = (more: string) =>
    CONFIGURATION.replace('file: site.ovpn', `file: site.ovpn${more}`)
  const gateway = lab.gateway(lab.clientFile())
  const { site } = lab.lab.sites
  await lab.startServer()
  await gateway.up(15)

  const use = async (file: string, tunnel = ''): Promise<void> => {
    gateway.write('site.ovpn', file)
    gateway.write('pvpn.yaml', password(tunnel))
    await gateway.pvpn('reload')
    await gateway.pvpn('restart', 'site')
  }
  const says = (t: Checks, state: string, words: RegExp) => gateway.siteSays(t, state, words)

  await t.test('a password: right, wrong, missing', async (t) => {
    await lab.startServer({ lines: PASSWORDS })
    const file = lab.clientFile({ identity: null, lines: ['auth-user-pass'] })
    gateway.write('pw', 'right horse\n')
    await use(file, ', username: ann, password_file: pw')
    t.ok(await gateway.reaches('site', 'up', 20_000), lab.log.slice(-500))
    t.match((await gateway.curl('site', `http://${WEB}/`)).stdout, /^site /)
    gateway.write('pw', 'wrong horse\n')
    await use(file, ', username: ann, password_file: pw')
    await says(t, 'failed', /^auth failed: the server refused user "ann"/)
    const refused = await gateway.curl('site', `http://${WEB}/`)
    t.equal(refused.code, 97)
    await use(file)
    await says(t, 'failed', /^auth failed: 203.0.113.6 asks for "User name" and "Password"/)
    t.notMatch(gateway.stdout + gateway.stderr, /horse/, 'no password in logs')
  })

  await t.test('certificates', async (t) => {
    const until = '20250101000000Z'
    const expired = lab.pki.issue('vpn.example', { from: '20240101000000Z', until })
    await lab.startServer({ identity: expired })
    await use(lab.clientFile())
    await says(t, 'failed', /^certificate of vpn.example expired on 2025-01-01$/)
    await lab.startServer({ identity: lab.pki.issue('evil.example') })
    await use(lab.clientFile())
    await says(t, 'failed', /is of evil.example, not of vpn.example \(verify-x509-name\)/)
    await lab.startServer({ identity: lab.pki.issue('vpn.example', { usage: 'clientAuth' }) })
    await use(lab.clientFile())
    await says(
      t,
      'failed',
      /certificate of vpn.example (is not a server certificate|is not for a server)/,
    )
    await lab.startServer({ identity: lab.pki.issue('vpn.example', { usage: 'noKeyUsage' }) })
    await use(lab.clientFile())
    await says(t, 'failed', /vpn.example says no key usage \(remote-cert-tls\)$/)
    const revoked = lab.pki.issue('vpn.example')
    const crl = `<crl-verify>\n${lab.pki.revoke('vpn.example')}</crl-verify>`
    await lab.startServer({ identity: revoked })
    await use(lab.clientFile({ lines: [crl] }))
    await says(t, 'failed', /^the certificate of vpn.example has been revoked$/)
    await lab.startServer()
    await use(lab.clientFile({ lines: [crl] }))
    await says(t, 'up', /^$/)
    const own = lab.pki.issue('bob', { usage: 'clientAuth', from: '20240101000000Z', until })
    await use(lab.clientFile({ identity: own }))
    await says(t, 'failed', /^certificate of our own, bob, expired on 2025-01-01$/)
  })

  await t.test('ciphers, keys, nobody there', async (t) => {
    await lab.startServer({ lines: ['data-ciphers AES-192-GCM'] })
    await use(lab.clientFile({ lines: ['data-ciphers AES-256-GCM'] }))
    await says(t, 'failed', /^cipher not offered/)
    await lab.startServer({ protection: 'tls-auth' })
    await use(lab.clientFile({ lines: ['connect-timeout 2'] }))
    await says(
      t,
      'starting',
      /^server unreachable: no answer from 203.0.113.6:1194 \(udp\) in 2 s$/,
    )
    await lab.stopServer()
    await use(lab.clientFile({ transport: 'tcp' }))
    await says(
      t,
      'starting',
      /^server unreachable: no TCP connection to 203.0.113.6:1194 \(ECONNREFUSED\)$/,
    )
    await lab.startServer({ transport: 'tcp' })
    t.ok(await gateway.reaches('site', 'up', 30_000), 'and then it is there')
  })

  await t.test('several remotes: the one that answers', async (t) => {
    await lab.startServer()
    const remotes = [
      '203.0.113.1 1194 udp',
      `${SERVER_ADDRESS} 1194 tcp`,
      `${SERVER_ADDRESS} 1194 udp`,
    ]
    await use(lab.clientFile({ remotes, lines: ['connect-timeout 2'] }))
    t.ok(await gateway.reaches('site', 'up', 30_000))
    t.match((await gateway.environment('site')).tunnel, { endpoint: `${SERVER_ADDRESS}:1194` })
  })
  t.match((await site.run(['ip', 'address', 'show', 'tun0'])).stdout, /192\.168\.9\.1/)
})
