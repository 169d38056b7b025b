import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { readable } from '../../src/io/logger.js'

const module = fileURLToPath(new URL('../../src/io/logger.js', import.meta.url))

function logged(level: string, terminal: boolean): string {
  const script = `import { createLogger } from ${JSON.stringify(module)}
const logger = createLogger({ level: '${level}', terminal: ${terminal} }).child({ environment: 'office' })
logger.debug({}, 'fine'); logger.info({ n: 1 }, 'hello'); logger.error({}, 'bad'); process.exit(0)`
  const { stderr, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: {},
  })
  t.equal(stdout, '')
  return stderr
}

t.test('logger writes JSON lines, at once', async (t) => {
  const lines = logged('info', false)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.match(lines, [
    { level: 'info', environment: 'office', n: 1, msg: 'hello', time: /^\d{4}-\d\d-\d\dT.*Z$/ },
    { level: 'error', msg: 'bad' },
  ])
  t.equal(lines.length, 2)
  t.equal(logged('debug', false).trim().split('\n').length, 3)
})

t.test('logger writes lines for people on a terminal', async (t) => {
  const lines = logged('info', true).trim().split('\n')
  t.match(lines[0], /^\d\d:\d\d:\d\d info {2}office: hello n=1$/)
  t.match(lines[1], /^\d\d:\d\d:\d\d error office: bad$/)
})

t.test('a line for people has no control characters', async (t) => {
  const line = JSON.stringify({
    level: 'warn',
    time: '2026-01-01T10:11:12.000Z',
    msg: 'a\u001b[2J\nb',
    x: '\u0007',
  })
  t.equal(readable(line), '10:11:12 warn  a [2J b x= \n')
})
