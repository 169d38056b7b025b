/** `pvpn start` asks at a real terminal (a pseudo-terminal of util-linux's `script`). */
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { freePort } from '../support/free-port.js'
import { atTerminal, type Dialogue, typeAt } from '../support/terminal.js'
import { type Workplace, workplace } from './gateway-support.js'

const PVPN = fileURLToPath(new URL('../../../bin/pvpn', import.meta.url))
const skip = spawnSync('script', ['--version']).status === 0 ? false : 'there is no `script`'

async function asking(t: Test) {
  const w = workplace(t)
  w.configure({ environments: [{ name: 'asks', port: await freePort() }], control: 0 })
  const up = w.up()
  await up.says(/asks {2}failed/)
  await up.says(/^control /m)
  return { w, up }
}

function typing({ env }: Workplace, args: readonly string[], dialogue: Dialogue) {
  const [program = '', ...rest] = atTerminal([process.execPath, PVPN, ...args])
  return typeAt(spawn(program, rest, { env }), dialogue)
}

t.test('start asks, shows no password, and tells how it went', { skip }, async (t) => {
  const { w, up } = await asking(t)
  t.match(up.stdout, /asks for this and that; to answer: pvpn start asks\n/)
  const { screen, status } = await typing(
    w,
    ['start', 'asks'],
    [
      [/asks: User name: $/, 'ann\r'],
      [/asks: Password: $/, 'wrong horse\r'],
      [/asks: Code: $/, '1\r'],
      [/auth failed: refused\r\nasks: User name: $/, 'anx\u007fn\r'],
      [/asks: Password: $/, 'right horse\r'],
      [/asks: Code: $/, '123456\r'],
    ],
  )
  t.equal(status, 0, screen)
  t.match(screen, /asks is up \(127\.0\.0\.1:\d+\)/)
  t.match(screen, /123456/, 'a code is shown as it is typed')
  t.notMatch(screen, /horse/, 'a password is not')
  const shown = await w.pvpn('status', '--json')
  t.notMatch(shown.stdout + up.stdout + up.stderr, /horse|123456/)
  t.notMatch(readFileSync(`/proc/${up.pid}/cmdline`, 'latin1'), /horse/)
})

t.test('an answer to what is asked no more is not sent', { skip }, async (t) => {
  const { w } = await asking(t)
  const { screen, status } = await typing(
    w,
    ['start', 'asks'],
    [
      [/asks: User name: $/, 'ann\r'],
      [
        /asks: Password: $/,
        async () => {
          await w.pvpn('restart', 'asks')
          return 'right horse\r'
        },
      ],
      [/asks: Code: $/, '123456\r'],
      [
        /asks: it has begun anew meanwhile, and the answer was not sent[\s\S]*User name: $/,
        'ann\r',
      ],
      [/asks: Password: $/, 'right horse\r'],
      [/asks: Code: $/, '123456\r'],
    ],
  )
  t.equal(status, 0, screen)
})

t.test('giving up leaves it as it is, and the terminal too', { skip }, async (t) => {
  const { w } = await asking(t)
  const given = await typing(
    w,
    ['start', 'asks'],
    [
      [/User name: $/, 'ann\r'],
      [/Password: $/, 'x\u0003'],
    ],
  )
  t.equal(given.status, 1)
  t.match(given.screen, /asks is failed: auth failed/)
  t.match((await w.pvpn('status', '--json')).stdout, /"field": "password"/)
})

t.test('without a terminal it says what to do', async (t) => {
  const { w } = await asking(t)
  for (const command of ['start', 'restart']) {
    const { status, stdout, stderr } = await w.pvpn(command, 'asks')
    t.equal(status, 1)
    t.match(stdout, /^asks is failed: auth failed: the server asks for this and that\n$/)
    t.match(
      stderr,
      /no terminal.*: pvpn start asks\nhint: or set username and password_file \(or password_command\) below/,
    )
  }
  const table = await w.pvpn('status')
  t.match(table.stdout, /hint: It asks for that: pvpn start asks\n/)
})
