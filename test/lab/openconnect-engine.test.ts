/** `engine: openconnect`: Debian's openconnect as a child without privileges, with Debian's ocserv. */
import { execFileSync } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { eventually, labSkip } from '../support/namespace.js'
import { WEB, WEB_6 } from '../support/vpn-lab.js'
import {
  configuration,
  OPENCONNECT_PROGRAMS,
  OpenconnectLab,
  oneTimeCode,
  PASSWORD,
  pinOf,
  SERVER_ADDRESS,
  stepsOf,
} from './openconnect-lab.js'

const skip = labSkip(...OPENCONNECT_PROGRAMS, 'openconnect')
const ENGINE = { ...PASSWORD, engine: 'openconnect' }

t.test('the installed openconnect beside WireGuard', { skip, timeout: 600_000 }, async (t) => {
  const lab = await OpenconnectLab.create()
  t.teardown(() => lab.destroy())
  const gateway = lab.gateway(configuration(ENGINE))
  await lab.startServer()

  const { use, says, works } = stepsOf(gateway)
  /** What the environment's process has started: others on this machine may run the same programs. */
  const children = async (): Promise<readonly Seen[]> => {
    const { pid } = (await gateway.environment('site')) as unknown as { pid: number }
    const all = processes()
    const own = all.filter(({ parent }) => parent === pid)
    return [...own, ...all.filter(({ parent }) => own.some((child) => child.pid === parent))]
  }
  const gone = (before: readonly Seen[]) => () =>
    processes().every(({ pid, line }) => !before.some((b) => b.pid === pid && b.line === line))

  t.ok(await gateway.up(15), 'both come up')

  await t.test('web and DNS inside, at the very addresses of the other environment', async (t) => {
    await works(t)
    t.match((await gateway.curl('site', 'http://www.site.example/')).stdout, /^site /)
    t.match((await gateway.curl('site', 'http://www/')).stdout, /^site /, 'the default domain')
    t.match((await gateway.curl('site', `http://[${WEB_6}]/`)).stdout, /^site /)
    const { addresses, dns, tunnel } = (await gateway.environment('site')) as unknown as {
      addresses: string[]
      dns: unknown
      tunnel: unknown
    }
    t.equal(addresses[0]?.split('/')[0], '192.168.9.52')
    t.match(dns, { servers: ['192.168.10.1'], search: ['site.example'] })
    t.match(tunnel, { type: 'openconnect', endpoint: `${SERVER_ADDRESS}:443` })
    t.match(gateway.stderr, /the server says: Welcome to the site/)
    t.equal((await gateway.curl('site', 'http://192.168.13.10/')).code, 97, 'not inside')
    t.equal((await gateway.curl('site', 'http://192.168.11.200/')).code, 97, 'taken out')
  })

  await t.test('what others can see of it', async (t) => {
    const found = await children()
    t.equal(found.length, 2, 'the program and its script')
    for (const { line, variables } of found) t.notMatch(line + variables, /horse/)
    t.notMatch(gateway.stdout + gateway.stderr, /horse/)
  })

  await t.test('the program is killed: it comes back', async (t) => {
    const [program] = await children()
    if (program === undefined) throw new Error('no program runs')
    process.kill(program.pid, 'SIGKILL')
    const again = await eventually(async () => {
      const [now] = await children()
      return now !== undefined && now.pid !== program.pid
    }, 20_000)
    t.ok(again, 'another one')
    await works(t)
  })

  await t.test('stop leaves no child, start makes one', async (t) => {
    const before = await children()
    t.equal(before.length, 2)
    await gateway.pvpn('stop', 'site')
    t.ok(await eventually(gone(before)))
    await gateway.pvpn('start', 'site')
    await works(t)
  })

  await t.test('its process is killed: the child ends, another comes', async (t) => {
    const before = await children()
    t.equal(before.length, 2)
    const { pid } = (await gateway.environment('site')) as unknown as { pid: number }
    process.kill(pid, 'SIGKILL')
    t.ok(await eventually(gone(before), 15_000))
    await works(t)
  })

  await t.test('refusals, in words', async (t) => {
    gateway.write('pw', 'wrong horse\n')
    await use(ENGINE)
    await says(t, 'failed', /^auth failed: the server refused user "ann": Login failed/)
    t.equal((await gateway.curl('site', `http://${WEB}/`)).code, 97)
    gateway.write('pw', 'right horse\n')
    const { ca: _, ...unknown } = ENGINE
    await use(unknown)
    await says(t, 'failed', /^the certificate of vpn.example is refused: .*pin-sha256:/)
    await use({ ...unknown, server_pin: `'${pinOf(lab.client)}'` })
    await says(t, 'failed', /^the key of vpn.example is another than server_pin says/)
    await use({ ...unknown, server_pin: `'${lab.pin}'` })
    await works(t)
    t.notMatch(gateway.stdout + gateway.stderr, /horse/)
  })

  await t.test('a password and a code, at a terminal', async (t) => {
    await lab.startServer({ auth: lab.withCodes() })
    const asked = /^auth failed: vpn.example asks for "Please enter your OTP password. Password"$/
    await use(ENGINE)
    await says(t, 'failed', asked)
    t.equal((await gateway.curl('site', `http://${WEB}/`)).code, 97)
    const asks = /site: Please enter your OTP password. Password: $/
    const wrong = await gateway.typing(['start', 'site'], [[asks, '000000\r']])
    t.not(wrong.status, 0)
    await says(t, 'failed', /^auth failed: the server refused user "ann": Authentication failed$/)
    const right = await gateway.typing(['start', 'site'], [[asks, `${oneTimeCode(0)}\r`]])
    t.equal(right.status, 0, right.screen)
    await works(t)
    const { password_file: _, ...without } = ENGINE
    await use(without)
    const [code, next] = [oneTimeCode(1), oneTimeCode(2)]
    const typed = await gateway.typing(
      ['start', 'site'],
      [
        [/site: Please enter your password. Password: $/, 'wrong horse\r'],
        [/refused user "ann": Login failed.[\s\S]*Password: $/, 'right horse\r'],
        [asks, `${code}\r`],
      ],
    )
    t.equal(typed.status, 0, typed.screen)
    await works(t)
    const [program] = await children()
    if (program === undefined) throw new Error('no program runs')
    t.notMatch(program.line + program.variables, /horse/)
    process.kill(program.pid, 'SIGKILL')
    await says(t, 'failed', asked)
    const again = await gateway.typing(['start', 'site'], [[asks, `${next}\r`]])
    t.equal(again.status, 0, 'the password is still known')
    await works(t)
    for (const secret of ['horse', code, next]) {
      t.notOk((gateway.stdout + gateway.stderr + typed.screen).includes(secret), secret)
    }
  })

  await t.test('a locked key: configured, and typed', async (t) => {
    await lab.startServer({ auth: ['auth = "certificate"'] })
    const make = [
      'ec',
      '-in',
      'ann.key',
      '-aes256',
      '-passout',
      'pass:secret',
      '-out',
      'locked.key',
    ]
    execFileSync('openssl', make, { cwd: gateway.folder, stdio: 'ignore' })
    chmodSync(join(gateway.folder, 'locked.key'), 0o644)
    gateway.write('key.pw', 'secret\n')
    const own = { certificate: 'ann.pem', key: 'locked.key', ca: 'ca.pem', engine: 'openconnect' }
    await use({ ...own, key_password_file: 'key.pw' })
    await works(t)
    await use(own)
    await says(t, 'failed', /^auth failed: the private key asks for "Password of the key"$/)
    const asks = /site: Password of the key: $/
    const typed = await gateway.typing(['start', 'site'], [[asks, 'secret\r']])
    t.equal(typed.status, 0, typed.screen)
    await works(t)
  })

  await t.test('a certificate of ours, and packets by UDP', async (t) => {
    await lab.startServer({ auth: ['auth = "certificate"'] })
    await use({
      ...{ certificate: 'ann.pem', key: 'ann.key', ca: 'ca.pem' },
      ...{ engine: 'openconnect', dtls: 'true' },
    })
    await works(t)
  })
})

interface Seen {
  readonly pid: number
  readonly parent: number
  readonly line: string
  readonly variables: string
}

function processes(): Seen[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const read = (file: string) => readFileSync(`/proc/${name}/${file}`, 'latin1')
        const parent = Number(/.*\) \S (\d+)/s.exec(read('stat'))?.[1])
        const [line, variables] = [read('cmdline'), read('environ')]
        return [{ pid: Number(name), parent, line, variables }]
      } catch {
        // It has ended meanwhile.
        return []
      }
    })
}
