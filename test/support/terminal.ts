/** Programs at a real terminal: a pseudo-terminal of util-linux's `script`. */
import type { ChildProcess } from 'node:child_process'

/** What the terminal shows (once), and what is typed then; a function is waited for before. */
export type Dialogue = readonly (readonly [
  shows: RegExp,
  typed: string | (() => Promise<string>),
])[]

/** The arguments of `script` that run the command at a terminal of its own. */
export function atTerminal(argv: readonly string[]): string[] {
  const command = argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
  return ['script', '-qefc', command, '/dev/null']
}

/** Milliseconds that a dialogue may take, waits for one-time codes included. */
const TIMEOUT = 120_000

/** Types at what `atTerminal` started, with pipes for input and output. Rejects, and ends it, where it has not ended in time. */
export function typeAt(
  child: ChildProcess,
  dialogue: Dialogue,
  timeout = TIMEOUT,
): Promise<{ readonly screen: string; readonly status: number | null }> {
  let screen = ''
  let looked = 0
  let next = 0
  child.stdout?.on('data', (data: Buffer) => {
    screen += data.toString()
    const wanted = dialogue[next]
    if (wanted === undefined || !wanted[0].test(screen.slice(looked))) return
    looked = screen.length
    next++
    const [, typed] = wanted
    if (typeof typed === 'string') child.stdin?.write(typed)
    else void typed().then((text) => child.stdin?.write(text))
  })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill()
      const [wanted] = dialogue[next] ?? []
      const missing = wanted === undefined ? 'the end' : String(wanted)
      reject(new Error(`no ${missing} within ${timeout} ms; the terminal shows: ${screen}`))
    }, timeout)
    child.on('close', (status) => {
      clearTimeout(timer)
      resolve({ screen, status })
    })
  })
}
