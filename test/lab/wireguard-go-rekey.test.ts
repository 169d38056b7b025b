/** Traffic across a rekey with wireguard-go, in both roles: nothing is lost. Takes 140 s: LAB_LONG=1. */
import t from 'tap'
import { labSkip } from '../support/namespace.js'
import { type LabOptions, PROGRAMS, WireguardGoLab } from './wireguard-go-lab.js'

t.setTimeout(900_000)

const SECONDS = 140
const skip = process.env.LAB_LONG === '1' ? labSkip(...PROGRAMS) : 'takes 140 s: set LAB_LONG=1'

t.test('rekey under traffic', { skip, timeout: 600_000 }, async (t) => {
  const roles: LabOptions['initiator'][] = ['machine', 'wireguard-go']
  await Promise.all(
    roles.map(async (initiator) => {
      const lab = await WireguardGoLab.create({ family: 4, initiator, presharedKey: true })
      t.teardown(() => lab.destroy())
      lab.machine.tell('open')
      await lab.server.check(['ping', '-c1', '-W5', '10.77.0.2'])
      const count = SECONDS * 100
      const theirs = lab.server.check(
        ['ping', '-q', '-i', '0.02', '-c', `${SECONDS * 50}`, '10.77.0.2'],
        { timeout: 200_000 },
      )
      const ours = await lab.machine.ask(`ping ${count} 10 1200`, 'answered', 200_000)
      t.equal(ours.answered, count, `${initiator} initiates: our pings`)
      t.match(await theirs, / 0% packet loss/, `${initiator} initiates: their pings`)
      const { seen } = (await lab.machine.ask('status', 'seen')) as {
        seen: Record<'in' | 'out', number[]>
      }
      const initiations = seen[initiator === 'machine' ? 'out' : 'in'][1] ?? 0
      t.ok(initiations >= 2, `${initiations} handshakes`)
      t.notOk(await lab.machine.event('down', 1))
    }),
  )
})
