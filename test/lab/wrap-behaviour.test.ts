/**
 * What a wrapped program may do besides asking for a page: errors, bulk, servers of its own, signals,
 * terminals, two environments; and the gateway or the tunnel gone in the middle.
 */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { eventually, labSkip } from '../support/namespace.js'
import { patternMd5 } from '../support/pattern.js'
import { LAB_PROGRAMS, TUNNEL, TUNNEL_6, WEB, WEB_6 } from '../support/vpn-lab.js'
import { WRAP, WrapLab } from './wrap-lab.js'
import { ASKED, CaseTable, type Way } from './wrap-table.js'

const NAME = 'www.office.example'
const MIB = 2 ** 20
const skip =
  labSkip(...LAB_PROGRAMS, 'python3', 'script', 'nscd') ||
  (process.getuid?.() !== 0 && 'needs root, to make a device for an unprivileged user')

t.test('behaviour, wrapped', { skip, timeout: 600_000 }, async (t) => {
  const lab = await WrapLab.create()
  t.teardown(() => lab.destroy())
  const { gateway } = lab
  t.ok(await gateway.up(), `all environments are up: ${gateway.stderr}`)
  await lab.capture()
  const table = new CaseTable('behaviour')

  /** The case in each way that is asked; it may be one that a way can't give. */
  const works = async (
    what: string,
    check: (t: Test, run: Runner) => Promise<void>,
    unlike: Partial<Record<Way, string>> = {},
  ) => {
    for (const way of ASKED) {
      const cannot = unlike[way]
      if (cannot !== undefined) {
        table.record(what, way, cannot)
        continue
      }
      let passing = false
      await t.test(`${what}, ${way}`, async (t) => {
        await check(t, new Runner(lab, way))
        t.same(await lab.strange(), [], 'nothing left the client')
        t.notMatch(lab.services, /^inside/m, 'no service of the host was asked')
        passing = t.passing()
      })
      table.record(what, way, passing ? 'works' : 'fails')
    }
  }

  await works('refused, unreachable and silent addresses, each with its error', async (t, run) => {
    const script = `import socket as s
def tcp(to):
  try: s.create_connection(to, 2)
  except OSError as e: print(e.errno or 'timed out')
tcp(('${WEB}', 81)); tcp(('${WEB_6}', 81)); tcp(('192.168.9.77', 80)); tcp(('10.9.9.9', 80))
u = s.socket(2, 2); u.settimeout(5); u.connect(('${WEB}', 81)); u.send(b'x')
try: u.recv(9)
except OSError as e: print(e.errno)`
    t.match((await run.python(script)).stdout, /^111\n111\ntimed out\n1(01|13)\n111\n$/)
  })

  await works('names: forward, reverse, of one family, none', async (t, run) => {
    const script = `import socket as s
print(sorted({a[4][0] for a in s.getaddrinfo('${NAME}', 80)}))
print(s.gethostbyname('www'), s.gethostbyaddr('${WEB}')[0], s.getnameinfo(('${WEB_6}', 80), 0))
for how in ('only6.office.example', s.AF_INET), ('nosuch.office.example', 0), ('www.home.example', 0):
  try: print(s.getaddrinfo(how[0], 80, how[1]))
  except s.gaierror as e: print(e.errno)`
    const { stdout } = await run.python(script)
    t.match(stdout, `['${WEB}', '${WEB_6}']\n${WEB} `)
    t.match(
      stdout,
      /\n192\.168\.11\.10 (www\.office|intranet)\.example \('\w+\.\S*example', 'http'\)\n/,
    )
    t.match(stdout, /\n-5\n-2\n-2\n$/, 'no address, no name, no name')
  })

  await works('64 MiB down and up, whole', async (t, run) => {
    const size = 64 * MIB
    const down = `curl -sS 'http://${WEB}/big?n=${size}' | md5sum`
    t.match((await run.shell(down)).stdout, patternMd5(size))
    const up = `head -c ${size} /dev/zero | curl -sS -T - http://${NAME}/`
    t.match((await run.shell(up)).stdout, `office ${size} 7f614da9329cd3aebf59b91aadc30bf0`)
  })

  await works('64 downloads at once, whole', async (t, run) => {
    const one = `curl -sS 'http://${WEB}/big?n=${MIB}' | md5sum`
    const { stdout } = await run.shell(`for i in $(seq 64); do ${one} & done; wait`)
    t.equal(stdout.split(patternMd5(MIB)).length - 1, 64)
  })

  await works(
    'servers inside, reached from the far site by TCP and UDP, IPv4 and IPv6',
    async (t, run) => {
      const script = `import socket as s, threading
def tcp(family):
  l = s.create_server(('', 8081), family=family); print('ready', flush=True)
  c, peer = l.accept(); c.sendall(b'inside ' + c.recv(99)); c.close()
def udp():
  u = s.socket(2, 2); u.bind(('', 8082)); print('ready', flush=True)
  d, peer = u.recvfrom(9999); u.sendto(b'inside ' + d, peer)
all = [threading.Thread(target=f, args=a) for f, a in ((tcp, (2,)), (tcp, (10,)), (udp, ()))]
for a in all: a.start()
for a in all: a.join()`
      const server = run.python(script, { timeout: 20_000 })
      const { office } = lab.lab.sites
      // The three begin to listen at their own time, so the client tries each until it is there.
      const client = `import socket as s, time
end = time.monotonic() + 15
def tcp(to):
  while True:
    try: return s.create_connection(to, 5)
    except OSError:
      if time.monotonic() > end: raise
      time.sleep(0.1)
for to in ('${TUNNEL}', 8081), ('${TUNNEL_6}', 8081):
  c = tcp(to); c.sendall(b'x'); print(c.recv(99).decode())
u = s.socket(2, 2); u.settimeout(1); d = b'y' * 4000; got = b''
while not got and time.monotonic() < end:
  u.sendto(d, ('${TUNNEL}', 8082))
  try: got = u.recv(9999)
  except OSError: time.sleep(0.1)
print(got == b'inside ' + d)`
      const { stdout } = await office.run(['/usr/bin/python3', '-c', client])
      t.equal(stdout, 'inside x\ninside x\nTrue\n')
      t.equal((await server).code, 0)
    },
  )

  await works('a server inside, for another program of the same environment', async (t, run) => {
    const script = `import socket as s, os
l = s.create_server(('127.0.0.1', 0)); port = l.getsockname()[1]
if os.fork() == 0: c = s.create_connection(('127.0.0.1', port)); c.sendall(b'hello'); os._exit(0)
c, peer = l.accept(); print(c.recv(9), peer[0])`
    t.match(await run.python(script), { code: 0, stdout: "b'hello' 127.0.0.1\n" })
  })

  await works('exit codes and signals', async (t, run) => {
    t.equal((await run.shell('exit 7')).code, 7)
    // As a shell sees it: the wrapper may have become the program, and then ends by the signal itself.
    const killed = `${run.command.join(' ')} sh -c 'kill -TERM $$'; exit $?`
    t.equal((await lab.bare(['sh', '-c', killed])).code, 143)
    t.equal((await run.argv(['/does/not/exist'])).code, 127)
    t.equal((await run.argv(['/etc/passwd'])).code, 126)
    const caught = `${run.command.join(' ')} sh -c 'trap "exit 5" USR1; echo; while :; do sleep 0.1; done' | { read x; kill -USR1 $(cat $PVPN_RUNTIME_DIR/pid); cat; }`
    const script = `sh -c 'echo $$ > $PVPN_RUNTIME_DIR/pid; exec "$@"' sh ${caught}`
    t.equal((await lab.bare(['bash', '-c', `set -o pipefail; ${script}`])).code, 5)
  })

  await works('standard input and output, and a terminal', async (t, run) => {
    const input = 'line\n'.repeat(300_000)
    t.equal((await run.argv(['cat'], { input })).stdout, input)
    const tty = ['script', '-qec', `${run.command.join(' ')} sh -c 'tty; stty size'`, '/dev/null']
    t.match(await lab.bare(tty), { code: 0, stdout: /\/dev\/pts\/\d+\s+\d+ \d+/ })
  })

  await works('stop and continue', async (t, run) => {
    const script = `${run.command.join(' ')} sh -c 'kill -STOP $$; echo went on' & sleep 1; cut -d' ' -f3 /proc/$!/stat; kill -CONT $!; wait $!; echo $?`
    t.equal((await lab.bare(['sh', '-c', script])).stdout, 'T\nwent on\n0\n')
  })

  await works('two environments with the same addresses at once', async (t, run) => {
    const ask = ['curl', '-sS', '-m9', `http://${WEB}/`]
    const all = await Promise.all([
      ...[1, 2, 3].map(() => run.argv(ask)),
      ...[1, 2, 3].map(() => run.argv(ask, {}, 'site')),
    ])
    t.same(
      all.map(({ stdout }) => stdout.split(' ')[0]),
      ['office', 'office', 'office', 'site', 'site', 'site'],
    )
  })

  await works('nscd runs, and has the outside’s answer', async (t, run) => {
    const conf = join(lab.lab.folder, 'nscd.conf')
    const text = 'enable-cache hosts yes\\npersistent hosts no\\nshared hosts no\\n'
    const clean = `printf '${text}' > ${conf}; rm -rf /run/nscd; mkdir /run/nscd; mkdir -p /var/run/nscd`
    await lab.lab.client.check(['sh', '-c', clean])
    const nscd = lab.lab.client.spawn(['nscd', '-F', '-f', conf], { stdio: 'ignore' })
    const ask = ['getent', 'ahostsv4', NAME]
    const asked = async () => /^192\.0\.2\.66 /.test((await lab.bare(ask)).stdout)
    t.ok(await eventually(asked), 'the outside answers a program that is not wrapped')
    await lab.strange()
    t.match((await run.argv(ask)).stdout, /^192\.168\.11\.10 /)
    nscd.kill()
  })

  const back = async (t: Test, run: Runner, script: string): Promise<string> => {
    const file = join(gateway.folder, 'connected')
    rmSync(file, { force: true })
    const running = run.shell(`/usr/bin/python3 -c "$0" > ${file}`, { timeout: 60_000 }, script)
    t.ok(await eventually(() => textOf(file).includes('connected')))
    await gateway.kill()
    t.ok(await gateway.up(20), 'it is back')
    t.equal((await running).code, 0)
    return textOf(file)
  }

  await works(
    'the gateway is killed and comes back: a connection goes on',
    async (t, run) => {
      const script = `import socket as s, time
c = s.create_connection(('${WEB}', 80)); print('connected', flush=True)
c.sendall(b'GET / HTTP/1.0\\r\\nHost: x\\r\\n'); time.sleep(4)
c.settimeout(30); c.sendall(b'\\r\\n'); print(c.recv(9999).decode())`
      t.match(await back(t, run, script), /office 192\.168\.11\.10 192\.168\.9\.52 x\s+$/)
    },
    { preload: 'the connection ends' },
  )

  await works('the gateway is killed and comes back: new connections and names', async (t, run) => {
    const script = `import socket as s, time
print('connected', flush=True)
def ask():
  c = s.create_connection(('${NAME}', 80), 2); c.sendall(b'GET / HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n')
  print(c.recv(9999).decode())
end = time.time() + 30
time.sleep(2)
while time.time() < end:
  try: ask(); break
  except OSError as e: time.sleep(0.2)`
    t.match(await back(t, run, script), /office \S+ \S+ x\s+$/)
  })
  table.hold(t)
})

/** Programs as the gateway's user, wrapped in one way. */
class Runner {
  readonly command: readonly string[]
  readonly #lab: WrapLab
  readonly #way: Way

  constructor(lab: WrapLab, way: Way) {
    this.#lab = lab
    this.#way = way
    this.command = [WRAP, '--via', way, 'office']
  }

  async argv(argv: readonly string[], options: Options = {}, environment = 'office') {
    return await this.#lab.bare([WRAP, '--via', this.#way, environment, ...argv], options)
  }

  async shell(script: string, options: Options = {}, ...args: string[]) {
    return await this.argv(['sh', '-c', script, ...args], options)
  }

  async python(script: string, options: Options = {}) {
    return await this.argv(['/usr/bin/python3', '-c', script], options)
  }
}

type Options = Parameters<WrapLab['bare']>[1]

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
