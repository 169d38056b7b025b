/**
 * Joins the compiled modules of the program and of the packages it uses into few files, build/bundle/pvpn:
 * an environment's process then starts in half of the CPU time and needs 11 MB less memory of its own than
 * with 200 modules. `bin/pvpn` takes the bundle when it is newer than what tsc wrote. Plain JavaScript: it
 * runs in `npm ci`. Where the bundler is missing or fails (it needs a newer Node 20 than pvpn does) one line
 * says so, and the modules run as they are.
 *
 * All files stand in one folder two below the root's build/, as src/ROOM/ does: `import.meta.url` leads from
 * them to the same places (test/cli/bundle.test.ts holds the sources to that).
 */
import { existsSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const COMPILED = join(ROOT, 'build/src')
const TARGET = join(ROOT, 'build/bundle/pvpn')

/** What is started by its own name. */
const ENTRIES = {
  main: 'cli/main.js',
  'environment-process': 'cli/environment-process.js',
  'site-process': 'cli/demo/site-process.js',
}
/** Optional native parts are looked for beside the package's own files. */
const LEFT_OUT = [/^ssh2($|\/)/, /\.node$/]

/** One character beyond Latin-1 would make V8 hold the whole file at two bytes for each; an escape means the same in strings, templates and patterns. */
function ascii(code) {
  return code.replace(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

async function bundle() {
  const { rolldown } = await import('rolldown')
  const input = Object.fromEntries(
    Object.entries(ENTRIES).map(([name, file]) => [name, join(COMPILED, file)]),
  )
  const made = await rolldown({
    input,
    platform: 'node',
    external: LEFT_OUT,
    logLevel: 'silent',
    plugins: [{ name: 'ascii', renderChunk: (code) => ascii(code) }],
  })
  await made.write({
    dir: TARGET,
    format: 'esm',
    cleanDir: true,
    // Lines and names stay, for stack traces; comments would only be held in memory.
    minify: false,
    comments: false,
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
  })
  await made.close()
  // Not older than what it was made of, whatever the clock did.
  const now = new Date()
  utimesSync(join(TARGET, 'main.js'), now, now)
}

// `npm ci --omit=dev` on a built tree: no compiler, no bundler; what is there stays.
if (existsSync(join(COMPILED, 'cli/main.js'))) {
  try {
    await bundle()
  } catch (thrown) {
    if (thrown.code !== 'ERR_MODULE_NOT_FOUND') rmSync(TARGET, { recursive: true, force: true })
    const [reason] = String(thrown.message).split('\n')
    process.stdout.write(`not bundled (${reason}): it works all the same, with more memory\n`)
  }
}
