import t from 'tap'
import type { ByteStream } from '../../src/core/stream.js'
import { SYN_TIMEOUT_LEAST } from '../../src/stack/tcp/known-trips.js'
import { DELAY, outcome, upWorld, Watched, type World } from './packet-world.js'
import { settled } from './virtual-clock.js'

const SERVER = '10.9.0.2'

/** Keeps what the server accepts. */
async function accepting({ server }: World, port = 80): Promise<Watched[]> {
  const accepted: Watched[] = []
  const listener = await server.environment.listenTcp({ port })
  listener.onConnection = (stream) => accepted.push(new Watched(stream))
  return accepted
}

async function dialed(world: World, host = SERVER, port = 80): Promise<ByteStream> {
  const dial = outcome(world.client.environment.dial({ host, port }))
  await world.clock.advance(200)
  if (dial.value === undefined) throw new Error(`no connection: ${dial.code}`)
  return dial.value
}

t.test('a dial goes through both tunnels, and back, in both families', async (t) => {
  for (const host of [SERVER, 'fd09::2']) {
    const world = await upWorld()
    t.same([world.client.environment.state, world.server.environment.state], ['up', 'up'])
    const accepted = await accepting(world)
    const near = new Watched(await dialed(world, host))
    const far = accepted[0] as Watched
    t.match(near.stream.remote, { address: host, port: 80 })
    t.same(far.stream.remote, near.stream.local)
    near.stream.write(Buffer.from('question'))
    await world.clock.advance(100)
    t.equal(far.text, 'question')
    far.stream.write(Buffer.from('answer'))
    far.stream.end()
    await world.clock.advance(100)
    t.equal(near.text, 'answer')
    t.same(near.story, ['ended'])
    near.stream.end()
    await world.clock.advance(100)
    t.same(far.story, ['ended', 'closed'])
    t.same(near.story, ['ended', 'closed'])
  }
})

t.test('a lost SYN on a path that is known to be good costs a quarter of a second', async (t) => {
  const world = await upWorld()
  await accepting(world)
  await dialed(world)
  const { client, clock, wire } = world
  let lost = 0
  wire.filter = (from) => from !== client.socket.address || lost++ > 0
  const dial = outcome(client.environment.dial({ host: SERVER, port: 80 }))
  await clock.advance(SYN_TIMEOUT_LEAST + 2 * DELAY - 1)
  t.equal(dial.value, undefined)
  await clock.advance(2)
  t.ok(dial.value !== undefined, 'not after the second that an unknown path waits')
  t.equal(lost, 3, 'a SYN, its repetition and the ACK')
})

t.test('what does not become a connection says why', async (t) => {
  const cases: Readonly<
    Record<string, { host: string; port: number; code: string; after: number }>
  > = {
    'nobody listens': { host: SERVER, port: 81, code: 'ERR_REFUSED', after: 100 },
    'nobody is there': { host: '10.9.0.77', port: 80, code: 'ERR_TIMEOUT', after: 3000 },
    'no peer has the address': {
      host: '10.8.0.1',
      port: 80,
      code: 'ERR_NET_UNREACHABLE',
      after: 0,
    },
    'no DNS server': { host: 'www.lab.example', port: 80, code: 'ERR_NAME', after: 0 },
  }
  for (const [what, { host, port, code, after }] of Object.entries(cases)) {
    const world = await upWorld({ connectTimeout: 3, allowedIps: ['10.9.0.0/24'] })
    const dial = outcome(world.client.environment.dial({ host, port }))
    await world.clock.advance(after)
    t.equal(dial.code, code, what)
    await world.clock.advance(1000)
    t.equal(world.client.stack.counters.tcp.open, 0, 'no attempt is left over')
  }
})

t.test('a dial that its caller gives up ends at once, and leaves nothing', async (t) => {
  const world = await upWorld()
  const abort = new AbortController()
  const target = { host: '10.9.0.77', port: 80 }
  const dial = outcome(world.client.environment.dial(target, { signal: abort.signal }))
  await world.clock.advance(500)
  t.same(dial, {})
  abort.abort()
  await settled()
  t.equal(dial.code, 'ERR_ABORTED')
  await world.clock.advance(100)
  t.equal(world.client.stack.counters.tcp.open, 0)
})

/** Has the SYN-ACK and what comes right behind it arrive at the client in one batch. */
async function allAtOnce(world: World, next: () => void): Promise<ByteStream> {
  const dial = outcome(world.client.environment.dial({ host: SERVER, port: 80 }))
  // The SYN travels one way, then the answer waits with what is behind it.
  await world.clock.advance(5)
  world.wire.holding = true
  await world.clock.advance(10)
  next()
  await world.clock.advance(10)
  world.wire.release()
  await settled()
  if (dial.value === undefined) throw new Error(`no connection: ${dial.code}`)
  return dial.value
}

