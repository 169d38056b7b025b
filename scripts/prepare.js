/**
 * Runs in `npm ci`, so that it alone gives a working program: compiles TypeScript, bundles it, then
 * compiles the optional addon. `npm ci --omit=dev` has no TypeScript compiler; the build folder then has to be there already.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

function typescript() {
  try {
    const manifest = createRequire(import.meta.url).resolve('typescript/package.json')
    return join(dirname(manifest), 'bin/tsc')
  } catch {
    return undefined
  }
}

const tsc = typescript()
if (tsc !== undefined) run(tsc, '-p', '.')
else if (!existsSync(join(ROOT, 'build/src/cli/main.js'))) {
  console.log('not compiled: TypeScript is a development dependency; run npm ci without --omit=dev')
}
if (tsc !== undefined) run(join(ROOT, 'scripts/bundle.js'))
run(join(ROOT, 'scripts/build-native.js'))
