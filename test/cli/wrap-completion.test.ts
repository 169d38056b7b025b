/** Completion of `pvpn-wrap`, asked of the shells themselves. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { writeScript } from '../../src/cli/completion-script.js'

const folder = mkdtempSync(join(tmpdir(), 'pvpn-completion-'))
t.teardown(() => rmSync(folder, { recursive: true }))
/** Stands for `pvpn completion --environments`. */
writeFileSync(join(folder, 'pvpn'), '#!/bin/sh\nprintf "office\\nsite\\n"\n', { mode: 0o755 })
writeFileSync(join(folder, 'pvpn-lab-program'), '#!/bin/sh\n', { mode: 0o755 })
const env = { HOME: folder, PATH: `${folder}:${process.env.PATH}` }
const commands = [{ name: 'status', summary: 'what runs', options: [], first: 'none' as const }]
const has = (shell: string) => spawnSync(shell, ['-c', 'true'], { env }).status === 0

function bash(line: string): readonly string[] {
  const words = line.split(' ')
  const script = `${writeScript('bash', commands)}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
_pvpn_wrap; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], {
    env,
    cwd: folder,
    encoding: 'utf8',
  })
  return stderr === '' ? [...new Set(stdout.split('\n'))].filter((one) => one !== '') : [stderr]
}

function fish(line: string): readonly string[] {
  const file = join(folder, 'pvpn.fish')
  writeFileSync(file, writeScript('fish', commands))
  const script = `source ${file}; complete -C '${line}'`
  const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', script], {
    env,
    cwd: folder,
    encoding: 'utf8',
    input: '',
  })
  const names = stdout.split('\n').map((one) => one.split('\t')[0] ?? '')
  return stderr === '' ? names.filter((one) => one !== '') : [stderr]
}

const CASES: readonly [string, readonly string[]][] = [
  ['pvpn-wrap ', ['office', 'site']],
  ['pvpn-wrap s', ['site']],
  ['pvpn-wrap --via ', ['auto', 'netns', 'preload']],
  ['pvpn-wrap --via p', ['preload']],
  ['pvpn-wrap --via netns of', ['office']],
  ['pvpn-wrap -v --wait 3 of', ['office']],
  ['pvpn-wrap --wait ', []],
  ['pvpn-wrap --ho', ['--host-port']],
  ['pvpn-wrap office pvpn-lab-', ['pvpn-lab-program']],
  ['pvpn-wrap --wait 3 office pvpn-lab-', ['pvpn-lab-program']],
]

for (const [name, complete] of Object.entries({ bash, fish })) {
  const skip = !has(name) && `${name} is not installed`
  t.test(name, { skip }, (t) => {
    for (const [line, wanted] of CASES) t.strictSame(complete(line), wanted, line)
    t.end()
  })
}

t.test("bash leaves the command's words to its own completion", { skip: !has('bash') }, (t) => {
  const script = `${writeScript('bash', commands)}
_command_offset() { COMPREPLY=("from $1"); }
COMP_WORDS=(pvpn-wrap --wait 3 office git che); COMP_CWORD=5
_pvpn_wrap; echo "$COMPREPLY"`
  t.equal(spawnSync('bash', ['--norc', '-c', script], { env, encoding: 'utf8' }).stdout, 'from 4\n')
  t.end()
})

t.test('zsh reads its script, which serves both commands', { skip: !has('zsh') }, (t) => {
  const file = join(folder, '_pvpn')
  writeFileSync(file, writeScript('zsh', commands))
  const dump = join(folder, 'dump')
  const script = `autoload -Uz compinit; fpath=(${folder} $fpath); compinit -u -d ${dump}
echo $_comps[pvpn] $_comps[pvpn-wrap]`
  const { stdout } = spawnSync('zsh', ['-f', '-c', script], { env, encoding: 'utf8' })
  t.equal(stdout, '_pvpn _pvpn\n')
  t.equal(spawnSync('zsh', ['-n', file], { env, encoding: 'utf8' }).stderr, '')
  t.end()
})
