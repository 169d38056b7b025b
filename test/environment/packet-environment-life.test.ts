import t from 'tap'
import type { DatagramPort } from '../../src/core/stream.js'
import type { Bytes } from '../../src/core/types.js'
import { DELAY, makeWorld, outcome, upWorld, Watched } from './packet-world.js'

const SERVER = '10.9.0.2'

t.test('an environment comes up when the tunnel does, and tells each state once', async (t) => {
  const world = makeWorld()
  const { environment, states } = world.client
  t.equal(environment.state, 'stopped')
  await environment.start()
  t.equal(environment.state, 'starting')
  t.equal(environment.upSince, undefined)
  await world.clock.advance(20_000)
  t.equal(environment.state, 'starting', 'nobody answers')
  await world.server.environment.start()
  await world.clock.advance(20_000)
  t.equal(environment.state, 'up')
  t.ok((environment.upSince ?? 0) >= 20_000)
  t.equal(environment.tunnelStatus.endpoint, '192.0.2.2:51820')
  t.ok((environment.tunnelStatus.lastHandshake ?? 0) >= 20_000)
  await environment.stop()
  t.equal(environment.state, 'stopped')
  const plain = states.map((state) => state.split(' ')[0])
  t.same([plain[0], ...plain.slice(-2)], ['starting', 'up', 'stopped'])
})

t.test(
  'a tunnel that goes down refuses what is new, keeps what is open, and comes back',
  async (t) => {
    const world = await upWorld()
    const { environment } = world.client
    const accepted: Watched[] = []
    const listener = await world.server.environment.listenTcp({ port: 80 })
    listener.onConnection = (stream) => accepted.push(new Watched(stream))
    const dial = outcome(environment.dial({ host: SERVER, port: 80 }))
    await world.clock.advance(200)
    const near = new Watched(dial.value as NonNullable<typeof dial.value>)
    world.wire.filter = () => false
    near.stream.write(Buffer.from('across the gap'))
    for (let s = 0; s < 400 && environment.state === 'up'; s++) await world.clock.advance(1000)
    t.equal(environment.state, 'down')
    t.equal(environment.upSince, undefined)
    await t.rejects(environment.dial({ host: SERVER, port: 80 }), { code: 'ERR_DOWN' })
    await t.rejects(environment.bindUdp(), { code: 'ERR_DOWN' })
    t.same(near.story, [], 'what is open waits')
    world.wire.filter = () => true
    for (let s = 0; s < 200 && environment.state !== 'up'; s++) await world.clock.advance(1000)
    t.equal(environment.state, 'up')
    for (let s = 0; s < 200 && accepted[0]?.text === ''; s++) await world.clock.advance(1000)
    t.equal(accepted[0]?.text, 'across the gap')
    t.same(near.story, [])
  },
)

function messages(port: DatagramPort): string[] {
  const got: string[] = []
  port.onMessage = (from, bytes, local) => {
    got.push(`${from.address} ${Buffer.from(bytes).toString()} ${local ?? ''}`)
  }
  port.onError = (to, error) => got.push(`${to.address}:${to.port} ${error.code}`)
  return got
}

t.test('datagrams go both ways; a port that nobody has is told', async (t) => {
  const world = await upWorld()
  const far = await world.server.environment.bindUdp({ port: 53 })
  const heard = messages(far)
  const near = await world.client.environment.bindUdp()
  const answers = messages(near)
  t.ok(near.send({ address: SERVER, port: 53 }, Buffer.from('q4')))
  t.ok(near.send({ address: 'fd09::2', port: 53 }, Buffer.from('q6')))
  t.ok(near.send({ address: SERVER, port: 54 }, Buffer.from('?')))
  await world.clock.advance(100)
  t.same(heard.toSorted(), [`10.9.0.1 q4 ${SERVER}`, 'fd09::1 q6 fd09::2'])
  t.same(answers, [`${SERVER}:54 ERR_REFUSED`])
  far.send({ address: '10.9.0.1', port: near.local.port }, Buffer.from('a'))
  await world.clock.advance(100)
  t.equal(answers.at(-1), `${SERVER} a 10.9.0.1`)
  near.close()
  far.send({ address: '10.9.0.1', port: near.local.port }, Buffer.from('late'))
  await world.clock.advance(100)
  t.equal(answers.length, 2)
  t.match(heard.at(-1), /:\d+ ERR_REFUSED$/)
})

t.test('a datagram larger than the path is cut and arrives whole', async (t) => {
  const world = await upWorld()
  const far = await world.server.environment.bindUdp({ port: 9 })
  const got: Bytes[] = []
  far.onMessage = (_from, bytes) => got.push(bytes.slice())
  const near = await world.client.environment.bindUdp()
  const sent = new Uint8Array(30_000).map((_, i) => i * 13)
  t.ok(near.send({ address: SERVER, port: 9 }, sent))
  await world.clock.advance(100)
  t.equal(got.length, 1)
  t.ok(Buffer.from(got[0] ?? []).equals(Buffer.from(sent)))
})

