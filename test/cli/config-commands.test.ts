/** check, import and env as a person runs them. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { WG } from '../config/support.js'
import { type Workplace, workplace } from './gateway-support.js'

/** Writes a file of the workplace's configuration folder. */
function write(w: Workplace, name: string, content: string): string {
  const folder = join(w.folder, '..', 'pvpn')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, name)
  writeFileSync(path, content)
  chmodSync(path, 0o600)
  return path
}

t.test('without a configuration the commands say how to begin', async (t) => {
  const w = workplace(t)
  for (const args of [['check'], ['up']]) {
    const { status, stdout, stderr } = await w.pvpn(...args)
    t.equal(status, 2)
    t.equal(stdout, '')
    t.match(
      stderr,
      /^pvpn: there is no configuration .*\nhint: `pvpn import office.conf` makes one.*\n$/,
    )
  }
  t.match(await w.pvpn('env', 'office'), {
    status: 2,
    stderr: /^pvpn: no environment "office"\nhint: .*pvpn import FILE/,
  })
})

t.test('import, import, check', async (t) => {
  const w = workplace(t)
  const office = join(w.folder, '..', 'office.conf')
  writeFileSync(office, WG.replace('[Peer]', 'PostUp = touch /tmp/never\n\n[Peer]'))
  const dry = await w.pvpn('import', office, '--dry-run')
  t.match(dry, { status: 0, stderr: '', stdout: /would be added to .*pvpn\.yaml:\n {2}office:\n/ })
  t.match(await w.pvpn('check'), { status: 2 })
  const first = await w.pvpn('import', office)
  t.equal(first.status, 0)
  t.match(
    first.stdout,
    /^.*office.conf: a wg-quick file\n {2}line +2 {2}\[Interface\] PrivateKey +honoured\n/,
  )
  t.match(first.stdout, /\[Interface\] PostUp +refused: scripts of a tunnel file are never run\n/)
  t.match(first.stdout, /\n"office" listens on 127.0.0.1:1081 once `pvpn up` runs\n$/)
  t.match(await w.pvpn('import', office, '--name', 'site'), { status: 0, stdout: /127.0.0.1:1082/ })
  const check = await w.pvpn('check')
  t.match(check, { status: 0, stderr: '' })
  t.match(
    check.stdout,
    /^.*office.conf:5:1: warning: \[Interface\] PostUp is left out: .*\n.*: good, 2 environments\n$/,
  )
  t.match(await w.pvpn('import', '/nope.conf'), {
    status: 2,
    stdout: '',
    stderr: /nope.conf does not exist/,
  })
  write(w, 'pvpn.yaml', 'environments: { a: { tunnel: { type: direkt } }, b: 3 }\nx: 1\n')
  const { status, stdout } = await w.pvpn('check')
  t.equal(status, 2)
  t.strictSame(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.replace(/^.*pvpn.yaml/, '')),
    [
      ':1:38: unknown tunnel type "direkt"; did you mean "direct"?',
      ':1:53: "b" must be a map of keys and values, not a single value',
      ':2:1: unknown key "x"',
    ],
  )
})

t.test('env is for eval, whatever the password holds', async (t) => {
  const w = workplace(t)
  const password = `p'a"s$(touch x)\\s @:/%\u00e9\``
  write(w, 'ann.secret', password)
  write(
    w,
    'pvpn.yaml',
    `environments:
  open: { tunnel: { type: direct }, listen: 127.0.0.1:1081 }
  users: { tunnel: { type: direct }, listen: '0.0.0.0:1082', users: [{ name: "a'n", password_file: ann.secret }] }
  six: { tunnel: { type: direct }, listen: [unix:x, '[::1]:1083'] }
  socket: { tunnel: { type: direct }, listen: unix:y }
  none: { tunnel: { type: direct } }
`.replace('  none:', '  nothing:'),
  )
  const names = ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy']
  const both = [...names, ...names.map((name) => name.toUpperCase())]
  const evaluate = async (name: string) => {
    const { stdout } = await w.pvpn('env', name)
    const print = both.map((variable) => `printf '%s\\n' "$${variable}"`).join('; ')
    const { PATH } = process.env
    const shell = spawnSync('sh', ['-c', `${stdout}\n${print}`], {
      encoding: 'utf8',
      env: { PATH },
    })
    t.equal(shell.stderr, '')
    return shell.stdout.trimEnd().split('\n')
  }
  const wanted = (authority: string) => {
    const values = [`http://${authority}`, `http://${authority}`, `socks5h://${authority}`]
    return [...values, 'localhost,127.0.0.1,::1', ...values, 'localhost,127.0.0.1,::1']
  }
  t.strictSame(await evaluate('open'), wanted('127.0.0.1:1081'))
  t.strictSame(await evaluate('six'), wanted('[::1]:1083'))
  const login = 'a%27n:p%27a%22s%24%28touch%20x%29%5Cs%20%40%3A%2F%25%C3%A9%60'
  t.strictSame(await evaluate('users'), wanted(`${login}@127.0.0.1:1082`))
  t.equal(decodeURIComponent(login), `a'n:${password}`)
  const json = JSON.parse((await w.pvpn('env', 'open', '--shell', 'json')).stdout)
  t.strictSame(Object.keys(json).sort(), [...both].sort())
  const fish = (await w.pvpn('env', 'open', '--shell', 'fish')).stdout.split('\n')
  t.equal(fish[0], "set -gx http_proxy 'http://127.0.0.1:1081';")
  t.match(await w.pvpn('env', 'socket'), {
    status: 1,
    stdout: '',
    stderr: /listens on a Unix socket only/,
  })
  t.match(await w.pvpn('env', 'nothing'), {
    status: 1,
    stdout: '',
    stderr: /has no proxy port now/,
  })
  t.match(await w.pvpn('env', 'opne'), {
    status: 2,
    stdout: '',
    stderr:
      /^pvpn: no environment "opne"; did you mean "open"\?\nhint: known: open, users, six, socket, nothing\n$/,
  })
})

