/** A gateway in the lab's client namespace, run by an unprivileged user, and programs that use it. */
import type { ChildProcess } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { askGateway } from '../../src/io/control-client.js'
import { runtimeFolder } from '../../src/io/runtime-folder.js'
import { eventually, type Namespace, type RunResult } from './namespace.js'
import { atTerminal, type Dialogue, typeAt } from './terminal.js'
import { SITES, type SiteName, type VpnLab } from './vpn-lab.js'

export const PVPN = fileURLToPath(new URL('../../../bin/pvpn', import.meta.url))
/**
 * Who the gateway is: `nobody`, or where that user can't read the program (a checkout below a private
 * folder) the test's own user. Every capability is dropped in either case.
 */
const USER = readableByAll(PVPN) ? 65534 : (process.getuid?.() ?? 0)

export const PORTS: Record<SiteName, number> = { office: 1081, site: 1082 }

/** Milliseconds that the gateway may take to say what it does. */
const STATUS_TIMEOUT = 30_000

export const CONFIGURATION = `version: 1
environments:
  office:
    tunnel: { type: wireguard, file: office.conf }
    listen: 127.0.0.1:${PORTS.office}
  site:
    tunnel: { type: wireguard, file: site.conf }
    listen: 127.0.0.1:${PORTS.site}
  home: { tunnel: { type: direct }, listen: 127.0.0.1:1089 }
`

/** What of a test the steps below need. */
export interface Checks {
  ok(value: unknown, message: string): unknown
  equal(found: unknown, wanted: unknown, message: string): unknown
}

export class LabGateway {
  readonly lab: VpnLab
  readonly client: Namespace
  readonly folder: string
  readonly config: string
  /** What it printed so far. */
  stdout = ''
  stderr = ''
  #process: ChildProcess | undefined
  /** What a command needs to find this gateway. */
  readonly env: NodeJS.ProcessEnv

  constructor(lab: VpnLab, configuration = CONFIGURATION) {
    this.lab = lab
    this.client = lab.client
    this.folder = join(lab.folder, 'gateway')
    mkdirSync(this.folder, { mode: 0o700 })
    this.config = join(this.folder, 'pvpn.yaml')
    for (const name of Object.keys(SITES) as SiteName[]) {
      this.write(`${name}.conf`, readFileSync(lab.files[name], 'utf8'))
    }
    this.write('pvpn.yaml', configuration)
    chownSync(this.folder, USER, USER)
    this.env = {
      PATH: process.env.PATH,
      HOME: this.folder,
      PVPN_RUNTIME_DIR: join(this.folder, 'run'),
      PVPN_CONFIG: this.config,
      ...(process.env.PVPN_ACCEL === undefined ? {} : { PVPN_ACCEL: process.env.PVPN_ACCEL }),
    }
  }

