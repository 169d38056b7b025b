/**
 * Containers without a daemon and without a registry: Debian's podman and buildah, with storage,
 * networks and base images of the test's own. Base images are made by mmdebstrap from Debian's archive
 * and this machine's Node; they are kept below ~/.cache for a month's runs, of other checkouts too.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { labSkip, type Namespace, type RunResult } from './namespace.js'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const ENGINES = join(ROOT, 'build/lab-images')
const BASES = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'pvpn/lab-images')
/** Milliseconds that a base is good for; Debian's security updates change it. */
const BASE_AGE = 30 * 24 * 3_600_000
const SUITE = 'bookworm'
/** Output of a build; more ends it. */
const MOST_OUTPUT = 16 * 2 ** 20
/** Milliseconds that one step may take: a base is 40 to 80 s of CPU time and what the archive takes to send it. */
const STEP_TIMEOUT = 900_000

/** What containers of the lab are made of; `full` is the build stage's base, and what example programs run in. */
const BASE_PACKAGES = {
  slim: ['libstdc++6', 'libatomic1'],
  full: ['libstdc++6', 'libatomic1', 'g++', 'libc6-dev', 'ca-certificates', 'curl'],
} as const
type Base = keyof typeof BASE_PACKAGES

/** A reason to skip a test with containers, or false. */
export function containersSkip(...programs: string[]): string | false {
  if (process.getuid?.() !== 0) return 'containers on networks of their own need root here'
  return labSkip('mmdebstrap', 'buildah', 'podman', 'crun', ...programs)
}

export class ContainerEngine {
  readonly folder: string
  readonly env: NodeJS.ProcessEnv

  private constructor(folder: string) {
    this.folder = folder
    this.env = {
      ...process.env,
      NODE_OPTIONS: undefined,
      CONTAINERS_STORAGE_CONF: join(folder, 'storage.conf'),
      CONTAINERS_CONF: join(folder, 'containers.conf'),
    }
  }

  /** Makes the base images `localhost/slim` and `localhost/full`. */
  static async create(): Promise<ContainerEngine> {
    for (const path of [ENGINES, BASES]) mkdirSync(path, { recursive: true })
    const folder = mkdtempSync(join(ENGINES, 'engine-'))
    const engine = new ContainerEngine(folder)
    try {
      await engine.#configure()
      const bases = Object.keys(BASE_PACKAGES) as Base[]
      const files = await Promise.all(bases.map((base) => engine.#base(base)))
      for (const [index, base] of bases.entries()) {
        await engine.command(['podman', 'import', files[index] as string, `localhost/${base}`])
      }
    } catch (error) {
      await engine.destroy()
      throw error
    }
    return engine
  }

  /** Builds docker/Dockerfile, with the lab's bases in place of the registry's, as `name`. */
  async build(name: string): Promise<string> {
    const npmrc = join(this.folder, 'npmrc')
    const { stdout: registry } = await run('npm', ['config', 'get', 'registry'], { cwd: ROOT })
    writeFileSync(npmrc, `prefer-offline=true\nregistry=${registry}`)
    const cache = join(homedir(), '.npm')
    mkdirSync(cache, { recursive: true })
    return await this.command([
      ...['buildah', 'build', '--isolation', 'chroot', '--network', 'host', '--format', 'docker'],
      ...['--file', join(ROOT, 'docker/Dockerfile'), '--tag', name],
      ...['--build-arg', 'BUILD_BASE=localhost/full', '--build-arg', 'BASE=localhost/slim'],
      // What `npm ci` has fetched for the tests is not fetched again.
      ...['--volume', `${cache}:/root/.npm`, '--volume', `${npmrc}:/root/.npmrc:ro`],
      ...['--volume', '/etc/ssl/certs:/etc/ssl/certs:ro', ROOT],
    ])
  }

  /** Runs a command of the engine on this machine's network and returns what it prints; its mounts end with it. */
  async command(argv: readonly string[]): Promise<string> {
    const options = { env: this.env, timeout: STEP_TIMEOUT, maxBuffer: MOST_OUTPUT }
    const own = ['--mount', '--propagation', 'private', '--']
    const { stdout, stderr } = await run('unshare', [...own, ...argv], options)
    return stdout + stderr
  }

  /**
   * Makes a namespace fit for containers: its /run is its own, and control groups' second version,
   * which crun does not take beside the first, is out of sight. Ends its containers with `leave`.
   */
  async enter(namespace: Namespace): Promise<NamespacedEngine> {
    await namespace.check([
      'sh',
      '-c',
      'mount -t tmpfs none /run && (umount -l /sys/fs/cgroup/unified 2>/dev/null || true)',
    ])
    return new NamespacedEngine(this, namespace)
  }

  async destroy(): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }

  async #configure(): Promise<void> {
    const { folder } = this
    for (const name of ['networks', 'tmp']) mkdirSync(join(folder, name))
    writeFileSync(
      join(folder, 'storage.conf'),
      `[storage]
driver = "${await this.#driver()}"
graphroot = "${folder}/storage"
runroot = "${folder}/run"
`,
    )
    writeFileSync(
      join(folder, 'containers.conf'),
      `[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
tmp_dir = "${folder}/tmp"
[network]
network_backend = "netavark"
network_config_dir = "${folder}/networks"
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
`,
    )
  }

