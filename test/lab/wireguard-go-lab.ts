/**
 * Debian's wireguard-go in one namespace, our machine in another:
 *
 *   client 198.51.100.1 ── veth ── server 198.51.100.2   wireguard-go: 10.77.0.1/24, port 51820
 *          2001:db8:77::1                 2001:db8:77::2
 *          our machine: 10.77.0.2, port 51821
 */
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { eventually, join2, Namespace } from '../support/namespace.js'
import { keyPair, wg } from '../support/wg.js'
import { startWireguardGo } from '../support/wireguard-go.js'
import type { ClientOptions } from './wireguard-go-client.js'

const PROGRAM = fileURLToPath(new URL('wireguard-go-client.js', import.meta.url))
export const PROGRAMS = ['wireguard-go', 'wg', 'ping']
export const OUTER = {
  4: ['198.51.100.1', '198.51.100.2'],
  6: ['2001:db8:77::1', '2001:db8:77::2'],
} as const
const SERVER_PORT = 51820
const CLIENT_PORT = 51821

type Line = Record<string, unknown>

/** Our machine, in its process. */
export class Machine {
  readonly lines: Line[] = []
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        this.lines.push(JSON.parse(line) as Line)
      })
    }
  }

  tell(command: string): void {
    this.#child.stdin?.write(`${command}\n`)
  }

  /** Waits for a line with this key that is not among those before; rejects after `timeout` ms. */
  async answer(key: string, timeout = 20_000, from = this.lines.length): Promise<Line> {
    const find = () => this.lines.slice(from).find((line) => key in line)
    if (!(await eventually(() => find() !== undefined, timeout))) {
      throw new Error(`no ${key} in ${JSON.stringify(this.lines)}`)
    }
    return find() as Line
  }

  async ask(command: string, key: string, timeout?: number): Promise<Line> {
    const from = this.lines.length
    this.tell(command)
    return await this.answer(key, timeout, from)
  }

  /** Waits until an event of this kind has been told. */
  async event(kind: string, timeout = 20_000): Promise<boolean> {
    return await eventually(() => this.lines.some((line) => line.event === kind), timeout)
  }
}

export interface LabOptions {
  readonly family: 4 | 6
  /** Who has the other's endpoint. */
  readonly initiator: 'machine' | 'wireguard-go'
  readonly presharedKey?: boolean
}

export class WireguardGoLab {
  readonly client: Namespace
  readonly server: Namespace
  readonly machine: Machine
  readonly keys: { readonly machine: string; readonly server: string }

  private constructor(
    client: Namespace,
    server: Namespace,
    machine: Machine,
    keys: { machine: string; server: string },
  ) {
    this.client = client
    this.server = server
    this.machine = machine
    this.keys = keys
  }

  static async create(options: LabOptions): Promise<WireguardGoLab> {
    const client = await Namespace.create('client')
    const server = await Namespace.create('server')
    await join2(client, 'eth0', server, 'eth0')
    for (const [i, ns] of [client, server].entries()) {
      await ns.ip(`address add ${OUTER[4][i]}/24 dev eth0
        address add ${OUTER[6][i]}/64 dev eth0 nodad`)
    }
    const [ours, theirs] = [keyPair(), keyPair()]
    const shared = options.presharedKey ? wg(['genpsk']) : undefined
    const ourEndpoint = { host: OUTER[options.family][0], port: CLIENT_PORT }
    const theirEndpoint = { host: OUTER[options.family][1], port: SERVER_PORT }
    const weCall = options.initiator === 'machine'
    const host = ourEndpoint.host.includes(':') ? `[${ourEndpoint.host}]` : ourEndpoint.host
    await startWireguardGo(
      server,
      `[Interface]
PrivateKey = ${theirs.private}
ListenPort = ${SERVER_PORT}
[Peer]
PublicKey = ${ours.public}
${shared === undefined ? '' : `PresharedKey = ${shared}`}
AllowedIPs = 10.77.0.2/32
${weCall ? '' : `Endpoint = ${host}:${ourEndpoint.port}`}
`,
    )
    await server.ip(`address add 10.77.0.1/24 dev wg0
      link set wg0 mtu 1420 up`)
    const config: ClientOptions = {
      privateKey: ours.private,
      publicKey: theirs.public,
      allowedIps: ['10.77.0.0/24'],
      listenPort: CLIENT_PORT,
      from: '10.77.0.2',
      to: '10.77.0.1',
      ...(shared === undefined ? {} : { presharedKey: shared }),
      ...(weCall ? { endpoint: theirEndpoint } : {}),
    }
    const machine = start(client, config)
    await machine.answer('ready', 20_000, 0)
    return new WireguardGoLab(client, server, machine, {
      machine: ours.public,
      server: theirs.public,
    })
  }

  /** A second process in the client's namespace that knows only the public key to flood. */
  async stranger(
    publicKey: string,
    family: 4 | 6,
    whom: 'machine' | 'wireguard-go',
  ): Promise<Machine> {
    const machine = whom === 'machine'
    const stranger = start(machine ? this.server : this.client, {
      privateKey: keyPair().private,
      publicKey,
      allowedIps: [],
      listenPort: 0,
      from: '10.77.0.3',
      to: '10.77.0.1',
      endpoint: {
        host: OUTER[family][machine ? 0 : 1],
        port: machine ? CLIENT_PORT : SERVER_PORT,
      },
    })
    await stranger.answer('ready', 20_000, 0)
    return stranger
  }

  async destroy(): Promise<void> {
    await Promise.all([this.client.destroy(), this.server.destroy()])
  }
}

function start(ns: Namespace, options: ClientOptions): Machine {
  const child = ns.spawn([process.execPath, PROGRAM, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  return new Machine(child)
}
