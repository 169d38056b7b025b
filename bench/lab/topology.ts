/**
 * The benchmark's network: a client and a far side, joined by a veth pair, each in a namespace of its
 * own; a third for the peer that uses the kernel's TCP. The far side is Debian's wireguard-go (Linux's
 * TCP) or a pvpn that publishes (our own TCP, in batches), with a web server that is no bottleneck; each
 * contestant is a peer of it with an address of its own.
 */
import { type ChildProcess, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatHostPort } from '../../src/core/ip.js'
import { eventually, join2, Namespace } from '../../test/support/namespace.js'
import { type KeyPair, keyPair } from '../../test/support/wg.js'
import { startWireguardGo } from '../../test/support/wireguard-go.js'

/** Where the web server is, inside the tunnel. */
export const TARGET = '192.168.11.10'
export const MTU = 1420
const FAR = { client: '198.18.0.2', kernel: '198.18.1.2' } as const
const NEAR = { client: '198.18.0.1', kernel: '198.18.1.1' } as const
const PORT = 51820
const FIRST_LINK_PORT = 52000
/** Contestants that a run may have, in all its paths: the keys of a far side that is pvpn are made before. */
const MOST_PEERS = 32
const PVPN = fileURLToPath(new URL('../../../bin/pvpn', import.meta.url))
const SOURCES = fileURLToPath(new URL('../../../bench/native/', import.meta.url))

/** Core 0 is the contestant's; the far side, the load and the path have the others. */
export const CONTESTANT_CORE = ['taskset', '-c', '0'] as const
export const OTHER_CORES = [
  'taskset',
  '-c',
  cpus().length > 1 ? `1-${cpus().length - 1}` : '0',
] as const

export interface Path {
  readonly name: string
  /** Round trip that the path adds, in milliseconds. */
  readonly rtt: number
  /** Of each way, in percent. */
  readonly loss: number
}

export type Side = keyof typeof FAR

/** What a contestant needs to reach the far side. */
export interface Access {
  readonly key: KeyPair
  readonly farKey: string
  /** Its address inside. */
  readonly address: string
  readonly endpoint: string
}

export class BenchLab {
  readonly client: Namespace
  readonly kernel: Namespace
  readonly far: Namespace
  readonly folder: string
  readonly #farKey = keyPair()
  /** Of peers that the far side knows already. */
  readonly #known: KeyPair[] = []
  /** The far side's processes. */
  readonly farPids: number[] = []
  readonly #atEnd: (() => void)[] = []
  #peers = 0
  #ways = 0

  private constructor(client: Namespace, kernel: Namespace, far: Namespace, folder: string) {
    this.client = client
    this.kernel = kernel
    this.far = far
    this.folder = folder
  }