  /** Overlay where the folder's file system takes it, else whole copies. */
  async #driver(): Promise<'overlay' | 'vfs'> {
    const at = join(this.folder, 'try')
    const script = `mkdir -p ${at}/l ${at}/u ${at}/w ${at}/m &&
      mount -t overlay none -o lowerdir=${at}/l,upperdir=${at}/u,workdir=${at}/w ${at}/m`
    const tried = run('unshare', ['--mount', 'sh', '-c', script])
    return await tried.then(
      () => 'overlay' as const,
      () => 'vfs' as const,
    )
  }

  /** The base as an archive: one that an earlier run has made the same way, while it is fresh. */
  async #base(base: Base): Promise<string> {
    const recipe = await baseRecipe(base)
    const parts = JSON.stringify([recipe, process.version])
    const hash = createHash('sha256').update(parts).digest('hex').slice(0, 16)
    const name = `${base}-${hash}.tar`
    const file = join(BASES, name)
    const made = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
    if (Date.now() - made < BASE_AGE) return file
    const fresh = join(BASES, `${base}-${hash}.${process.pid}.tar`)
    try {
      await this.command([...recipe, SUITE, fresh])
      renameSync(fresh, file)
    } finally {
      rmSync(fresh, { force: true })
    }
    for (const other of readdirSync(BASES)) {
      const outdated = /^(\w+)-[0-9a-f]{16}\.tar$/.exec(other)?.[1] === base && other !== name
      if (outdated) rmSync(join(BASES, other), { force: true })
    }
    return file
  }
}

/** What makes a base, without the suite and the archive's name. */
async function baseRecipe(base: Base): Promise<string[]> {
  const modules = '/usr/local/lib/node_modules'
  const upload = [
    `--customize-hook=upload ${process.execPath} /usr/local/bin/node`,
    '--customize-hook=chmod 755 "$1"/usr/local/bin/node',
  ]
  const { stdout } = await run('npm', ['root', '--global'])
  const npm = [
    `--customize-hook=mkdir -p "$1"${modules}/npm`,
    `--customize-hook=sync-in ${stdout.trim()}/npm ${modules}/npm`,
    ...['npm', 'npx'].map(
      (name) =>
        `--customize-hook=ln -s ../lib/node_modules/npm/bin/${name}-cli.js "$1"/usr/local/bin/${name}`,
    ),
  ]
  return [
    ...['mmdebstrap', '--quiet', '--variant=essential'],
    `--include=${BASE_PACKAGES[base].join(',')}`,
    '--dpkgopt=force-unsafe-io',
    // Not by dpkg's path-exclude: mmdebstrap then sends each package through a filter in Python.
    '--customize-hook=chroot "$1" rm -rf /usr/share/doc /usr/share/locale /usr/share/man',
    ...upload,
    ...(base === 'full' ? npm : []),
  ]
}

/** The engine inside one namespace: its containers' networks are bridges there. */
export class NamespacedEngine {
  readonly #engine: ContainerEngine
  readonly #namespace: Namespace

  constructor(engine: ContainerEngine, namespace: Namespace) {
    this.#engine = engine
    this.#namespace = namespace
  }

  /** Runs a program of the engine; never rejects for its exit code. */
  async run(argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<RunResult> {
    return await this.#namespace.run(argv, {
      env: { ...this.#engine.env, ...env },
      timeout: 90_000,
    })
  }

  /** podman's output; rejects with its stderr when it fails. */
  async podman(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(['podman', ...args])
    if (code !== 0) throw new Error(`podman ${args.join(' ')} ended with ${code}: ${stderr}`)
    return stdout
  }

  /** Serves Docker's API on this socket, for docker-compose. */
  serve(socket: string): void {
    this.#namespace.spawn(['podman', 'system', 'service', '--time=0', socket], {
      stdio: 'ignore',
      env: this.#engine.env,
    })
  }

  /** Removes every container. */
  async leave(): Promise<void> {
    await this.run(['podman', 'rm', '--force', '--all', '--time', '1'])
  }
}
