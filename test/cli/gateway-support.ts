/** Starts fake gateways and real commands as processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const FAKE_UP = fileURLToPath(new URL('./fake-up.js', import.meta.url))
const PVPN = fileURLToPath(new URL('../../../bin/pvpn', import.meta.url))

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A process with its output gathered. */
export class Running {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  readonly ended: Promise<Outcome>

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.child.stdout?.on('data', (data) => {
      this.stdout += data
    })
    this.child.stderr?.on('data', (data) => {
      this.stderr += data
    })
    this.ended = once(this.child, 'close').then(([status]) => ({
      status: status as number | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }))
  }

  get pid(): number {
    return this.child.pid as number
  }

  /** Waits until standard output (or error) fits. Fails when the process ends before. */
  async says(pattern: RegExp, where: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    while (!pattern.test(this[where])) {
      const ended = await Promise.race([
        this.ended,
        once(this.child[where] as NodeJS.ReadableStream, 'data'),
      ])
      if ('status' in ended && !pattern.test(this[where])) {
        throw new Error(`ended without ${pattern}: ${this.stdout}${this.stderr}`)
      }
    }
  }

  signal(signal: NodeJS.Signals): Promise<Outcome> {
    this.child.kill(signal)
    return this.ended
  }
}

export interface Workplace {
  /** Where the test's files are; also its $XDG_CONFIG_HOME. */
  readonly root: string
  /** The runtime folder. */
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  /** Writes the fake gateway's configuration. */
  configure(file: object | string): void
  up(): Running
  pvpn(...args: string[]): Promise<Outcome>
  /** A command that goes on until it is told to stop. */
  start(...args: string[]): Running
}

/** A runtime folder of the test's own; everything started in it ends with the test. */
export function workplace(t: Test): Workplace {
  const root = mkdtempSync(join(tmpdir(), 'pvpn-cli-'))
  const folder = join(root, 'run')
  const file = join(root, 'fake.json')
  const { NODE_OPTIONS: _, ...rest } = process.env
  const env = { ...rest, PVPN_RUNTIME_DIR: folder, XDG_CONFIG_HOME: root }
  const children: Running[] = []
  const run = (command: string, args: readonly string[]) => {
    const running = new Running(command, args, env)
    children.push(running)
    return running
  }
  t.teardown(async () => {
    for (const { child } of children) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    }
    await Promise.all(children.map(({ ended }) => ended))
    rmSync(root, { recursive: true, force: true })
  })
  return {
    root,
    folder,
    env,
    configure: (content) =>
      writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content)),
    up: () => run(process.execPath, [FAKE_UP, file]),
    pvpn: (...args) => run(process.execPath, [PVPN, ...args]).ended,
    start: (...args) => run(process.execPath, [PVPN, ...args]),
  }
}

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export async function gone(pid: number): Promise<void> {
  while (alive(pid)) await new Promise((resolve) => setTimeout(resolve, 10))
}
