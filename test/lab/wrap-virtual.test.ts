/**
 * pvpn-wrap's second way, virtual sockets, on a client whose link leads to an outside that answers
 * everything: what programs expect of sockets, what the filter refuses, and that nothing leaves.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { labSkip } from '../support/namespace.js'
import { LAB_PROGRAMS, WEB, WEB_6 } from '../support/vpn-lab.js'
import { ELSEWHERE, WRAP, WrapLab } from './wrap-lab.js'

const SOURCES = fileURLToPath(new URL('../../../test/lab/wrap/', import.meta.url))
const TUNNEL = '192.168.9.52'
const MIB = 2 ** 20
const CASES = [
  'options',
  'refusals',
  'datagrams',
  'servers',
  'copies',
  'interfaces',
  'cut',
  'silence',
]
const skip =
  labSkip(...LAB_PROGRAMS, 'gcc', 'python3', 'nc', 'md5sum') ||
  (process.getuid?.() !== 0 && 'needs root, to make namespaces')

/** A server that takes what comes, answers its sum and length, and gives as much back. */
const TRANSFER = `
import hashlib, socket, sys, threading
def serve(c):
    sum, n = hashlib.md5(), 0
    while True:
        data = c.recv(1 << 16)
        if not data: break
        sum.update(data); n += len(data)
    c.sendall(('%s %d\\n' % (sum.hexdigest(), n)).encode() + bytes(range(256)) * (n // 256)); c.close()
l = socket.socket(); l.bind((sys.argv[1], 9000)); l.listen(64)
def reset():
    import struct
    r = socket.socket(); r.bind((sys.argv[1], 9001)); r.listen(64)
    while True:
        c = r.accept()[0]; c.recv(1)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); c.close()
threading.Thread(target=reset).start()
print('ready', flush=True)
while True: threading.Thread(target=serve, args=(l.accept()[0],)).start()
`

const BOTH_WAYS = `
import hashlib, os, socket, sys
c = socket.create_connection((sys.argv[1], 9000), 50)
data = os.urandom(${4 * MIB}) * 5
c.sendall(data); c.shutdown(socket.SHUT_WR)
f = c.makefile('rb'); line = f.readline().split(); back = f.read()
print(line[0].decode() == hashlib.md5(data).hexdigest(), int(line[1]) == len(data), back == bytes(range(256)) * (len(data) // 256))
`

