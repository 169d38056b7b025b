/** The child of `engine: openconnect`, with shell scripts in its place. */
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ProgramEnd } from '../../src/core/tunnel-program.js'
import { PROGRAM_OUTPUT } from '../../src/io/limits.js'
import { ProgramSocket } from '../../src/io/tunnel-program.js'
import { accel } from '../../src/native/accel.js'

const built =
  accel()?.channel !== undefined &&
  existsSync(new URL('../../native/pvpn-tun-relay', import.meta.url))
const skip = built ? false : 'needs the native parts'

function run(socket: ProgramSocket, args: readonly string[] = [], input = ''): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    socket.start(args, input, { onLink: () => undefined, onEnd: resolve })
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
