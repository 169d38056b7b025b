/** The policy port before two real tunnels: real programs of several users, each in its network. */
import { fileURLToPath } from 'node:url'
import { decode, encode } from 'dns-packet'
import t from 'tap'
import { CONFIGURATION, LabGateway, PORTS, unprivileged } from '../support/lab-gateway.js'
import { eventually, labSkip } from '../support/namespace.js'
import { LAB_PROGRAMS, TUNNEL, VpnLab, WEB, WEB_6 } from '../support/vpn-lab.js'

const program = (name: string) => fileURLToPath(new URL(`../support/${name}.js`, import.meta.url))
const POLICY = 1080
const PROXY = `http://127.0.0.1:${POLICY}`
/** Debian's `daemon` and `games`: neither is the gateway's user. */
const [DAEMON, GAMES] = [1, 5]
const SAMPLES = 200

const WITH_POLICY = `${CONFIGURATION}policy:
  rules:
    - { domain: [.office.example], environment: office }
    - { domain: denied.example, environment: deny }
    - { program: wget, environment: office }
    - { program: git, children: true, environment: site }
    - { program: curl, port: 80, address: ${WEB}, environment: site }
    - { user: daemon, environment: office }
    - { user: '${GAMES}', environment: site }
    - { address: 192.168.13.0/24, environment: home }
    - { address: [192.168.10.0/24, 'fd00:11::/64', ${WEB}, 192.168.9.1], environment: office }
`

const as = (uid: number, argv: readonly string[]) => [
  'setpriv',
  `--reuid=${uid}`,
  `--regid=${uid}`,
  '--clear-groups',
  '--',
  ...argv,
]

