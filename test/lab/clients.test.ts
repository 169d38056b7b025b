/** Everyday programs, each by every way it has to use a proxy, through a real tunnel. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { LabGateway, PORTS, PVPN, unprivileged } from '../support/lab-gateway.js'
import { eventually, labSkip, type Namespace } from '../support/namespace.js'
import { pattern, patternMd5 } from '../support/pattern.js'
import { LAB_PROGRAMS, TUNNEL, TUNNEL_6, VpnLab, WEB, WEB_6 } from '../support/vpn-lab.js'

const NODE_AGENTS = fileURLToPath(new URL('../support/node-agents.js', import.meta.url))
const PYTHON = '/usr/bin/python3'
const PROGRAMS = ['git', 'nc', 'python3', 'ssh', 'ssh-keygen', 'wget']
const MIB = 2 ** 20
const BLOCK = 64 * 1024
const PORT = PORTS.office
const BY_NAME = 'http://www.office.example/'
const BY_4 = `http://${WEB}/`
const BY_6 = `http://[${WEB_6}]/`

/** Debian's python3 has Debian's python3-requests; another one first in PATH may not. */
const AGENTS = `
import sys, urllib.request, requests
for scheme in sys.argv[2].split():
    proxy = scheme + '://127.0.0.1:' + sys.argv[1]
    for url in sys.argv[3:]:
        with requests.Session() as session:
            session.trust_env = False
            session.proxies = {'http': proxy, 'https': proxy}
            print(scheme, session.get(url, timeout=30).text, end='')
            print(scheme, session.post(url, data=b'x' * 70000, timeout=30).text, end='')
opener = urllib.request.build_opener(urllib.request.ProxyHandler({'http': 'http://127.0.0.1:' + sys.argv[1]}))
print('urllib', opener.open(sys.argv[3], timeout=30).read().decode(), end='')
`

t.test(
  'every kind of client',
  { skip: labSkip(...LAB_PROGRAMS, ...PROGRAMS), timeout: 600_000 },
  async (t) => {
    const lab = await VpnLab.create()
    t.teardown(() => lab.destroy())
    const { client } = lab
    const gateway = new LabGateway(lab)
    t.ok(await gateway.up(), `up: ${gateway.stderr}`)

    await t.test('curl', async (t) => {
      const proxy = `127.0.0.1:${PORT}`
      const ways: Record<string, readonly string[]> = {
        '--socks4': ['--socks4', proxy],
        '--socks4a': ['--socks4a', proxy],
        '--socks5': ['--socks5', proxy],
        '--socks5-hostname': ['--socks5-hostname', proxy],
        '-x http://': ['-x', `http://${proxy}`],
        '--proxytunnel': ['--proxytunnel', '-x', `http://${proxy}`],
      }
      for (const [what, way] of Object.entries(ways)) {
        const get = async (url: string) =>
          (await client.run(['curl', '-sS', '-m', '30', ...way, url])).stdout
        t.equal(await get(BY_4), `office ${WEB} ${TUNNEL} ${WEB}\n`, `${what}, IPv4`)
        const four = what.startsWith('--socks4')
        if (!four)
          t.equal(await get(BY_6), `office ${WEB_6} ${TUNNEL_6} [${WEB_6}]\n`, `${what}, IPv6`)
        // These two ask the client's own resolver, which knows the name of the local network.
        const own = what === '--socks4' || what === '--socks5'
        const name = own ? 'intranet.example' : 'www.office.example'
        t.match(await get(`http://${name}/`), new RegExp(`^office .* ${name}\n$`), `${what}, name`)
        if (!own)
          t.match(
            await get('http://only6.office.example/'),
            /^office fd00:11::10 /,
            `${what}, IPv6 name`,
          )
        const body = await get(`${BY_4}big?n=${MIB}`)
        t.equal(createHash('md5').update(body).digest('hex'), patternMd5(MIB), `${what}, 1 MiB`)
      }
    })

    await t.test('wget', async (t) => {
      for (const url of [BY_4, BY_6, BY_NAME]) {
        const env = { PATH: process.env.PATH, http_proxy: `http://127.0.0.1:${PORT}` }
        const { stdout } = await client.run(['wget', '-qO-', '-T', '30', '-t', '1', url], { env })
        t.match(stdout, /^office /, url)
      }
    })

    await t.test('pvpn env', async (t) => {
      const env = await gateway.pvpn('env', 'office')
      t.equal(env.code, 0)
      const shell = (command: string) =>
        client.run(['sh', '-c', `eval "$1"; ${command}`, 'sh', env.stdout], {
          env: { PATH: process.env.PATH, HOME: lab.folder },
        })
      for (const url of [BY_4, BY_6, BY_NAME]) {
        t.match((await shell(`curl -sS -m 30 ${url}`)).stdout, /^office /, `curl ${url}`)
        t.match((await shell(`wget -qO- -T 30 -t 1 ${url}`)).stdout, /^office /, `wget ${url}`)
      }
      const git = await shell(`git ls-remote http://www.office.example/repository.git`)
      t.not(git.code, 0, 'there is no repository')
      t.match(git.stderr, /not valid|not found|info\/refs/, 'but git reached the server inside')
      t.notMatch(git.stderr, /resolve|connect/)
    })

    await t.test('Python', { skip: pythonLacks() }, async (t) => {
      const run = await client.run([
        PYTHON,
        '-c',
        AGENTS,
        String(PORT),
        'http socks4a socks5h',
        BY_4,
        BY_NAME,
      ])
      t.equal(run.code, 0, run.stderr)
      const lines = run.stdout.trim().split('\n')
      const md5 = createHash('md5').update('x'.repeat(70_000)).digest('hex')
      t.equal(lines.length, 13)
      for (const [i, line] of lines.entries()) {
        t.match(
          line,
          i % 2 === 0 ? / office 192\.168\.11\.10 |office fd00/ : ` office 70000 ${md5}`,
        )
      }
      const six = await client.run([PYTHON, '-c', AGENTS, String(PORT), 'http socks5h', BY_6])
      t.equal(six.stdout.match(/office fd00:11::10 fd00:9::52/g)?.length, 3, six.stderr)
    })

    await t.test('Node', async (t) => {
      const run = await client.run([
        process.execPath,
        NODE_AGENTS,
        String(PORT),
        BY_4,
        BY_6,
        BY_NAME,
      ])
      t.equal(run.code, 0, run.stderr)
      const got = JSON.parse(run.stdout) as Record<string, string[]>
      for (const way of ['absolute', 'connect', 'kept-alive']) {
        t.equal(got[way]?.length, 3)
        for (const text of got[way] ?? []) t.match(text, /^office /, way)
      }
    })

    await t.test(
      'ssh',
      { skip: process.getuid?.() !== 0 && 'sshd lets nobody in without root' },
      async (t) => {
        const { ssh, folder } = await sshServer(lab.sites.office, gateway)
        const run = (argv: readonly string[]) =>
          client.run(unprivileged(argv), { env: gateway.env, timeout: 60_000 })
        const proxies = {
          'nc -X 5': `nc -X 5 -x 127.0.0.1:${PORT} %h %p`,
          'nc -X connect': `nc -X connect -x 127.0.0.1:${PORT} %h %p`,
          'pvpn nc': `${process.execPath} ${PVPN} nc office %h %p`,
        }
        const file = join(folder, 'four')
        writeFileSync(
          file,
          Buffer.concat(Array.from({ length: 64 }, (_, i) => pattern(i * BLOCK, BLOCK))),
        )
        for (const [what, command] of Object.entries(proxies)) {
          for (const host of [WEB, WEB_6, 'www.office.example']) {
            // nc writes an IPv6 address to CONNECT without its brackets.
            if (what === 'nc -X connect' && host === WEB_6) continue
            const argv = [...ssh, '-o', `ProxyCommand=${command}`, host]
            const hello = await run([...argv, 'echo "$SSH_CONNECTION"'])
            t.match(
              hello.stdout,
              /^(192\.168\.9\.52|fd00:9::52) \d+ /,
              `${what} ${host} ${hello.stderr}`,
            )
            const up = await run(['sh', '-c', `"$@" 'tee /run/up | md5sum' < "$0"`, file, ...argv])
            t.equal(up.stdout, `${patternMd5(4 * MIB)}  -\n`, `${what} ${host}: 4 MiB up`)
            const down = await run(['sh', '-c', '"$@" cat /run/up | md5sum', 'sh', ...argv])
            t.equal(down.stdout, `${patternMd5(4 * MIB)}  -\n`, `${what} ${host}: 4 MiB down`)
          }
        }
      },
    )

    t.equal(await gateway.down(), 0)
  },
)

