/**
 * The addon's tests again under AddressSanitizer and UBSan: a read or write outside its memory, and
 * undefined behaviour, end the run. Part of `npm run fuzz`; says why when it can't.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const ADDON = join(ROOT, 'build/native/accel-sanitized.node')
const TESTS = [
  'crypto/packet-cipher.test.js',
  'crypto/packet-cipher-fuzz.test.js',
  'crypto/framed-aead.test.js',
  'io/udp-socket.test.js',
  'io/udp-socket-fuzz.test.js',
  'native/accel.test.js',
]

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
for (const test of TESTS) {
  const { status, signal } = spawnSync(process.execPath, [join(ROOT, 'build/test', test)], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      LD_PRELOAD: preload,
      // Node itself keeps memory to its end on purpose.
      ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1',
      UBSAN_OPTIONS: 'print_stacktrace=1',
      PVPN_ACCEL: ADDON,
    },
  })
  if (status !== 0) {
    console.log(`${test}: failed under the sanitizers (${signal ?? `status ${status}`})`)
    failed++
  }
}
console.log(`sanitizers: ${TESTS.length - failed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
