/** Makes the environment that the options describe: the one place that knows every kind of tunnel. */
import { KnownSecrets } from '../core/known-secrets.js'
import type { Logger } from '../core/log.js'
import type { ManagedEnvironment } from '../core/managed-environment.js'
import type { EnvironmentOptions, WireguardOptions } from '../core/options.js'
import { createPacketCipher } from '../crypto/packet-cipher.js'
import { PacketEnvironment } from '../environment/packet-environment.js'
import { systemClock } from '../io/clock.js'
import { systemRandom } from '../io/random.js'
import { createWireguard } from '../tunnel/wireguard/tunnel.js'
import { systemStack } from './compose-stack.js'
import { packetUnderlay } from './compose-underlay.js'

/** Bytes around a packet in WireGuard: IPv6 and UDP headers, its own 16, the tag's 16, and padding to 16. */
const OVERHEAD = 96

export interface ComposeOptions {
  readonly options: EnvironmentOptions
  readonly logger: Logger
  /** Called after each change of state or error. */
  readonly onState: () => void
}

export async function composeEnvironment(compose: ComposeOptions): Promise<ManagedEnvironment> {
  const { tunnel } = compose.options
  switch (tunnel.type) {
    case 'wireguard':
      return await wireguardEnvironment(compose, tunnel)
    case 'openvpn': {
      const { openvpnEnvironment } = await import('./compose-openvpn.js')
      return await openvpnEnvironment(compose, tunnel)
    }
    case 'openconnect': {
      const { openconnectEnvironment } = await import('./compose-openconnect.js')
      return await openconnectEnvironment(compose, tunnel)
    }
    case 'socks5':
    case 'http': {
      const { proxyEnvironment } = await import('./compose-proxy.js')
      return proxyEnvironment(compose, tunnel)
    }
    case 'ssh': {
      const { sshEnvironment } = await import('./compose-ssh.js')
      return sshEnvironment(compose, tunnel)
    }
    case 'direct': {
      const { createDirect } = await import('../environment/direct.js')
      const { name, connectTimeout } = compose.options
      return createDirect({ name, connectTimeout, onState: compose.onState })
    }
    default:
      return tunnel satisfies never
  }
}

async function wireguardEnvironment(
  { options, logger, onState }: ComposeOptions,
  tunnel: WireguardOptions,
): Promise<ManagedEnvironment> {
  const below = await packetUnderlay(options, {
    port: tunnel.listenPort,
    packetSize: Math.max(1536, tunnel.mtu + 96),
    overhead: OVERHEAD,
    onePeer: tunnel.peers.length === 1 && tunnel.peers[0]?.endpoint !== undefined,
  })
  return new PacketEnvironment({
    name: options.name,
    tunnelType: tunnel.type,
    dns: options.dns,
    connectTimeout: options.connectTimeout,
    tunnel: createWireguard(tunnel, {
      random: systemRandom,
      wallClock: Date.now,
      packetCipher: createPacketCipher,
    }),
    stack: systemStack(),
    ...below,
    clock: systemClock,
    random: systemRandom,
    logger,
    secrets: new KnownSecrets(),
    soon: setImmediate,
    onState,
  })
}
