/** An environment behind an upstream proxy. */
import { KnownSecrets, secretsOf } from '../core/known-secrets.js'
import type { ManagedEnvironment } from '../core/managed-environment.js'
import type { HttpProxyOptions, Socks5Options } from '../core/options.js'
import { HttpTunnel, Socks5Tunnel } from '../environment/proxy-tunnel.js'
import { StreamEnvironment } from '../environment/stream-environment.js'
import { systemClock } from '../io/clock.js'
import { systemRandom } from '../io/random.js'
import type { ComposeOptions } from './compose-environment.js'
import { underlayOf } from './compose-underlay.js'

export function proxyEnvironment(
  { options, logger, onState }: ComposeOptions,
  tunnel: Socks5Options | HttpProxyOptions,
): ManagedEnvironment {
  const { name, dns, connectTimeout } = options
  const common = { underlay: underlayOf(options), timeout: connectTimeout * 1000 }
  return new StreamEnvironment({
    name,
    tunnelType: tunnel.type,
    dns,
    connectTimeout,
    tunnel:
      tunnel.type === 'socks5'
        ? new Socks5Tunnel({ options: tunnel, ...common })
        : new HttpTunnel({ options: tunnel, ...common }),
    clock: systemClock,
    random: systemRandom,
    logger,
    secrets: new KnownSecrets(secretsOf(tunnel)),
    onState,
  })
}