t.test(
  'the policy port',
  { skip: labSkip(...LAB_PROGRAMS, 'git', 'wget', 'nc'), timeout: 600_000 },
  async (t) => {
    const lab = await VpnLab.create()
    t.teardown(() => lab.destroy())
    const { client } = lab
    const gateway = new LabGateway(lab, WITH_POLICY)
    t.ok(await gateway.up(), `up: ${gateway.stderr}`)
    const env = { PATH: process.env.PATH, HOME: lab.folder, http_proxy: PROXY, all_proxy: PROXY }
    const run = async (argv: readonly string[]) => await client.run(argv, { env, timeout: 60_000 })
    const own = async (...argv: string[]) => await run(unprivileged(argv))
    const last = async () =>
      JSON.parse((await gateway.pvpn('explain', '--last', '--json')).stdout)[0] as {
        environment: string
        rule: string
        program: string
      }

    await t.test('programs of the gateway’s user, at one address', async (t) => {
      const url = `http://${WEB}/`
      t.equal((await own('curl', '-sS', '-m', '30', url)).stdout, `site ${WEB} ${TUNNEL} ${WEB}\n`)
      t.match(await last(), { environment: 'site', rule: /pvpn\.yaml:16$/, program: /\/curl$/ })
      const wget = await own('wget', '-qO-', '-T', '30', '-t', '1', url)
      t.equal(wget.stdout, `office ${WEB} ${TUNNEL} ${WEB}\n`, wget.stderr)
      t.match(await last(), { rule: /:14$/, program: /\/wget$/ })
      const git = await own('git', 'ls-remote', `http://intranet.example/repository.git`)
      t.not(git.code, 0, 'there is no repository')
      t.match(git.stderr, /not valid|not found|info\/refs/, 'but git reached a server inside')
      t.match(await last(), { environment: 'site', rule: /:15$/, program: /git-remote-http/ })
      const alias = ['-c', `alias.get=!curl -sS -m 30 http://[${WEB_6}]/`]
      t.match((await own('git', ...alias, 'get')).stdout, /^site /, 'and what git starts')
    })

    const others = (await client.run(as(DAEMON, ['true']))).code === 0
    const skip = others ? false : 'no other users in this user namespace'
    await t.test('programs of other users', { skip }, async (t) => {
      const curl = ['curl', '-sS', '-m', '30', `http://${WEB}/`]
      t.match((await run(as(DAEMON, curl))).stdout, /^office /)
      t.match(await last(), { environment: 'office', rule: /:17$/ })
      t.match((await run(as(GAMES, curl))).stdout, /^site /)
      t.match(await last(), { environment: 'site', rule: /:18$/ })
    })

    await t.test('domains and addresses', async (t) => {
      const get = async (url: string) => (await own('curl', '-sS', '-m', '30', url)).stdout
      t.match(await get('http://www.office.example/'), /^office /)
      t.match(await get('http://third.home.example/'), /^local-13 /, 'home’s own resolver knows it')
      t.match(await last(), { environment: 'home', rule: /:19$/ })
      t.match(await get(`http://[${WEB_6}]/`), /^office fd00:11::10 /)
      t.match(
        await get('http://denied.example/'),
        /403[\s\S]*denied by the rule at .*pvpn\.yaml:13/,
      )
      t.match(await get('http://203.0.113.2/'), /403[\s\S]*no rule of the policy allows/)
    })

    await t.test('explain and pac ask the running gateway', async (t) => {
      const explain = async (...args: string[]) => (await gateway.pvpn('explain', ...args)).stdout
      const third = await explain('third.home.example:80')
      t.match(third, /^third\.home\.example:80 → home\n {2}by .*pvpn\.yaml:19\n/)
      t.match(third, /asked home for the rule at .*:19: 192\.168\.13\.10\n/)
      t.match(await explain(WEB, '--user', 'daemon'), /→ office\n {2}by .*:17\n/)
      t.match(await explain(`http://${WEB}/`, '--program', 'curl'), /→ site\n {2}by .*:16\n/)
      const pac = await gateway.pvpn('pac', '--explain', 'https://x.office.example/')
      t.equal(pac.stdout, `PROXY 127.0.0.1:${PORTS.office}\n`)
    })

    await t.test('names that choose: both sites in one command', async (t) => {
      const urls = ['office', 'site', 'office'].map((s) => `http://${WEB}.${s}.pvpn.internal/`)
      for (const how of [PROXY, `socks5h://127.0.0.1:${POLICY}`]) {
        const { stdout } = await own('curl', '-sS', '-m', '30', '-x', how, ...urls)
        t.match(stdout, /^office .*\nsite .*\noffice .*\n$/, how)
      }
      const [http] = urls
      t.equal(
        (await own('curl', '-sS', '-m', '30', http as string)).stdout,
        `office ${WEB} ${TUNNEL} ${WEB}\n`,
        'the server gets its true name',
      )
      const six = await own('curl', '-sS', '-m', '30', 'http://fd00-11--10.site.pvpn.internal/')
      t.match(six.stdout, /^site fd00:11::10 .* \[fd00:11::10\]\n$/)
    })

    await t.test('UDP, BIND, RESOLVE and half-close', async (t) => {
      const tool = async (name: string, ...args: string[]) => {
        const argv = [process.execPath, program(name), String(POLICY), ...args]
        return (await own(...argv)).stdout.trim()
      }
      const question = encode({
        type: 'query',
        id: 4711,
        flags: 0x100,
        questions: [{ type: 'A', name: 'www.office.example' }],
      })
      for (const server of ['192.168.10.1', '192.168.10.1.office.pvpn.internal']) {
        const answer = await tool('socks-udp', 'ask', server, '53', question.toString('hex'))
        const { id, answers } = decode(Buffer.from(answer, 'hex'))
        t.equal(id, 4711, server)
        t.match(answers, [{ name: 'www.office.example', type: 'A', data: WEB }])
      }
      t.match(await tool('socks-tool', 'resolve', 'www.office.example'), /192\.168\.11\.10|fd00:11/)
      t.match(await tool('socks-tool', 'ptr', WEB), /office\.example|intranet\.example/)

      const argv = [process.execPath, program('socks-tool'), String(POLICY), 'bind', '192.168.9.1']
      const binding = client.spawn(unprivileged(argv), { stdio: ['ignore', 'pipe', 'inherit'] })
      let out = ''
      binding.stdout?.on('data', (b: Buffer) => {
        out += b.toString()
      })
      const ended = new Promise((resolve) => binding.once('close', resolve))
      t.ok(await eventually(() => /^bound \S+ \d+\n/.test(out)), 'a port inside')
      const [, address = '', port = ''] = /^bound (\S+) (\d+)\n/.exec(out) ?? []
      const { office } = lab.sites
      const visit = await office.run(['nc', '-N', '-w', '10', '-s', '192.168.9.1', address, port], {
        input: 'hello from inside',
      })
      await ended
      t.match(out, /hello from inside/)
      t.match(visit.stdout, /welcome/, 'half-close: said after the other side had ended')
    })

    await t.test('an environment that is down', async (t) => {
      await gateway.pvpn('stop', 'office')
      const { stdout } = await own('curl', '-sS', '-m', '30', 'http://www.office.example/')
      t.match(stdout, /503[\s\S]*environment office: is stopped/)
      await gateway.pvpn('start', 'office')
      t.ok(await gateway.reaches('office', 'up', 20_000))
    })

    await t.test('what it costs', async (t) => {
      const measure = async (port: number) => {
        const script = `${LATENCY}\nmeasure(${port}, ${SAMPLES}, ${JSON.stringify(WEB)})`
        return Number((await own(process.execPath, '-e', script)).stdout)
      }
      const direct = Math.min(await measure(PORTS.office), await measure(PORTS.office))
      const policy = Math.min(await measure(POLICY), await measure(POLICY))
      t.comment(`median time to connect: ${direct} ms direct, ${policy} ms by the policy port`)
      t.ok(direct > 0 && policy > 0)
    })
  },
)

/** Median milliseconds of a SOCKS5 CONNECT, one after another. */
const LATENCY = `
const { connect } = require('node:net')
async function measure(port, samples, host) {
  const times = []
  for (let i = 0; i < samples; i++) {
    const began = performance.now()
    await new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      let got = 0
      socket.write(Buffer.from([5, 1, 0, 5, 1, 0, 1, ...host.split('.').map(Number), 0, 80]))
      socket.on('error', reject)
      socket.on('data', (data) => {
        got += data.length
        if (got < 12) return
        if (data[data.length - 9] !== 0) reject(new Error('refused'))
        times.push(performance.now() - began)
        socket.destroy()
        resolve()
      })
    })
  }
  console.log(times.sort((a, b) => a - b)[samples >> 1].toFixed(3))
}`
