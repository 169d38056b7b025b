/** What carries an environment's tunnel: the host's network, or with `through` another environment. */
import type { DatagramSocket } from '../core/datagram-socket.js'
import type { EnvironmentOptions } from '../core/options.js'
import type { Underlay } from '../core/stream-tunnel.js'
import { CarriedSocket } from '../environment/carried-socket.js'
import { CarriedUnderlay } from '../environment/carried-underlay.js'
import { carryPath } from '../environment/carry-protocol.js'
import type { PacketEnvironmentOptions } from '../environment/packet-environment.js'
import { systemClock } from '../io/clock.js'
import { hostUnderlay } from '../io/host-underlay.js'
import { runtimeFolder } from '../io/runtime-folder.js'
import { openUdp } from '../io/udp-socket.js'

function carriedUnderlay(lower: string): CarriedUnderlay {
  return new CarriedUnderlay(lower, carryPath(runtimeFolder().path, lower))
}

/** For tunnels of streams. */
export function underlayOf({ through }: EnvironmentOptions): Underlay {
  return through === undefined ? hostUnderlay : carriedUnderlay(through)
}

/** For tunnels of packets. */
export async function packetUnderlay(
  { through }: EnvironmentOptions,
  want: {
    readonly port: number
    readonly packetSize: number
    readonly overhead: number
    /** The tunnel has one peer, whose address is known beforehand, and takes what has no source for that one's. */
    readonly onePeer: boolean
  },
): Promise<
  Pick<PacketEnvironmentOptions, 'resolveEndpoint' | 'carrier'> & {
    readonly socket: DatagramSocket
  }
> {
  const { port, packetSize, overhead, onePeer } = want
  if (through === undefined) {
    const socket = await openUdp({ family: 'dual', port, packetSize, someSources: onePeer })
    return { socket, resolveEndpoint: (host) => hostUnderlay.lookup(host) }
  }
  const underlay = carriedUnderlay(through)
  const socket = new CarriedSocket({ underlay, packetSize, overhead, clock: systemClock })
  return { socket, carrier: socket, resolveEndpoint: (host) => underlay.lookup(host) }
}
