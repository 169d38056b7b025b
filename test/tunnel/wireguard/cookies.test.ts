/** mac1, mac2 and cookies: load, proof of address, limits per address. */
import t from 'tap'
import { generateKeyPair } from '../../../src/crypto/x25519.js'
import {
  WG_HANDSHAKES_PER_ADDRESS,
  WG_HANDSHAKES_PER_SECOND,
  WG_LOAD_ADDRESSES,
} from '../../../src/tunnel/wireguard/limits.js'
import { LoadMeter } from '../../../src/tunnel/wireguard/load-meter.js'
import { MacChecker, MacWriter } from '../../../src/tunnel/wireguard/macs.js'
import { seededRandom } from '../../support/seeded.js'
import { connectedPair, kind, pair, record, SERVER, stranger } from './world.js'

t.test('under load a client gets a cookie and is let in by it', (t) => {
  const { world, client, server } = pair()
  server.open()
  const bogus = stranger(server)
  const flood = () => {
    for (let n = 0; n < WG_HANDSHAKES_PER_SECOND + 50; n++) server.receive('192.0.2.66:666', bogus)
    world.at(world.now + 1000, flood)
  }
  flood()
  client.open()
  world.run(4000)
  const toClient = () => world.sent.filter((d) => d.to === client.address).map((d) => d.bytes)
  t.same(toClient().map(kind), [3], 'a cookie reply, and no response')
  t.same(toClient()[0]?.length, 64)
  world.run(2000)
  t.same(client.story, ['trying', 'up'], 'the next initiation has mac2')
  const initiations = world.sent.filter((d) => kind(d.bytes) === 1)
  t.ok(initiations[0]?.bytes.subarray(132).every((byte) => byte === 0))
  t.notOk(initiations[1]?.bytes.subarray(132).every((byte) => byte === 0))
  t.ok((server.tunnel.counters.drops.load ?? 0) > 100)
  t.end()
})

t.test('without load nobody needs a cookie', (t) => {
  const { world, server } = connectedPair()
  const bogus = stranger(server)
  for (let second = 0; second < 5; second++) {
    for (let n = 0; n < WG_HANDSHAKES_PER_SECOND / 2; n++) server.receive('192.0.2.66:666', bogus)
    world.run(1000)
  }
  t.equal(server.tunnel.counters.drops.load, 0)
  t.equal(server.tunnel.counters.drops.handshake, (5 * WG_HANDSHAKES_PER_SECOND) / 2)
  t.same(
    world.sent.filter((d) => d.to === '192.0.2.66:666'),
    [],
    'strangers get no answer',
  )
  t.end()
})

t.test('a message without a good mac1 is no load and gets no answer', (t) => {
  const { world, server } = connectedPair()
  const bogus = stranger(server)
  bogus[116] = (bogus[116] as number) ^ 1
  for (let n = 0; n < 1000; n++) server.receive('192.0.2.66:666', bogus)
  t.equal(server.tunnel.counters.drops.mac1, 1000)
  t.same(
    world.sent.filter((d) => d.to === '192.0.2.66:666'),
    [],
  )
  t.end()
})

t.test('a cookie is good for one address and for 120 s', (t) => {
  const random = seededRandom(3)
  const ours = generateKeyPair(random)
  const checker = new MacChecker(ours.publicKey, random)
  const writer = new MacWriter(ours.publicKey)
  const message = () => {
    const bytes = new Uint8Array(148)
    bytes[4] = 9
    return bytes
  }
  const here = record('192.0.2.1:1000')
  const first = message()
  writer.write(first, 0)
  t.ok(checker.mac1Valid(first))
  t.notOk(checker.mac2Valid(first, here, 0))
  const reply = checker.cookieReply(first, here, 0)
  t.equal(kind(reply), 3)
  const forged = Uint8Array.from(reply)
  forged[40] = (forged[40] as number) ^ 1
  t.notOk(writer.takeCookie(forged, 0), 'forged')
  const other = Uint8Array.from(reply)
  other[4] = 8
  t.notOk(writer.takeCookie(other, 0), 'for another message')
  t.ok(writer.takeCookie(reply, 0))
  t.notOk(writer.takeCookie(reply, 0), 'again')
  const second = message()
  writer.write(second, 1000)
  t.ok(checker.mac2Valid(second, here, 1000))
  t.notOk(checker.mac2Valid(second, record('192.0.2.1:1001'), 1000), 'another port')
  t.notOk(checker.mac2Valid(second, record('192.0.2.2:1000'), 1000), 'another address')
  t.ok(checker.mac2Valid(second, here, 119_000))
  t.notOk(checker.mac2Valid(second, here, 120_000), 'the secret has gone')
  checker.cookieReply(second, here, 120_000)
  t.notOk(checker.mac2Valid(second, here, 120_001), 'and is another now')
  const third = message()
  writer.write(third, 120_000)
  t.ok(
    third.subarray(132).every((byte) => byte === 0),
    'the client forgets its cookie too',
  )
  t.end()
})

t.test('the meter', (t) => {
  const meter = new LoadMeter()
  let loaded = 0
  for (let n = 0; n < WG_HANDSHAKES_PER_SECOND + 10; n++) if (meter.underLoad(0)) loaded++
  t.equal(loaded, 10)
  t.ok(meter.underLoad(1500), 'the second after it counts as load')
  t.notOk(meter.underLoad(2600), 'the next one does not')
  for (let n = 0; n < WG_HANDSHAKES_PER_SECOND; n++) meter.underLoad(2600)
  t.notOk(meter.underLoad(10_000), 'nor does one much later')

  const here = record('192.0.2.1:1000')
  let taken = 0
  for (let n = 0; n < 100; n++) if (meter.admit(record(`192.0.2.1:${1000 + n}`))) taken++
  t.equal(taken, WG_HANDSHAKES_PER_ADDRESS, 'ports do not help')
  t.ok(meter.admit(record('192.0.2.2:1000')))
  for (let n = 0; n < 2 * WG_LOAD_ADDRESSES; n++) {
    meter.admit(record(`10.9.${n >> 8}.${n & 255}:1`))
  }
  t.notOk(meter.admit(record('192.0.2.3:1000')), 'no room for more addresses')
  meter.underLoad(12_000)
  t.ok(meter.admit(here), 'a new second')
  t.end()
})

t.test('load on the client: the response of its server gets in with a cookie', (t) => {
  const { world, client, server } = pair()
  server.open()
  const bogus = stranger(client)
  const flood = () => {
    for (let n = 0; n < WG_HANDSHAKES_PER_SECOND + 50; n++) client.receive('192.0.2.66:666', bogus)
    world.at(world.now + 1000, flood)
  }
  client.open()
  flood()
  world.run(12_000)
  t.equal(client.story.at(-1), 'up')
  t.ok(world.sent.some((d) => d.to === SERVER && kind(d.bytes) === 3))
  t.end()
})
