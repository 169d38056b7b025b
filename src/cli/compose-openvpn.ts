/** An environment behind OpenVPN: Node's TLS beside the machine, UDP and TCP below it. */

import { KnownSecrets, secretsOf } from '../core/known-secrets.js'
import type { ManagedEnvironment } from '../core/managed-environment.js'
import type { OpenvpnOptions } from '../core/options.js'
import { PacketEnvironment } from '../environment/packet-environment.js'
import { CarrierSocket } from '../io/carrier-socket.js'
import { systemClock } from '../io/clock.js'
import { systemRandom } from '../io/random.js'
import { createTlsEngineFactory } from '../io/tls-engine.js'
import { StreamSplitter } from '../tunnel/openvpn/stream-framing.js'
import { createOpenvpn } from '../tunnel/openvpn/tunnel.js'
import type { ComposeOptions } from './compose-environment.js'
import { systemStack } from './compose-stack.js'
import { packetUnderlay, underlayOf } from './compose-underlay.js'

/** Bytes around a packet at most: IPv6 and UDP headers, opcode, packet id, HMAC, IV and padding. */
const OVERHEAD = 140

/** Milliseconds for a TCP connection through another environment; the tunnel's own time-out is mostly shorter. */
const DIAL_TIMEOUT = 120_000

/** Largest datagram of the tunnel: an IP packet of 1500 bytes with every header there is. */
const PACKET_SIZE = 1700

export async function openvpnEnvironment(
  { options, logger, onState }: ComposeOptions,
  tunnel: OpenvpnOptions,
): Promise<ManagedEnvironment> {
  const { socket: udp, ...below } = await packetUnderlay(options, {
    port: tunnel.localPort,
    packetSize: PACKET_SIZE,
    overhead: OVERHEAD,
    // Without a key for the control channel its packets are told from a stranger's by their source first.
    onePeer: tunnel.protection.kind !== 'none',
  })
  const underlay = underlayOf(options)
  const socket = new CarrierSocket({
    udp,
    ...(options.through === undefined
      ? {}
      : {
          dial: ({ address, port }, signal) =>
            underlay.dial({ host: address, port }, { signal, timeout: DIAL_TIMEOUT }),
        }),
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
      tls: (keyPassword) =>
        createTlsEngineFactory({
          ...tunnel.tls,
          ...(keyPassword === undefined ? {} : { keyPassword }),
        }),
      carrier: socket,
    }),
    stack: systemStack(),
    socket,
    ...below,
    clock: systemClock,
    random: systemRandom,
    logger,
    secrets: new KnownSecrets(secretsOf(tunnel)),
    soon: setImmediate,
    onState,
  })
}
