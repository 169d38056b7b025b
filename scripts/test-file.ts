/** Runs one compiled test file by itself and takes what it says (TAP). */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { failures } from './tap-failures.js'

/** Milliseconds from SIGALRM, at which tap tells what the process still waits for, to SIGKILL. */
const LAST_WORDS = 15_000
/** Milliseconds that what a file has left behind may keep its output open. */
const OUTPUT_AFTER_END = 2000

export interface TestResult {
  readonly ok: boolean
  readonly passed: number
  readonly failed: number
  /** What was skipped, and why. */
  readonly skipped: readonly string[]
  /** What failed, and where: lines to print. */
  readonly trouble: readonly string[]
  readonly seconds: number
}

/**
 * Runs `file` and keeps its output as `log`, what it wrote on stderr at the end. `timeout`, in milliseconds,
 * is what the file may take until it asks for another (`t.setTimeout`, which tap sends by the channel).
 */
export async function runTestFile(
  file: string,
  log: string,
  timeout: number,
  lastWords = LAST_WORDS,
): Promise<TestResult> {
  const begun = performance.now()
  const child = spawn(process.execPath, ['--enable-source-maps', file], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, TAP: '1', TAP_TIMEOUT: String(timeout / 1000) },
  })
  let late = false
  const expire = () => {
    late = true
    child.kill('SIGALRM')
    timer = setTimeout(() => child.kill('SIGKILL'), lastWords)
  }
  let timer = setTimeout(expire, timeout)
  child.on('message', (message: { setTimeout?: number }) => {
    if (typeof message?.setTimeout !== 'number' || late) return
    clearTimeout(timer)
    if (message.setTimeout > 0) timer = setTimeout(expire, message.setTimeout)
  })
  const out = collected(child.stdout)
  const err = collected(child.stderr)
  const closed = new Promise((resolve) => child.once('close', resolve))
  const ended = await new Promise<string | undefined>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(ending(code, signal)))
  })
  clearTimeout(timer)
  await Promise.race([closed, sleep(OUTPUT_AFTER_END, undefined, { ref: false })])
  const seconds = (performance.now() - begun) / 1000
  mkdirSync(dirname(log), { recursive: true })
  writeFileSync(log, err() === '' ? out() : `${out()}# stderr:\n${err().replace(/^/gm, '#   ')}\n`)
  const why = late ? 'it took too long' : ended
  return { ...judged(out(), why, err()), seconds }
}

/** What a file's output comes to; `ended`: why its end was not a good one, `stderr` what may explain it. */
export function judged(
  tap: string,
  ended: string | undefined,
  stderr: string,
): Omit<TestResult, 'seconds'> {
  const total = [...tap.matchAll(/^# \{ total: \d+(.*) \}$/gm)].at(-1)?.[1]
  const counts: Record<string, number> = {}
  for (const [, kind = '', count] of (total ?? '').matchAll(/(\w+): (\d+)/g)) {
    counts[kind] = Number(count)
  }
  const skipped = [...tap.matchAll(/^\s*ok \d+ - (.*?) # (SKIP|TODO) ?(.*)$/gm)].map(
    ([, name, , reason]) => `${name}: ${reason || 'no reason given'}`,
  )
  const trouble = failures(tap).flatMap(({ name, detail }) => [
    `failed: ${name}`,
    ...detail.map((line) => `  ${line}`),
  ])
  const failed = counts.fail ?? 0
  const unfinished = total === undefined || (ended !== undefined && failed === 0)
  if (unfinished) {
    trouble.push(`the run did not finish: ${ended ?? 'it says no total'}`)
    trouble.push(
      ...stderr
        .trim()
        .split('\n')
        .map((line) => `  ${line}`),
    )
  }
  return {
    ok: failed === 0 && !unfinished,
    passed: counts.pass ?? 0,
    failed: failed + (unfinished ? 1 : 0),
    skipped,
    trouble,
  }
}

function ending(code: number | null, signal: string | null): string | undefined {
  if (signal !== null) return `ended by ${signal}`
  return code === 0 ? undefined : `ended with ${code}`
}

function collected(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = []
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString('utf8')
}
