/**
 * Builds the optional addon native/accel into build/native/accel.node, and the wrapper native/wrap into
 * build/native/pvpn-wrap. Plain JavaScript and without
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

const WRAP_SOURCES = join(ROOT, 'native/wrap')
const wrapTarget = join(OUTPUT, sanitize ? 'pvpn-wrap-sanitized' : 'pvpn-wrap')
const WRAP_COMMON = ['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-fPIE', '-pie']
const WRAP_RELEASE = [
  '-O2',
  '-D_FORTIFY_SOURCE=2',
  '-fstack-protector-strong',
  '-Wl,-z,relro,-z,now',
]

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

/** The wrapper is a program of its own in C: without it everything but `pvpn-wrap` works. */
function buildWrap() {
  if (process.platform !== 'linux') return
  const flags = [...WRAP_COMMON, ...(sanitize ? SANITIZED : WRAP_RELEASE)]
  const stamp = `${wrapTarget}.stamp`
  const state = fingerprint(WRAP_SOURCES, flags)
  if (!force && existsSync(wrapTarget) && readStamp(stamp) === state) return
  const compiler = findCompiler('CC', ['cc', 'gcc', 'clang'])
  if (compiler === undefined) return skipWrap('no C compiler (cc, gcc or clang)')
  mkdirSync(OUTPUT, { recursive: true })
  const fresh = `${wrapTarget}.${process.pid}`
  const files = readdirSync(WRAP_SOURCES).filter((name) => name.endsWith('.c'))
  const sources = files.map((name) => join(WRAP_SOURCES, name))
  const failure = compile(compiler, [...flags, '-o', fresh, ...sources])
  if (failure !== undefined) {
    rmSync(fresh, { force: true })
    return skipWrap(`${compiler} failed: ${failure}`)
  }
  renameSync(fresh, wrapTarget)
  writeFileSync(stamp, state)
}

function skipWrap(reason) {
  rmSync(wrapTarget, { force: true })
  console.log(`pvpn-wrap not built: ${reason}; everything else works`)
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
buildWrap()
