/** An environment behind an SSL-VPN server: its TLS connections beside the machine. */
import type { ManagedEnvironment } from '../core/managed-environment.js'
import type { OpenconnectOptions } from '../core/options.js'
import { PacketEnvironment } from '../environment/packet-environment.js'
import { systemClock } from '../io/clock.js'
import { systemRandom } from '../io/random.js'
import { SecureSocket } from '../io/secure-socket.js'
import { secureContextOf } from '../io/secure-tls.js'
import { createStack } from '../stack/stack.js'
import { FRAME_HEADER_SIZE, FrameSplitter, isDataFrame } from '../tunnel/openconnect/frame.js'
import { OC_FRAME_BYTES } from '../tunnel/openconnect/limits.js'
import { createOpenconnect } from '../tunnel/openconnect/tunnel.js'
import type { ComposeOptions } from './compose-environment.js'
import { underlayOf } from './compose-underlay.js'

/** Milliseconds for a TCP connection through another environment; the tunnel's own time-out is shorter. */
const DIAL_TIMEOUT = 120_000

export async function openconnectEnvironment(
  { options, logger, onState }: ComposeOptions,
  tunnel: OpenconnectOptions,
): Promise<ManagedEnvironment> {
  const underlay = underlayOf(options)
  const socket = new SecureSocket({
    tls: tunnel.tls,
    context: secureContextOf(tunnel.tls),
    ...(options.through === undefined
      ? {}
      : {
          dial: ({ address, port }, signal) =>
            underlay.dial({ host: address, port }, { signal, timeout: DIAL_TIMEOUT }),
        }),
    splitter: () => new FrameSplitter(),
    outlives: isDataFrame,
    packetSize: FRAME_HEADER_SIZE + OC_FRAME_BYTES,
  })
  return new PacketEnvironment({
    name: options.name,
    tunnelType: tunnel.type,
    dns: options.dns,
    connectTimeout: options.connectTimeout,
    tunnel: createOpenconnect(tunnel, { carrier: socket }),
    stack: createStack({ random: systemRandom }),
    socket,
    resolveEndpoint: (host) => underlay.lookup(host),
    clock: systemClock,
    random: systemRandom,
    logger,
    soon: setImmediate,
    onState,
  })
}
