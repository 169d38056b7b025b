/** What a demo site's web server says: text for curl, a page with a picture for browsers. No input of the client is echoed unescaped. */

export interface Visit {
  /** The site that was reached: `office` or `site`. */
  readonly site: string
  readonly host: string
  /** The server's address inside. */
  readonly server: string
  /** The visitor's address inside. */
  readonly client: string
  /** The environment's proxy port on the host. */
  readonly proxy: string
  readonly other: { readonly site: string; readonly proxy: string }
}

const COLOURS: Readonly<Record<string, { main: string; soft: string }>> = {
  office: { main: '#1d5fb4', soft: '#dce9fa' },
  site: { main: '#b4571d', soft: '#fae8dc' },
}

/** One line a person or a script can read. */
export function textPage(v: Visit): string {
  return `${v.site}: this is ${v.host} at ${v.server}; you come from ${v.client} (environment "${v.site}", proxy ${v.proxy})\n`
}

export function htmlPage(v: Visit): string {
  const mine = COLOURS[v.site] ?? { main: '#444', soft: '#eee' }
  const other = COLOURS[v.other.site] ?? { main: '#444', soft: '#eee' }
  const e = escapeHtml
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${e(v.site)} — pvpn demo</title>
<style>
:root { color-scheme: light dark; --main: ${mine.main}; --soft: ${mine.soft} }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1.5rem; max-width: 46rem }
h1 { border-left: .6rem solid var(--main); padding-left: .8rem; margin: 0 0 1rem; line-height: 1.2 }
svg { width: 100%; height: auto; background: #fff; border-radius: .5rem; border: 1px solid #8885 }
code, pre { font: .9em ui-monospace, monospace } pre { padding: .7rem; background: #8881; border-radius: .4rem; overflow-x: auto }
dt { font-weight: 600 } dd { margin: 0 0 .5rem }
</style>
</head>
<body>
<h1>You reached “${e(v.site)}”</h1>
<svg viewBox="0 0 720 250" role="img" aria-label="Your program uses ${e(v.proxy)}, environment ${e(v.site)} with address ${e(v.client)}, and reaches ${e(v.server)} in ${e(v.site)}. ${e(v.other.site)} has the same address and is reached by ${e(v.other.proxy)}.">
<style>text { font: 15px system-ui, sans-serif; fill: #222; text-anchor: middle } .b { font-weight: 700 } .s { font-size: 12.5px; fill: #444 }</style>
<rect x="10" y="85" width="150" height="80" rx="8" fill="#f2f2f2" stroke="#666"/>
<text x="85" y="120" class="b">your program</text><text x="85" y="143" class="s">host unchanged</text>
<path d="M160 110 C 200 110 200 60 240 60" fill="none" stroke="${mine.main}" stroke-width="5"/>
<path d="M160 140 C 200 140 200 190 240 190" fill="none" stroke="${other.main}" stroke-width="2" stroke-dasharray="6 6"/>
${box(240, 20, mine, [`environment “${e(v.site)}”`, `${e(v.client)}`, `proxy ${e(v.proxy)}`], true)}
${box(240, 150, other, [`environment “${e(v.other.site)}”`, '', `proxy ${e(v.other.proxy)}`], false)}
<path d="M440 60 H 500" stroke="${mine.main}" stroke-width="5"/><path d="M440 190 H 500" stroke="${other.main}" stroke-width="2" stroke-dasharray="6 6"/>
${box(500, 20, mine, [`${e(v.site)}: you are here`, e(v.server), e(v.host)], true)}
${box(500, 150, other, [e(v.other.site), `${e(v.server)} too`, 'a different machine'], false)}
</svg>
<dl>
<dt>This server</dt><dd>${e(v.host)}, ${e(v.server)}, in the network of “${e(v.site)}”</dd>
<dt>You come from</dt><dd>${e(v.client)}, the address of the environment “${e(v.site)}”</dd>
<dt>The other one</dt><dd><a href="http://${e(v.server)}/">http://${e(v.server)}/</a> — the very same address, through the other port (set the browser's proxy to ${e(v.other.proxy)}):
<pre>curl -x socks5h://${e(v.other.proxy)} http://${e(v.server)}/</pre></dd>
</dl>
</body>
</html>
`
}

function box(
  x: number,
  y: number,
  colour: { main: string; soft: string },
  lines: readonly [string, string, string],
  here: boolean,
): string {
  const text = lines
    .map(
      (line, i) =>
        `<text x="${x + 100}" y="${y + 25 + i * 22}"${i === 0 ? ' class="b"' : ' class="s"'}>${line}</text>`,
    )
    .join('')
  return `<rect x="${x}" y="${y}" width="200" height="80" rx="8" fill="${colour.soft}" stroke="${colour.main}" stroke-width="${here ? 4 : 1.5}"/>${text}`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
}
