/** Programs that other people wrote, as clients of a listener. */
import { execFile, execFileSync } from 'node:child_process'

export interface Result {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Why a test that needs this program is skipped, or false. */
export function absent(program: string): string | false {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`])
    return false
  } catch {
    return `${program} is not installed`
  }
}

/** Runs to its end, at most 30 seconds, without the proxy variables of this environment. */
export function run(program: string, args: readonly string[], input = ''): Promise<Result> {
  return new Promise((resolve) => {
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/proxy/i.test(name)),
    )
    const child = execFile(
      program,
      [...args],
      { timeout: 30_000, maxBuffer: 64 << 20, env },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === 'number' ? error.code : null
        resolve({ status, stdout, stderr })
      },
    )
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

/** curl with a time-out of its own, quiet. */
export function curl(...args: string[]): Promise<Result> {
  return run('curl', ['-sS', '--max-time', '20', '--noproxy', '', ...args])
}
