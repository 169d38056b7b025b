/** Debian's wireguard-go as an interface of a namespace. */
import type { ChildProcess } from 'node:child_process'
import { eventually, type Namespace } from './namespace.js'

/** Bytes kept of what it prints. */
const PRINTED_MOST = 4096

export interface WireguardGoOptions {
  /** Default `wg0`. */
  readonly device?: string
  /** What it is run by, such as taskset. */
  readonly by?: readonly string[]
}

/**
 * Starts it with a configuration as `wg setconf` takes it; the interface has no address yet and is down.
 * Throws with what it printed when it does not come up.
 */
export async function startWireguardGo(
  ns: Namespace,
  config: string,
  { device = 'wg0', by = [] }: WireguardGoOptions = {},
): Promise<ChildProcess> {
  // A run folder of its own: control sockets of every namespace may have one name.
  await ns.check(['sh', '-c', 'mount -t tmpfs none /run && mkdir /run/wireguard'])
  const child = ns.spawn([...by, 'wireguard-go', '-f', device], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LOG_LEVEL: 'error', WG_PROCESS_FOREGROUND: '1' },
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (text: Buffer) => {
      if (printed.length < PRINTED_MOST) printed += text
    })
  }
  const ended = () => child.exitCode !== null || child.signalCode !== null
  const up = await eventually(async () => ended() || (await listens(ns, device)), 30_000)
  if (!up || ended()) {
    const how = ended() ? `ended with ${child.exitCode ?? child.signalCode}` : 'does not listen'
    throw new Error(`wireguard-go ${how} in ${ns.name}: ${printed}`)
  }
  // A pipe, not our end of the socket that Node gives as stdin: wg opens its file by name.
  await ns.check(['sh', '-c', `cat | wg setconf ${device} /dev/fd/0`], { input: config })
  return child
}

/** Is its control socket there? Not to be asked by `wg show`, which removes a socket on which nobody listens yet. */
async function listens(ns: Namespace, device: string): Promise<boolean> {
  const accepting = `00010000 .*/wireguard/${device}.sock$`
  return (await ns.run(['grep', '-q', accepting, '/proc/net/unix'])).code === 0
}
