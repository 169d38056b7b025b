/** What an SSH login asks of a person, typed at a terminal: passwords, keys' passwords, a server's own questions. */
import t from 'tap'
import { labSkip } from '../support/namespace.js'
import { WEB } from '../support/vpn-lab.js'
import { PASSWORD } from './ssh-lab.js'
import { SshWorld, skip } from './ssh-world.js'

t.test(
  'SSH logins of a person',
  { skip: skip || labSkip('script'), timeout: 600_000 },
  async (t) => {
    const world = await SshWorld.create(t, ['askpw', 'askkey', 'askcode'])
    const { gateway, ssh } = world
    const works = async (name: string, outcome: { screen: string; status: number | null }) => {
      t.equal(outcome.status, 0, outcome.screen)
      t.notMatch(
        outcome.screen,
        /right-horse|wrong-horse|sesame/,
        'nothing that was typed is shown',
      )
      t.match(await world.get(name, `http://${WEB}/`), /^office /)
    }

    t.ok(await gateway.reaches('askpw', 'failed', 20_000))
    t.match(await world.error('askpw'), /^auth failed: /)
    await works(
      'askpw',
      await gateway.typing(
        ['start', 'askpw'],
        [
          [/askpw: Password of ann@203\.0\.113\.2:22: $/, 'wrong-horse\r'],
          [/did not accept the password[\s\S]*askpw: Password of ann@\S+: $/, `${PASSWORD}\r`],
        ],
      ),
    )
    const refused = () =>
      ssh.log.match(/Failed (password|keyboard-interactive\/pam) for ann/g) ?? []
    t.equal(refused().length, 1, 'each password is sent once')

    t.ok(await gateway.reaches('askkey', 'failed', 20_000))
    await works(
      'askkey',
      await gateway.typing(
        ['start', 'askkey'],
        [
          [/askkey: Password of the key locked: $/, 'wrong\r'],
          [/does not open the key locked[\s\S]*Password of the key locked: $/, 'open-sesame\r'],
        ],
      ),
    )

    t.ok(await gateway.reaches('askcode', 'failed', 20_000))
    await works(
      'askcode',
      await gateway.typing(['start', 'askcode'], [[/askcode: Password[^\n]*: $/, `${PASSWORD}\r`]]),
    )
    t.notMatch(gateway.stdout + gateway.stderr, /horse|sesame/)
  },
)