/**
 * Debian's sshd in a namespace with keys of its own; the client's command up to the ProxyCommand, to
 * be run as the gateway's user.
 */
async function sshServer(ns: Namespace, gateway: LabGateway) {
  const folder = join(gateway.lab.folder, 'ssh')
  mkdirSync(folder, { mode: 0o755 })
  const [host, user, config] = ['host', 'user', 'sshd_config'].map((n) => join(folder, n)) as [
    string,
    string,
    string,
  ]
  for (const file of [host, user]) {
    await ns.check(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', file])
  }
  const { uid, gid } = statSync(gateway.folder)
  chownSync(user, uid, gid)
  const settings = [
    'Port 22',
    `HostKey ${host}`,
    `AuthorizedKeysFile ${user}.pub`,
    'PidFile none',
    'UsePAM no',
    'StrictModes no',
    'PasswordAuthentication no',
  ]
  writeFileSync(config, `${settings.join('\n')}\n`)
  await ns.check(['mkdir', '-p', '/run/sshd'])
  const sshd = (await ns.check(['sh', '-c', 'command -v sshd || echo /usr/sbin/sshd'])).trim()
  ns.spawn([sshd, '-D', '-f', config], { stdio: 'ignore' })
  const listens = async () => /:0016 /.test(await ns.check(['cat', '/proc/net/tcp']))
  if (!(await eventually(listens))) throw new Error('sshd does not start')
  const options = [
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
  ].flatMap((option) => ['-o', option])
  return { ssh: ['ssh', '-F', 'none', '-l', 'root', '-i', user, ...options], folder }
}

/** Why Debian's Python can't be a client here, or false. */
function pythonLacks(): string | false {
  const { status } = spawnSync(PYTHON, ['-c', 'import requests, socks'])
  return status !== 0 && 'python3-requests or python3-socks is not installed (test/lab/install)'
}
