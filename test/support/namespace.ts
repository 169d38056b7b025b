/**
 * Network namespaces for lab tests. Each is held by a process that ends with the test (its stdin
 * closes), so nothing stays behind and nothing of the host is named or changed. As root the
 * namespaces are made directly, else inside one user namespace of the test's own.
 */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ROOT = process.getuid?.() === 0

export interface RunResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string
  /** Milliseconds until the program is killed; default 30,000. */
  readonly timeout?: number
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

export interface NamespaceOptions {
  /** What programs in the namespace read as /etc/resolv.conf. */
  readonly resolvConf?: string
}

/** Why namespaces can't be made here, or undefined when they can. */
export function namespacesUnavailable(): string | undefined {
  const flags = ROOT ? ['--net', '--mount'] : ['--user', '--map-root-user', '--net', '--mount']
  const tried = spawnSync('unshare', [...flags, 'ip', 'link', 'set', 'lo', 'up'], {
    encoding: 'utf8',
  })
  if (tried.error !== undefined) return `unshare can't be run: ${tried.error.message}`
  if (tried.status !== 0) return `network namespaces can't be made: ${tried.stderr.trim()}`
  return undefined
}

/** The first of these programs that is not installed, as a reason to skip. */
export function programsMissing(...programs: string[]): string | undefined {
  for (const program of programs) {
    const found = spawnSync('sh', ['-c', `command -v ${program}`], {
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    })
    if (found.status !== 0) return `${program} is not installed (test/lab/install)`
  }
  return undefined
}

/** A reason to skip a lab test, or false: for tap's `skip` option. */
export function labSkip(...programs: string[]): string | false {
  return namespacesUnavailable() ?? programsMissing('ip', 'nsenter', ...programs) ?? false
}

/** The user namespace that holds all others when the test is not root. */
let userHolder: Promise<ChildProcess> | undefined

export class Namespace {
  readonly name: string
  readonly #holder: ChildProcess
  readonly #enter: readonly string[]
  readonly #folder: string | undefined
  readonly #children = new Set<ChildProcess>()

  private constructor(
    name: string,
    holder: ChildProcess,
    enter: readonly string[],
    folder: string | undefined,
  ) {
    this.name = name
    this.#holder = holder
    this.#enter = enter
    this.#folder = folder
  }

  /** Makes a namespace with loopback up. `name` is for messages only. */
  static async create(name: string, options: NamespaceOptions = {}): Promise<Namespace> {
    let folder: string | undefined
    let script = 'ip link set lo up && '
    if (options.resolvConf !== undefined) {
      folder = mkdtempSync(join(tmpdir(), 'pvpn-lab-'))
      const file = join(folder, 'resolv.conf')
      writeFileSync(file, options.resolvConf)
      script += `mount --bind '${file}' "$(readlink -f /etc/resolv.conf)" && `
    }
    // `read` keeps the namespace until our end of its stdin closes, however we end.
    script += 'echo ready && read -r _'
    const unshare = ['unshare', '--net', '--mount', '--propagation', 'private', 'sh', '-c', script]
    const prefix = ROOT ? [] : await enterUserNamespace()
    const holder = await hold([...prefix, ...unshare])
    const user = ROOT ? [] : ['--user', '--preserve-credentials']
    const enter = ['nsenter', '--target', String(holder.pid), ...user, '--net', '--mount', '--']
    return new Namespace(name, holder, enter, folder)
  }

  /** Process id of the holder: what `ip link set … netns PID` wants. */
  get pid(): number {
    return this.#holder.pid as number
  }

  /** `argv` as it must be run from outside to run inside. */
  command(argv: readonly string[]): [string, ...string[]] {
    return [...this.#enter, ...argv] as unknown as [string, ...string[]]
  }

  /** Starts a program inside; it is killed with the namespace at the latest. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [file, ...args] = this.command(argv)
    const child = spawn(file, args, { cwd: '/', ...options })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    child.once('error', () => this.#children.delete(child))
    return child
  }

  /** Runs a program inside to its end; never rejects for its exit code. */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const child = this.spawn(argv, {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout?.on('data', (b: Buffer) => out.push(b))
    child.stderr?.on('data', (b: Buffer) => err.push(b))
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(options.input ?? '')
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout ?? 30_000)
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (status) => resolve(status))
    }).finally(() => clearTimeout(timer))
    return {
      code,
      stdout: Buffer.concat(out).toString('utf8'),
      stderr: Buffer.concat(err).toString('utf8'),
    }
  }

  /** Runs a program inside and returns its output; rejects with its stderr when it fails. */
  async check(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, options)
    if (code !== 0) throw new Error(`${this.name}: ${argv.join(' ')} ended with ${code}: ${stderr}`)
    return stdout
  }

  /** Lines of `ip` commands (without `ip`), each run inside in order. */
  async ip(commands: string): Promise<void> {
    const batch = commands
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
    await this.check(['ip', '-batch', '-'], { input: `${batch.join('\n')}\n` })
  }

  /** What programs have started beside themselves (git's daemon, sshd's sessions) lives in this network too. */
  #endInhabitants(): void {
    const network = networkOf(this.pid)
    if (network === undefined || network === networkOf(process.pid)) return
    for (const name of readdirSync('/proc')) {
      const pid = Number(name)
      if (!Number.isInteger(pid) || pid === this.pid || networkOf(pid) !== network) continue
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // Gone meanwhile.
      }
    }
  }

  /** Ends everything inside, then the namespace. */
  async destroy(): Promise<void> {
    const ends = [...this.#children, this.#holder].map(
      (child) =>
        new Promise<void>((resolve) => {
          if (child.exitCode !== null || child.signalCode !== null) resolve()
          else child.once('exit', () => resolve())
        }),
    )
    this.#holder.ref()
    for (const child of this.#children) child.kill('SIGKILL')
    this.#endInhabitants()
    this.#holder.stdin?.end()
    this.#holder.kill('SIGKILL')
    await Promise.all(ends)
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
  }
}

function networkOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return undefined
  }
}

/** A pair of interfaces joining two namespaces, up, without addresses. */
export async function join2(
  a: Namespace,
  aName: string,
  b: Namespace,
  bName: string,
): Promise<void> {
  await a.ip(`link add ${aName} type veth peer name ${bName} netns ${b.pid}`)
  await a.ip(`link set ${aName} up`)
  await b.ip(`link set ${bName} up`)
}

/** Waits until `probe` is true, at most `timeout` ms; false when it never was. */
export async function eventually(
  probe: () => boolean | Promise<boolean>,
  timeout = 10_000,
  every = 50,
): Promise<boolean> {
  const end = Date.now() + timeout
  for (;;) {
    if (await probe()) return true
    if (Date.now() > end) return false
    await new Promise((resolve) => setTimeout(resolve, every))
  }
}

async function enterUserNamespace(): Promise<string[]> {
  userHolder ??= hold([
    'unshare',
    '--user',
    '--map-root-user',
    'sh',
    '-c',
    'echo ready && read -r _',
  ])
  const { pid } = await userHolder
  return ['nsenter', '--target', String(pid), '--user', '--preserve-credentials', '--']
}

/** Starts a holder and waits for its `ready`. nsenter and unshare exec in place, so its pid is the namespace's. */
async function hold(argv: readonly string[]): Promise<ChildProcess> {
  const [file, ...args] = argv as [string, ...string[]]
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' })
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${argv.join(' ')} ended with ${code}`)))
    child.stdout?.once('data', () => resolve())
  })
  child.unref()
  ;(child.stdin as unknown as { unref(): void }).unref()
  ;(child.stdout as unknown as { unref(): void }).unref()
  return child
}
