/** scripts/build-native.js in a copy of what it needs: it must never fail an installation. */
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const compiler = ['c++', 'g++', 'clang++'].some(
  (name) => spawnSync(name, ['--version']).status === 0,
)

/** A copy of the project with just the native sources; removed with the test. */
function copy(t: { teardown(run: () => void): void }): string {
  const root = mkdtempSync(join(tmpdir(), 'pvpn-build-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  cpSync(join(ROOT, 'native'), join(root, 'native'), { recursive: true })
  mkdirSync(join(root, 'scripts'))
  cpSync(join(ROOT, 'scripts/build-native.js'), join(root, 'scripts/build-native.js'))
  cpSync(join(ROOT, 'package.json'), join(root, 'package.json'))
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  return root
}

function build(root: string, env: NodeJS.ProcessEnv = {}, ...args: string[]) {
  const { CXX: _, ...inherited } = process.env
  return spawnSync(process.execPath, [join(root, 'scripts/build-native.js'), ...args], {
    encoding: 'utf8',
    env: { ...inherited, ...env },
  })
}

const addonOf = (root: string): string => join(root, 'build/native/accel.node')

t.test('without a compiler one line is printed, and nothing fails', (t) => {
  const root = copy(t)
  const { status, stdout } = build(root, { CXX: 'no-such-compiler' })
  t.equal(status, 0)
  t.match(stdout, /^native addon not built: no C\+\+ compiler .*twins are used\n$/)
  t.notOk(existsSync(addonOf(root)))
  t.equal(build(root, { CXX: 'no-such-compiler' }, '--must').status, 1, 'unless it must be there')
  t.end()
})

t.test('with a compiler', { skip: !compiler && 'no compiler' }, async (t) => {
  const root = copy(t)
  const first = build(root)
  t.strictSame([first.status, first.stdout, first.stderr], [0, '', ''])
  const { ino } = statSync(addonOf(root))

  await t.test('it builds once, and again when a source changes', async (t) => {
    build(root)
    t.equal(statSync(addonOf(root)).ino, ino, 'nothing changed')
    appendFileSync(join(root, 'native/accel/host.h'), '\n')
    build(root)
    t.not(statSync(addonOf(root)).ino, ino, 'a header changed')
  })

  await t.test('an addon of other sources is taken away', async (t) => {
    appendFileSync(join(root, 'native/accel/module.cc'), 'this is no C++;\n')
    const { status, stdout } = build(root)
    t.equal(status, 0)
    t.match(stdout, /^native addon not built: .*error.*twins are used\n$/)
    t.notOk(existsSync(addonOf(root)))
  })
})
