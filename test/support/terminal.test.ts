import { spawn } from 'node:child_process'
import t from 'tap'
import { typeAt } from './terminal.js'

const shell = (script: string) => spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'pipe'] })

t.test('types what is wanted at each prompt', async (t) => {
  const asked = shell(
    'printf name:; read name; printf again:; read again; echo $name-$again; exit 3',
  )
  const typed = await typeAt(asked, [
    [/name:$/, 'a\n'],
    [/again:$/, async () => 'b\n'],
  ])
  t.same(typed, { screen: 'name:again:a-b\n', status: 3 })
})

t.test('a dialogue that does not come to its end says what was missing', async (t) => {
  const asks = shell('printf other:; exec sleep 60')
  await t.rejects(typeAt(asks, [[/name:$/, 'a\n']], 200), {
    message: 'no /name:$/ within 200 ms; the terminal shows: other:',
  })
  const stays = shell('printf name:; exec sleep 60')
  await t.rejects(typeAt(stays, [[/name:$/, 'a\n']], 200), /no the end within 200 ms/)
  t.ok(asks.killed && stays.killed)
})
