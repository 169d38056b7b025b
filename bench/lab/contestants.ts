/** What is measured: pvpn, with and without its addon, and its peers. Each is a SOCKS5 port on core 0. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually, type Namespace, programsMissing } from '../../test/support/namespace.js'
import { startWireguardGo } from '../../test/support/wireguard-go.js'
import { type Access, type BenchLab, CONTESTANT_CORE, MTU, type Path } from './topology.js'

const PVPN = fileURLToPath(new URL('../../../bin/pvpn', import.meta.url))
const WRAP = fileURLToPath(new URL('../../../build/native/pvpn-wrap', import.meta.url))
/** How the load is wrapped, by contestant. */
const WAYS: Readonly<Record<string, string>> = {
  'pvpn-wrap': 'netns',
  'pvpn-wrap, preload': 'preload',
}
const INSIDE = ['192.168.9.0/24', '192.168.11.0/24']

export interface Contestant {
  readonly name: string
  /** Where its SOCKS port is, and the load has to run. */
  readonly namespace: Namespace
  readonly port: number
  /** What the load is run by; it goes straight to the target then. */
  readonly wrapper?: readonly string[]
  /** Roots of its processes. */
  readonly roots: readonly number[]
  stop(): Promise<void>
}

export interface Kind {
  readonly name: string
  /** What it needs that is not there; undefined: nothing. */
  missing(): string | undefined
  start(lab: BenchLab, path: Path, port: number): Promise<Contestant>
}

/** Over WireGuard. */
export const KINDS: readonly Kind[] = [
  {
    name: 'pvpn',
    missing: () => undefined,
    start: (lab, path, port) => pvpn('pvpn', lab, path, port, {}),
  },
  {
    name: 'pvpn, addon off',
    missing: () => undefined,
    start: (lab, path, port) => pvpn('pvpn, addon off', lab, path, port, { PVPN_ACCEL: 'off' }),
  },
  {
    name: 'pvpn-wrap',
    missing: () => (existsSync(WRAP) ? undefined : 'pvpn-wrap is not built'),
    start: (lab, path, port) => pvpn('pvpn-wrap', lab, path, port, {}),
  },
  {
    name: 'pvpn-wrap, preload',
    missing: () => (existsSync(WRAP) ? undefined : 'pvpn-wrap is not built'),
    start: (lab, path, port) => pvpn('pvpn-wrap, preload', lab, path, port, {}),
  },
  { name: 'engine', missing: () => programsMissing('go'), start: engine },
  { name: 'kernel', missing: () => programsMissing('microsocks'), start: kernel },
]

async function pvpn(
  name: string,
  lab: BenchLab,
  path: Path,
  port: number,
  more: NodeJS.ProcessEnv,
): Promise<Contestant> {
  const access = await lab.admit('client', path)
  const file = `[Interface]\nPrivateKey = ${access.key.private}\nAddress = ${access.address}/32\nMTU = ${MTU}\n[Peer]\nPublicKey = ${access.farKey}\nEndpoint = ${access.endpoint}\nAllowedIPs = ${INSIDE.join(', ')}\n`
  const tunnel = '{ type: wireguard, file: far.conf }'
  return startPvpn({ name, lab, port, tunnel, files: { 'far.conf': file }, env: more })
}

export interface PvpnOptions {
  readonly name: string
  readonly lab: BenchLab
  readonly port: number
  /** The environment's `tunnel:`, in YAML. */
  readonly tunnel: string
  /** Beside the configuration, by name. */
  readonly files: Readonly<Record<string, string>>
  readonly env: NodeJS.ProcessEnv
}

