/** Logins at Debian's sshd, behind NAT, beside a WireGuard environment with the very same numbers. */
import t from 'tap'
import { PVPN, unprivileged } from '../support/lab-gateway.js'
import { WEB } from '../support/vpn-lab.js'
import { OFFICE, SshWorld, skip } from './ssh-world.js'

const LOGINS = ['key', 'rsa', 'ecdsa', 'agent', 'password', 'keyboard', 'both']
const JUMPS = ['jumps', 'jumped']

t.test('SSH as a tunnel', { skip, timeout: 600_000 }, async (t) => {
  const world = await SshWorld.create(t, [...LOGINS, ...JUMPS, 'deep'])
  const { lab, ssh, gateway } = world
  const get = world.get.bind(world)
  const error = world.error.bind(world)

  await t.test('every kind of login, and jump hosts', async (t) => {
    for (const name of LOGINS) {
      t.ok(await gateway.reaches(name, 'up', 30_000), `${name}: ${await error(name)}`)
      t.match(await get(name, `http://${WEB}/`), /^office /, name)
    }
    for (const name of JUMPS) {
      t.ok(await gateway.reaches(name, 'up', 20_000), `${name}: ${await error(name)}`)
      t.match(await get(name, `http://${WEB}/`), /^site /, name)
    }
    t.match((await gateway.environment('key')).tunnel, { type: 'ssh', endpoint: `${OFFICE}:22` })
    t.match(
      await gateway.curl('office', `http://${WEB}/`),
      { stdout: /^office / },
      'WireGuard beside it',
    )
  })

  await t.test('through WireGuard', async (t) => {
    t.ok(await gateway.reaches('deep', 'up', 30_000), await error('deep'))
    t.match(await get('deep', `http://${WEB}/`), /^office /)
    t.match(ssh.log, /Connection from 192\.168\.9\.52/)
  })

  await t.test('pvpn-wrap', async (t) => {
    const wrap = PVPN.replace(/pvpn$/, 'pvpn-wrap')
    for (const via of ['netns', 'preload']) {
      const argv = [wrap, '--via', via, 'key', 'curl', '-sS', '-m', '15', `http://${WEB}/`]
      const { stdout, stderr } = await lab.client.run(unprivileged(argv), { env: gateway.env })
      t.match(`${stdout}${stderr}`, /^office /, via)
    }
  })
})