t.test('listening ports: taken ones are refused, closed ones free again', async (t) => {
  const world = await upWorld()
  const { environment } = world.server
  const one = await environment.listenTcp({ port: 8080 })
  await t.rejects(environment.listenTcp({ port: 8080 }), { code: 'ERR_LIMIT' })
  t.match(one.local, { address: SERVER, port: 8080 })
  const any = await environment.listenTcp({ port: 0 })
  t.ok(any.local.port > 1024)
  one.close()
  const dial = outcome(world.client.environment.dial({ host: SERVER, port: 8080 }))
  await world.clock.advance(200)
  t.equal(dial.code, 'ERR_REFUSED')
  t.ok(await environment.listenTcp({ port: 8080 }))
})

t.test('closing a port leaves accepted connections alone', async (t) => {
  const world = await upWorld()
  const accepted: Watched[] = []
  const listener = await world.server.environment.listenTcp({ port: 80 })
  listener.onConnection = (stream) => accepted.push(new Watched(stream))
  const dial = outcome(world.client.environment.dial({ host: SERVER, port: 80 }))
  await world.clock.advance(200)
  listener.close()
  dial.value?.write(Buffer.from('still here'))
  await world.clock.advance(200)
  t.equal(accepted[0]?.text, 'still here')
})

t.test(
  'a socket that is full is written to again when it has room, and nothing is lost',
  async (t) => {
    const world = await upWorld()
    const accepted: Watched[] = []
    const listener = await world.server.environment.listenTcp({ port: 80 })
    listener.onConnection = (stream) => accepted.push(new Watched(stream))
    const dial = outcome(world.client.environment.dial({ host: SERVER, port: 80 }))
    await world.clock.advance(200)
    const { socket } = world.client
    const before = socket.sent
    socket.room = 3
    const data = new Uint8Array(60_000).map((_, i) => i * 11)
    t.equal(dial.value?.write(data), data.length)
    await world.clock.advance(50)
    t.equal(socket.sent - before, 3, 'no more than it takes')
    for (let i = 0; i < 100 && accepted[0]?.bytes !== data.length; i++) {
      socket.drained(5)
      await world.clock.advance(20)
    }
    t.ok(Buffer.concat(accepted[0]?.chunks ?? []).equals(Buffer.from(data)))
    t.ok(world.client.stack.counters.tcp.retransmits <= 1, 'at most a probe for the tail')
    const { counts, sum } = world.client.stack.counters.tcp.roundTrips
    const measured = counts.reduce((a, b) => a + b)
    t.ok(measured > 0 && sum / measured >= 1, `${measured} round trips, ${sum / measured} ms`)
  },
)

t.test('datagrams of strangers, damaged and repeated ones change nothing', async (t) => {
  const world = await upWorld()
  const accepted: Watched[] = []
  const listener = await world.server.environment.listenTcp({ port: 80 })
  listener.onConnection = (stream) => accepted.push(new Watched(stream))
  let n = 0
  const seen: Bytes[] = []
  const waiting: Bytes[] = []
  let arrivedBy = 0
  world.wire.filter = (from, bytes) => {
    n++
    if (n < 200) {
      const damaged = bytes.slice()
      const at = (n * 7) % damaged.length
      damaged[at] = (damaged[at] as number) ^ 0x40
      const to = from === '192.0.2.1:1001' ? world.server.socket : world.client.socket
      // From elsewhere, ahead of the real one; repeated are such that have arrived before.
      const strange = [damaged, new Uint8Array(0), bytes.slice(0, 3), ...seen.slice(-3)]
      world.wire.inject('203.0.113.9:9', to.address, strange)
      if (world.clock.now() > arrivedBy) {
        seen.push(...waiting.splice(0))
        arrivedBy = world.clock.now() + 2 * DELAY
      }
      waiting.push(bytes.slice())
    }
    return true
  }
  const dial = outcome(world.client.environment.dial({ host: SERVER, port: 80 }))
  await world.clock.advance(300)
  const data = new Uint8Array(200_000).map((_, i) => i * 5)
  dial.value?.write(data)
  for (let i = 0; i < 100 && accepted[0]?.bytes !== data.length; i++) await world.clock.advance(100)
  t.ok(Buffer.concat(accepted[0]?.chunks ?? []).equals(Buffer.from(data)))
  t.equal(accepted.length, 1)
  t.equal(world.client.environment.state, 'up')
  t.ok(
    Object.values(world.server.environment.figures.packets?.tunnelDrops ?? {}).some(
      (count) => count > 0,
    ),
  )
})

t.test('stop is done when the farewell has left the socket: the process ends then', async (t) => {
  const world = await upWorld()
  const { environment, socket } = world.client
  let flush: () => void = () => undefined
  const flushed = new Promise<void>((resolve) => {
    flush = resolve
  })
  Object.assign(socket, { flushed })
  let over = false
  void environment.stop().then(() => {
    over = true
  })
  await world.clock.advance(1000)
  t.equal(environment.state, 'stopped')
  t.notOk(over, 'it waits')
  flush()
  await world.clock.advance(0)
  t.ok(over)
})
