/** Starts a browser's process: it stays when pvpn ends, or is waited for. */
import { type ChildProcess, spawn } from 'node:child_process'
import { PvpnError } from '../../core/errors.js'
import type { BrowserPlan } from './contract.js'
import type { BrowserProgram } from './programs.js'

/** A browser that ends within this time could not start, or has handed its window to a running one. Milliseconds. */
const START_TIME = 1_500
/** From what a shell may have set: the browser's proxy is the profile's. */
const PROXY_VARIABLES = /^(https?|ftp|all|no|socks|auto)_proxy$/i

/** Resolves when it runs, or has handed over to a running one. ERR_DOWN when it ends with a failure. */
export async function leaveRunning(program: BrowserProgram, plan: BrowserPlan): Promise<void> {
  const child = start(program, plan, 'ignore')
  const status = await Promise.race([
    ended(child),
    new Promise<undefined>((resolve) => setTimeout(resolve, START_TIME, undefined)),
  ])
  if (status !== undefined && status !== 0) {
    throw new PvpnError('ERR_DOWN', `${program.path} ended at once (${status})`, {
      hint: 'the same with --wait shows what it says',
    })
  }
  child.unref()
}

/** Until it ends, with its messages on standard error. SIGINT and SIGTERM are passed on. True: status 0. */
export async function waitFor(program: BrowserProgram, plan: BrowserPlan): Promise<boolean> {
  const child = start(program, plan, 'inherit')
  const pass = () => child.kill('SIGTERM')
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, pass)
  const status = await ended(child)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, pass)
  return status === 0 || status === 'SIGTERM'
}

function start(
  { path }: BrowserProgram,
  { args }: BrowserPlan,
  messages: 'ignore' | 'inherit',
): ChildProcess {
  const kept = Object.entries(process.env).filter(([name]) => !PROXY_VARIABLES.test(name))
  return spawn(path, args, {
    // A process group of its own: Ctrl-C in the shell is not for the browser.
    detached: true,
    stdio: ['ignore', 'ignore', messages],
    env: Object.fromEntries(kept),
  })
}

function ended(child: ChildProcess): Promise<number | NodeJS.Signals> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(new PvpnError('ERR_DOWN', `the browser can't be started: ${error.code}`))
    })
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 1))
  })
}