t.test('virtual sockets', { skip, timeout: 600_000 }, async (t) => {
  const lab = await WrapLab.create()
  t.teardown(() => lab.destroy())
  const program = join(lab.gateway.folder, 'virtual')
  execFileSync('gcc', [
    '-O1',
    '-Wall',
    '-Werror',
    '-o',
    program,
    join(SOURCES, 'virtual.c'),
    '-lpthread',
  ])
  chmodSync(program, 0o755)
  const { office } = lab.lab.sites
  const server = office.spawn(['python3', '-c', TRANSFER, WEB], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => server.stdout?.once('data', resolve))
  await office.check(['nft', '-f', '-'], {
    input: `add table inet silence
      add chain inet silence in { type filter hook input priority 0; }
      add rule inet silence in tcp dport 9002 drop\n`,
  })
  t.ok(await lab.gateway.up(), `all environments are up: ${lab.gateway.stderr}`)
  await lab.capture()
  const wrap = (...argv: string[]) =>
    lab.bare([WRAP, '--via', 'preload', 'office', ...argv], { timeout: 60_000 })
  const ok = { code: 0, stdout: 'ok\n', stderr: '' }
  const python = (code: string, ...args: string[]) => wrap('python3', '-c', code, ...args)

  for (const name of CASES) t.match(await wrap(program, name, WEB), ok, name)

  await t.test('clients', async (t) => {
    const page = /office \S+ /
    for (const url of [`http://${WEB}/`, `http://[${WEB_6}]/`]) {
      t.match(await wrap('curl', '-sSm9', url), { code: 0, stdout: page }, url)
    }
    const request = `printf 'GET / HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n' | nc -w5 ${WEB} 80`
    t.match(await wrap('sh', '-c', request), { code: 0, stdout: page })
    const fetch = `fetch('http://${WEB}/').then(async r => console.log(await r.text()))`
    t.match(await wrap(process.execPath, '-e', fetch), { code: 0, stdout: page })
    const asyncio = `import asyncio
async def main():
  r, w = await asyncio.open_connection('${WEB}', 80)
  w.write(b'GET / HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n'); print(await r.read())
asyncio.run(main())`
    t.match(await python(asyncio), { code: 0, stdout: page })
  })

  await t.test('64 at once', async (t) => {
    const many = `for i in $(seq 64); do curl -sm40 http://${WEB}/ & done | grep -c 'office 192'`
    t.match(await wrap('sh', '-c', many), { stdout: '64\n' })
  })

  await t.test('20 MiB both ways, whole', async (t) => {
    t.match(await python(BOTH_WAYS, WEB), { code: 0, stdout: 'True True True\n' })
  })

  await t.test('a server inside is reached from the far side', async (t) => {
    const code = `import socket
l = socket.socket(); l.bind(('0.0.0.0', 8099)); l.listen(); print('listens', flush=True)
c, a = l.accept(); print(a[0], c.getsockname()); c.sendall(b'from inside'); c.close()`
    const script = `import socket, time
for i in range(100):
  try: print(socket.create_connection(('${TUNNEL}', 8099), 5).recv(99)); break
  except ConnectionRefusedError: time.sleep(.2)`
    const [inside, far] = await Promise.all([
      python(code),
      office.run(['python3', '-c', script], { timeout: 60_000 }),
    ])
    t.match(far, { stdout: "b'from inside'\n" })
    t.match(inside, { stdout: new RegExp(`listens\n\\S+ \\('${TUNNEL}', 8099\\)`) })
  })

  await t.test('what the program is given', async (t) => {
    const own = ['sh', '-c', 'ls /proc/self/fd | wc -l; umask; id -u; pwd; ulimit -a']
    t.equal((await wrap(...own)).stdout, (await lab.bare(own)).stdout)
    const before = (await lab.bare(['env'])).stdout.split('\n')
    const fresh = (await wrap('env')).stdout.split('\n').filter((line) => !before.includes(line))
    const names = fresh.map((line) => line.replace(/=.*/, ''))
    // The shell that finds the wrapper exports its folder.
    t.same(names.filter((name) => name !== 'PWD').toSorted(), [
      'LD_PRELOAD',
      'PVPN_ENVIRONMENT',
      'PVPN_VIRTUAL',
    ])
    t.equal((await wrap('sh', '-c', 'exit 7')).code, 7)
    t.equal((await wrap('/does/not/exist')).code, 127)
  })

  await t.test('refused: an inherited socket, outside, the host’s loopback', async (t) => {
    const inherit = `exec 9<>/dev/tcp/127.0.0.1/8000 && ${WRAP} --via preload office true`
    t.match(await lab.bare(['bash', '-c', inherit]), {
      code: 125,
      stderr: /descriptor 9 is a network socket/,
    })
    await lab.strange()
    t.match(await wrap('curl', '-sm3', `http://${ELSEWHERE}/`), { code: 7 })
    t.match(await wrap('curl', '-sm3', 'http://127.0.0.1:8000/'), { code: 7 })
    t.match(await wrap('bash', '-c', 'echo > /dev/tcp/127.0.0.1/8000'), { code: 1 })
  })
  t.same(await lab.strange(), [], 'nothing left the client')

  await t.test("a port of the host's loopback, when asked for", async (t) => {
    const argv = ['--via', 'preload', '--host-port', '8000', 'office']
    const fetch = ['curl', '-sSm9', 'http://127.0.0.1:8000/']
    t.match(await lab.bare([WRAP, ...argv, ...fetch]), { code: 0, stdout: /^host / })
    t.match(await wrap('curl', '-sm3', 'http://127.0.0.1:5432/'), { code: 7 })
    await lab.strange()
  })

  await t.test('two environments with the same addresses, at once', async (t) => {
    const both = ['office', 'site'].map((name) =>
      lab.bare([WRAP, '--via', 'preload', name, 'curl', '-sSm9', `http://${WEB}/`]),
    )
    const [one, other] = await Promise.all(both)
    t.match(one, { stdout: /^office / })
    t.match(other, { stdout: /^site / })
  })

  await t.test('a killed gateway: errors, and no other way out', async (t) => {
    const code = `import socket, time, sys
c = socket.create_connection(('${WEB}', 80)); print('connected', flush=True); time.sleep(4)
try: c.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); print(repr(c.recv(9)))
except OSError as e: print('error', e.errno)
try: socket.create_connection(('${WEB}', 80), 5); print('leaks')
except OSError as e: print('error', e.errno)`
    const running = python(code)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    await lab.gateway.kill()
    t.match(await running, { stdout: /^connected\n(error \d+|b'')\nerror 100\n$/ })
  })
  t.same(await lab.strange(), [], 'nothing left the client')
})
