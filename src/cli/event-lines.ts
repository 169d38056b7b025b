/** What `pvpn up` prints: one line as an environment's state changes. */

import { formatListenAddress } from '../core/listen-address.js'
import type { EnvironmentOptions } from '../core/options.js'
import type { GatewayEvent } from '../gateway/contract.js'
import { oneLine } from './report.js'

/** Columns of the longest state. */
const STATE_WIDTH = 'starting'.length

/** `office  up        127.0.0.1:1081  why not`, names padded to `width`. */
export function stateLine(event: GatewayEvent & { kind: 'state' }, width: number): string {
  const { environment, state, listen, error, asks } = event
  const how = asks === true ? `; to answer: pvpn start ${environment}` : ''
  return line(environment, state, listen, error === null ? undefined : error.message + how, width)
}

/** The line of an environment that waits for its first connection. */
export function idleLine({ name, listen }: EnvironmentOptions, width: number): string {
  const where = listen.map(formatListenAddress)
  return line(name, 'stopped', where, 'starts at the first connection', width)
}

function line(
  name: string,
  state: string,
  listen: readonly string[],
  more: string | undefined,
  width: number,
): string {
  const cells = [
    name.padEnd(width),
    state.padEnd(STATE_WIDTH),
    listen.join(','),
    oneLine(more ?? ''),
  ]
  return cells.join('  ').trimEnd()
}
