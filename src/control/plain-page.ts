/** What runs, as a table for browsers without scripts. */
import type { GatewayStatus } from '../gateway/contract.js'

export function statusTable(status: GatewayStatus): string {
  const rows = status.environments.map(
    ({ name, state, listen, addresses, error }) =>
      `<tr><td>${escapeHtml(name)}</td><td>${state}</td><td>${escapeHtml(listen.proxy.join(', '))}</td>` +
      `<td>${escapeHtml(addresses.join(', '))}</td><td>${escapeHtml(error?.message ?? '')}</td></tr>`,
  )
  return `<table>
<tr><th>Environment</th><th>State</th><th>Proxy</th><th>Addresses</th><th>Error</th></tr>
${rows.join('\n')}
</table>`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
}
