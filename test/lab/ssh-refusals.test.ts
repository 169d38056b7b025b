/** What SSH as a tunnel must not do, and what it says then. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { WEB } from '../support/vpn-lab.js'
import { OFFICE, SshWorld, skip } from './ssh-world.js'

const FAIL = ['unknown', 'changed', 'revoked', 'wrongpw', 'wrongkey']

t.test('SSH as a tunnel: refusals', { skip, timeout: 600_000 }, async (t) => {
  const world = await SshWorld.create(t, [...FAIL, 'key', 'eve'])
  const { ssh, gateway } = world
  const get = world.get.bind(world)
  const error = world.error.bind(world)

  await t.test('what must not be: it fails at once, and says what to do', async (t) => {
    for (const name of FAIL) {
      t.ok(await gateway.reaches(name, 'failed', 20_000), `${name}: ${await error(name)}`)
      t.match(await get(name, `http://${WEB}/`), /curl: \(97\)/, 'nothing goes elsewhere')
    }
    const print = execFileSync('ssh-keygen', ['-lf', join(ssh.folder, 'host-office-ed25519.pub')], {
      encoding: 'utf8',
    })
    const fingerprint = print.split(' ')[1] ?? '-'
    const unknown = await error('unknown')
    t.match(unknown, /is not known: /)
    t.match(unknown, /ssh-keyscan -t \w+ -p 22 203\.0\.113\.2 >> .*\/empty/)
    t.match(await error('changed'), /HAS CHANGED/)
    t.ok((await error('changed')).includes(fingerprint), 'the key that is known is asked for')
    t.match(await error('changed'), /changed:1 has another/)
    t.match(await error('revoked'), /REVOKED/)
    t.match(
      await error('wrongpw'),
      /^auth failed: ann@203\.0\.113\.2:22: the server did not accept the password/,
    )
    t.match(await error('wrongkey'), /^auth failed: .*did not accept key stranger/)
    const refused = ssh.log.match(/Failed (password|keyboard-interactive\/pam) for ann/g)?.length
    t.equal(refused, 1, 'a wrong password is sent once')
    t.notMatch(gateway.stdout + gateway.stderr, /horse|sesame/, 'no password in logs')
  })

  await t.test('names, refusals and UDP', async (t) => {
    t.match(await get('key', 'http://www.office.example/'), /^office /, 'names are resolved there')
    t.match(await get('key', `http://${WEB}:9/`), /Connection refused|\(5\)/i, 'refused')
    t.match(await world.socks('key', 'nowhere.example', 80), /^reply 4/, 'no such name')
    t.match(await world.socks('key', WEB, 9), /^reply 5/, 'refused')
    t.match(await world.socks('key', '203.0.113.99', 80), /^reply (3|4)/, 'unreachable')
    t.ok(await gateway.reaches('eve', 'up', 20_000))
    t.match(await world.socks('eve', WEB, 80), /^reply 2/, 'the server does not allow it')
    t.match(await world.socks('key', '', 0, 3), /^reply 7/, 'no UDP')
  })

  await t.test('an unknown key is learned, and it comes up', async (t) => {
    gateway.write('empty', ssh.known(OFFICE, 'office-ed25519'))
    await gateway.pvpn('restart', 'unknown')
    t.ok(await gateway.reaches('unknown', 'up', 20_000), await error('unknown'))
  })
})
