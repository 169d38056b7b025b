/** `engine: openconnect`: Debian's openconnect as a child without privileges, with Debian's ocserv. */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { eventually, labSkip } from '../support/namespace.js'
import { WEB, WEB_6 } from '../support/vpn-lab.js'
import {
  configuration,
  OPENCONNECT_PROGRAMS,
  OpenconnectLab,
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
