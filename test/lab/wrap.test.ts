/**
 * pvpn-wrap on a client whose only link leads to an outside that answers everything and records each
 * packet. The tunnels of `pvpn demo` are on loopback: any packet on the link is a leak.
 */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { eventually, join2, labSkip, Namespace, type RunResult } from '../support/namespace.js'
import { CaseTable } from './wrap-table.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const WRAP = join(ROOT, 'bin/pvpn-wrap')
const USER = '65534'
const OFFICE = '192.168.11.10'
const PROGRAMS = ['curl', 'wget', 'python3', 'dig', 'ping', 'nc', 'script', 'setpriv', 'tcpdump']

const reason =
  labSkip(...PROGRAMS, 'gcc', 'dnsmasq', 'ssh', 'git') ||
  (process.getuid?.() !== 0 && 'needs root, to make a device for an unprivileged user') ||
  (!existsSync(join(ROOT, 'build/native/pvpn-wrap')) && 'pvpn-wrap is not built') ||
  (!existsSync('/dev/net/tun') && 'no /dev/net/tun')

t.test('programs inside, and nothing outside', { skip: reason, timeout: 600_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pvpn-wrap-'))
  chmodSync(folder, 0o777)
  const client = await Namespace.create('client', { resolvConf: 'nameserver 198.51.100.53\n' })
  const outside = await Namespace.create('outside')
  t.teardown(async () => {
    await client.destroy()
    await outside.destroy()
    rmSync(folder, { recursive: true, force: true })
  })
  await join2(client, 'eth0', outside, 'eth0')
  await client.ip(`address add 198.51.100.2/24 dev eth0
    address add 2001:db8::2/64 dev eth0 nodad
    route add default via 198.51.100.1
    route add default via 2001:db8::1`)
  // Every address is the outside's own, so that it can answer whatever it is asked.
  await outside.ip(`address add 198.51.100.1/24 dev eth0
    address add 198.51.100.53/24 dev eth0
    address add 2001:db8::1/64 dev eth0 nodad
    route add local 0.0.0.0/1 dev lo
    route add local 128.0.0.0/1 dev lo
    route add local ::/1 dev lo`)
  outside.spawn(['python3', '-m', 'http.server', '80', '--directory', folder], { stdio: 'ignore' })
  outside.spawn(
    [
      ...['dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--pid-file=', '--user=root'],
      ...[
        '--no-resolv',
        '--no-hosts',
        '--address=/#/203.0.113.66',
        '--bind-interfaces',
        '--listen-address=198.51.100.53',
      ],
    ],
    { stdio: 'ignore' },
  )
  const record = join(folder, 'record')
  writeFileSync(record, '')
  // The kernel's own neighbour and multicast reports for its link-local address are not a program's.
  const kernels = 'icmp6 or (src net fe80::/10 and dst net ff02::/16)'
  const tcpdump = outside.spawn(
    ['tcpdump', '-p', '-lni', 'eth0', `ip or (ip6 and not (${kernels}))`],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  tcpdump.stdout?.on('data', (chunk: Buffer) => appendFileSync(record, chunk))
  const recorded = () => readFileSync(record, 'utf8').split('\n').length - 1

  // The device file of this machine may be for root alone; the client gets one of its own.
  execFileSync('mknod', ['-m', '666', join(folder, 'tun'), 'c', '10', '200'])
  await client.check(['mount', '--bind', join(folder, 'tun'), '/dev/net/tun'])
  const asUser = (argv: readonly string[]) => [
    ...['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'],
    ...[
      'env',
      '-i',
      `PATH=${process.env.PATH}`,
      `HOME=${folder}`,
      `PVPN_RUNTIME_DIR=${folder}/run`,
    ],
    ...argv,
  ]
  const demo = client.spawn(asUser([join(ROOT, 'bin/pvpn'), 'demo']), {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  demo.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  t.ok(await eventually(async () => said.includes('Ctrl-C ends it all'), 30_000))
  const wrap = async (environment: string, ...argv: string[]): Promise<RunResult> =>
    await client.run(asUser([WRAP, environment, ...argv]), { timeout: 40_000 })

  const ofFolder = (pid: number) =>
    readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`PVPN_RUNTIME_DIR=${folder}/run`)
  const raw = join(folder, 'raw-client')
  const source = join(ROOT, 'test/lab/wrap/raw-client.c')
  execFileSync('gcc', ['-static', '-O1', '-o', raw, source])

  await t.test('the outside answers and records', async (t) => {
    const fetch = async () => {
      const { code } = await client.run(['curl', '-sm5', 'http://anything.test/'])
      return code === 0
    }
    t.ok(await eventually(fetch, 20_000))
    t.ok(await eventually(async () => recorded() > 4, 5000))
  })
  // What was under way before is not a program's.
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const before = recorded()

  const table = new CaseTable('cases')
  const works = async (what: string, expected: RegExp, ...argv: string[]) => {
    const { code, stdout, stderr } = await wrap('office', ...argv)
    const whole = `${stdout}\n${stderr}`
    t.match({ code, whole }, { code: 0, whole: expected }, what)
    table.record(what, 'netns', code === 0 && expected.test(whole) ? 'works' : 'fails')
  }
  const subtest = async (what: string, check: (t: Test) => Promise<void>) => {
    let passing = false
    await t.test(what, async (t) => {
      await check(t)
      passing = t.passing()
    })
    table.record(what, 'netns', passing ? 'works' : 'fails')
  }
  const refuses = async (what: string, ...argv: string[]) => {
    const { code, stderr } = await wrap('office', ...argv)
    t.not(code, 0, `${what}: ${stderr}`)
    table.record(what, 'netns', code === 0 ? 'leaks' : 'refused')
  }

  const page = /this is www\.office\.example at (192\.168\.11\.10|fd00:11::10)/
  const python = (code: string) => ['python3', '-c', code]
  await works('curl, IPv4', page, 'curl', '-sSm9', `http://${OFFICE}/`)
  await works('curl, a name', page, 'curl', '-sSm9', 'http://intranet.example/')
  await works('curl, IPv6', page, 'curl', '-sSm9', 'http://[fd00:11::10]/')
  await works('wget', page, 'wget', '-qO-', '-T9', 'http://intranet.example/')
  await works(
    'curl in an empty environment',
    page,
    'env',
    '-i',
    '/usr/bin/curl',
    '-sSm9',
    `http://${OFFICE}/`,
  )
  await works(
    'Python, urllib',
    page,
    ...python("import urllib.request as u; print(u.urlopen('http://intranet.example/').read())"),
  )
  await works(
    'Node, fetch',
    page,
    process.execPath,
    '-e',
    "fetch('http://intranet.example/').then(async r => console.log(await r.text()))",
  )
  await works('static program, its own system calls', page, raw, OFFICE)
  await works('static program, io_uring', page, raw, OFFICE, 'uring')
  await works(
    'nc',
    page,
    'sh',
    '-c',
    `printf 'GET / HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n' | nc -w5 ${OFFICE} 80`,
  )
  await works('ping', /1 received/, 'ping', '-c1', '-W5', OFFICE)
  await works('getent', /11/, 'getent', 'ahosts', 'intranet.example')
  for (const server of ['9.9.9.9', '127.0.0.1', '127.0.0.53', '198.51.100.53']) {
    await works(
      `dig @${server}, UDP`,
      /192\.168\.11\.10/,
      'dig',
      '+short',
      'intranet.example',
      `@${server}`,
    )
    await works(
      `dig @${server}, TCP`,
      /192\.168\.11\.10/,
      'dig',
      '+tcp',
      '+short',
      'intranet.example',
      `@${server}`,
    )
  }
  await works(
    '64 programs at once',
    /^64$/m,
    'sh',
    '-c',
    `for i in $(seq 64); do curl -sm20 http://${OFFICE}/ & done | grep -c 'this is www.office'`,
  )
  await refuses('an address outside', 'curl', '-sm3', 'http://198.51.100.1/')
  await refuses('an address outside, io_uring', raw, '198.51.100.1', 'uring')
  await refuses('a name outside', 'curl', '-sm3', 'http://anything.test/')
  await refuses('git, outside', 'git', 'ls-remote', 'http://198.51.100.1/x')
  await refuses('ssh, outside', 'ssh', '-oBatchMode=yes', '-oConnectTimeout=3', '198.51.100.1')
  await refuses('ping, outside', 'ping', '-c1', '-W2', '198.51.100.1')
  await refuses("the host's loopback", 'curl', '-sm3', 'http://127.0.0.1:1090/')
  await refuses(
    'UDP outside',
    ...python(
      "import socket as s; u=s.socket(s.AF_INET,s.SOCK_DGRAM); u.settimeout(2); u.sendto(b'x',('198.51.100.1',99)); u.recv(9)",
    ),
  )

  await subtest('two environments with the same addresses, at once', async (t) => {
    const both = await Promise.all(
      ['office', 'site'].map((name) => wrap(name, 'curl', '-sSm9', `http://${OFFICE}/`)),
    )
    t.match(both[0]?.stdout, /www\.office\.example/)
    t.match(both[1]?.stdout, /www\.site\.example/)
  })

  await subtest('a server inside is reached by its namespace, the host is not', async (t) => {
    const script = 'nc -l 127.0.0.1 8088 <<< hello & sleep 0.3; nc -w2 127.0.0.1 8088'
    t.match(await wrap('office', 'bash', '-c', script), { code: 0, stdout: /hello/ })
  })

  await subtest("a port of the host's loopback", async (t) => {
    client.spawn(['python3', '-m', 'http.server', '5432', '--bind', '127.0.0.1'], {
      stdio: 'ignore',
    })
    const args = ['--host-port', '5432', 'office', 'curl', '-sSm5', 'http://127.0.0.1:5432/']
    const tried = async () =>
      (await client.run(asUser([WRAP, ...args]))).stdout.includes('Directory listing')
    t.ok(await eventually(tried, 10_000))
  })

  await subtest('status, signals and descriptors are the program’s', async (t) => {
    const status = async (script: string) => (await wrap('office', 'sh', '-c', script)).code
    t.equal(await status('exit 7'), 7)
    t.equal(await status('kill -TERM $$'), 143)
    t.equal((await wrap('office', '/does/not/exist')).code, 127)
    t.equal((await wrap('office', '/etc/passwd')).code, 126)
    const own = ['sh', '-c', 'ls /proc/self/fd | wc -l; umask; id -u; pwd; ulimit -a']
    t.equal((await wrap('office', ...own)).stdout, (await client.run(asUser(own))).stdout)
    const variables = (await wrap('office', 'env')).stdout
    t.match(variables, /^PVPN_ENVIRONMENT=office$/m)
    const tty = await client.run(asUser(['script', '-qec', `${WRAP} office tty`, '/dev/null']))
    t.match(tty, { code: 0, stdout: /\/dev\/pts\// })
    const term = `${WRAP} office sleep 30 & sleep 1; kill -TERM $!; wait $!; echo "ended $?"`
    t.match(await client.run(asUser(['sh', '-c', term])), { stdout: /ended 143/ })
    const stop = `${WRAP} office sh -c 'kill -STOP $$; echo went on' & sleep 1; cut -d' ' -f3 /proc/$!/stat; kill -CONT $!; wait $!`
    t.match(await client.run(asUser(['sh', '-c', stop])), { stdout: /^T\nwent on/ })
  })

  await t.test('what does not start', async (t) => {
    t.match(await wrap('nosuch', 'true'), { code: 125, stderr: /office, site/ })
    const nowhere = await client.run(
      asUser(['env', 'PVPN_RUNTIME_DIR=/nowhere', WRAP, 'office', 'true']),
    )
    t.match(nowhere, { code: 125, stderr: /no gateway is running/ })
  })

  await subtest('a connection outlives the environment’s process', async (t) => {
    const code = `import socket as s, time
c = s.create_connection(('${OFFICE}', 80)); print('connected', flush=True)
c.sendall(b'GET / HTTP/1.0\\r\\nHost: x\\r\\n'); time.sleep(3)
c.sendall(b'\\r\\n'); c.settimeout(20); print(c.recv(9000))`
    const child = client.spawn(asUser([WRAP, 'office', ...python(code)]), {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let out = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    t.ok(await eventually(async () => out.includes('connected'), 10_000))
    const status = await client.check(asUser([join(ROOT, 'bin/pvpn'), 'status', '--json']))
    const pid = /"name":\s*"office"[\s\S]*?"pid":\s*(\d+)/.exec(status)?.[1]
    process.kill(Number(pid), 'SIGKILL')
    t.ok(await eventually(async () => out.includes('www.office.example'), 25_000))
  })

  await subtest(
    'a killed holder ends the network inside, and the next call begins anew',
    async (t) => {
      const script = `sleep 3; curl -sSm3 http://${OFFICE}/ || echo "refused $?"; curl -sSm3 http://198.51.100.1/`
      const running = wrap('office', 'sh', '-c', script)
      await new Promise((resolve) => setTimeout(resolve, 1000))
      const pids = execFileSync('pgrep', ['-f', '^pvpn-wrap --holder [0-9]+ office$']).toString()
      const own = pids.split('\n').filter((pid) => pid !== '' && ofFolder(Number(pid)))
      t.equal(own.length, 1)
      process.kill(Number(own[0]), 'SIGKILL')
      const { code, stdout } = await running
      t.match(stdout, /^refused (7|28)\n$/)
      t.not(code, 0)
      t.match((await wrap('office', 'curl', '-sSm9', `http://${OFFICE}/`)).stdout, page)
    },
  )

  await t.test('nothing went outside, and the table is the document’s', async (t) => {
    await new Promise((resolve) => setTimeout(resolve, 500))
    t.equal(recorded(), before, readFileSync(record, 'utf8').split('\n').slice(before).join('\n'))
    table.hold(t)
  })
})
