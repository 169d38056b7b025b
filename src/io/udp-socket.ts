/** UDP sockets of the host as `DatagramSocket`: the addon's when there is one, else node:dgram's. */
import type { DatagramSocket } from '../core/datagram-socket.js'
import { accel } from '../native/accel.js'
import type { AccelUdp } from '../native/contract.js'
import { bindAccel } from './udp-socket-accel.js'
import { bindDgram } from './udp-socket-dgram.js'

export interface UdpOptions {
  /** `dual` is IPv6 and IPv4 on one port; IPv4 alone where the host has no IPv6. */
  readonly family: 4 | 6 | 'dual'
  /** Local address, an IP literal; default any. */
  readonly address?: string
  /** Local port; default any. */
  readonly port?: number
  /** Largest datagram, in bytes; longer ones are dropped. */
  readonly packetSize: number
  /**
   * Whoever receives does not go by a datagram's source alone: while many come, some have none (family 0).
   * The plain twin reads those at a fraction of the cost. Default false.
   */
  readonly someSources?: boolean
}

/** Binds. Rejects with the system's error (`code` is EADDRINUSE and the like) when it can't. `native` null: the plain twin. */
export async function openUdp(
  options: UdpOptions,
  native: AccelUdp | null = accel()?.udp ?? null,
): Promise<DatagramSocket> {
  const bind = async (family: 4 | 6): Promise<DatagramSocket> =>
    native === null ? await bindDgram(options, family) : bindAccel(native, options, family)
  if (options.family !== 'dual') return await bind(options.family)
  try {
    return await bind(6)
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL' && code !== 'EINVAL') throw thrown
    return await bind(4)
  }
}
