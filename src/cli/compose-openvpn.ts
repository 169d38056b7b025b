/** An environment behind OpenVPN: Node's TLS beside the machine, UDP and TCP below it. */
import type { ManagedEnvironment } from '../core/managed-environment.js'
import type { OpenvpnOptions } from '../core/options.js'
import { PacketEnvironment } from '../environment/packet-environment.js'
import { CarrierSocket } from '../io/carrier-socket.js'
import { systemClock } from '../io/clock.js'
import { lookupHost } from '../io/host-dns.js'
import { systemRandom } from '../io/random.js'
import { createTlsEngineFactory } from '../io/tls-engine.js'
import { openUdp } from '../io/udp-socket.js'
import { createStack } from '../stack/stack.js'
import { StreamSplitter } from '../tunnel/openvpn/stream-framing.js'
import { createOpenvpn } from '../tunnel/openvpn/tunnel.js'
import type { ComposeOptions } from './compose-environment.js'

/** Largest datagram of the tunnel: an IP packet of 1500 bytes with every header there is. */
const PACKET_SIZE = 1700

export async function openvpnEnvironment(
  { options, logger, onState }: ComposeOptions,
  tunnel: OpenvpnOptions,
): Promise<ManagedEnvironment> {
  const tls = createTlsEngineFactory(tunnel.tls)
  const udp = await openUdp({ family: 'dual', port: tunnel.localPort, packetSize: PACKET_SIZE })
  const socket = new CarrierSocket({
    udp,
    splitter: () => new StreamSplitter(),
    packetSize: PACKET_SIZE,
  })
  return new PacketEnvironment({
    name: options.name,
    tunnelType: tunnel.type,
    dns: options.dns,
    connectTimeout: options.connectTimeout,
    tunnel: createOpenvpn(tunnel, {
      random: systemRandom,
      wallClock: Date.now,
      tls,
      carrier: socket,
    }),
    stack: createStack({ random: systemRandom }),
    socket,
    clock: systemClock,
    random: systemRandom,
    logger,
    soon: setImmediate,
    resolveEndpoint: (host) => lookupHost(host, undefined),
    onState,
  })
}
