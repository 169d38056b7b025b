/**
 * Runs the compiled tests: `run-tests [--no-skips] [unit | lab | NAME...]`, where a NAME is how those of some
 * files begin (`io/relay`); or all. Each file is a process of its own; those that mostly wait run beside
 * those that work (test-schedule.ts, test-costs.ts). Prints a line a file, then what was skipped and why and
 * what failed and where, and `N passed, N failed, N skipped` last; what each file printed is kept in
 * build/tap. Status 1 when something failed or nothing ran, and, with --no-skips, when something was skipped.
 */
import { readdirSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { costOf } from './test-costs.js'
import { runTestFile, type TestResult } from './test-file.js'
import { nextFile } from './test-schedule.js'

const BUILD = fileURLToPath(new URL('..', import.meta.url))
const TESTS = join(BUILD, 'test')
const LOGS = join(BUILD, 'tap')
/** Milliseconds for a file that asks for no other time: for what hangs, however busy the machine is. */
const TIMEOUT = { unit: 300_000, lab: 900_000 }

const args = process.argv.slice(2)
const wanted = args.filter((arg) => !arg.startsWith('--'))
const cores = availableParallelism()

/** Names of the test files, as `lab/docker`. */
const waiting = readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.js'))
  .map((path) => path.slice(0, -'.test.js'.length))
  .filter((name) => wanted.length === 0 || wanted.some((word) => isMeant(name, word)))
  .sort()
const running = new Set<string>()
const results = new Map<string, TestResult>()
const begun = performance.now()

function isMeant(name: string, word: string): boolean {
  return word in TIMEOUT ? kindOf(name) === word : name.startsWith(word)
}

function kindOf(name: string): keyof typeof TIMEOUT {
  return name.startsWith('lab/') ? 'lab' : 'unit'
}

async function run(name: string): Promise<void> {
  const file = join(TESTS, `${name}.test.js`)
  const result = await runTestFile(file, join(LOGS, `${name}.tap`), TIMEOUT[kindOf(name)])
  results.set(name, result)
  const { ok, passed, failed, skipped, seconds } = result
  const counts = `${passed} passed${failed > 0 ? `, ${failed} failed` : ''}${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${seconds.toFixed(1).padStart(6)} s  ${name}: ${counts}`)
}

/** Begins what there is room for, at every end again; resolves when all have ended. */
async function runAll(): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fill = () => {
      for (;;) {
        const next = nextFile(waiting.map(costOf), [...running].map(costOf), cores)
        if (next === undefined) break
        const [name] = waiting.splice(next, 1) as [string]
        running.add(name)
        run(name).then(() => {
          running.delete(name)
          fill()
        }, reject)
      }
      if (running.size === 0) resolve()
    }
    fill()
  })
}

rmSync(LOGS, { recursive: true, force: true })
await runAll()

const sum = { passed: 0, failed: 0, skipped: 0 }
for (const [name, { passed, failed, skipped, trouble }] of results) {
  sum.passed += passed
  sum.failed += failed
  sum.skipped += skipped.length
  for (const what of skipped) console.log(`skipped: ${name}: ${what}`)
  if (trouble.length > 0) console.log([`${name} (build/tap/${name}.tap):`, ...trouble].join('\n  '))
}
console.log(`${results.size} files in ${Math.round((performance.now() - begun) / 1000)} s`)
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
const bad = sum.failed > 0 || sum.passed === 0 || (args.includes('--no-skips') && sum.skipped > 0)
process.exit(bad ? 1 : 0)