  /** A file in the configuration's folder, readable by the gateway's user only. */
  write(name: string, text: string): void {
    const path = join(this.folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    chmodSync(path, 0o600)
    chownSync(path, USER, USER)
  }

  /** A file of the configuration's folder. */
  read(name: string): string {
    return readFileSync(join(this.folder, name), 'utf8')
  }

  get pid(): number {
    return this.#process?.pid as number
  }

  /**
   * `pvpn up`; resolves when every environment is up, with false when they are not within `wait` seconds:
   * it then answers at least, or has ended.
   */
  async up(wait = 10): Promise<boolean> {
    const child = this.client.spawn(unprivileged([process.execPath, PVPN, 'up']), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: this.env,
    })
    this.#process = child
    child.stdout?.on('data', (b: Buffer) => {
      this.stdout += b.toString()
    })
    child.stderr?.on('data', (b: Buffer) => {
      this.stderr += b.toString()
    })
    const { code } = await this.pvpn('status', '--wait', String(wait))
    const answers = async () => child.exitCode !== null || (await this.#answers())
    await eventually(answers, STATUS_TIMEOUT)
    return code === 0
  }

  /** SIGTERM, and the exit code. */
  async down(): Promise<number | null> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return child?.exitCode ?? null
    }
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    return await ended
  }

  /** SIGKILL: nothing of it can put anything in order. */
  async kill(): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGKILL')
    await ended
  }

  /** Runs a `pvpn` command as the gateway's user. */
  async pvpn(...args: string[]): Promise<RunResult> {
    const argv = unprivileged([process.execPath, PVPN, ...args])
    return await this.client.run(argv, { env: this.env, timeout: 60_000 })
  }

  /** The same at a terminal of its own, with a person who types. */
  async typing(
    args: readonly string[],
    dialogue: Dialogue,
  ): Promise<{ readonly screen: string; readonly status: number | null }> {
    const argv = atTerminal(unprivileged([process.execPath, PVPN, ...args]))
    const env = { ...this.env, SHELL: '/bin/sh' }
    return await typeAt(this.client.spawn(argv, { stdio: ['pipe', 'pipe', 'pipe'], env }), dialogue)
  }

  /** What `pvpn status --json` shows, without a process for each look: tests look ten times a second. */
  async status(): Promise<GatewayStatusView> {
    const { status, body } = await askGateway(runtimeFolder(this.env), {
      method: 'GET',
      path: '/api/v1/environments',
      timeout: STATUS_TIMEOUT,
    })
    if (status !== 200) throw new Error(`the gateway answers ${status}`)
    return body as GatewayStatusView
  }

  async #answers(): Promise<boolean> {
    return await this.status().then(
      () => true,
      () => false,
    )
  }

  async environment(name: string): Promise<GatewayStatusView['environments'][number]> {
    const found = (await this.status()).environments.find((e) => e.name === name)
    if (found === undefined) throw new Error(`no environment ${name}`)
    return found
  }

  /** curl through one environment's port; `how` is its proxy scheme. */
  async curl(site: SiteName | 'home' | 'none', url: string, ...args: string[]): Promise<RunResult> {
    const port = site === 'home' ? 1089 : site === 'none' ? 0 : PORTS[site]
    const proxy = site === 'none' ? [] : ['-x', `socks5h://127.0.0.1:${port}`]
    const argv = ['curl', '-sS', '-m', '60', ...proxy, ...args, url]
    return await this.client.run(argv, { timeout: 90_000 })
  }

  /** Waits up to 25 s for this state with such an error; what was seen last is for the message of a test. */
  async says(
    name: string,
    state: string,
    words: RegExp,
  ): Promise<{ readonly found: boolean; readonly seen: string }> {
    let seen = ''
    const found = await eventually(
      async () => {
        const { state: now, error } = await this.environment(name)
        seen = `${now}: ${error?.message}`
        return now === state && words.test(error?.message ?? '')
      },
      25_000,
      200,
    )
    return { found, seen }
  }

  /** The second site's environment says this, and the first one's is not touched by it. */
  async siteSays(t: Checks, state: string, words: RegExp): Promise<void> {
    const { found, seen } = await this.says('site', state, words)
    t.ok(found, `${words}: ${seen}`)
    t.equal((await this.environment('office')).state, 'up', 'the other one goes on')
  }

  /** Waits for an environment's state. */
  async reaches(name: string, state: string, milliseconds: number): Promise<boolean> {
    return await eventually(
      async () => (await this.environment(name)).state === state,
      milliseconds,
      100,
    )
  }
}

interface GatewayStatusView {
  readonly version: string
  readonly pid: number
  readonly environments: readonly {
    readonly name: string
    readonly state: string
    readonly error: { readonly code: string; readonly message: string } | null
    readonly pid: number
    readonly tunnel: Readonly<Record<string, unknown>>
    readonly addresses: readonly string[]
    readonly connections: number
  }[]
}

/** The test runner's own loader is not for the program: it writes where that user can't. */
const PLAIN = ['env', '-u', 'NODE_OPTIONS']

/** The command as the gateway's user, without any capability and without a way to get one. */
export function unprivileged(argv: readonly string[]): string[] {
  const drop = ['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--no-new-privs']
  return [
    'setpriv',
    `--reuid=${USER}`,
    `--regid=${USER}`,
    '--clear-groups',
    ...drop,
    '--',
    ...PLAIN,
    ...argv,
  ]
}

/** May any user read the file, through all of its folders? */
function readableByAll(path: string): boolean {
  if ((statSync(path).mode & 0o004) === 0) return false
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false
    if (folder === dirname(folder)) return true
  }
}
