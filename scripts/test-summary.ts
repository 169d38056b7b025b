/**
 * Closes a test run: adds up the totals of the TAP files given, lists what was skipped and why and what
 * failed and where, and prints `N passed, N failed, N skipped` last. Status 1 when something failed or
 * nothing ran, and, with --no-skips, when something was skipped.
 */
import { existsSync, readFileSync } from 'node:fs'
import { failures } from './tap-failures.js'

const args = process.argv.slice(2)
const noSkips = args.includes('--no-skips')
const files = args.filter((a) => !a.startsWith('--'))

const sum = { pass: 0, fail: 0, skip: 0 }
let incomplete = 0
for (const file of files) {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const total = [...text.matchAll(/^# \{ total: \d+(.*) \}$/gm)].at(-1)?.[1]
  if (total === undefined) {
    console.log(`${file}: the run did not finish`)
    incomplete++
  }
  for (const [, kind, count] of (total ?? '').matchAll(/(pass|fail|skip|todo): (\d+)/g)) {
    sum[kind === 'todo' ? 'skip' : (kind as keyof typeof sum)] += Number(count)
  }
  for (const [, name, reason] of text.matchAll(/^\s*ok \d+ - (.*?) # SKIP ?(.*)$/gm)) {
    console.log(`skipped: ${name}: ${reason || 'no reason given'}`)
  }
  for (const { name, detail } of failures(text)) {
    console.log(`failed: ${name}`)
    for (const line of detail) console.log(`  ${line}`)
  }
}
console.log(`${sum.pass} passed, ${sum.fail + incomplete} failed, ${sum.skip} skipped`)
const bad = sum.fail > 0 || incomplete > 0 || sum.pass === 0 || (noSkips && sum.skip > 0)
process.exit(bad ? 1 : 0)
