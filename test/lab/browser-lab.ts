/** `pvpn browser` between two sites, on a client whose link, loopback and services answer everything. */
import { execFileSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ChromiumPipe } from '../support/chromium.js'
import { FirefoxDriver } from '../support/firefox.js'
import { eventually, type RunResult } from '../support/namespace.js'
import { WEB } from '../support/vpn-lab.js'
import { WrapLab } from './wrap-lab.js'

export const HOSTILE = `http://${WEB}:8088/`
const HOSTILE_SERVER = fileURLToPath(new URL('../support/hostile-page.js', import.meta.url))
const MARIONETTE = 2828
/** The browsers' proxy ports, and the test's own way to a Firefox. */
const OWN = /^lo .* 127\.0\.0\.1\.(1081|1082|2828)[ :]/

export class BrowserLab {
  readonly lab: WrapLab
  /** What the hostile page saw, one for each visit. */
  readonly reports: { candidates: string[]; tried: string[] }[] = []

  private constructor(lab: WrapLab) {
    this.lab = lab
  }

  static async create(): Promise<BrowserLab> {
    const lab = new BrowserLab(await WrapLab.create())
    await lab.#hostile()
    return lab
  }

  async destroy(): Promise<void> {
    await this.lab.destroy()
  }

  /** Packets on the client's link and loopback that are neither the tunnels' nor to a proxy port. */
  async strange(): Promise<string[]> {
    return (await this.lab.strange()).filter((line) => !OWN.test(line))
  }

  async pvpn(...args: string[]): Promise<RunResult> {
    return await this.lab.gateway.pvpn(...args)
  }

  /** A program of that name which starts the true one so that the test can drive it. */
  program(name: string, script: string): string {
    const path = join(this.lab.gateway.folder, name)
    writeFileSync(path, `#!/bin/sh\n${script}\n`)
    chmodSync(path, 0o755)
    return path
  }

  /** Chromium of one environment, as `pvpn browser` starts it, and leaves it. */
  async chromium(environment: string, ...options: string[]): Promise<ChromiumPipe> {
    const path = this.#chromiumProgram(environment)
    const pipe = this.pipe(environment)
    const { code, stderr } = await this.pvpn(
      ...['browser', environment, '--browser', path, 'about:blank', '--'],
      ...['--headless', '--no-sandbox', '--disable-gpu', ...options],
    )
    if (code !== 0) throw new Error(`pvpn browser ${environment}: ${stderr}`)
    await pipe.started()
    return pipe
  }

  #chromiumProgram(environment: string): string {
    const [orders, answers] = this.#fifos(environment)
    return this.program(
      `chromium-${environment}`,
      `exec chromium --remote-debugging-pipe "$@" 3<${orders} 4>${answers}`,
    )
  }

  #fifos(name: string): [string, string] {
    const at = join(this.lab.gateway.folder, `pipe-${name}`)
    return [`${at}-orders`, `${at}-answers`]
  }

  /** Two programs at the ends of the debugging pipe: an open of a FIFO would hold one of Node's threads. */
  pipe(name: string): ChromiumPipe {
    const [orders, answers] = this.#fifos(name)
    execFileSync('mkfifo', ['-m', '666', orders, answers])
    const { client } = this.lab.lab
    const writer = client.spawn(['sh', '-c', `exec cat > ${orders}`], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    const reader = client.spawn(['cat', answers], { stdio: ['ignore', 'pipe', 'inherit'] })
    if (writer.stdin === null || reader.stdout === null) throw new Error('no pipe')
    return new ChromiumPipe(writer.stdin, reader.stdout)
  }

  /** The same for Firefox, one at a time. */
  async firefox(environment: string): Promise<FirefoxDriver> {
    const path = this.program('firefox-lab', 'exec firefox-esr --marionette "$@"')
    const { code, stderr } = await this.pvpn(
      ...['browser', environment, '--browser', path, 'about:blank', '--', '--headless'],
    )
    if (code !== 0) throw new Error(`pvpn browser ${environment}: ${stderr}`)
    const driver = new FirefoxDriver(this.lab.lab.client, MARIONETTE)
    await driver.started()
    return driver
  }

  /** The folder that `pvpn browser` keeps. */
  folder(environment: string, program: string): string {
    return join(this.lab.gateway.folder, '.local/share/pvpn/browser', environment, program)
  }

  /** Waits for the hostile page's next report. */
  async report(): Promise<BrowserLab['reports'][number] | undefined> {
    await eventually(() => this.reports.length > 0, 20_000)
    return this.reports.shift()
  }

  async #hostile(): Promise<void> {
    const { office } = this.lab.lab.sites
    const child = office.spawn([process.execPath, HOSTILE_SERVER, `${WEB}:8088`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    let ready = false
    child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (text + chunk.toString()).split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) {
        if (line === 'ready') ready = true
        else this.reports.push(JSON.parse(line))
      }
    })
    if (!(await eventually(() => ready))) throw new Error('the hostile page is not served')
  }
}
