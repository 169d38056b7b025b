/** `GET /`: a plain page that shows what runs, without scripts. */
import type { GatewayStatus } from '../gateway/contract.js'

export function statusPage(status: GatewayStatus): string {
  const rows = status.environments.map(
    (e) =>
      `<tr><td>${escapeHtml(e.name)}</td><td>${e.state}</td><td>${escapeHtml(e.listen.proxy.join(', '))}</td>` +
      `<td>${escapeHtml(e.addresses.join(', '))}</td><td>${escapeHtml(e.error?.message ?? '')}</td></tr>`,
  )
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>pvpn</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #ccc }
</style>
<h1>pvpn</h1>
<table>
<tr><th>Environment</th><th>State</th><th>Proxy</th><th>Addresses</th><th>Error</th></tr>
${rows.join('\n')}
</table>
<p>Version ${escapeHtml(status.version)}, process ${status.pid}. See also <a href="/metrics">metrics</a>,
<a href="/api/v1/environments">the status as JSON</a> and <a href="/api/v1/openapi.json">the API</a>.</p>
</html>
`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
}
