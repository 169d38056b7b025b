/** Our WireGuard against Debian's wireguard-go: both roles, preshared key, both outer families, cookies. */
import t from 'tap'
import { labSkip } from '../support/namespace.js'
import { PROGRAMS, WireguardGoLab } from './wireguard-go-lab.js'

const skip = labSkip(...PROGRAMS)

for (const family of [4, 6] as const) {
  for (const presharedKey of [false, true]) {
    const title = `IPv${family} outside, ${presharedKey ? 'a' : 'no'} preshared key`

    t.test(`we initiate: ${title}`, { skip }, async (t) => {
      const lab = await WireguardGoLab.create({ family, presharedKey, initiator: 'machine' })
      t.teardown(() => lab.destroy())
      lab.machine.tell('open')
      t.ok(await lab.machine.event('up'), 'up without traffic')
      t.match(await lab.machine.ask('ping 200 2 1300', 'answered'), { sent: 200, answered: 200 })
      t.match(await lab.server.check(['ping', '-c3', '-i0.2', '-W5', '10.77.0.2']), / 3 received/)
      t.match(await lab.server.check(['wg', 'show', 'wg0', 'latest-handshakes']), /\t1\d{9}/)
    })

    t.test(`wireguard-go initiates: ${title}`, { skip }, async (t) => {
      const lab = await WireguardGoLab.create({ family, presharedKey, initiator: 'wireguard-go' })
      t.teardown(() => lab.destroy())
      lab.machine.tell('open')
      t.match(await lab.server.check(['ping', '-c3', '-i0.2', '-W5', '10.77.0.2']), / 3 received/)
      t.ok(await lab.machine.event('up'))
      t.match(await lab.machine.ask('ping 200 2 1300', 'answered'), { sent: 200, answered: 200 })
      const status = await lab.machine.ask('status', 'seen')
      t.match(status, { seen: { out: [0, 0, 1, 0] } }, 'we answered one initiation and made none')
    })
  }
}

t.test('wireguard-go takes our cookies', { skip }, async (t) => {
  const lab = await WireguardGoLab.create({ family: 4, initiator: 'wireguard-go' })
  t.teardown(() => lab.destroy())
  lab.machine.tell('open')
  const stranger = await lab.stranger(lab.keys.machine, 4, 'machine')
  const flooded = stranger.answer('flooded', 30_000)
  stranger.tell('flood 500 10')
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const ping = lab.server.check(['ping', '-c9', '-W10', '10.77.0.2'], { timeout: 40_000 })
  t.ok(await lab.machine.event('up', 9000), 'up by the second initiation, while the flood goes on')
  const status = await lab.machine.ask('status', 'seen')
  const { load } = (status.counters as { drops: Record<string, number> }).drops
  t.ok((load ?? 0) > 100, `${load} messages refused`)
  t.match(await ping, / [1-9] received/)
  await flooded
})

t.test("we take wireguard-go's cookies", { skip }, async (t) => {
  const lab = await WireguardGoLab.create({ family: 4, initiator: 'machine' })
  t.teardown(() => lab.destroy())
  const stranger = await lab.stranger(lab.keys.server, 4, 'wireguard-go')
  const flooded = stranger.answer('flooded', 60_000)
  stranger.tell('flood 20000 12')
  await new Promise((resolve) => setTimeout(resolve, 500))
  lab.machine.tell('open')
  t.ok(await lab.machine.event('up', 40_000))
  const { seen } = (await lab.machine.ask('status', 'seen')) as { seen: { in: number[] } }
  t.ok((seen.in[3] ?? 0) > 0, `${seen.in[3]} cookies`)
  await flooded
  t.match(await lab.machine.ask('ping 20 10 100', 'answered'), { answered: 20 })
})
