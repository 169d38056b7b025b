/** What Debian's openvpn may want of a person, typed at a terminal: passwords, challenges, logins. */
import { execFileSync } from 'node:child_process'
import t from 'tap'
import { eventually, labSkip } from '../support/namespace.js'
import type { Dialogue } from '../support/terminal.js'
import { WEB } from '../support/vpn-lab.js'
import { CONFIGURATION, OPENVPN_PROGRAMS, OpenvpnLab } from './openvpn-lab.js'

const skip = labSkip(...OPENVPN_PROGRAMS, 'script')

/** Each user is another kind of login. */
const VERIFY = `#!/bin/sh
{ read -r user; read -r password; } < "$1"
case "$user $password" in
  'ann right horse') exit 0 ;;
  'bea right horse')
    printf 'CRV1:R,E:state7:YmVh:Code of the day' > "$auth_failed_reason_file"; exit 1 ;;
  'bea CRV1::state7::123456') exit 0 ;;
  'cid SCRV1:cmlnaHQgaG9yc2U=:MTIzNDU2') exit 0 ;;
  'dot right horse')
    printf '60\\nwebauth\\nWEB_AUTH::https://sso.example/login?id=7\\n' > "$auth_pending_file"
    ( sleep 2; printf 1 > "$auth_control_file" ) > /dev/null 2>&1 & exit 2 ;;
  'eve right horse')
    printf '60\\ncrtext\\nCR_TEXT:R,E:Number of the card\\n' > "$auth_pending_file"; exit 2 ;;
esac
exit 1
`
const RESPONSE = `#!/bin/sh
[ "$(cat "$1")" = NDcxMQ== ] && printf 1 > "$auth_control_file" || printf 0 > "$auth_control_file"
`
const SERVER = [
  'script-security 3',
  'auth-user-pass-verify ./verify.sh via-file',
  'client-crresponse ./response.sh',
  'verify-client-cert none',
  'username-as-common-name',
  'tmp-dir .',
]

t.test('logins of a person', { skip, timeout: 600_000 }, async (t) => {
  const lab = await OpenvpnLab.create()
  t.teardown(() => lab.destroy())
  lab.serverFile('verify.sh', VERIFY, 0o755)
  lab.serverFile('response.sh', RESPONSE, 0o755)
  const gateway = lab.gateway(lab.clientFile())
  await lab.startServer({ lines: SERVER })
  // The second site has nothing to come up with yet.
  await gateway.up(5)
  const password = { identity: null, lines: ['auth-user-pass'] }

  const use = async (file: string, tunnel = ''): Promise<void> => {
    gateway.write('site.ovpn', file)
    const configuration = CONFIGURATION.replace('file: site.ovpn', `file: site.ovpn${tunnel}`)
    gateway.write('pvpn.yaml', configuration)
    await gateway.pvpn('reload')
  }
  const start = (dialogue: Dialogue) => gateway.typing(['start', 'site'], dialogue)
  const works = async (
    t: Pick<typeof import('tap').t, 'equal' | 'match'>,
    outcome: { screen: string; status: number | null },
  ) => {
    t.equal(outcome.status, 0, `${outcome.screen}\n${lab.log.slice(-1500)}`)
    t.match((await gateway.curl('site', `http://${WEB}/`)).stdout, /^site /)
  }

  gateway.write('pw', 'right horse\n')
  await t.test('user name and password: wrong, then right; used again after a crash', async (t) => {
    await use(lab.clientFile(password))
    t.ok(await gateway.reaches('site', 'failed', 10_000))
    const outcome = await start([
      [/asks for "User name" and "Password"[\s\S]*User name: $/, 'ann\r'],
      [/Password: $/, 'wrong horse\r'],
      [/the server refused user "ann"[\s\S]*User name: $/, 'ann\r'],
      [/Password: $/, 'right horse\r'],
    ])
    await works(t, outcome)
    t.notMatch(outcome.screen, /horse/)
    const { pid } = await gateway.environment('site')
    process.kill(pid, 'SIGKILL')
    t.ok(
      await eventually(async () => {
        const now = await gateway.environment('site')
        return now.state === 'up' && now.pid !== pid
      }, 20_000),
      'nobody is asked again',
    )
  })

  await t.test('a static challenge', async (t) => {
    const lines = [...password.lines, 'static-challenge "Code of your token" 1']
    await use(lab.clientFile({ ...password, lines }), ', username: cid')
    const outcome = await start([
      [/Password of cid: $/, 'right horse\r'],
      [/Code of your token: $/, '123456\r'],
    ])
    await works(t, outcome)
    t.match(outcome.screen, /123456/)
  })

  await t.test('a token in place of password and code, until the server forgets it', async (t) => {
    const lines = [...password.lines, 'static-challenge "Code of your token" 1', 'reneg-sec 3']
    await lab.startServer({ lines: [...SERVER, 'auth-gen-token'] })
    await use(lab.clientFile({ ...password, lines }), ', username: cid, password_file: pw')
    await works(t, await start([[/Code of your token: $/, '123456\r']]))
    const rekeys = () => lab.log.split('Outgoing Data Channel: Cipher').length - 1
    t.ok(await eventually(async () => rekeys() >= 2, 20_000), 'new keys, without a code')
    t.equal((await gateway.environment('site')).state, 'up')
    await lab.restartServer()
    t.ok(await gateway.reaches('site', 'failed', 30_000), 'its tokens are of another life')
    t.match((await gateway.environment('site')).error?.message, /asks for "Code of your token"$/)
    await works(t, await start([[/Code of your token: $/, '123456\r']]))
    await lab.startServer({ lines: SERVER })
  })

  await t.test('a dynamic challenge: wrong, then right', async (t) => {
    await use(lab.clientFile(password), ', username: bea, password_file: pw')
    const outcome = await start([
      [/asks for "Code of the day"[\s\S]*Code of the day: $/, '1\r'],
      [/refused the last answer[\s\S]*Code of the day: $/, '123456\r'],
    ])
    await works(t, outcome)
  })

  await t.test('a login in a browser', async (t) => {
    await use(lab.clientFile(password), ', username: dot, password_file: pw')
    const outcome = await start([])
    await works(t, outcome)
    t.match(
      outcome.screen,
      /waits for a login: open https:\/\/sso.example\/login\?id=7 in a browser/,
    )
  })

  await t.test('a question while the server waits', async (t) => {
    await use(lab.clientFile(password), ', username: eve, password_file: pw')
    await works(t, await start([[/Number of the card: $/, '4711\r']]))
  })

  await t.test("the key's password", async (t) => {
    const key = execFileSync('openssl', ['pkcs8', '-topk8', '-passout', 'pass:open sesame'], {
      input: lab.client.key,
    }).toString()
    await use(lab.clientFile({ identity: { ...lab.client, key } }))
    await lab.startServer()
    const outcome = await start([
      [/Password of the key: $/, 'wrong\r'],
      [/Password of the key: $/, 'open sesame\r'],
    ])
    await works(t, outcome)
  })
  t.notMatch(gateway.stdout + gateway.stderr, /horse|sesame|123456|4711/, 'nothing of it in logs')
})
