/** What native/wrap says of programs before it starts them; built with the sanitizers, and fuzzed. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'pvpn-inspect-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const program = join(folder, 'inspect')

const sources = ['native/wrap/elf.c', 'native/wrap/script.c', 'native/wrap/inspect.c']
const flags = ['-std=gnu11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-O1', '-g']
const built = spawnSync(
  'cc',
  [
    ...flags,
    '-fsanitize=address,undefined',
    '-fno-sanitize-recover=all',
    `-I${join(ROOT, 'native/wrap')}`,
    ...['-o', program, join(ROOT, 'test/native/inspect/inspect.c')],
    ...sources.map((name) => join(ROOT, name)),
  ],
  { encoding: 'utf8' },
)
const skip = process.platform !== 'linux' || built.error !== undefined ? 'no compiler' : false

function run(mode: string, words: readonly string[], path = process.env.PATH): readonly string[] {
  const { NODE_OPTIONS: _, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(program, [mode, ...words], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...env, PATH: path, ASAN_OPTIONS: 'detect_leaks=0' },
  })
  if (status !== 0) throw new Error(stderr)
  return stdout.split('\n').slice(0, -1)
}

function file(name: string, text: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  chmodSync(path, 0o755)
  return path
}

/** A 64-bit program of this byte order; `interpreter` and `note` as its only segments. */
function elf(o: { machine?: number; wide?: boolean; interpreter?: string; note?: Buffer }): Buffer {
  const own = process.arch === 'arm64' ? 183 : 62
  const wide = o.wide ?? true
  const parts: [number, Buffer][] = []
  if (o.interpreter !== undefined) parts.push([3, Buffer.from(`${o.interpreter}\0`)])
  if (o.note !== undefined) parts.push([4, o.note])
  const head = Buffer.alloc(64 + 56 * parts.length)
  head.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1])
  head.writeUInt16LE(3, 16)
  head.writeUInt16LE(o.machine ?? own, 18)
  if (!wide) return head
  head.writeBigUInt64LE(64n, 32)
  head.writeUInt16LE(56, 54)
  head.writeUInt16LE(parts.length, 56)
  let at = head.length
  parts.forEach(([type, bytes], i) => {
    head.writeUInt32LE(type, 64 + 56 * i)
    head.writeBigUInt64LE(BigInt(at), 64 + 56 * i + 8)
    head.writeBigUInt64LE(BigInt(bytes.length), 64 + 56 * i + 32)
    at += bytes.length
  })
  return Buffer.concat([head, ...parts.map(([, bytes]) => bytes)])
}

t.test('builds without warnings', { skip }, (t) => {
  t.equal(built.status, 0, built.stderr)
  t.end()
})

t.test('programs of glibc are served, others named with the reason', { skip }, (t) => {
  const musl = file('musl', elf({ interpreter: '/lib/ld-musl-x86_64.so.1' }))
  const bare = file('bare', elf({}))
  const note = Buffer.from([4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 0x47, 0x6f, 0, 0, 1, 2, 3, 4])
  const go = file('go', elf({ interpreter: '/lib64/ld-linux-x86-64.so.2', note }))
  const i386 = file('i386', elf({ machine: 3, wide: false }))
  const x32 = file('x32', elf({ machine: 62, wide: false }))
  const foreign = file('foreign', elf({ machine: 243 }))
  const broken = file('broken', elf({ interpreter: 'x' }).subarray(0, 70))
  const strange = file('strange', new Uint8Array([1, 2, 0, 3]))
  const said = run('check', [musl, bare, go, i386, x32, foreign, broken, strange])
  const wanted = [
    /another C library than glibc.*--via netns/,
    /is static.*--via netns/,
    /made by Go.*--via netns/,
    /program for i386/,
    /program for x32/,
    /program for another machine/,
    /not a program that can be understood/,
    /no program of a kind/,
  ]
  t.equal(said.length, wanted.length)
  wanted.forEach((pattern, i) => {
    t.match(said[i], pattern)
  })
  t.strictSame(run('check', [process.execPath, 'sh', 'no-such-program', '/']), Array(4).fill('ok'))
  t.end()
})

t.test('scripts are followed to the program that runs them', { skip }, (t) => {
  file('static', elf({}))
  const first = file('first', `#! ${folder}/static -x\n`)
  const second = file('second', `#!${folder}/first\n`)
  const env = file('by-env', '#!/usr/bin/env static\n')
  const split = file('split', '#!/usr/bin/env -S A=1 -u B static -v\n')
  const shell = file('shell', 'echo no line for the kernel\n')
  const circle = file('circle', `#!${folder}/circle\n`)
  const said = run('check', [first, second, env, split], `${folder}:${process.env.PATH}`)
  t.equal(said.length, 4)
  for (const line of said) t.match(line, /static is static/)
  t.match(run('check', [circle]), [/too many #!/])
  t.strictSame(run('check', [shell, file('sh', '#!/bin/sh -e\n')]), ['ok', 'ok'])
  t.match(run('check', ['static'], `/nowhere:${folder}`), [`${folder}/static is static`])
  t.match(run('check', ['static'], ':/bin'), ['./static is static'])
  t.end()
})

t.test('what env runs', { skip }, (t) => {
  const cases: readonly [string, string][] = [
    ['python3', 'python3'],
    ['python3 -u', 'python3 -u'],
    ['', '-'],
    ['-i', '-'],
    ['A=1', '-'],
    ['-S python3 -u', 'python3'],
    ['-Spython3 -u', 'python3'],
    ['-vS "a b" c', 'a b'],
    ["-S A='x y' -C /tmp --debug node --flag", 'node'],
    ['--split-string=perl -w', 'perl'],
    ['-S', '-'],
    ['-S A=1 -u', '-'],
  ]
  t.strictSame(
    run(
      'env',
      cases.map(([argument]) => argument),
    ),
    cases.map(([, program]) => program),
  )
  t.end()
})

t.test('changed files never read outside of memory', { skip }, (t) => {
  const seed = String(Date.now() % 1_000_000)
  const seconds = String(Number(process.env.FUZZ_SECONDS ?? 2))
  const script = file('script', '#!/usr/bin/env -S A="1 2" python3 -u\n')
  const small = file('small', elf({ interpreter: '/lib64/ld-linux-x86-64.so.2' }))
  const files = [script, small, program, '/bin/sh'].filter((path) => existsSync(path))
  const [runs] = run('fuzz', [seed, seconds, ...files])
  t.ok(Number(runs) >= 1000, `${runs} runs, seed ${seed}`)
  t.end()
})
