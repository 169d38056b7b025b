/** Programs of every kind, what each is to do inside of "office", and what must come of it. */
import { WEB, WEB_6 } from '../support/vpn-lab.js'
import { ABSTRACT_SOCKET, ELSEWHERE, ELSEWHERE_6, SERVICE_SOCKETS } from './wrap-lab.js'

export interface WrapCase {
  readonly program: string
  readonly does: string
  readonly argv: readonly string[]
  /** Of the standard output; the exit code is 0 then. */
  readonly out?: RegExp
  /** The program is told that it can't be; its exit code is not 0. */
  readonly error?: RegExp
}

const SSH_OPTIONS = [
  '-oBatchMode=yes',
  '-oStrictHostKeyChecking=no',
  '-oUserKnownHostsFile=/dev/null',
]
const NAME = 'www.office.example'
const python = (script: string): string[] => ['/usr/bin/python3', '-c', script]
const node = (script: string): string[] => [process.execPath, '-e', script]

export const INSIDE: readonly WrapCase[] = [
  { program: 'curl', does: 'HTTP, IPv4', argv: ['curl', '-sS', `http://${WEB}/`], out: /^office / },
  { program: 'curl', does: 'by name', argv: ['curl', '-sS', `http://${NAME}/`], out: /^office / },
  {
    program: 'curl',
    does: 'by a name of the search domain',
    argv: ['curl', '-sS', 'http://www/'],
    out: /^office /,
  },
  {
    program: 'curl',
    does: '16 MiB with their MD5',
    argv: ['sh', '-c', `curl -sS 'http://${WEB}/big?n=16777216' | wc -c`],
    out: /^16777216$/m,
  },
  { program: 'wget', does: 'by name', argv: ['wget', '-qO-', `http://${NAME}/`], out: /^office / },
  {
    program: 'python3',
    does: 'asyncio',
    argv: python(`import asyncio
async def go():
    r, w = await asyncio.open_connection('${NAME}', 80)
    w.write(b'GET / HTTP/1.0\\r\\n\\r\\n'); print((await r.read()).decode())
asyncio.run(go())`),
    out: /office /,
  },
  {
    program: 'python3',
    does: 'UDP, unconnected',
    argv: python(
      `import socket; s = socket.socket(2, 2); s.settimeout(5); s.sendto(b'x', ('${WEB}', 7)); print(s.recv(99))`,
    ),
    out: /office x/,
  },
  {
    program: 'python3',
    does: 'UDP, IPv6, connected',
    argv: python(
      `import socket; s = socket.socket(10, 2); s.settimeout(5); s.connect(('${WEB_6}', 7)); s.send(b'x'); print(s.recv(99))`,
    ),
    out: /office x/,
  },
  {
    program: 'node',
    does: 'resolver of its own, 9.9.9.9',
    argv: node(
      `const d = new (require('dns').Resolver)(); d.setServers(['9.9.9.9']); d.resolve4('${NAME}', (e, a) => console.log(e ?? a[0]))`,
    ),
    out: /^192\.168\.11\.10$/m,
  },
  {
    program: 'git',
    does: 'ls-remote',
    argv: ['git', 'ls-remote', `git://${NAME}/lab.git`],
    out: /refs\/heads\/lab/,
  },
  {
    program: 'ssh',
    does: 'a command',
    argv: ['sh', '-c', `ssh -q ${SSH_OPTIONS.join(' ')} -i "$HOME/key" root@${NAME} echo there`],
    out: /^there$/m,
  },
  { program: 'ping', does: 'IPv4', argv: ['ping', '-c1', '-W5', WEB], out: / 1 received/ },
  { program: 'ping', does: 'IPv6', argv: ['ping', '-c1', '-W5', WEB_6], out: / 1 received/ },
  {
    program: 'dig',
    does: "the machine's server",
    argv: ['dig', '+short', NAME],
    out: /^192\.168\.11\.10$/m,
  },
  {
    program: 'dig',
    does: '@2001:4860:4860::8888 by UDP',
    argv: ['dig', '+short', '@2001:4860:4860::8888', NAME],
    out: /^192\.168\.11\.10$/m,
  },
  {
    program: 'dig',
    does: '@::1',
    argv: ['dig', '+short', '@::1', NAME],
    out: /^192\.168\.11\.10$/m,
  },
  { program: 'host', does: 'a name', argv: ['host', NAME], out: /192\.168\.11\.10/ },
  {
    program: 'host',
    does: 'an address',
    argv: ['host', WEB],
    out: /(www\.office|intranet)\.example/,
  },
  { program: 'getent', does: 'ahosts', argv: ['getent', 'ahosts', NAME], out: /192\.168\.11\.10/ },
  {
    program: 'getent',
    does: 'an address',
    argv: ['getent', 'hosts', WEB],
    out: /(www\.office|intranet)\.example/,
  },
  {
    program: 'nc',
    does: 'TCP',
    argv: ['sh', '-c', `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 ${WEB} 80`],
    out: /office /,
  },
  {
    program: 'nc',
    does: 'UDP',
    argv: ['sh', '-c', `echo x | timeout 5 nc -u -W 1 ${WEB} 7`],
    out: /^office x/,
  },
  {
    program: 'busybox (static)',
    does: 'wget, by name',
    argv: ['busybox', 'wget', '-qO-', `http://${NAME}/`],
    out: /^office /,
  },
  {
    program: 'busybox (static)',
    does: 'nslookup @1.1.1.1',
    argv: ['busybox', 'nslookup', NAME, '1.1.1.1'],
    out: /192\.168\.11\.10/,
  },
  {
    program: 'C, static, raw system calls',
    does: 'TCP',
    argv: ['RAW', 'tcp', WEB, '80'],
    out: /^connected$/m,
  },
  {
    program: 'setsid',
    does: 'a child in a session of its own',
    argv: ['setsid', '-w', 'curl', '-sS', `http://${NAME}/`],
    out: /^office /,
  },
  {
    program: 'unshare',
    does: 'a user namespace inside',
    argv: ['unshare', '-Ur', 'curl', '-sS', `http://${NAME}/`],
    out: /^office /,
  },
]

