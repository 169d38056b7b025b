/** docs/limits.md names every bound of the code with its value, and no other. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const SOURCES = fileURLToPath(new URL('../../src/', import.meta.url))
const DOCUMENT = fileURLToPath(new URL('../../../docs/limits.md', import.meta.url))

function valueText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([name, inner]) => `${name} ${inner}`)
    .join(', ')
}

t.test('the document and the code agree', async (t) => {
  const bounds: Record<string, string> = {}
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
  for (const file of files.filter((name) => name.endsWith('limits.js'))) {
    const module = (await import(`${SOURCES}${file}`)) as Record<string, unknown>
    for (const [name, value] of Object.entries(module)) {
      if (/^[A-Z][A-Z0-9_]*$/.test(name)) bounds[`src/${file} ${name}`] = valueText(value)
    }
  }
  const documented: Record<string, string> = {}
  let room = ''
  for (const line of readFileSync(DOCUMENT, 'utf8').split('\n')) {
    room = /^### .*\(`(src\/.*)\.ts`\)$/.exec(line)?.[1] ?? room
    const row = /^\| `([A-Z][A-Z0-9_]*)` \| ([^|]+) \|/.exec(line)
    if (row !== null) documented[`${room}.js ${row[1]}`] = row[2] as string
  }
  t.ok(Object.keys(bounds).length > 100)
  t.same(documented, bounds)
})
