/** Programs at a real terminal: a pseudo-terminal of util-linux's `script`. */
import type { ChildProcess } from 'node:child_process'

/** What the terminal shows (once), and what is typed then. */
export type Dialogue = readonly (readonly [shows: RegExp, typed: string])[]

/** The arguments of `script` that run the command at a terminal of its own. */
export function atTerminal(argv: readonly string[]): string[] {
  const command = argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
  return ['script', '-qefc', command, '/dev/null']
}

/** Types at what `atTerminal` started, with pipes for input and output. */
export function typeAt(
  child: ChildProcess,
  dialogue: Dialogue,
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
    child.stdin?.write(wanted[1])
  })
  return new Promise((resolve) => {
    child.on('close', (status) => resolve({ screen, status }))
  })
}
