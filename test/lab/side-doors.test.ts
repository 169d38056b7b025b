/** The ways in and out beside the proxy port, through a real tunnel: forwards, published services, the DNS port, Unix sockets. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { LabGateway, PORTS } from '../support/lab-gateway.js'
import { labSkip, type Namespace } from '../support/namespace.js'
import { patternMd5 } from '../support/pattern.js'
import {
  dns,
  LAB_PROGRAMS,
  serve,
  TUNNEL,
  TUNNEL_6,
  VpnLab,
  WEB,
  WEB_6,
} from '../support/vpn-lab.js'

const UDP_ECHO = fileURLToPath(new URL('../support/udp-echo.js', import.meta.url))
const MIB = 2 ** 20

const CONFIGURATION = `version: 1
environments:
  office:
    tunnel: { type: wireguard, file: office.conf }
    listen: [127.0.0.1:${PORTS.office}, unix:proxy.sock]
    dns: { listen: 127.0.0.1:5381, zones: { rich.example: [192.168.10.5] } }
    forwards:
      - { listen: 127.0.0.1:15080, to: '${WEB}:80' }
      - { listen: '[::1]:15080', to: '[${WEB_6}]:80' }
      - { listen: 127.0.0.1:15081, to: 'www.office.example:80' }
      - { listen: 127.0.0.1:15082, to: '${WEB}:81' }
      - { listen: unix:forward.sock, to: 'www.office.example:80' }
      - { listen: 127.0.0.1:15007, to: '${WEB}:7007', protocol: udp }
      - { listen: 127.0.0.1:15008, to: '[${WEB_6}]:7007', protocol: udp }
    publish:
      - { port: 8080, to: '127.0.0.1:8080' }
      - { port: 8081, to: '127.0.0.1:9' }
      - { port: 7007, to: '127.0.0.1:7007', protocol: udp }
  site:
    tunnel: { type: wireguard, file: site.conf }
    listen: 127.0.0.1:${PORTS.site}
    publish: [{ port: 8080, to: '127.0.0.1:8080' }]
`

/** Every type of record, and an answer far larger than one datagram. */
const RECORDS = [
  '--mx-host=rich.example,mail.rich.example,10',
  '--txt-record=rich.example,v=spf1 -all',
  '--caa-record=rich.example,0,issue,ca.example',
  '--srv-host=_ldap._tcp.rich.example,www.rich.example,389,1,2',
  '--naptr-record=_sip._udp.rich.example,100,10,s,SIP+D2U,,.',
  '--cname=alias.rich.example,www.rich.example',
  ...Array.from({ length: 60 }, (_, i) => `--txt-record=many.rich.example,${i} ${'x'.repeat(50)}`),
]