export const NOT_OUTSIDE: readonly WrapCase[] = [
  {
    program: 'curl',
    does: 'elsewhere, IPv6',
    argv: ['curl', '-sS', '-m5', `http://[${ELSEWHERE_6}]/`],
    error: /curl: \((7|28)\)/,
  },
  {
    program: 'curl',
    does: 'a name that only the outside has',
    argv: ['curl', '-sS', '-m5', 'http://www.home.example/'],
    error: /curl: \(6\)/,
  },
  {
    program: 'curl',
    does: "the host's loopback",
    argv: ['curl', '-sS', '-m5', 'http://127.0.0.1:8000/'],
    error: /curl: \(7\)/,
  },
  {
    program: 'curl',
    does: "the host's own address",
    argv: ['curl', '-sS', '-m5', 'http://192.168.11.51:8000/'],
    error: /curl: \((7|28)\)/,
  },
  {
    program: 'curl',
    does: "the host's interface",
    argv: ['curl', '-sS', '-m5', '--interface', 'if!eth0', `http://${WEB}/`],
    error: /curl: \((45|7|28)\)/,
  },
  {
    program: 'ping',
    does: 'elsewhere',
    argv: ['ping', '-c1', '-W2', ELSEWHERE],
    error: / 0 received|unreachable/i,
  },
  {
    program: 'python3',
    does: 'UDP elsewhere',
    argv: python(
      `import socket; s = socket.socket(2, 2); s.settimeout(2); s.connect(('${ELSEWHERE}', 7)); s.send(b'x'); print(s.recv(99))`,
    ),
    error: /Error|timed out/,
  },
  {
    program: 'python3',
    does: 'multicast (mDNS)',
    argv: python(
      `import socket; s = socket.socket(2, 2); s.settimeout(1); s.sendto(b'x', ('224.0.0.251', 5353)); print(s.recv(99))`,
    ),
    error: /Error|timed out/,
  },
  {
    program: 'python3',
    does: 'broadcast',
    argv: python(
      `import socket; s = socket.socket(2, 2); s.setsockopt(1, 6, 1); s.settimeout(1); s.sendto(b'x', ('255.255.255.255', 67)); print(s.recv(99))`,
    ),
    error: /Error|timed out/,
  },
  {
    program: 'python3',
    does: 'an abstract Unix socket of the host',
    argv: python(
      `import socket; socket.socket(1).connect('${ABSTRACT_SOCKET}'.replace('@', chr(0)))`,
    ),
    error: /refused/i,
  },
  ...SERVICE_SOCKETS.map((path) => ({
    program: 'python3',
    does: path,
    argv: python(`import socket; socket.socket(1).connect('${path}')`),
    error: /Error/,
  })),
  {
    program: 'C, static, raw system calls',
    does: 'TCP elsewhere',
    argv: ['RAW', 'tcp', ELSEWHERE, '80'],
    error: /failed/,
  },
  {
    program: 'C, static, raw system calls',
    does: 'UDP elsewhere',
    argv: ['RAW', 'udp', ELSEWHERE, '7'],
    error: /failed/,
  },
  {
    program: 'C, static, raw system calls',
    does: 'a packet socket',
    argv: ['RAW', 'packet'],
    error: /failed/,
  },
  {
    program: 'nsenter',
    does: "the host's network namespace",
    argv: ['nsenter', '--net=/proc/1/ns/net', 'true'],
    error: /nsenter/,
  },
  {
    program: 'unshare',
    does: 'umount of what is covered, as root of a namespace',
    argv: ['unshare', '-Urm', 'umount', '/etc/resolv.conf'],
    error: /umount/,
  },
]
