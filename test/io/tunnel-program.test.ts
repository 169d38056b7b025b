/** The child of `engine: openconnect`, with shell scripts in its place. */
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ProgramEnd } from '../../src/core/tunnel-program.js'
import { PROGRAM_END, PROGRAM_OUTPUT } from '../../src/io/limits.js'
import { ProgramSocket } from '../../src/io/tunnel-program.js'
import { accel } from '../../src/native/accel.js'

const built =
  accel()?.channel !== undefined &&
  existsSync(new URL('../../native/pvpn-tun-relay', import.meta.url))
const skip = built ? false : 'needs the native parts'

function run(socket: ProgramSocket, args: readonly string[] = [], input = ''): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    socket.start(args, input, {
      onPrinted: () => undefined,
      onLink: () => undefined,
      onEnd: resolve,
    })
  })
}

function fake(t: Test, script: string): string {
  const folder = t.testdir({})
  writeFileSync(join(folder, 'openconnect'), `#!/bin/sh\n${script}\n`)
  chmodSync(join(folder, 'openconnect'), 0o755)
  return folder
}

t.test('no such program', { skip }, async (t) => {
  const socket = new ProgramSocket(t.testdir({}))
  t.equal((await run(socket)).missing, 'program')
  socket.close()
})

t.test('what it prints, reads and sees', { skip }, async (t) => {
  // Names alone: tap gives each child variables of its own, of which one lists all test files.
  const seen = `export | /bin/sed -n "s/^export \\([A-Za-z_]*\\)=.*/\\1/p" >&2
    case "$(export)" in *hidden*) echo leaked >&2;; esac`
  const folder = fake(t, `read -r word; echo "word $word, $# arguments, last $2"; ${seen}`)
  const socket = new ProgramSocket(folder)
  process.env.PVPN_TEST_SECRET = 'hidden'
  t.teardown(() => delete process.env.PVPN_TEST_SECRET)
  const { output } = await run(socket, ['one'], 'horse\n')
  t.match(output, /word horse, 2 arguments, last one/)
  t.match(output, /^PWD$/m, 'its shell shows what it has')
  t.notMatch(output, /leaked|PVPN_TEST|HOME/, 'nothing of ours')
  socket.close()
})

t.test('output without end', { skip }, async (t) => {
  const folder = fake(
    t,
    'i=0; while [ $i -lt 3000 ]; do echo "line $i of many"; i=$((i+1)); done; echo last',
  )
  const { output } = await run(new ProgramSocket(folder))
  t.ok(output.length <= PROGRAM_OUTPUT)
  t.match(output, /last\n$/)
})

t.test('one that does not end when it is asked is killed', { skip }, async (t) => {
  const folder = fake(t, 'trap "" INT; exec /bin/sleep 60')
  const socket = new ProgramSocket(folder)
  void run(socket).then(() => t.fail('told of a run that was stopped'))
  await new Promise((resolve) => setTimeout(resolve, 200))
  socket.close()
  await socket.flushed
  t.pass('it has ended')
})

t.test('a dialogue: what it asks on standard error, and what it is told', { skip }, async (t) => {
  const folder = fake(
    t,
    `echo progress; printf 'Pass' >&2; printf 'word:' >&2; read -r a
     echo "Please enter your code." >&2; printf 'Code:' >&2; read -r b
     echo "told $a and $b"; read -r c || echo "nothing more"`,
  )
  const socket = new ProgramSocket(folder)
  const seen = { output: '', errors: '' }
  const told: string[] = []
  const end = await new Promise<ProgramEnd>((resolve) => {
    socket.start([], '', {
      onPrinted: (text, errors) => {
        seen[errors ? 'errors' : 'output'] += text
        const answers = [
          [/Password:$/, 'horse'],
          [/Code:$/, '123456'],
        ] as const
        const [pattern, answer] = answers[told.length] ?? [/$^/, '']
        if (!pattern.test(seen.errors)) return
        told.push(answer)
        socket.say(answer)
        if (told.length === 2) setTimeout(() => socket.say('third'), 300)
      },
      onLink: () => undefined,
      onEnd: resolve,
    })
  })
  t.match(end.output, /told horse and 123456/)
  t.equal(seen.errors, 'Password:Please enter your code.\nCode:')
  t.match(seen.output, /^progress\n/)
  socket.say('to nobody')
  socket.close()
})

t.test('one that waits for an answer ends when it is stopped', { skip }, async (t) => {
  // As a read that a signal does not interrupt.
  const folder = fake(t, 'trap "" INT; read -r line; echo over')
  const socket = new ProgramSocket(folder)
  void run(socket)
  await new Promise((resolve) => setTimeout(resolve, 200))
  const before = Date.now()
  socket.close()
  await socket.flushed
  t.ok(Date.now() - before < PROGRAM_END, 'before it would have been killed')
})
