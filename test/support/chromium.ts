/** Chromium without a window, driven over its debugging pipe: several tabs of one browser. */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Namespace } from './namespace.js'

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--remote-debugging-pipe',
]
/** Milliseconds for one page. */
const PATIENCE = 40_000

interface Answer {
  readonly id?: number
  readonly result?: {
    targetId?: string
    sessionId?: string
    result?: { value?: unknown }
    exceptionDetails?: object
    /** Base64, of a screenshot. */
    data?: string
  }
  readonly error?: { message: string }
}

export interface Tab {
  /** The value of an expression in the page, once it is settled; rejects when it throws. */
  evaluate(expression: string): Promise<unknown>
  /** A method of the DevTools protocol. */
  call(method: string, params?: object): Promise<NonNullable<Answer['result']>>
}

/** A browser at the other end of its debugging pipe. */
export class ChromiumPipe {
  readonly #pipe: Writable
  readonly #pending = new Map<number, (answer: Answer) => void>()
  #text = ''
  #id = 0

  constructor(pipe: Writable, answers: Readable) {
    this.#pipe = pipe
    answers.on('data', (chunk: Buffer) => this.#read(chunk.toString()))
    pipe.on('error', () => {})
  }

  /** Resolves when it takes orders. */
  async started(): Promise<void> {
    await this.#call('Browser.getVersion', {})
  }

  /** As a person closes the last window. */
  async quit(): Promise<void> {
    await this.#call('Browser.close', {})
  }

  /** A new tab at `url`; the result evaluates an expression in it. */
  async tab(url: string): Promise<(expression: string) => Promise<unknown>> {
    return (await this.open(url)).evaluate
  }

  /** A new tab at `url`, and whatever the debugger can do with it. */
  async open(url: string): Promise<Tab> {
    const { targetId } = await this.#call('Target.createTarget', { url })
    const { sessionId } = await this.#call('Target.attachToTarget', { targetId, flatten: true })
    const call = (method: string, params: object = {}) => this.#call(method, params, sessionId)
    return {
      call,
      evaluate: async (expression) => {
        const parameters = { expression, awaitPromise: true, returnByValue: true }
        const { result, exceptionDetails } = await call('Runtime.evaluate', parameters)
        if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
        return result?.value
      },
    }
  }

  /** A new tab's address and text once it is loaded. */
  async page(url: string): Promise<{ address: string; text: string }> {
    const evaluate = await this.tab(url)
    const until = Date.now() + PATIENCE
    for (;;) {
      const [address, text, state] = (await evaluate(
        '[location.href, document.body?.innerText ?? "", document.readyState]',
      )) as [string, string, string]
      if (state === 'complete' && address !== 'about:blank') return { address, text }
      if (Date.now() > until) throw new Error(`${url} does not load: ${state} ${address}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  #read(text: string): void {
    const [...messages] = (this.#text + text).split('\0')
    this.#text = messages.pop() ?? ''
    for (const message of messages) {
      const answer = JSON.parse(message) as Answer
      if (answer.id === undefined) continue
      this.#pending.get(answer.id)?.(answer)
      this.#pending.delete(answer.id)
    }
  }

  #call(
    method: string,
    params: object,
    sessionId?: string,
  ): Promise<NonNullable<Answer['result']>> {
    const id = ++this.#id
    const message = { id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method}: no answer`)), PATIENCE)
      this.#pending.set(id, ({ result, error }) => {
        clearTimeout(timer)
        if (result === undefined) reject(new Error(`${method}: ${error?.message}`))
        else resolve(result)
      })
      this.#pipe.write(`${JSON.stringify(message)}\0`)
    })
  }
}

/** One that is started here, or in a namespace. */
export class Chromium extends ChromiumPipe {
  readonly #child: ChildProcess

  constructor(where: Pick<Namespace, 'spawn'>, folder: string, ...flags: string[]) {
    const profile = `--user-data-dir=${join(folder, 'chromium')}`
    const child = where.spawn(['chromium', ...FLAGS, profile, ...flags, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, HOME: folder },
    })
    super(child.stdio[3] as Writable, child.stdio[4] as Readable)
    this.#child = child
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }
}