/** A gateway with one environment, `far`, on core 0. */
export async function startPvpn(options: PvpnOptions): Promise<Contestant> {
  const { name, lab, port, tunnel, files, env: more } = options
  const folder = join(lab.folder, `pvpn-${port}`)
  mkdirSync(folder, { mode: 0o700 })
  const config = join(folder, 'pvpn.yaml')
  const configuration = `version: 1\ncontrol: { listen: none }\nenvironments:\n  far: { tunnel: ${tunnel}, listen: 127.0.0.1:${port} }\n`
  for (const [file, text] of Object.entries({ ...files, 'pvpn.yaml': configuration })) {
    writeFileSync(join(folder, file), text, { mode: 0o600 })
  }
  const env = { ...process.env, PVPN_RUNTIME_DIR: join(folder, 'run'), ...more }
  const program = [process.execPath, PVPN]
  const gateway = lab.client.spawn([...CONTESTANT_CORE, ...program, 'up', '-c', config], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env,
  })
  const up = await eventually(
    async () => (await lab.client.run([...program, 'status', '--wait', '10'], { env })).code === 0,
    15_000,
  )
  if (!up) throw new Error('the gateway does not come up')
  const roots = pids(gateway)
  const runtime = `PVPN_RUNTIME_DIR=${env.PVPN_RUNTIME_DIR}`
  const via = WAYS[name]
  const wrapper = via === undefined ? {} : { wrapper: ['env', runtime, WRAP, '--via', via, 'far'] }
  return { name, namespace: lab.client, port, roots, stop: () => ended(gateway), ...wrapper }
}

async function engine(lab: BenchLab, path: Path, port: number): Promise<Contestant> {
  const access = await lab.admit('client', path)
  const file = join(lab.folder, `engine-${port}`)
  writeFileSync(file, uapi(access), { mode: 0o600 })
  const argv = [lab.program('engine'), file, access.address, String(MTU), `127.0.0.1:${port}`]
  const child = lab.client.spawn([...CONTESTANT_CORE, ...argv], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await listening(lab.client, port)
  return {
    name: 'engine',
    namespace: lab.client,
    port,
    roots: pids(child),
    stop: () => ended(child),
  }
}

async function kernel(lab: BenchLab, path: Path, port: number): Promise<Contestant> {
  const { kernel: namespace } = lab
  const access = await lab.admit('kernel', path)
  const config = `[Interface]\nPrivateKey = ${access.key.private}\n[Peer]\nPublicKey = ${access.farKey}\nEndpoint = ${access.endpoint}\nAllowedIPs = ${INSIDE.join(', ')}\n`
  const wireguard = await startWireguardGo(namespace, config, {
    device: 'wg1',
    by: CONTESTANT_CORE,
  })
  await namespace.ip(`address add ${access.address}/24 dev wg1
    link set wg1 mtu ${MTU} up
    route add 192.168.11.0/24 dev wg1`)
  const socks = await microsocks(namespace, port)
  const roots = pids(wireguard, socks)
  return {
    name: 'kernel',
    namespace,
    port,
    roots,
    stop: async () => {
      await Promise.all([ended(socks), ended(wireguard)])
      await namespace.check(['umount', '/run'])
    },
  }
}

/** A SOCKS port of the kernel's TCP, on core 0. */
export async function microsocks(namespace: Namespace, port: number): Promise<ChildProcess> {
  const argv = ['microsocks', '-i', '127.0.0.1', '-p', String(port)]
  const socks = namespace.spawn([...CONTESTANT_CORE, ...argv], { stdio: 'ignore' })
  await listening(namespace, port)
  return socks
}

/** wireguard-go's own configuration language. */
function uapi(access: Access): string {
  const hex = (base64: string) => Buffer.from(base64, 'base64').toString('hex')
  return [
    `private_key=${hex(access.key.private)}`,
    `public_key=${hex(access.farKey)}`,
    `endpoint=${access.endpoint}`,
    ...INSIDE.map((range) => `allowed_ip=${range}`),
    '',
  ].join('\n')
}

export async function listening(namespace: Namespace, port: number): Promise<void> {
  const probe = ['sh', '-c', `ss -Hltn 'sport = :${port}' | grep -q .`]
  const up = await eventually(async () => (await namespace.run(probe)).code === 0)
  if (!up) throw new Error(`nothing listens on port ${port}`)
}

export function pids(...children: readonly ChildProcess[]): number[] {
  return children.map((child) => child.pid as number)
}

export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const end = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await end
}
