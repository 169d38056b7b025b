/** The page that a window begins with: which network it is on. No script, nothing from elsewhere. */
import type { BrowserFamily } from './contract.js'

/** Chromium warns of the option that keeps WebRTC from the host's resolver. */
const WARNING =
  '<p>Chromium warns that <code>--host-resolver-rules</code> is unsupported. It is meant to be there:<br>\nit keeps pages from asking the resolver of this machine. The bar can be closed.</p>\n'

export function startPage(
  environment: string,
  color: string,
  proxy: string,
  family: BrowserFamily,
): string {
  const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="${color}"/><path d="M5 8a3 3 0 1 1 6 0v4H5z" fill="#fff"/></svg>`
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${environment}</title>
<link rel="icon" href="data:image/svg+xml,${encodeURIComponent(icon)}">
<style>
body { margin: 0; min-height: 100vh; display: grid; place-content: center; text-align: center; background: ${color}; color: #fff; font: 18px/1.5 system-ui, sans-serif }
h1 { font-size: 64px; margin: 0 }
code { font-size: 16px }
</style>
<h1>${environment}</h1>
<p>Every page of this window comes through the environment “${environment}”.<br>
Names are resolved there; <code>127.0.0.1</code> is not this machine.</p>
<p><code>pvpn status</code> shows whether it is up. Its proxy is ${proxy}.</p>
${family === 'chromium' ? WARNING : ''}</html>
`
}
