/** An environment behind an SSL-VPN server: its TLS connections beside the machine. */
import type { SecureContext } from 'node:tls'
import { PvpnError } from '../core/errors.js'
import { KnownSecrets, secretsOf } from '../core/known-secrets.js'
import type { ManagedEnvironment } from '../core/managed-environment.js'
import type { OpenconnectOptions } from '../core/options.js'
import { PacketEnvironment } from '../environment/packet-environment.js'
import { systemClock } from '../io/clock.js'
import { systemRandom } from '../io/random.js'
import { SecureSocket } from '../io/secure-socket.js'
import { secureContextOf } from '../io/secure-tls.js'
import { ProgramSocket } from '../io/tunnel-program.js'
import { EngineTunnel } from '../tunnel/openconnect/engine-tunnel.js'
import { FRAME_HEADER_SIZE, FrameSplitter, isDataFrame } from '../tunnel/openconnect/frame.js'
import { OC_FRAME_BYTES } from '../tunnel/openconnect/limits.js'
import { createOpenconnect } from '../tunnel/openconnect/tunnel.js'
import type { ComposeOptions } from './compose-environment.js'
import { systemStack } from './compose-stack.js'
import { underlayOf } from './compose-underlay.js'

/** Milliseconds for a TCP connection through another environment; the tunnel's own time-out is shorter. */
const DIAL_TIMEOUT = 120_000

export async function openconnectEnvironment(
  compose: ComposeOptions,
  tunnel: OpenconnectOptions,
): Promise<ManagedEnvironment> {
  const { options, logger, onState } = compose
  const underlay = underlayOf(options)
  return new PacketEnvironment({
    name: options.name,
    tunnelType: tunnel.type,
    dns: options.dns,
    connectTimeout: options.connectTimeout,
    stack: systemStack(),
    ...(tunnel.engine === 'native' ? nativeParts(compose, tunnel) : engineParts(tunnel)),
    resolveEndpoint: (host) => underlay.lookup(host),
    clock: systemClock,
    random: systemRandom,
    logger,
    secrets: new KnownSecrets(secretsOf(tunnel)),
    soon: setImmediate,
    onState,
  })
}

function engineParts(tunnel: OpenconnectOptions) {
  const socket = new ProgramSocket()
  return { socket, tunnel: new EngineTunnel(tunnel, socket) }
}

function nativeParts({ options }: ComposeOptions, tunnel: OpenconnectOptions) {
  const underlay = underlayOf(options)
  let context: SecureContext | undefined
  const socket = new SecureSocket({
    tls: tunnel.tls,
    context: () => {
      // Never Node's own instead, which would trust others.
      if (context === undefined) throw new PvpnError('ERR_INTERNAL', 'the private key is not open')
      return context
    },
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
  const unlock = (keyPassword: string | undefined) => {
    const given = keyPassword === undefined ? {} : { keyPassword }
    context = secureContextOf({ ...tunnel.tls, ...given })
    return context !== undefined
  }
  return { socket, tunnel: createOpenconnect(tunnel, { carrier: socket, unlock }) }
}
