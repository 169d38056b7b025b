/** `pvpn status` for people. */
import type { EnvironmentStatus } from '../core/environment.js'
import { remedy } from '../core/remedy.js'
import type { GatewayStatus } from '../gateway/contract.js'
import { oneLine } from './report.js'

const HEAD = ['NAME', 'STATE', 'LISTEN', 'ADDRESSES', 'ENDPOINT', 'HANDSHAKE', 'IN/OUT', 'CONNS']

/** A table, where the policy port is, then one line for each error. */
export function statusTable(status: GatewayStatus, now: number): string {
  const rows = [HEAD, ...status.environments.map((environment) => row(environment, now))]
  const widths = HEAD.map((_, column) =>
    Math.max(...rows.map((cells) => (cells[column] ?? '').length)),
  )
  const table = rows.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  const errors = status.environments.flatMap((environment) => {
    const { name, error } = environment
    return error === null ? [] : [`${name}: ${oneLine(error.message)}`, ...hint(environment)]
  })
  const relaxed = status.environments.flatMap(({ name, relaxed = [] }) =>
    relaxed.map((what) => `${name}: relaxed: ${oneLine(what)}`),
  )
  const policy = status.policy === null ? [] : ['', `policy port: ${status.policy}`]
  return `${[...table, ...policy, ...below([...errors, ...relaxed])].join('\n')}\n`
}

function below(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', ...lines]
}

function hint({ name, state, error, asks }: EnvironmentStatus): readonly string[] {
  // A login elsewhere that is waited for: the message is the remedy.
  if (error === null || (error.code === 'ERR_AUTH' && state !== 'failed')) return []
  const text = remedy(error, name, asks !== undefined)
  return text === null ? [] : [`  hint: ${text}`]
}

function row(environment: EnvironmentStatus, now: number): readonly string[] {
  const { tunnel } = environment
  const handshake =
    tunnel.lastHandshake === null ? '-' : `${age(now - Date.parse(tunnel.lastHandshake))} ago`
  return [
    environment.name,
    environment.state,
    environment.listen.proxy.join(',') || '-',
    environment.addresses.join(',') || '-',
    tunnel.endpoint ?? '-',
    handshake,
    `${size(tunnel.bytesIn)}/${size(tunnel.bytesOut)}`,
    String(environment.connections),
  ].map(oneLine)
}

/** `12 s`, `3 min`, `2 h`, `5 d`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

/** `512 B`, `1.4 MiB`. */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}
