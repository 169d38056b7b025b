/**
 * Names by way 2 of pvpn-wrap: each function of the C library says what it says by way 1, where glibc
 * itself asks the environment's resolver; beside an outside that answers every name.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { CONFIGURATION } from '../support/lab-gateway.js'
import { labSkip } from '../support/namespace.js'
import { dns, LAB_PROGRAMS, WEB, WEB_6 } from '../support/vpn-lab.js'
import { WRAP, WrapLab } from './wrap-lab.js'

const SOURCE = fileURLToPath(new URL('../../../test/lab/wrap/names.c', import.meta.url))
const skip =
  labSkip(...LAB_PROGRAMS, 'gcc', 'host', 'dig', 'python3') ||
  (process.getuid?.() !== 0 && 'needs root, to make a device for an unprivileged user')
const NAME = 'www.office.example'
const PRELOAD = ['--via', 'preload', 'office']

/** What the ways may say differently: spelling, aliases of hosts, the list of all hosts, an empty name. */
const OWN_WORDS = /^(gethostbyname\S* (localhost|WWW\S*|)|getaddrinfo\S* WWW\S* -|gethostent):/

/** Lines of test/lab/wrap/names.c. */
const EXPECTED = [
  `gethostbyname ${NAME}: ${NAME} ${WEB}`,
  `gethostbyname2/6 www: ${NAME} ${WEB_6}`,
  `getaddrinfo/0/2/1 www -: ${NAME} ${WEB_6},0,1 ${WEB},0,1`,
  'gethostbyname build: build.office.example 192.168.11.20',
  'gethostbyname2/6 build: error NO_DATA',
  'gethostbyname only6: error NO_DATA',
  `gethostbyname2/6 only6: only6.office.example ${WEB_6}`,
  'gethostbyname nosuch.office.example: error HOST_NOT_FOUND',
  'getaddrinfo/0/2/1 nosuch.office.example -: error EAI_NONAME',
  'gethostbyname broken.test: error TRY_AGAIN',
  'getaddrinfo/0/2/1 broken.test -: error EAI_AGAIN',
  'getaddrinfo/10/8/1 build http: ::ffff:192.168.11.20,80,1',
  'getaddrinfo/10/0/1 build http: error EAI_NODATA',
  `getnameinfo/0 ${WEB}: ${NAME} http`,
  `getnameinfo/0 ${WEB_6}: ${NAME} http`,
  'getnameinfo/2 192.168.11.20: build.office.example 80',
  'getnameinfo/8 192.168.11.99: error EAI_NONAME',
  'getnameinfo/0 192.168.11.10: error EAI_OVERFLOW',
  `gethostbyaddr ${WEB}: ${NAME} ${WEB}`,
  'gethostbyaddr 192.168.11.99: error HOST_NOT_FOUND',
  'gethostbyname_r small: ERANGE',
  `res_query ${NAME}: rcode 0 ${WEB}`,
  'res_query www: error HOST_NOT_FOUND',
  `res_search www: rcode 0 ${WEB_6}`,
  'res_search broken.test: error TRY_AGAIN',
  'res_query only6.office.example: error NO_DATA',
  'res_send nosuch: rcode 3',
  'res_ninit: 1 127.0.0.53',
  'dnsrch: office.example',
  'getaddrinfo_a: 0 0',
  'file /etc/resolv.conf: nameserver 127.0.0.53',
  'file /etc/resolv.conf: search office.example',
  'file /etc/hosts: 192.168.11.20 build.office.example',
  'open /etc/resolv.conf: # pvp',
]

t.test('names by a preloaded library', { skip, timeout: 600_000 }, async (t) => {
  const lab = await WrapLab.create()
  t.teardown(() => lab.destroy())
  const { office } = lab.lab.sites
  const program = join(lab.lab.folder, 'names')
  const linked = ['-D_GNU_SOURCE', '-o', program, SOURCE, '-lresolv', '-lanl']
  await lab.lab.client.check(['gcc', ...linked])
  await office.ip('address add 192.168.10.2/24 dev lo')
  await dns(office, '192.168.10.2', {}, { refuse: true })
  const names = `dns:
      hosts: { build.office.example: [192.168.11.20] }
      zones: { broken.test: [192.168.10.2] }
    listen: 127.0.0.1:1081`
  lab.gateway.write('pvpn.yaml', CONFIGURATION.replace('listen: 127.0.0.1:1081', names))
  t.ok(await lab.gateway.up(), `all environments are up: ${lab.gateway.stderr}`)
  await lab.capture()
  const wrap = (...argv: string[]) => lab.bare([WRAP, ...PRELOAD, ...argv])

  await t.test('each function says what it says in a network namespace', async (t) => {
    const virtual = await wrap(program)
    t.equal(virtual.code, 0, virtual.stderr)
    const lines = virtual.stdout.split('\n')
    for (const line of EXPECTED) t.ok(lines.includes(line), line)
    const other = await lab.wrap('office', [program])
    t.equal(other.code, 0, other.stderr)
    const shared = (text: string) => text.split('\n').filter((line) => !OWN_WORDS.test(line))
    t.same(shared(virtual.stdout), shared(other.stdout))
  })

  await t.test('programs', async (t) => {
    t.match((await wrap('getent', 'hosts', NAME)).stdout, WEB_6)
    t.match((await wrap('getent', 'ahostsv4', 'www')).stdout, WEB)
    t.match((await wrap('getent', 'hosts', WEB)).stdout, NAME)
    t.equal((await wrap('getent', 'hosts', 'www.home.example')).code, 2)
    t.match((await wrap('curl', '-sSm9', `http://${NAME}/`)).stdout, /^office /)
    t.match(await wrap('curl', '-sSm9', 'http://www.home.example/'), { code: 6 })
    t.match((await wrap('dig', '+short', NAME)).stdout, WEB)
    t.match((await wrap('dig', '+short', '+tcp', '@9.9.9.9', NAME)).stdout, WEB)
    t.match((await wrap('dig', '+short', '@9.9.9.9', NAME)).stdout, WEB)
    t.match((await wrap('host', NAME)).stdout, `has address ${WEB}`)
    t.match((await wrap('host', WEB)).stdout, `pointer ${NAME}`)
    const python = `import socket as s
print(s.gethostbyname('${NAME}'), s.getfqdn('${WEB}'))
try: s.getaddrinfo('www.home.example', 80)
except s.gaierror as e: print(e.errno == s.EAI_NONAME)
try: s.getaddrinfo('broken.test', 80)
except s.gaierror as e: print(e.errno == s.EAI_AGAIN)`
    t.match((await wrap('python3', '-c', python)).stdout, `${WEB} ${NAME}\nTrue\nTrue\n`)
  })

  await t.test('nothing was asked outside', async (t) => {
    t.same(await lab.strange(), [])
    // Of nscd users and groups may be asked: glibc does so itself, and no name of a host with it.
    t.notMatch(lab.services, /resolve|avahi|bus|inside/)
  })
})
