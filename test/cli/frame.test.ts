import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { COMMANDS } from '../../src/cli/command-list.js'
import { describeFailure } from '../../src/cli/report.js'
import { ConfigError } from '../../src/config/problem.js'
import { PvpnError } from '../../src/core/errors.js'
import { workplace } from './gateway-support.js'

const PVPN = fileURLToPath(new URL('../../../bin/pvpn', import.meta.url))
const MAIN = new URL('../../src/cli/main.js', import.meta.url).href
const { NODE_OPTIONS: _, ...env } = process.env

t.test('help, version and no words at all', async (t) => {
  const w = workplace(t)
  const help = await w.pvpn('--help')
  t.match(help, { status: 0, stderr: '' })
  for (const { name, summary } of COMMANDS) {
    t.match(help.stdout, new RegExp(`\\n  ${name} `), name)
    t.ok(help.stdout.replace(/\s+/g, ' ').includes(summary), summary)
  }
  t.match(await w.pvpn('help'), { status: 0, stdout: help.stdout })
  t.match(await w.pvpn(), { status: 2, stdout: '', stderr: help.stdout })
  const { version } = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  )
  t.match(await w.pvpn('--version'), { status: 0, stdout: `${version}\n` })
})

t.test('every command has help with examples and --log-level', async (t) => {
  const w = workplace(t)
  for (const { name } of COMMANDS) {
    const { status, stdout, stderr } = await w.pvpn(name, '--help')
    t.match({ status, stderr }, { status: 0, stderr: '' }, name)
    t.match(stdout, /^Usage: pvpn /)
    t.match(stdout, /--log-level <level>/)
    t.match(stdout, /\nExamples:\n {2}\S/)
  }
  t.match(await w.pvpn('help', 'check'), { status: 0, stdout: /^Usage: pvpn check/ })
})

t.test('wrong usage is status 2, in one line and a hint', async (t) => {
  const w = workplace(t)
  for (const [args, stderr] of [
    [
      ['chek'],
      /^pvpn: unknown command 'chek' \(Did you mean check\?\)\nhint: pvpn --help shows how\n$/,
    ],
    [
      ['check', '--confg', 'x'],
      /^pvpn: unknown option '--confg' \(Did you mean --config\?\)\nhint: pvpn check --help shows how\n$/,
    ],
    [['check', 'x'], /^pvpn: too many arguments.*\nhint: .*\n$/],
    [['env'], /^pvpn: missing required argument 'environment'\nhint: .*\n$/],
    [
      ['env', 'a', '--shell', 'tcsh'],
      /^pvpn: option '--shell <shell>' argument 'tcsh' is invalid.*\nhint: .*\n$/,
    ],
    [
      ['check', '--log-level', 'loud'],
      /^pvpn: option '--log-level <level>' argument 'loud' is invalid.*\nhint: .*\n$/,
    ],
    [['--log-level'], /^pvpn: option '--log-level <level>' argument missing\nhint: .*\n$/],
    [['check', '-c', '/nope/x.yaml'], /^$/],
  ] as const) {
    t.match(await w.pvpn(...args), { status: 2, stderr }, args.join(' '))
  }
})

t.test('failures are one line and a hint; a stack only at debug', async (t) => {
  const failure = (thrown: unknown) => describeFailure(thrown, 'info')
  t.equal(
    failure(new PvpnError('ERR_DOWN', 'no\ngateway\u001b[31m', { hint: 'start it' })),
    'pvpn: no gateway [31m\nhint: start it\n',
  )
  const place = { file: 'a.yaml', line: 1, column: 2 }
  t.equal(
    failure(
      new ConfigError([
        { ...place, message: 'x' },
        { ...place, line: 3, message: 'y' },
      ]),
    ),
    'a.yaml:1:2: x\na.yaml:3:2: y\n',
  )
  t.match(
    failure(new TypeError('x is not a function')),
    /^pvpn: x is not a function\nhint: .*defect.*\n$/,
  )
  t.match(failure('text'), /^pvpn: text\n/)
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
    errno: -28,
    syscall: 'write',
  })
  t.equal(failure(full), 'pvpn: ENOSPC: no space left on device, write\n', 'no defect of ours')
  t.match(describeFailure(new TypeError('x'), 'debug'), /\nTypeError: x\n {4}at /)
  const w = workplace(t)
  for (const args of [
    ['--log-level', 'debug', 'status'],
    ['status', '--log-level', 'debug'],
  ]) {
    t.match(
      await w.pvpn(...args),
      { status: 1, stderr: /\n {4}at / },
      'before or behind the command',
    )
  }
  t.notMatch((await w.pvpn('status')).stderr, / {4}at /)
})

t.test('a reader who goes away ends the command quietly', async (t) => {
  for (const command of ['--help', 'nc --help', 'completion bash']) {
    const child = spawn(process.execPath, [PVPN, ...command.split(' ')], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.destroy()
    let stderr = ''
    child.stderr.on('data', (data) => {
      stderr += data
    })
    const [status] = await once(child, 'close')
    t.match({ status, stderr }, { status: 0, stderr: '' }, command)
  }
})

t.test(
  'bin/pvpn works through links, from any folder, and says when nothing is built',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'pvpn-bin-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    symlinkSync(PVPN, join(folder, 'one'))
    symlinkSync('one', join(folder, 'two'))
    const run = (file: string) =>
      spawnSync(file, ['--version'], { cwd: '/', env, encoding: 'utf8' })
    t.match(run(join(folder, 'two')), { status: 0, stdout: /^\d+\.\d+\.\d+\n$/ })
    mkdirSync(join(folder, 'clone'))
    cpSync(join(PVPN, '..'), join(folder, 'clone', 'bin'), { recursive: true })
    t.match(run(join(folder, 'clone', 'bin', 'pvpn')), {
      status: 1,
      stdout: '',
      stderr: /^pvpn: not built yet\nhint: run `npm ci`, or `npm run build`, in .*clone\n$/,
    })
  },
)

t.test('a command loads only what it uses', async (t) => {
  const time = (...args: string[]) => {
    const began = performance.now()
    spawnSync(process.execPath, [PVPN, ...args], { env })
    return Math.round(performance.now() - began)
  }
  t.comment(`--help ${time('--help')} ms, status ${time('status')} ms, check ${time('check')} ms`)
  const loaded = (...args: string[]) => {
    const trace = { ...env, NODE_DEBUG: 'esm', PVPN_RUNTIME_DIR: '/nonexistent' }
    // The modules, not the bundle, whose files have no packages' names.
    const script = `import(${JSON.stringify(MAIN)}).then((main) => main.run(${JSON.stringify(args)}))`
    const { stderr } = spawnSync(process.execPath, ['-e', script], {
      env: trace,
      encoding: 'utf8',
    })
    return stderr
  }
  t.match(loaded('check'), /node_modules\/yaml\//, 'the trace shows what is loaded')
  for (const args of [['--help'], ['status']]) {
    t.notMatch(
      loaded(...args),
      /node_modules\/(yaml|zod|fastify|pino|prom-client)\//,
      args.join(' '),
    )
  }
})
