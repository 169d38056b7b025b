/**
 * A far network for many environments on loopback, and a real gateway (`bin/pvpn up`) with that many:
 * for tests and measurements that need whole processes but no namespace, and so no root.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateKeyPair } from '../../src/crypto/x25519.js'
import { systemRandom } from '../../src/io/random.js'
import { freePort } from './free-port.js'

const PROCESS = fileURLToPath(new URL('far-network-process.js', import.meta.url))
const PVPN = fileURLToPath(new URL('../../../bin/pvpn', import.meta.url))
/** The far side's address inside, DNS included. */
export const FAR_ADDRESS = '10.99.0.1'

export interface FarPlan {
  readonly privateKey: Uint8Array
  readonly peers: readonly Uint8Array[]
}

/** Of environment `i`. */
export function clientAddress(i: number): string {
  return `10.99.${1 + (i >> 8)}.${i & 255}`
}

export interface FarGateway {
  /** The gateway's process, and the environments', in order. */
  readonly pid: number
  readonly environments: readonly {
    readonly name: string
    readonly pid: number
    readonly port: number
  }[]
  stop(): Promise<void>
}

/** Starts both; resolves once every environment is up, rejects when they are not within `patience` ms. */
export async function startFarGateway(count: number, patience = 60_000): Promise<FarGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'pvpn-far-'))
  const env = plainEnv(folder)
  const server = generateKeyPair(systemRandom)
  const clients = Array.from({ length: count }, () => generateKeyPair(systemRandom))
  const far = fork(PROCESS, { serialization: 'advanced', stdio: ['ignore', 2, 2, 'ipc'], env })
  far.send({
    privateKey: server.privateKey,
    peers: clients.map((c) => c.publicKey),
  } satisfies FarPlan)
  const [farPort] = (await once(far, 'message')) as [number]
  const ports: number[] = []
  while (ports.length < count) {
    const port = await freePort()
    if (!ports.includes(port)) ports.push(port)
  }
  const base64 = (key: Uint8Array) => Buffer.from(key).toString('base64')
  clients.forEach(({ privateKey }, i) => {
    writeFileSync(
      join(folder, `e${i}.conf`),
      `[Interface]\nPrivateKey = ${base64(privateKey)}\nAddress = ${clientAddress(i)}/32\nDNS = ${FAR_ADDRESS}\n[Peer]\nPublicKey = ${base64(server.publicKey)}\nEndpoint = 127.0.0.1:${farPort}\nAllowedIPs = 10.99.0.0/16\n`,
      { mode: 0o600 },
    )
  })
  const lines = ports.map(
    (port, i) =>
      `  e${i}: { tunnel: { type: wireguard, file: e${i}.conf }, listen: 127.0.0.1:${port} }\n`,
  )
  const config = join(folder, 'pvpn.yaml')
  writeFileSync(config, `version: 1\ncontrol: { listen: none }\nenvironments:\n${lines.join('')}`)
  mkdirSync(join(folder, 'run'), { mode: 0o700 })
  const gateway = spawn(process.execPath, [PVPN, 'up', '-c', config, '--log-level', 'warn'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env,
  })
  const stop = async () => {
    await ended(gateway, () => gateway.kill('SIGTERM'))
    await ended(far, () => far.disconnect())
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const wait = String(Math.ceil(patience / 1000))
    if ((await pvpn(env, 'status', '--wait', wait)) === undefined) throw new Error('not up in time')
    const status = JSON.parse((await pvpn(env, 'status', '--json')) ?? '') as {
      environments: { name: string; pid: number }[]
    }
    const environments = status.environments.map(({ name, pid }, i) => ({
      name,
      pid,
      port: ports[i] as number,
    }))
    return { pid: gateway.pid as number, environments, stop }
  } catch (thrown) {
    await stop()
    throw thrown
  }
}

/** Without what a test runner adds for its own processes. */
function plainEnv(folder: string): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...env } = process.env
  return { ...env, PVPN_RUNTIME_DIR: join(folder, 'run') }
}

/** What the command printed; undefined when it failed. */
async function pvpn(env: NodeJS.ProcessEnv, ...args: string[]): Promise<string | undefined> {
  const child = spawn(process.execPath, [PVPN, ...args], { stdio: ['ignore', 'pipe', 2], env })
  let text = ''
  child.stdout?.on('data', (bytes) => {
    text += bytes
  })
  const [code] = await once(child, 'close')
  return code === 0 ? text : undefined
}

async function ended(child: ChildProcess, end: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  end()
  await exit
}
