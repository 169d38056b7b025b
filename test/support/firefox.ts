/** Firefox without a window, driven by its Marionette port, for one page after another. */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Namespace } from './namespace.js'

/** Milliseconds for one page, and for the start. */
const PATIENCE = 60_000

/** Runs in the browser's namespace: reads URLs as lines, prints `JSON` of address and text as lines. */
const DRIVER = `
const { connect } = require('node:net')
const [port] = process.argv.slice(1)
let socket, seen = Buffer.alloc(0), id = 0
const waiting = new Map()
function read(chunk) {
  seen = Buffer.concat([seen, chunk])
  for (;;) {
    const colon = seen.indexOf(58)
    const length = Number(seen.subarray(0, colon))
    if (colon < 0 || seen.length < colon + 1 + length) return
    const message = JSON.parse(seen.subarray(colon + 1, colon + 1 + length))
    seen = seen.subarray(colon + 1 + length)
    if (!Array.isArray(message)) { begin(); continue }
    waiting.get(message[1])(message)
  }
}
const call = (command, parameters) => new Promise((resolve) => {
  const text = JSON.stringify([0, ++id, command, parameters])
  waiting.set(id, resolve)
  socket.write(Buffer.byteLength(text) + ':' + text)
})
async function begin() {
  await call('WebDriver:NewSession', { capabilities: {} })
  console.log('ready')
  for await (const url of require('node:readline').createInterface(process.stdin)) {
    const [, , problem] = await call('WebDriver:Navigate', { url })
    const script = 'return [location.href, document.body.innerText]'
    const [, , , result] = await call('WebDriver:ExecuteScript', { script, args: [] })
    const [address, text] = result?.value ?? ['', String(problem?.message)]
    console.log(JSON.stringify({ address, text }))
  }
}
function open() {
  socket = connect(port, '127.0.0.1')
  socket.on('data', read)
  socket.on('error', () => setTimeout(open, 200))
}
open()
`

/** The driver of one that was started with `--marionette`. */
export class FirefoxDriver {
  readonly #driver: ChildProcess
  readonly #lines: string[] = []
  #text = ''
  #wake = () => {}

  constructor(where: Namespace, marionette: number) {
    this.#driver = where.spawn([process.execPath, '-e', DRIVER, String(marionette)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH },
    })
    this.#driver.stdout?.on('data', (chunk: Buffer) => {
      const lines = (this.#text + chunk.toString()).split('\n')
      this.#text = lines.pop() ?? ''
      this.#lines.push(...lines)
      this.#wake()
    })
  }

  /** Resolves when it takes orders. */
  async started(): Promise<void> {
    await this.#line()
  }

  close(): void {
    this.#driver.kill('SIGKILL')
  }

  /** The page's address and text once it is loaded. */
  async page(url: string): Promise<{ address: string; text: string }> {
    this.#driver.stdin?.write(`${url}\n`)
    return JSON.parse(await this.#line())
  }

  async #line(): Promise<string> {
    const until = Date.now() + PATIENCE
    for (;;) {
      const line = this.#lines.shift()
      if (line !== undefined) return line
      if (Date.now() > until) throw new Error('Firefox does not answer')
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

export class Firefox extends FirefoxDriver {
  readonly #browser: ChildProcess

  /** \`preferences\` are those of about:config. */
  constructor(
    where: Namespace,
    folder: string,
    preferences: Readonly<Record<string, string | number | boolean>>,
    marionette: number,
  ) {
    const profile = join(folder, 'firefox')
    mkdirSync(profile)
    const all = { ...QUIET, 'marionette.port': marionette, ...preferences }
    const lines = Object.entries(all).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    )
    writeFileSync(join(profile, 'user.js'), lines.join(''))
    const argv = ['firefox-esr', '--headless', '--marionette', '--no-remote', '--profile', profile]
    const env = { PATH: process.env.PATH, HOME: folder, MOZ_DISABLE_CONTENT_SANDBOX: '1' }
    super(where, marionette)
    this.#browser = where.spawn(argv, { stdio: 'ignore', env })
  }

  override close(): void {
    super.close()
    this.#browser.kill('SIGKILL')
  }
}

/** Nothing by itself. */
const QUIET = {
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'app.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'browser.safebrowsing.downloads.remote.enabled': false,
}
