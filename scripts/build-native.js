/**
 * Builds the optional addon native/accel into build/native/accel.node, the wrapper native/wrap into
 * build/native/pvpn-wrap, its library native/preload into build/native/libpvpn-preload.so, and native/relay (the script of
 * `openconnect --script-tun`) into build/native/pvpn-tun-relay. Plain JavaScript and without
 * node-gyp: it runs in `npm ci`, before anything is compiled and where no headers can be downloaded.
 * Never fails an installation: without a compiler it prints one line and ends with status 0.
 *
 *   node scripts/build-native.js [--sanitize] [--force] [--must]
 *
 * --sanitize builds build/native/accel-sanitized.node with AddressSanitizer and UBSan instead;
 * --force also when nothing has changed; --must makes a failure status 1.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const SOURCES = join(ROOT, 'native/accel')
const OUTPUT = join(ROOT, 'build/native')
/** Functions that every Node from 20 on has. */
const NAPI_VERSION = 8

const sanitize = process.argv.includes('--sanitize')
const force = process.argv.includes('--force')
const must = process.argv.includes('--must')
const target = join(OUTPUT, sanitize ? 'accel-sanitized.node' : 'accel.node')

const C_COMMON = ['-std=gnu11', '-D_GNU_SOURCE', '-Wall', '-Wextra']
const C_RELEASE = ['-O2', '-fstack-protector-strong', '-Wl,-z,relro,-z,now']
const WRAP = {
  what: 'pvpn-wrap',
  folder: 'native/wrap',
  file: sanitize ? 'pvpn-wrap-sanitized' : 'pvpn-wrap',
  flags: ['-fPIE', '-pie', ...(sanitize ? [] : ['-D_FORTIFY_SOURCE=2'])],
}
const PRELOAD = {
  what: "pvpn-wrap's preload library",
  folder: 'native/preload',
  file: sanitize ? 'libpvpn-preload-sanitized.so' : 'libpvpn-preload.so',
  // It defines what the C library's headers would replace by checked variants.
  flags: ['-fPIC', '-shared', '-fvisibility=hidden', '-U_FORTIFY_SOURCE'],
}

const RELAY = {
  what: 'the relay of engine: openconnect',
  folder: 'native/relay',
  file: sanitize ? 'pvpn-tun-relay-sanitized' : 'pvpn-tun-relay',
  flags: WRAP.flags,
}

const COMMON = [
  '-std=c++17',
  '-fPIC',
  '-shared',
  '-fno-exceptions',
  '-fno-rtti',
  '-fvisibility=hidden',
  '-Wall',
  '-Wextra',
  `-DNAPI_VERSION=${NAPI_VERSION}`,
]
const RELEASE = ['-O2', '-DNDEBUG', '-fstack-protector-strong', '-Wl,-z,relro']
const SANITIZED = [
  '-O1',
  '-g',
  '-fno-omit-frame-pointer',
  '-fsanitize=address,undefined',
  '-fno-sanitize-recover=all',
]

function main() {
  if (process.platform !== 'linux') return skip(`${process.platform} is not supported`)
  const headers = headerFolder()
  if (headers === undefined) return skip('package node-api-headers is missing')
  const sources = readdirSync(SOURCES).filter((name) => name.endsWith('.cc'))
  const flags = [
    ...COMMON,
    ...(sanitize ? [...SANITIZED, '-fno-sanitize=vptr'] : RELEASE),
    `-I${headers}`,
  ]
  const stamp = `${target}.stamp`
  const state = fingerprint(SOURCES, flags)
  if (!force && existsSync(target) && readStamp(stamp) === state) return
  const compiler = findCompiler('CXX', ['c++', 'g++', 'clang++'])
  if (compiler === undefined) return skip('no C++ compiler (c++, g++ or clang++)')
  mkdirSync(OUTPUT, { recursive: true })
  // Beside the target, then renamed: a process that has the old one loaded keeps it whole.
  const fresh = `${target}.${process.pid}`
  const files = sources.map((name) => join(SOURCES, name))
  const failure = compile(compiler, [...flags, '-o', fresh, ...files])
  if (failure !== undefined) {
    rmSync(fresh, { force: true })
    return skip(`${compiler} failed: ${failure}`)
  }
  renameSync(fresh, target)
  writeFileSync(stamp, state)
}

/** Programs and libraries of their own in C: without them everything but `pvpn-wrap` works. */
function buildC({ folder, file, flags, what }) {
  if (process.platform !== 'linux') return
  const target = join(OUTPUT, file)
  const sources = join(ROOT, folder)
  const all = [...C_COMMON, ...flags, ...(sanitize ? SANITIZED : C_RELEASE)]
  const stamp = `${target}.stamp`
  const state = fingerprint(sources, all)
  if (!force && existsSync(target) && readStamp(stamp) === state) return
  const compiler = findCompiler('CC', ['cc', 'gcc', 'clang'])
  if (compiler === undefined) return skipC(target, what, 'no C compiler (cc, gcc or clang)')
  mkdirSync(OUTPUT, { recursive: true })
  const fresh = `${target}.${process.pid}`
  const files = readdirSync(sources).filter((name) => name.endsWith('.c'))
  const paths = files.map((name) => join(sources, name))
  const failure = compile(compiler, [...all, '-o', fresh, ...paths])
  if (failure !== undefined) {
    rmSync(fresh, { force: true })
    return skipC(target, what, `${compiler} failed: ${failure}`)
  }
  renameSync(fresh, target)
  writeFileSync(stamp, state)
}

function skipC(target, what, reason) {
  rmSync(target, { force: true })
  console.log(`${what} not built: ${reason}; everything else works`)
  if (must) process.exitCode = 1
}

/**
 * Compiles with warnings as errors; then without, so that what a newer compiler has learned to warn of
 * does not take the addon from a user. Returns the first line of what went wrong.
 */
function compile(compiler, args) {
  for (const strict of must ? [['-Werror']] : [['-Werror'], []]) {
    try {
      execFileSync(compiler, [...strict, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
      return undefined
    } catch (thrown) {
      if (strict.length === 0) return firstError(thrown)
      if (must) {
        process.stderr.write(thrown.stderr ?? '')
        return firstError(thrown)
      }
    }
  }
}

function firstError(thrown) {
  const lines = String(thrown.stderr ?? thrown.message).split('\n')
  return lines.find((line) => /error/i.test(line)) ?? lines[0]
}

/** node_api.h comes as a package, so that it needs neither Node's own headers nor a download. */
function headerFolder() {
  try {
    return createRequire(import.meta.url)('node-api-headers').include_dir
  } catch {
    return undefined
  }
}

function findCompiler(variable, usual) {
  const names = process.env[variable] ? [process.env[variable]] : usual
  return names.find((name) => {
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
}

/** What the result depends on: flags, compiler's name, architecture, every source. */
function fingerprint(folder, flags) {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([flags, process.arch, process.env.CXX ?? '', process.env.CC ?? '']))
  for (const name of readdirSync(folder).sort()) {
    if (/\.(c|cc|h)$/.test(name)) hash.update(name).update(readFileSync(join(folder, name)))
  }
  return hash.digest('hex')
}

function readStamp(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

function skip(reason) {
  // One of other sources must not be loaded by this version's loader.
  rmSync(target, { force: true })
  console.log(`native addon not built: ${reason}; slower TypeScript twins are used`)
  if (must) process.exitCode = 1
}

main()
buildC(WRAP)
buildC(PRELOAD)
buildC(RELAY)
