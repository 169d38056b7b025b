/** One test file's process, from good ends to those that say nothing. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runTestFile, type TestResult } from '../../scripts/test-file.js'

/** Milliseconds. */
const LAST_WORDS = 1000
const TAP = import.meta.resolve('tap')

/** Runs a file with this body; it may say at most `timeout` ms nothing. */
async function run(
  t: Test,
  body: string,
  timeout = 60_000,
): Promise<TestResult & { readonly log: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'pvpn-test-file-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'one.mjs')
  writeFileSync(file, `import t from '${TAP}'\n${body}\n`)
  const log = join(folder, 'logs/room/one.tap')
  return { ...(await runTestFile(file, log, timeout, LAST_WORDS)), log: readFileSync(log, 'utf8') }
}

t.test('a good end: what passed and what was skipped, with the reason', async (t) => {
  const result = await run(
    t,
    `t.test('both', async (t) => { t.ok(1); t.ok(2); console.error('by the way') })
     t.test('not here', { skip: 'no such program' }, async () => {})`,
  )
  t.match(result, { ok: true, passed: 2, failed: 0, skipped: ['not here: no such program'] })
  t.same(result.trouble, [])
  t.match(result.log, /ok 1 - both[\s\S]*# stderr:\n# {3}by the way/)
})

t.test('a failure: where and what', async (t) => {
  const { ok, failed, trouble } = await run(
    t,
    "t.test('outer', async (t) => { t.ok(1); t.equal(1, 2, 'one') })",
  )
  t.match({ ok, failed }, { ok: false, failed: 1 })
  t.equal(trouble[0], 'failed: outer > one')
  t.match(trouble.join('\n'), /\+1/)
})

t.test('whatever ends early has failed, and says why', async (t) => {
  const cases = [
    ["t.test('outer', async () => { process.exit(0) })", /outer/],
    ["t.ok(1); process.kill(process.pid, 'SIGKILL')", /did not finish: ended by SIGKILL/],
    ["t.ok(1); process.on('exit', () => { process.exitCode = 3 })", /finish: ended with 3/],
    ['no.such.thing()', /no is not defined/],
    ["process.stdout.write = () => true; console.error('oh'); process.exit(0)", /no total\n {2}oh/],
  ] as const
  const results = await Promise.all(cases.map(async ([body]) => await run(t, body)))
  for (const [index, { ok, failed, trouble }] of results.entries()) {
    const [body, why] = cases[index] as (typeof cases)[number]
    t.notOk(ok, body)
    t.ok(failed > 0, body)
    t.match(trouble.join('\n'), why)
  }
})

t.test('a file that hangs is ended, at the time that it has asked for', async (t) => {
  const waits = "t.test('waits', () => new Promise(() => setInterval(() => {}, 99)))"
  const deaf =
    "process.on('SIGALRM', () => {}); t.setTimeout(400); setTimeout(() => { for (;;); }, 0)"
  const [hangs, busy] = await Promise.all([run(t, waits, 1500), run(t, deaf)])
  t.match(hangs, { ok: false })
  t.match(hangs.trouble.join('\n'), /timeout|too long/)
  t.match(busy, { ok: false })
  t.match(busy.trouble.join('\n'), /it took too long/)
})
