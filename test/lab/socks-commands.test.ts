/** SOCKS5's other commands through a real tunnel: UDP ASSOCIATE, BIND, RESOLVE and RESOLVE_PTR, both families. */
import { fileURLToPath } from 'node:url'
import { decode, encode } from 'dns-packet'
import t from 'tap'
import { CONFIGURATION, LabGateway, PORTS } from '../support/lab-gateway.js'
import { eventually, labSkip } from '../support/namespace.js'
import { dns, LAB_PROGRAMS, TUNNEL, TUNNEL_6, VpnLab, WEB, WEB_6 } from '../support/vpn-lab.js'

const program = (name: string) => fileURLToPath(new URL(`../support/${name}.js`, import.meta.url))
const ECHO_PORT = '7007'
const DATAGRAMS = 400
/** QUIC's smallest first packet. */
const QUIC_SIZE = 1200

t.test(
  'the other commands of SOCKS5',
  { skip: labSkip(...LAB_PROGRAMS, 'nc'), timeout: 600_000 },
  async (t) => {
    const lab = await VpnLab.create()
    t.teardown(() => lab.destroy())
    const { office } = lab.sites
    const gateway = new LabGateway(
      lab,
      CONFIGURATION.replace(
        `listen: 127.0.0.1:${PORTS.office}`,
        `$&\n    dns: { hosts: { ns.office.example: [192.168.10.1], ns6.office.example: ['${WEB_6}'] } }`,
      ),
    )
    await dns(office, WEB_6, { 'www.office.example': [WEB, WEB_6] })
    const echo = office.spawn([process.execPath, program('udp-echo'), ECHO_PORT, WEB, WEB_6], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => echo.stdout?.once('data', resolve))
    t.ok(await gateway.up(), `up: ${gateway.stderr}`)
    const tool = async (name: string, ...args: string[]) => {
      const argv = [process.execPath, program(name), String(PORTS.office), ...args]
      return (await lab.client.run(argv, { timeout: 60_000 })).stdout.trim()
    }

    await t.test('UDP: DNS by address and by name', async (t) => {
      const question = encode({
        type: 'query',
        id: 4711,
        flags: 0x100,
        questions: [{ type: 'AAAA', name: 'www.office.example' }],
      })
      for (const server of ['192.168.10.1', WEB_6, 'ns.office.example', 'ns6.office.example']) {
        const answer = await tool('socks-udp', 'ask', server, '53', question.toString('hex'))
        const { id, answers } = decode(Buffer.from(answer, 'hex'))
        t.equal(id, 4711, server)
        t.match(answers, [{ name: 'www.office.example', type: 'AAAA', data: WEB_6 }])
      }
    })

    await t.test(`UDP: ${DATAGRAMS} datagrams of ${QUIC_SIZE} bytes`, async (t) => {
      for (const host of [WEB, WEB_6]) {
        const got = await tool('socks-udp', 'echo', host, ECHO_PORT, `${DATAGRAMS}`, `${QUIC_SIZE}`)
        t.equal(got, `${DATAGRAMS} from ${host} ${ECHO_PORT}`)
      }
      const named = await tool('socks-udp', 'echo', 'www.office.example', ECHO_PORT, '64', '1200')
      t.match(named, /^64 from (192\.168\.11\.10|fd00:11::10) 7007$/)
      for (const host of [WEB, WEB_6]) {
        const large = await tool('socks-udp', 'echo', host, ECHO_PORT, '32', '8000')
        t.equal(large, `32 from ${host} ${ECHO_PORT}`, 'larger than the path: in fragments of IP')
      }
    })

    await t.test('UDP: a fragment of SOCKS is dropped', async (t) => {
      for (const host of [WEB, WEB_6]) {
        t.equal(await tool('socks-udp', 'fragment', host, ECHO_PORT), 'whole')
      }
    })

    await t.test('UDP: ends with its TCP connection', async (t) => {
      t.equal(await tool('socks-udp', 'end', WEB, ECHO_PORT), 'before ECONNREFUSED')
      const settled = async () => (await gateway.environment('office')).connections === 0
      t.ok(await eventually(settled), 'and nothing of it stays')
    })

    await t.test('BIND', async (t) => {
      const bind = async (expected: string, from: string) => {
        const argv = [
          process.execPath,
          program('socks-tool'),
          String(PORTS.office),
          'bind',
          expected,
        ]
        const child = lab.client.spawn(argv, { stdio: ['ignore', 'pipe', 'inherit'] })
        let out = ''
        child.stdout?.on('data', (b: Buffer) => {
          out += b.toString()
        })
        const ended = new Promise((resolve) => child.once('close', resolve))
        const bound = () => /^bound (\S+) (\d+)\n/.exec(out)
        t.ok(await eventually(() => bound() !== null), 'a port inside')
        const [, address = '', port = ''] = bound() ?? []
        const visit = await office.run(['nc', '-N', '-w', '10', '-s', from, address, port], {
          input: 'hello from inside',
        })
        return { address, visit, child, ended, out: () => out }
      }
      for (const [expected, from, address] of [
        ['192.168.9.1', '192.168.9.1', TUNNEL],
        ['0.0.0.0', WEB, TUNNEL],
        ['fd00:9::1', 'fd00:9::1', TUNNEL_6],
      ] as const) {
        const { visit, ended, out, ...got } = await bind(expected, from)
        await ended
        t.equal(got.address, address, `expecting ${expected}`)
        t.equal(visit.stdout, 'welcome\n')
        t.match(out(), new RegExp(`\npeer ${from} \\d+\nsaid hello from inside\n$`))
      }
      const other = await bind('192.168.9.1', WEB)
      t.equal(other.visit.stdout, '', 'not the one expected: reset')
      t.notMatch(other.out(), /peer/)
      other.child.kill()
      await other.ended
    })

    await t.test('RESOLVE and RESOLVE_PTR', async (t) => {
      t.ok([WEB, WEB_6].includes(await tool('socks-tool', 'resolve', 'www.office.example')))
      t.ok([WEB, WEB_6].includes(await tool('socks-tool', 'resolve', 'www')), 'search domain')
      t.equal(
        await tool('socks-tool', 'resolve', 'ns.office.example'),
        '192.168.10.1',
        'from hosts',
      )
      t.equal(await tool('socks-tool', 'resolve', 'only6.office.example'), WEB_6)
      t.equal(await tool('socks-tool', 'resolve', 'www.site.example'), 'reply 4')
      t.match(await tool('socks-tool', 'ptr', WEB), /^(www\.office|intranet)\.example$/)
      t.equal(await tool('socks-tool', 'ptr', WEB_6), 'ns6.office.example', 'from hosts')
      t.equal(await tool('socks-tool', 'ptr', '192.168.11.99'), 'reply 4')
      t.match(await tool('socks-tool', 'ptr', '192.168.10.1'), 'ns.office.example', 'from hosts')
    })

    t.equal(await gateway.down(), 0)
  },
)