t.test('env asks the running gateway first', async (t) => {
  const w = workplace(t)
  write(
    w,
    'pvpn.yaml',
    'environments: { demo: { tunnel: { type: direct }, listen: 127.0.0.1:1099 } }\n',
  )
  mkdirSync(w.folder, { mode: 0o700 })
  const status = {
    environments: [{ name: 'demo', listen: { proxy: ['127.0.0.1:4321'], dns: [] } }],
  }
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(status))
  })
  await new Promise<void>((resolve) => server.listen(join(w.folder, 'control.sock'), resolve))
  t.teardown(() => server.close())
  const port = async (...args: string[]) => {
    const { stdout } = await w.pvpn('env', 'demo', '--shell', 'json', ...args)
    return new URL(JSON.parse(stdout).http_proxy).port
  }
  t.equal(await port(), '4321')
  t.equal(await port('-c', join(w.folder, '..', 'pvpn', 'pvpn.yaml')), '1099')
})

t.test('completion knows commands, options and environments', async (t) => {
  const w = workplace(t)
  write(
    w,
    'pvpn.yaml',
    'environments: { office: { tunnel: { type: direct } }, site: { tunnel: { type: direct } } }\n',
  )
  t.match(await w.pvpn('completion'), { status: 2, stderr: /missing required argument 'shell'/ })
  t.match(await w.pvpn('completion', 'ksh'), { status: 2 })
  t.match(await w.pvpn('completion', '--environments'), { status: 0, stdout: 'office\nsite\n' })
  const { stdout } = await w.pvpn('completion', 'bash')
  const bin = new URL('../../../bin', import.meta.url).pathname
  const complete = (line: string) => {
    const words = line.split(' ')
    const script = `${stdout}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
_pvpn; printf '%s\\n' "\${COMPREPLY[@]}"`
    const env = { ...w.env, PATH: `${bin}:${process.env.PATH}` }
    const { stdout: said, stderr } = spawnSync('bash', ['--norc', '-c', script], {
      env,
      encoding: 'utf8',
    })
    t.equal(stderr, '')
    return said.trim().split('\n')
  }
  t.strictSame(complete('pvpn im'), ['import'])
  t.strictSame(complete('pvpn env '), ['office', 'site'])
  t.strictSame(complete('pvpn --log-level debug stop s'), ['site'])
  t.strictSame(complete('pvpn env office --shell '), ['sh', 'fish', 'json'])
  t.strictSame(complete('pvpn check --con'), ['--config'])
  t.strictSame(complete('pvpn completion z'), ['zsh'])
  t.ok(complete('pvpn ').includes('check'))
  for (const shell of ['zsh', 'fish']) {
    const script = (await w.pvpn('completion', shell)).stdout
    t.match(script, /pvpn completion --environments/)
    const file = write(w, `completion.${shell}`, script)
    const parsed = spawnSync(shell, ['-n', file], { encoding: 'utf8' })
    if (parsed.error === undefined) t.match(parsed, { status: 0, stderr: '' }, shell)
    else t.comment(`${shell} is not installed: its script was not parsed`)
  }
})

t.test('no command prints a secret', async (t) => {
  const w = workplace(t)
  const file = write(
    w,
    'pvpn.yaml',
    `environments:\n  a:\n    tunnel: { type: wireguard, private_key: hunter2, peers: hunter2x }\n    users: [{ name: ann, password: hunter2 }]\n`,
  )
  for (const args of [['check'], ['up'], ['env', 'a'], ['nc', 'a', 'b', '1']]) {
    const { status, stdout, stderr } = await w.pvpn(...args, '--log-level', 'debug')
    t.equal(status, 2)
    t.notMatch(stdout + stderr, /hunter2(?!x)/, args.join(' '))
  }
  t.match(readFileSync(file, 'utf8'), /hunter2/)
})
