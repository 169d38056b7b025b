/** What scripts/bundle.js made of the program: it must find the same files, and not be older than the modules. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t from 'tap'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const BUNDLE = join(ROOT, 'build/bundle/pvpn')
const absent = existsSync(join(BUNDLE, 'main.js')) ? false : 'there is no bundle here'

t.test(
  'paths from import.meta.url lead to the same places from the bundle',
  { skip: absent },
  async (t) => {
    let found = 0
    const src = join(ROOT, 'src')
    for (const file of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts')) continue
      const text = readFileSync(join(src, file), 'utf8')
      for (const [, to = ''] of text.matchAll(/new URL\(\s*'([^']+)',\s*import\.meta\.url/g)) {
        found++
        const sibling = /^[\w-]+\.js$/.test(to) && existsSync(join(BUNDLE, to))
        const depth = file.split('/').length
        t.ok(sibling || depth === 2, `src/${file}: ${to} is from src/ROOM/, or a bundled sibling`)
      }
    }
    t.ok(found >= 4)
  },
)

t.test(
  'bin/pvpn runs the bundle, and says the same as the modules',
  { skip: absent },
  async (t) => {
    t.ok(
      statSync(join(BUNDLE, 'main.js')).mtimeMs >
        statSync(join(ROOT, 'build/.tsbuildinfo')).mtimeMs,
      'it is the newer one',
    )
    const modules = pathToFileURL(join(ROOT, 'build/src/cli/main.js')).href
    for (const args of [['--version'], ['--help'], ['up', '--help'], ['check', '-c', '/nowhere']]) {
      const script = `import(${JSON.stringify(modules)}).then((m) => m.run(${JSON.stringify(args)}))`
      const [a, b] = [
        [join(ROOT, 'bin/pvpn'), ...args],
        ['-e', script],
      ].map((argv) => spawnSync(process.execPath, argv, { encoding: 'utf8' }))
      t.same([a?.status, a?.stdout, a?.stderr], [b?.status, b?.stdout, b?.stderr], args.join(' '))
    }
  },
)