t.test('a reset that comes with the SYN-ACK is told to the one who dialed', async (t) => {
  const world = await upWorld()
  const listener = await world.server.environment.listenTcp({ port: 80 })
  const stream = await allAtOnce(world, () => listener.close())
  await settled()
  const watched = new Watched(stream)
  await world.clock.advance(100)
  t.same(watched.story, ['ERR_RESET'])
  t.equal(stream.write(Buffer.from('lost')), 0)
})

t.test('a reset before the user attends is told when he does, once', async (t) => {
  const world = await upWorld()
  const accepted = await accepting(world)
  const stream = await dialed(world)
  accepted[0]?.stream.abort()
  await world.clock.advance(100)
  const watched = new Watched(stream)
  t.same(watched.story, [], 'not from inside of the call')
  await world.clock.advance(100)
  t.same(watched.story, ['ERR_RESET'])
  new Watched(stream)
  await world.clock.advance(100)
  t.same(watched.story, ['ERR_RESET'])
})

t.test('data and end before the user attends are there when he does', async (t) => {
  const world = await upWorld()
  const accepted = await accepting(world)
  const stream = await dialed(world)
  accepted[0]?.stream.write(Buffer.from('banner'))
  accepted[0]?.stream.end()
  await world.clock.advance(100)
  const watched = new Watched(stream)
  t.equal(watched.text, 'banner')
  t.same(watched.story, ['ended'])
  stream.end()
  await world.clock.advance(100)
  t.same(watched.story, ['ended', 'closed'])
})

t.test('an aborted stream tells nothing to a handler that comes later', async (t) => {
  const world = await upWorld()
  const accepted = await accepting(world)
  const stream = await dialed(world)
  accepted[0]?.stream.abort()
  await world.clock.advance(100)
  stream.abort()
  const watched = new Watched(stream)
  await world.clock.advance(100)
  t.same(watched.story, [])
})

t.test('a reader that never reads holds the writer back, and memory with it', async (t) => {
  const world = await upWorld()
  const held: ByteStream[] = []
  const listener = await world.server.environment.listenTcp({ port: 80 })
  listener.onConnection = (stream) => held.push(stream)
  const near = new Watched(await dialed(world))
  const chunk = new Uint8Array(64 * 1024).map((_, i) => i * 7)
  let written = 0
  const fill = () => {
    for (let n = 0; n < 4096; n++) {
      const taken = near.stream.write(chunk.subarray(written % chunk.length))
      written += taken
      if (taken === 0) return
    }
  }
  for (let i = 0; i < 40; i++) {
    fill()
    await world.clock.advance(50)
  }
  const stuck = written
  const sent = world.client.socket.sent
  for (let i = 0; i < 20; i++) {
    fill()
    await world.clock.advance(1000)
  }
  t.equal(written, stuck, `nothing is taken after ${stuck} bytes`)
  t.ok(stuck < 24 * 2 ** 20, 'a send and a receive buffer')
  t.ok(world.client.socket.sent - sent < 200, 'only window probes go out')
  const far = new Watched(held[0] as ByteStream)
  for (let i = 0; i < 200 && far.bytes < written; i++) await world.clock.advance(50)
  t.equal(far.bytes, written, 'all of it arrives once somebody reads')
  const all = Buffer.concat(far.chunks)
  t.ok(
    all.every((byte, i) => byte === chunk[i % chunk.length]),
    'unharmed',
  )
  t.ok(near.story.includes('writable'), 'and there is room again')
})

t.test('stopping closes what is open, and what is being opened', async (t) => {
  const world = await upWorld()
  const accepted = await accepting(world)
  const near = new Watched(await dialed(world))
  const dial = outcome(world.client.environment.dial({ host: '10.9.0.77', port: 80 }))
  await world.clock.advance(100)
  await world.client.environment.stop()
  await settled()
  t.same(near.story, ['ERR_DOWN'])
  t.equal(dial.code, 'ERR_DOWN')
  t.equal(near.stream.write(Buffer.from('late')), 0)
  t.equal(world.client.environment.state, 'stopped')
  t.ok(world.client.socket.closed)
  const { sent } = world.client.socket
  await world.clock.advance(60_000)
  t.equal(world.client.socket.sent, sent, 'nothing is sent from then on')
  t.equal(world.client.socket.sentAfterClose, 0)
  t.equal(accepted.length, 1)
  t.equal(world.client.stack.counters.tcp.open, 0)
})

t.test('stopping from inside of a callback is done when the turn ends', async (t) => {
  const world = await upWorld()
  const accepted = await accepting(world)
  const near = new Watched(await dialed(world))
  near.stream.onReadable = () => {
    void world.client.environment.stop()
    near.stream.write(Buffer.from('too late'))
  }
  accepted[0]?.stream.write(Buffer.from('stop'))
  await world.clock.advance(60_000)
  t.ok(world.client.socket.closed)
  t.equal(world.client.socket.sentAfterClose, 0)
  t.same(near.story, ['ERR_DOWN'])
  t.equal(accepted[0]?.text, '')
})
