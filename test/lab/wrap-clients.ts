/** Programs that people use, what each is told to do inside of "office", and what must come of it. */
import { join } from 'node:path'
import { WEB, WEB_6 } from '../support/vpn-lab.js'
import { NAME, type Services } from './wrap-services.js'
import type { Way } from './wrap-table.js'

export interface ClientCase {
  readonly what: string
  readonly argv: readonly string[]
  /** Of the standard output; the exit status is 0 then. */
  readonly out: RegExp
  /** Ways that refuse to start such a program, and what is said. */
  readonly refused?: Partial<Record<Way, RegExp>>
}

const SSH =
  'ssh -q -oBatchMode=yes -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -i $HOME/key'
const STATIC = { preload: /static|Go/ }
const OFFICE = /office (192\.168\.11\.10 192\.168\.9\.52|fd00:11::10 fd00:9::52) /

const shell = (script: string): string[] => ['sh', '-c', script]
const python = (script: string): string[] => ['/usr/bin/python3', '-c', script]

export function clientCases({ folder, certificate }: Services): readonly ClientCase[] {
  const built = (name: string) => join(folder, name)
  const calls = (how: string, host = NAME, port = '80') => [built('calls'), how, host, port]
  const names = /^(192\.168\.11\.10\n){3}$/
  return [
    {
      what: 'curl, HTTPS',
      argv: ['curl', '-sS', '--cacert', certificate, `https://${NAME}/hello`],
      out: /^office says hello/,
    },
    {
      what: 'wget, HTTPS',
      argv: ['wget', '-qO-', `--ca-certificate=${certificate}`, `https://${NAME}/hello`],
      out: /^office says hello/,
    },
    {
      what: 'git clone, HTTPS',
      argv: shell(
        `cd $(mktemp -d) && GIT_SSL_CAINFO=${certificate} git clone -q https://${NAME}/lab.git && git -C lab log --all --format=%s`,
      ),
      out: /^lab$/m,
    },
    {
      what: 'git clone, ssh',
      argv: shell(
        `cd $(mktemp -d) && GIT_SSH_COMMAND="${SSH}" git -c safe.directory=* clone -q root@${NAME}:${folder}/files/lab.git && git -C lab log --all --format=%s`,
      ),
      out: /^lab$/m,
    },
    { what: 'ssh, a command', argv: shell(`${SSH} root@${NAME} echo there`), out: /^there$/m },
    {
      what: 'ssh, 16 MiB there and back',
      argv: shell(`head -c 16777216 /dev/zero | ${SSH} root@${NAME} cat | md5sum`),
      out: /^2c7ab85a893283e98c931e9511add182 /,
    },
    {
      what: 'rsync over ssh',
      argv: shell(
        `d=$(mktemp -d) && rsync -e "${SSH}" root@${NAME}:${folder}/files/hello $d && cat $d/hello`,
      ),
      out: /^office says hello/,
    },
    {
      what: 'Python, urllib',
      argv: python(
        `import urllib.request as u; print(u.urlopen('http://${NAME}/').read().decode())`,
      ),
      out: OFFICE,
    },
    {
      what: 'Python, requests',
      argv: python(
        `import requests; print(requests.get('https://${NAME}/hello', verify='${certificate}').text)`,
      ),
      out: /^office says hello/,
    },
    {
      what: 'Python, asyncio with 64 connections',
      argv: python(`import asyncio
async def one():
    r, w = await asyncio.open_connection('${NAME}', 80)
    w.write(b'GET / HTTP/1.0\\r\\n\\r\\n'); return b'\\noffice ' in await r.read()
async def all(): print(sum(await asyncio.gather(*(one() for _ in range(64)))))
asyncio.run(all())`),
      out: /^64$/m,
    },
    {
      what: 'Node, http',
      argv: [
        process.execPath,
        '-e',
        `require('http').get('http://${NAME}/', r => r.pipe(process.stdout))`,
      ],
      out: OFFICE,
    },
    {
      what: 'Java',
      argv: ['java', '-Xshare:auto', '-cp', folder, 'Fetch', `http://${NAME}/`],
      out: OFFICE,
    },
    {
      what: 'Go, static',
      argv: [built('fetch-go'), `${NAME}:80`],
      out: OFFICE,
      refused: STATIC,
    },
    { what: 'Rust, std', argv: [built('fetch-rust'), `${NAME}:80`], out: OFFICE },
    {
      what: 'C, musl, static',
      argv: [built('calls-musl'), 'poll', NAME, '80'],
      out: OFFICE,
      refused: STATIC,
    },
    {
      what: 'busybox wget, static',
      argv: ['busybox', 'wget', '-qO-', `http://${NAME}/`],
      out: OFFICE,
      refused: STATIC,
    },
    { what: 'dig', argv: ['dig', '+short', NAME], out: /^192\.168\.11\.10$/m },
    { what: 'host, reverse', argv: ['host', WEB], out: /example/ },
    {
      what: 'ping',
      argv: ['ping', '-c1', '-W5', NAME],
      out: / 1 received/,
      refused: { preload: /./ },
    },
    { what: 'nc', argv: shell(`echo x | timeout 5 nc -u -W1 ${WEB} 7`), out: /^office x/ },
    {
      what: 'psql',
      argv: [
        'psql',
        '-h',
        NAME,
        '-U',
        'lab',
        '-Atc',
        'select host(inet_client_addr())',
        'postgres',
      ],
      out: /^192\.168\.9\.52$/m,
    },
    {
      what: 'redis-cli',
      argv: shell(`redis-cli -h ${NAME} set a lab >&2 && redis-cli -h ${NAME} get a`),
      out: /^lab$/m,
    },
    {
      what: 'Chromium, headless',
      argv: shell(
        `chromium --headless --no-sandbox --disable-gpu --no-first-run --user-data-dir=$(mktemp -d) --dump-dom http://${NAME}/`,
      ),
      out: OFFICE,
    },
    {
      what: "apt's http method",
      argv: shell(
        // The method ends with its input, so that stays open until the file is there.
        `f=$(mktemp -u); { printf '600 URI Acquire\\nURI: http://${NAME}/\\nFilename: %s\\n\\n' $f; timeout 10 sh -c "until [ -s $f ]; do sleep 0.1; done"; } | /usr/lib/apt/methods/http >&2; cat $f`,
      ),
      out: OFFICE,
    },
    { what: 'C, epoll', argv: calls('epoll'), out: OFFICE },
    { what: 'C, select', argv: calls('select'), out: OFFICE },
    { what: 'C, poll, IPv6', argv: calls('poll', WEB_6), out: /office fd00:11::10 fd00:9::52/ },
    { what: 'C, TCP Fast Open', argv: calls('fastopen'), out: OFFICE },
    { what: 'C, 16 threads', argv: calls('threads'), out: /(office [^\n]*\n[\s\S]*){16}/ },
    {
      what: 'C, fork, dup, clearenv, closefrom',
      argv: calls('fork'),
      out: /(office [^\n]*\n[\s\S]*){2}/,
    },
    { what: 'C, names by sendmmsg, 9.9.9.9', argv: calls('names', '9.9.9.9', '53'), out: names },
    {
      what: 'C, names by sendmmsg, the 127.0.0.53 of the machine',
      argv: calls('names', '127.0.0.53', '53'),
      out: names,
    },
    {
      what: 'C, static, io_uring',
      argv: [built('raw-client'), WEB, 'uring'],
      out: OFFICE,
      refused: STATIC,
    },
  ]
}