  /** `none`: the web server alone; who measures another tunnel starts its server. */
  static async create(kind: 'wireguard-go' | 'pvpn' | 'none'): Promise<BenchLab> {
    const folder = mkdtempSync(join(tmpdir(), 'pvpn-bench-'))
    const lab = new BenchLab(
      await Namespace.create('client'),
      await Namespace.create('kernel'),
      await Namespace.create('far'),
      folder,
    )
    for (const name of ['load', 'origin', 'link']) {
      lab.#compile('cc', [
        '-O2',
        '-Wall',
        '-Wextra',
        '-Werror',
        '-o',
        lab.program(name),
        `${name}.c`,
      ])
    }
    for (const side of ['client', 'kernel'] as const) {
      await join2(lab[side], 'eth0', lab.far, side)
      await lab[side].ip(`address add ${NEAR[side]}/24 dev eth0`)
      await lab.far.ip(`address add ${FAR[side]}/24 dev ${side}`)
    }
    if (kind === 'pvpn') {
      await lab.#serve([lab.program('origin'), '127.0.0.1', '80'], 'origin')
      await lab.#pvpn()
      return lab
    }
    await lab.far.ip(`address add ${TARGET}/24 dev lo`)
    if (kind === 'wireguard-go') await lab.#wireguard()
    await lab.#serve([lab.program('origin'), TARGET, '80'], 'origin')
    return lab
  }

  async destroy(): Promise<void> {
    await Promise.all([this.client.destroy(), this.kernel.destroy(), this.far.destroy()])
    for (const run of this.#atEnd) run()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Called when everything has ended. */
  atEnd(run: () => void): void {
    this.#atEnd.push(run)
  }

  program(name: string): string {
    return join(this.folder, name)
  }

  /** Builds the peer on wireproxy's engine from Debian's Go packages. */
  compileEngine(): void {
    const env = {
      ...process.env,
      GO111MODULE: 'off',
      GOPATH: '/usr/share/gocode',
      GOCACHE: join(this.folder, 'go'),
    }
    this.#compile('go', ['build', '-o', this.program('engine'), '.'], 'engine', env)
  }

  /** A new peer of the far side, over a direct link or `path`. */
  async admit(side: Side, path: Path): Promise<Access> {
    const number = this.#peers++
    const address = peerAddress(number)
    const key = this.#known[number] ?? keyPair()
    if (this.#known[number] === undefined) {
      await this.far.check(['wg', 'set', 'wg0', 'peer', key.public, 'allowed-ips', `${address}/32`])
    }
    const endpoint = formatHostPort(...(await this.way(side, path, PORT)))
    return { key, farKey: this.#farKey.public, address, endpoint }
  }

  /** Address and UDP port that lead to this port of the far side, over a direct link or `path`. */
  async way(side: Side, path: Path, port: number): Promise<[address: string, port: number]> {
    if (path.rtt === 0 && path.loss === 0) return [FAR[side], port]
    const near = FIRST_LINK_PORT + this.#ways++
    const [delay, ppm] = [String(path.rtt / 2), String(path.loss * 10_000)]
    const ends = [`${FAR[side]}:${near}`, `${FAR[side]}:${port}`]
    await this.#serve([this.program('link'), ...ends, delay, ppm], 'link')
    return [FAR[side], near]
  }

  /** A server of the far side, beside the contestants' core; `ready` says when it serves. */
  async startFar(argv: readonly string[], ready: RegExp): Promise<void> {
    const child = this.far.spawn([...OTHER_CORES, ...argv], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.farPids.push(child.pid as number)
    let said = ''
    child.stdout?.on('data', (data: Buffer) => {
      said = (said + data.toString()).slice(-20_000)
    })
    if (!(await eventually(() => ready.test(said)))) {
      throw new Error(`${argv[0]} does not start: ${said}`)
    }
  }

  #compile(compiler: string, args: string[], folder = '.', env = process.env): void {
    const { status, stderr } = spawnSync(compiler, args, {
      cwd: join(SOURCES, folder),
      encoding: 'utf8',
      env,
    })
    if (status !== 0) throw new Error(`${compiler} ${args.join(' ')}: ${stderr}`)
  }

  async #wireguard(): Promise<void> {
    const config = `[Interface]\nPrivateKey = ${this.#farKey.private}\nListenPort = ${PORT}\n`
    const engine = await startWireguardGo(this.far, config, { by: OTHER_CORES })
    this.farPids.push(engine.pid as number)
    await this.far.ip(`address add 192.168.9.1/24 dev wg0
      link set wg0 mtu ${MTU} up`)
  }

  /** One environment that waits for peers and publishes the web server, inside at TARGET. */
  async #pvpn(): Promise<void> {
    const folder = join(this.folder, 'far')
    mkdirSync(folder, { mode: 0o700 })
    const lines = [
      `[Interface]\nPrivateKey = ${this.#farKey.private}\nListenPort = ${PORT}`,
      `Address = ${TARGET}/32\nMTU = ${MTU}`,
    ]
    for (let number = 0; number < MOST_PEERS; number++) {
      const key = keyPair()
      this.#known.push(key)
      lines.push(`[Peer]\nPublicKey = ${key.public}\nAllowedIPs = ${peerAddress(number)}/32`)
    }
    writeFileSync(join(folder, 'far.conf'), `${lines.join('\n')}\n`, { mode: 0o600 })
    const config = join(folder, 'pvpn.yaml')
    writeFileSync(
      config,
      `version: 1
control: { listen: none }
environments:
  far:
    tunnel: { type: wireguard, file: far.conf }
    publish: [{ port: 80, to: '127.0.0.1:80' }]
`,
      { mode: 0o600 },
    )
    const env = { ...process.env, PVPN_RUNTIME_DIR: join(folder, 'run') }
    const argv = [...OTHER_CORES, process.execPath, PVPN, 'up', '-c', config]
    const gateway = this.far.spawn(argv, { stdio: ['ignore', 'ignore', 'inherit'], env })
    this.farPids.push(gateway.pid as number)
    const bound = ['sh', '-c', `ss -Hlun 'sport = :${PORT}' | grep -q .`]
    const up = await eventually(async () => (await this.far.run(bound)).code === 0, 15_000)
    if (!up) throw new Error('the far side does not come up')
  }

  async #serve(argv: readonly string[], name: string): Promise<void> {
    const child: ChildProcess = this.far.spawn([...OTHER_CORES, ...argv], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    this.farPids.push(child.pid as number)
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve())
      child.once('exit', (code) => reject(new Error(`${name} ended with ${code}`)))
    })
  }
}

function peerAddress(number: number): string {
  return `192.168.9.${10 + number}`
}
