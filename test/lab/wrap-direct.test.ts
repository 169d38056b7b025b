/** pvpn-wrap in a `direct` environment: no IP layer, so the programs' TCP and UDP end at a stack of ours. */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { eventually, join2, labSkip, Namespace } from '../support/namespace.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const USER = '65534'
const MIB = 2 ** 20

const reason =
  labSkip('curl', 'python3', 'md5sum', 'setpriv', 'ping') ||
  (process.getuid?.() !== 0 && 'needs root, to make a device for an unprivileged user') ||
  (!existsSync(join(ROOT, 'build/native/pvpn-wrap')) && 'pvpn-wrap is not built') ||
  (!existsSync('/dev/net/tun') && 'no /dev/net/tun')

t.test('a direct environment', { skip: reason, timeout: 600_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pvpn-wrap-'))
  chmodSync(folder, 0o777)
  const client = await Namespace.create('client')
  const server = await Namespace.create('server')
  t.teardown(async () => {
    await client.destroy()
    await server.destroy()
    rmSync(folder, { recursive: true, force: true })
  })
  await join2(client, 'eth0', server, 'eth0')
  await client.ip(`address add 198.51.100.2/24 dev eth0
    address add 2001:db8::2/64 dev eth0 nodad`)
  await server.ip(`address add 198.51.100.1/24 dev eth0
    address add 2001:db8::1/64 dev eth0 nodad`)
  writeFileSync(join(folder, 'big'), Buffer.alloc(20 * MIB, 'pvpn'))
  const serve =
    'import socket\nu=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\nu.bind(("",7007))\n'
  const echo = `${serve}while 1:\n  d,a=u.recvfrom(9999)\n  u.sendto(d[::-1],a)`
  server.spawn(['python3', '-m', 'http.server', '80', '--bind', '::', '--directory', folder], {
    stdio: 'ignore',
  })
  server.spawn(['python3', '-c', echo], { stdio: 'ignore' })
  execFileSync('mknod', ['-m', '666', join(folder, 'tun'), 'c', '10', '200'])
  await client.check(['mount', '--bind', join(folder, 'tun'), '/dev/net/tun'])
  const config = join(folder, 'pvpn.yaml')
  writeFileSync(
    config,
    'version: 1\nenvironments:\n  host:\n    tunnel: { type: direct }\n    listen: 127.0.0.1:1099\n',
  )
  const asUser = (...argv: string[]) => [
    ...['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', 'env', '-i'],
    ...[`PATH=${process.env.PATH}`, `PVPN_RUNTIME_DIR=${folder}/run`],
    ...argv,
  ]
  const wrap = (...argv: string[]) =>
    client.run(asUser(join(ROOT, 'bin/pvpn-wrap'), 'host', ...argv), { timeout: 30_000 })
  client.spawn(asUser(join(ROOT, 'bin/pvpn'), 'up', '-c', config), { stdio: 'ignore' })
  const up = async () => (await wrap('true')).code === 0
  t.ok(await eventually(up, 30_000))

  await t.test('TCP of both families, whole', async (t) => {
    const sum = execFileSync('md5sum', [join(folder, 'big')])
      .toString()
      .slice(0, 32)
    for (const host of ['198.51.100.1', '[2001:db8::1]']) {
      const { stdout } = await wrap('sh', '-c', `curl -sm25 'http://${host}/big' | md5sum`)
      t.equal(stdout.slice(0, 32), sum, host)
    }
  })

  await t.test('many at once', async (t) => {
    const one = 'curl -sm20 -o /dev/null -w "%{http_code}\\n" http://198.51.100.1/'
    const { stdout } = await wrap('sh', '-c', `for i in $(seq 40); do ${one} & done; wait`)
    t.equal(stdout, '200\n'.repeat(40))
  })

  await t.test('UDP, fragments too', async (t) => {
    const code = `import socket as s
u = s.socket(s.AF_INET, s.SOCK_DGRAM); u.settimeout(9)
for d in (b'abc', bytes(range(250)) * 20):
  u.sendto(d, ('198.51.100.1', 7007)); print(u.recv(9999) == d[::-1])`
    t.match(await wrap('python3', '-c', code), { code: 0, stdout: 'True\nTrue\n' })
  })

  await t.test('refused, unreachable, and what cannot be carried', async (t) => {
    const code = `import socket as s
for a in (('198.51.100.1', 81), ('203.0.113.1', 80)):
  try: s.create_connection(a, 9)
  except OSError as e: print(e.errno)`
    t.match(await wrap('python3', '-c', code), { stdout: '111\n113\n' })
    t.match(await wrap('ping', '-c1', '-W2', '198.51.100.1'), { code: 1, stdout: /filtered/i })
  })

  await t.test('virtual sockets', async (t) => {
    const sum = execFileSync('md5sum', [join(folder, 'big')])
      .toString()
      .slice(0, 32)
    const preload = (...argv: string[]) =>
      client.run(asUser(join(ROOT, 'bin/pvpn-wrap'), '--via', 'preload', 'host', ...argv), {
        timeout: 30_000,
      })
    for (const host of ['198.51.100.1', '[2001:db8::1]']) {
      const { stdout } = await preload('sh', '-c', `curl -sm25 'http://${host}/big' | md5sum`)
      t.equal(stdout.slice(0, 32), sum, host)
    }
    const code = `import socket as s
u = s.socket(s.AF_INET, s.SOCK_DGRAM); u.settimeout(9)
for d in (b'abc', bytes(range(250)) * 20):
  u.sendto(d, ('198.51.100.1', 7007)); print(u.recv(9999) == d[::-1])
for a in (('198.51.100.1', 81), ('203.0.113.1', 80), ('127.0.0.1', 1090)):
  try: s.create_connection(a, 9)
  except OSError as e: print(e.errno)`
    const said = /^True\nTrue\n111\n(101|113)\n111\n$/
    t.match(await preload('python3', '-c', code), { code: 0, stdout: said })
  })
})
