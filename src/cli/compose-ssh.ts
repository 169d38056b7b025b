/** An environment behind an SSH server. */
import { KnownSecrets, secretsOf } from '../core/known-secrets.js'
import type { ManagedEnvironment } from '../core/managed-environment.js'
import type { SshOptions } from '../core/options.js'
import { SshTunnel } from '../environment/ssh-tunnel.js'
import { StreamEnvironment } from '../environment/stream-environment.js'
import { systemClock } from '../io/clock.js'
import { systemRandom } from '../io/random.js'
import type { ComposeOptions } from './compose-environment.js'
import { underlayOf } from './compose-underlay.js'

export function sshEnvironment(
  { options, logger, onState }: ComposeOptions,
  tunnel: SshOptions,
): ManagedEnvironment {
  const { name, dns, connectTimeout } = options
  return new StreamEnvironment({
    name,
    tunnelType: tunnel.type,
    dns,
    connectTimeout,
    tunnel: new SshTunnel({
      options: tunnel,
      underlay: underlayOf(options),
      timeout: connectTimeout * 1000,
      clock: systemClock,
    }),
    clock: systemClock,
    random: systemRandom,
    logger,
    secrets: new KnownSecrets(secretsOf(tunnel)),
    onState,
  })
}
