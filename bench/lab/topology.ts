/**
 * The benchmark's network: a client and a far side, joined by a veth pair, each in a namespace of its
 * own. The far side is Debian's wireguard-go (Linux's TCP) with a web server that is no bottleneck.
 */
import { type ChildProcess, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually, join2, Namespace } from '../../test/support/namespace.js'
import { keyPair } from '../../test/support/wg.js'

export const TARGET = '192.168.11.10'
export const CLIENT = '192.168.9.52'
const FAR = '198.18.0.2'
const PORT = 51820
const SOURCES = fileURLToPath(new URL('../../../bench/native/', import.meta.url))

export class BenchLab {
  readonly client: Namespace
  readonly far: Namespace
  readonly folder: string
  /** wg-quick file for the client. */
  readonly tunnelFile: string

  private constructor(client: Namespace, far: Namespace, folder: string) {
    this.client = client
    this.far = far
    this.folder = folder
    this.tunnelFile = join(folder, 'far.conf')
  }

  static async create(): Promise<BenchLab> {
    const folder = mkdtempSync(join(tmpdir(), 'pvpn-bench-'))
    const lab = new BenchLab(
      await Namespace.create('client'),
      await Namespace.create('far'),
      folder,
    )
    lab.#compile()
    await join2(lab.client, 'eth0', lab.far, 'eth0')
    await lab.client.ip('address add 198.18.0.1/24 dev eth0')
    await lab.far.ip(`address add ${FAR}/24 dev eth0
      address add ${TARGET}/24 dev lo`)
    await lab.#wireguard()
    await lab.#origin()
    return lab
  }

  async destroy(): Promise<void> {
    await Promise.all([this.client.destroy(), this.far.destroy()])
    rmSync(this.folder, { recursive: true, force: true })
  }

  program(name: 'load' | 'origin'): string {
    return join(this.folder, name)
  }

  #compile(): void {
    for (const name of ['load', 'origin'] as const) {
      const args = ['-O2', '-Wall', '-Wextra', '-Werror', '-o', this.program(name)]
      const { status, stderr } = spawnSync('cc', [...args, join(SOURCES, `${name}.c`)], {
        encoding: 'utf8',
      })
      if (status !== 0) throw new Error(`cc ${name}.c: ${stderr}`)
    }
  }

  async #wireguard(): Promise<void> {
    await this.far.check(['sh', '-c', 'mount -t tmpfs none /run && mkdir /run/wireguard'])
    this.far.spawn(['wireguard-go', '-f', 'wg0'], { stdio: 'ignore' })
    const up = await eventually(async () => (await this.far.run(['wg', 'show', 'wg0'])).code === 0)
    if (!up) throw new Error('wireguard-go does not start')
    const [server, client] = [keyPair(), keyPair()]
    await this.far.check(['sh', '-c', 'cat | wg setconf wg0 /dev/fd/0'], {
      input: `[Interface]\nPrivateKey = ${server.private}\nListenPort = ${PORT}\n[Peer]\nPublicKey = ${client.public}\nAllowedIPs = ${CLIENT}/32\n`,
    })
    await this.far.ip(`address add 192.168.9.1/24 dev wg0
      link set wg0 mtu 1420 up`)
    writeFileSync(
      this.tunnelFile,
      `[Interface]\nPrivateKey = ${client.private}\nAddress = ${CLIENT}/24\n[Peer]\nPublicKey = ${server.public}\nEndpoint = ${FAR}:${PORT}\nAllowedIPs = 192.168.9.0/24, 192.168.11.0/24\n`,
      { mode: 0o600 },
    )
  }

  async #origin(): Promise<void> {
    const child: ChildProcess = this.far.spawn([this.program('origin'), TARGET, '80'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve())
      child.once('exit', (code) => reject(new Error(`origin ended with ${code}`)))
    })
  }
}
