/** UDP ASSOCIATE at the policy port: every datagram goes where its target belongs. */
import t from 'tap'
import { RawClient } from '../support/proxy.js'
import { udpPeer } from '../support/udp.js'
import { policyWorld } from './policy-support.js'

const text = (s: string) => [...Buffer.from(s)]
const toFour = (port: number, payload: string) => [
  ...[0, 0, 0, 1, 127, 0, 0, 1, port >> 8, port & 255],
  ...text(payload),
]
const toName = (name: string, port: number, payload: string) => [
  ...[0, 0, 0, 3, name.length],
  ...text(name),
  ...[port >> 8, port & 255],
  ...text(payload),
]

async function associate(port: number): Promise<{ tcp: RawClient; relay: number }> {
  const tcp = await RawClient.open(port)
  tcp.send([5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0])
  await tcp.take(2)
  const reply = await tcp.take(10)
  if (reply[1] !== 0) throw new Error(`reply ${reply[1]}`)
  return { tcp, relay: reply.readUInt16BE(8) }
}

t.test('one association, datagrams for two environments and for none', async (t) => {
  const [one, two, three] = [
    await udpPeer(t, { echo: true }),
    await udpPeer(t, { echo: true }),
    await udpPeer(t, { echo: true }),
  ]
  const world = await policyWorld(t, {
    rules: [
      { port: [one.port], environment: 'office' },
      { port: [two.port], program: 'node', environment: 'site' },
    ],
    environments: { office: {}, site: {} },
  })
  const { tcp, relay } = await associate(world.port)
  const client = await udpPeer(t)
  const decided = () => world.policy.recent.map(({ environment, by }) => `${environment} ${by}`)

  for (const i of [1, 2, 3]) client.send(toFour(one.port, `one ${i}`), relay)
  const answers = [await client.next(), await client.next(), await client.next()]
  t.same(
    answers.map((b) => b?.subarray(10).toString()),
    ['one 1', 'one 2', 'one 3'],
    'those that came before the decision, in their order',
  )
  t.same(decided(), ['office rule'], 'decided once')
  client.send(toFour(two.port, 'two'), relay)
  t.same([...((await client.next()) ?? [])], toFour(two.port, 'two'))
  client.send(toFour(three.port, 'three'), relay)
  client.send(toName('127.0.0.1.site.pvpn.internal', three.port, 'named'), relay)
  const named = [...((await client.next()) ?? [])]
  t.same(named, toFour(three.port, 'named'), 'the one before was allowed by no rule')
  client.send(toName('localhost', one.port, 'by name'), relay)
  t.same((await client.next())?.subarray(-7).toString(), 'by name')
  t.same(decided().sort(), ['null default', 'office rule', 'office rule', 'site name', 'site rule'])

  const stranger = await udpPeer(t)
  stranger.send(toFour(one.port, 'stranger'), relay)
  client.send(toFour(one.port, 'mine'), relay)
  t.equal((await client.next())?.subarray(10).toString(), 'mine')
  t.equal(await stranger.next(100), undefined)

  await world.supervisor.act('office', 'restart', 5000)
  let back: Buffer | undefined
  for (let i = 0; i < 50 && back === undefined; i++) {
    client.send(toFour(one.port, 'again'), relay)
    back = await client.next(100)
  }
  t.equal(back?.subarray(10).toString(), 'again', 'a branch that ended is opened again')
  tcp.close()
})

t.test('the association ends with its connection, inside too', async (t) => {
  const peer = await udpPeer(t, { echo: true })
  const world = await policyWorld(t, {
    rules: [{ port: [peer.port], environment: 'office' }],
  })
  const { tcp, relay } = await associate(world.port)
  const client = await udpPeer(t)
  client.send(toFour(peer.port, 'x'), relay)
  await client.next()
  t.equal((await world.supervisor.environment('office'))?.connections, 1)
  tcp.socket.end()
  await tcp.rest()
  while ((await world.supervisor.environment('office'))?.connections !== 0) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  client.send(toFour(peer.port, 'late'), relay)
  t.equal(await client.next(100), undefined)
})