t.test(
  'the side doors',
  { skip: labSkip(...LAB_PROGRAMS, 'dig', 'md5sum', 'nc'), timeout: 600_000 },
  async (t) => {
    const lab = await VpnLab.create()
    t.teardown(() => lab.destroy())
    const { client } = lab
    const { office, site } = lab.sites
    const gateway = new LabGateway(lab, CONFIGURATION)
    await serve(client, 'mine', '127.0.0.1:8080')
    for (const [ns, ...places] of [
      [office, WEB, WEB_6],
      [client, '127.0.0.1'],
    ] as const) {
      const echo = ns.spawn([process.execPath, UDP_ECHO, '7007', ...places], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await new Promise((resolve) => echo.stdout?.once('data', resolve))
    }
    await office.ip('address add 192.168.10.5/32 dev lo')
    await dns(office, '192.168.10.5', { 'www.rich.example': [WEB, WEB_6] }, { more: RECORDS })
    t.ok(await gateway.up(), `up: ${gateway.stderr}`)
    const fetch = async (ns: Namespace, ...args: string[]) =>
      await ns.run(['sh', '-c', 'curl -sS -m 60 --noproxy "*" "$@"', 'sh', ...args], {
        timeout: 70_000,
      })

    await t.test('forwards, TCP', async (t) => {
      for (const [url, host] of [
        ['http://127.0.0.1:15080/', WEB],
        ['http://[::1]:15080/', WEB_6],
        ['http://127.0.0.1:15081/', 'fd00:11::10|192\\.168\\.11\\.10'],
      ] as const) {
        t.match((await fetch(client, url)).stdout, new RegExp(`^office (${host}) `), url)
      }
      const socket = join(gateway.folder, 'forward.sock')
      t.match((await fetch(client, '--unix-socket', socket, 'http://x/')).stdout, /^office /)
      t.not((await fetch(client, 'http://127.0.0.1:15082/')).code, 0, 'refused inside: no answer')
      const url = `http://127.0.0.1:15080/big?n=${8 * MIB}`
      const down = await client.run(['sh', '-c', `curl -sS -m 60 '${url}' | md5sum`])
      t.equal(down.stdout, `${patternMd5(8 * MIB)}  -\n`)
    })

    await t.test('forwards, UDP', async (t) => {
      for (const port of ['15007', '15008']) {
        const sent = ['nc', '-u', '-w', '2', '127.0.0.1', port]
        t.equal((await client.run(sent, { input: 'there and back' })).stdout, 'there and back')
      }
    })

    await t.test('the proxy on a Unix socket', async (t) => {
      const socket = join(gateway.folder, 'proxy.sock')
      const target = ['--request-target', `http://${WEB}/`, `http://${WEB}/`]
      t.match((await fetch(client, '--unix-socket', socket, ...target)).stdout, /^office /, 'HTTP')
      const nc = ['nc', '-U', '-N', socket]
      const connect = `CONNECT ${WEB}:80 HTTP/1.1\r\nHost: ${WEB}:80\r\n\r\nGET / HTTP/1.0\r\n\r\n`
      t.match((await client.run(nc, { input: connect })).stdout, /200 [\s\S]*\noffice /, 'CONNECT')
    })

    await t.test('published, TCP', async (t) => {
      // Both environments have the same address inside, each on its own network.
      for (const ns of [office, site]) {
        t.match((await fetch(ns, `http://${TUNNEL}:8080/`)).stdout, /^mine 127\.0\.0\.1 /)
        t.match((await fetch(ns, `http://[${TUNNEL_6}]:8080/`)).stdout, /^mine 127\.0\.0\.1 /)
      }
      const md5 = patternMd5(8 * MIB)
      const big = `curl -sS -m 60 'http://${TUNNEL}:8080/big?n=${8 * MIB}' | tee /run/big | md5sum`
      t.equal((await office.run(['sh', '-c', big])).stdout, `${md5}  -\n`, '8 MiB to the far side')
      const up = await fetch(office, '-T', '/run/big', `http://${TUNNEL}:8080/`)
      t.equal(up.stdout, `mine ${8 * MIB} ${md5}\n`, '8 MiB from the far side')
      const { code } = await fetch(office, `http://${TUNNEL}:8081/`)
      // 7 where the reset is there before curl looks at its new connection.
      t.ok(code === 56 || code === 7, 'no service: reset')
      t.equal((await fetch(office, `http://${TUNNEL}:8082/`)).code, 7, 'nothing published: refused')
    })

    await t.test('published, UDP', async (t) => {
      for (const address of [TUNNEL, TUNNEL_6]) {
        const sent = ['nc', '-u', '-w', '2', address, '7007']
        t.equal((await office.run(sent, { input: 'from inside' })).stdout, 'from inside', address)
      }
    })

    await t.test('the DNS port with dig', async (t) => {
      const dig = async (...args: string[]) =>
        await client.check(['dig', '@127.0.0.1', '-p', '5381', '+tries=1', '+time=10', ...args])
      for (const how of ['+notcp', '+tcp']) {
        const short = async (...args: string[]) => (await dig(how, '+short', ...args)).trim()
        t.equal(await short('www.office.example', 'A'), WEB, how)
        t.equal(await short('www.office.example', 'AAAA'), WEB_6)
        t.match(await short('-x', WEB), /^(www\.office|intranet)\.example\.$/)
        t.equal(await short('rich.example', 'MX'), '10 mail.rich.example.')
        t.equal(await short('rich.example', 'TXT'), '"v=spf1 -all"')
        t.equal(await short('rich.example', 'CAA'), '0 issue "ca.example"')
        t.equal(await short('_ldap._tcp.rich.example', 'SRV'), '1 2 389 www.rich.example.')
        t.equal(await short('_sip._udp.rich.example', 'NAPTR'), '100 10 "s" "SIP+D2U" "" .')
        t.match(await short('alias.rich.example', 'A'), /^www\.rich\.example\.\n192\.168\.11\.10$/)
        t.match(await dig(how, 'nothing.office.example'), /status: NXDOMAIN/)
        t.match(await dig(how, 'www.site.example'), /status: NXDOMAIN/, 'a name of another network')
        t.match(
          await dig(how, 'www.office.example', 'MX'),
          /NOERROR[\s\S]*ANSWER: 0/,
          'no such record',
        )
        t.equal((await short('many.rich.example', 'TXT')).split('\n').length, 60, 'all of them')
      }
      const cut = await dig('+ignore', '+noedns', 'many.rich.example', 'TXT')
      t.match(cut, /flags:[^;]* tc[ ;]/, 'without EDNS: truncated')
      t.ok(Number(/MSG SIZE\s+rcvd: (\d+)/.exec(cut)?.[1]) <= 512)
      const some = await dig('+ignore', '+bufsize=1232', 'many.rich.example', 'TXT')
      t.match(some, /flags:[^;]* tc[ ;]/)
      t.ok(Number(/MSG SIZE\s+rcvd: (\d+)/.exec(some)?.[1]) <= 1232)
      const whole = await dig('+bufsize=512', '+short', 'many.rich.example', 'TXT')
      t.equal(whole.trim().split('\n').length, 60, 'dig asks again by TCP')
    })

    t.equal(await gateway.down(), 0)
  },
)
