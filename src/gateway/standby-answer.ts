/** How clients of an environment without a process are answered: by the mixed listener, which finds nothing to dial. */
import { PvpnError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import type { EnvironmentOptions } from '../core/options.js'
import { startReading } from '../io/socket-reading.js'
import { createMixedListener, type MixedListener } from '../listener/mixed-listener.js'
import type { StandbyAnswer } from './contract.js'

interface Standby {
  readonly listener: MixedListener
  reason: PvpnError
}

export function standbyAnswer(logger: Logger): StandbyAnswer {
  // One listener for each environment; a reload brings new options and with them a new one.
  const standbys = new WeakMap<EnvironmentOptions, Standby>()
  return (socket, options, error, handed) => {
    const reason = new PvpnError('ERR_DOWN', `environment ${options.name}: ${error.message}`)
    const standby = standbys.get(options) ?? makeStandby(options, logger, reason)
    standbys.set(options, standby)
    standby.reason = reason
    // What was read and decided elsewhere: the policy port has stopped the reading.
    if (handed?.head !== undefined) startReading(socket)
    standby.listener.accept(socket, handed)
  }
}

function makeStandby(options: EnvironmentOptions, logger: Logger, reason: PvpnError): Standby {
  const listener = createMixedListener({
    users: options.users,
    allowUnauthenticated: options.allowUnauthenticated,
    place: `environment ${options.name}`,
    connectTimeout: options.connectTimeout,
    logger,
    route: () => {
      throw standby.reason
    },
  })
  const standby = { listener, reason }
  return standby
}
