/**
 * The addon's tests, and as root the wrapper's in the lab, again under AddressSanitizer and UBSan; and
 * the preload library with an environment that answers anything, the relay with any variables: a read or write outside its memory, and
 * undefined behaviour, end the run. Part of `npm run fuzz`; says why when it can't.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fuzzRelay } from './fuzz-relay.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const ADDON = join(ROOT, 'build/native/accel-sanitized.node')
const TESTS = [
  'crypto/packet-cipher.test.js',
  'crypto/packet-cipher-fuzz.test.js',
  'crypto/framed-aead.test.js',
  'io/lean-socket.test.js',
  'io/lean-socket-fuzz.test.js',
  'io/relay.test.js',
  'io/packet-checksums.test.js',
  'io/udp-socket.test.js',
  'io/udp-socket-fuzz.test.js',
  'io/receive-rest.test.js',
  'native/accel.test.js',
]
/** The wrapper: a program of its own, so nothing is loaded before it. They skip where they can't run. */
const WRAP = join(ROOT, 'build/native/pvpn-wrap-sanitized')
const WRAP_TESTS = ['lab/wrap-behaviour.test.js', 'lab/wrap-sites.test.js']

/** Seconds for the preload library. */
const SECONDS = process.env.FUZZ_SECONDS ?? '3'

function compile(program, sources, ...more) {
  execFileSync(process.env.CC ?? 'cc', [
    ...['-std=gnu11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-O1', '-g'],
    ...['-fno-omit-frame-pointer', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
    ...['-o', program, ...sources, ...more],
  ])
}

/** True when it ended well. */
async function relay() {
  const folder = mkdtempSync(join(tmpdir(), 'pvpn-fuzz-'))
  try {
    const program = join(folder, 'pvpn-tun-relay')
    compile(program, [join(ROOT, 'native/relay/main.c')])
    return await fuzzRelay(program, folder, Number(SECONDS))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The library and its driver as one program with the sanitizers; true when it ended well. */
function preloadLibrary() {
  const folder = mkdtempSync(join(tmpdir(), 'pvpn-fuzz-'))
  try {
    const sources = readdirSync(join(ROOT, 'native/preload')).filter((name) => name.endsWith('.c'))
    const program = join(folder, 'preload-fuzz')
    compile(
      program,
      [
        join(ROOT, 'test/native/preload-fuzz.c'),
        ...sources.map((name) => join(ROOT, 'native/preload', name)),
      ],
      '-lpthread',
    )
    const { status } = spawnSync(program, [SECONDS, String(Date.now() % 1e9)], {
      stdio: 'inherit',
      timeout: (Number(SECONDS) + 60) * 1000,
      env: { PVPN_VIRTUAL: join(folder, 'query'), PVPN_ENVIRONMENT: 'lab' },
    })
    return status === 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The sanitizer's library has to be there before anything else of the process. */
function runtime() {
  for (const compiler of [process.env.CXX, 'c++', 'g++'].filter(Boolean)) {
    try {
      const file = execFileSync(compiler, ['-print-file-name=libasan.so'], {
        encoding: 'utf8',
      }).trim()
      if (existsSync(file)) return file
    } catch {
      // The next one may be there.
    }
  }
  return undefined
}

const build = spawnSync(process.execPath, [join(ROOT, 'scripts/build-native.js'), '--sanitize'], {
  stdio: 'inherit',
})
const preload = runtime()
if (build.status !== 0 || preload === undefined || !existsSync(ADDON)) {
  console.log('sanitizers not run: no compiler with libasan')
  process.exit(0)
}
let failed = 0

function run(test, env) {
  const { status, signal } = spawnSync(process.execPath, [join(ROOT, 'build/test', test)], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, UBSAN_OPTIONS: 'print_stacktrace=1', ...env },
  })
  if (status === 0) return
  console.log(`${test}: failed under the sanitizers (${signal ?? `status ${status}`})`)
  failed++
}

// Node itself keeps memory to its end on purpose, and so do programs that end at once.
const ASAN_OPTIONS = 'detect_leaks=0:abort_on_error=1'
for (const test of TESTS) run(test, { LD_PRELOAD: preload, ASAN_OPTIONS, PVPN_ACCEL: ADDON })
// A test file's own limit is 30 s when tap does not run it.
for (const test of WRAP_TESTS) run(test, { ASAN_OPTIONS, PVPN_WRAP: WRAP, TAP_TIMEOUT: '300' })
if (!preloadLibrary()) {
  console.log('the preload library failed under the sanitizers')
  failed++
}
if (!(await relay())) {
  console.log('the relay failed under the sanitizers')
  failed++
}
const all = TESTS.length + WRAP_TESTS.length + 2
console.log(`sanitizers: ${all - failed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
