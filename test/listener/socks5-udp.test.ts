import t from 'tap'
import { PvpnError } from '../../src/core/errors.js'
import { fakeEnvironment } from '../support/fake-environment.js'
import { RawClient, startProxy, type TestProxy } from '../support/proxy.js'
import { udpPeer } from '../support/udp.js'

const text = (s: string) => [...Buffer.from(s)]
const toFour = (port: number, payload: string | readonly number[], fragment = 0) => [
  ...[0, 0, fragment, 1, 127, 0, 0, 1, port >> 8, port & 255],
  ...(typeof payload === 'string' ? text(payload) : payload),
]
const toName = (name: string, port: number, payload: string) => [
  ...[0, 0, 0, 3, name.length],
  ...text(name),
  ...[port >> 8, port & 255],
  ...text(payload),
]
const toSix = (port: number, payload: string) => [
  ...[0, 0, 0, 4, ...new Array<number>(15).fill(0), 1, port >> 8, port & 255],
  ...text(payload),
]

async function associate(
  proxy: TestProxy,
  declared = 0,
): Promise<{ tcp: RawClient; port: number }> {
  const tcp = await RawClient.open(proxy.port)
  tcp.send([5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, declared >> 8, declared & 255])
  await tcp.take(2)
  const reply = await tcp.take(10)
  if (reply[1] !== 0) throw new Error(`reply ${reply[1]}`)
  return { tcp, port: reply.readUInt16BE(8) }
}

t.test('datagrams pass both ways, by address, name and IPv6', async (t) => {
  const proxy = await startProxy(t)
  const { tcp, port } = await associate(proxy)
  const four = await udpPeer(t, { echo: true })
  const six = await udpPeer(t, { host: '::1', echo: true })
  const client = await udpPeer(t)

  client.send(toFour(four.port, 'four'), port)
  t.same([...((await client.next()) ?? [])], toFour(four.port, 'four'))
  client.send(toSix(six.port, 'six'), port)
  t.same([...((await client.next()) ?? [])], toSix(six.port, 'six'))
  const quic = new Array<number>(1350).fill(7)
  client.send(toFour(four.port, quic), port)
  t.same([...((await client.next()) ?? [])], toFour(four.port, quic))
  client.send(toFour(four.port, ''), port)
  t.same([...((await client.next()) ?? [])], toFour(four.port, ''), 'an empty one too')

  client.send(toName('localhost', four.port, 'one'), port)
  client.send(toName('LOCALHOST', four.port, 'two'), port)
  const answers = [await client.next(), await client.next()].map((b) => b?.subarray(-3).toString())
  t.same(answers, ['one', 'two'])
  tcp.close()
})

t.test('the association ends with its TCP connection', async (t) => {
  for (const how of ['end', 'reset']) {
    const proxy = await startProxy(t)
    const { tcp, port } = await associate(proxy)
    const echo = await udpPeer(t, { echo: true })
    const client = await udpPeer(t)
    client.send(toFour(echo.port, 'x'), port)
    t.ok(await client.next())
    if (how === 'end') {
      tcp.socket.end()
      t.equal(await tcp.rest(), '')
    } else tcp.reset()
    await new Promise((resolve) => setTimeout(resolve, 50))
    client.send(toFour(echo.port, 'x'), port)
    t.equal(await client.next(100), undefined)
    t.equal(proxy.listener.openConnections, 0)
  }
})

t.test('fragments, broken headers and strangers are dropped', async (t) => {
  const proxy = await startProxy(t)
  const { tcp, port } = await associate(proxy)
  const target = await udpPeer(t)
  const client = await udpPeer(t)
  const stranger = await udpPeer(t)
  for (const bytes of [
    toFour(target.port, 'fragment', 1),
    toFour(target.port, 'last', 0x80),
    [0, 1, ...toFour(target.port, 'reserved').slice(2)],
    toFour(0, 'port 0'),
    [0, 0, 0, 2, 1, 2, 3, 4, 5, 6],
    [0, 0, 0, 1, 127, 0, 0],
    [0, 0, 0, 3, 200, 65],
    toName('', target.port, 'no name'),
    toName('a b', target.port, 'bad name'),
    [0, 0],
    [],
  ]) {
    client.send(bytes, port)
  }
  client.send(toFour(target.port, 'good'), port)
  t.equal((await target.next())?.toString(), 'good')
  stranger.send(toFour(target.port, 'evil'), port)
  client.send(toFour(target.port, 'still'), port)
  t.equal((await target.next())?.toString(), 'still')
  t.equal(await target.next(50), undefined)
  tcp.close()
})

t.test('a client that says its port is held to it', async (t) => {
  const proxy = await startProxy(t)
  const client = await udpPeer(t)
  const other = await udpPeer(t)
  const target = await udpPeer(t)
  const { tcp, port } = await associate(proxy, client.port)
  other.send(toFour(target.port, 'other'), port)
  client.send(toFour(target.port, 'client'), port)
  t.equal((await target.next())?.toString(), 'client')
  t.equal(await target.next(50), undefined)
  tcp.close()
})

t.test('datagrams to a name wait for its address, within a bound', async (t) => {
  const direct = (await startProxy(t)).environment
  let asked = 0
  let answer: (addresses: string[]) => void = () => {}
  const environment = fakeEnvironment({
    bindUdp: (options) => direct.bindUdp(options),
    lookup: (name) => {
      asked++
      if (name === 'none.example') return Promise.reject(new PvpnError('ERR_NAME', 'none'))
      return new Promise((resolve) => {
        answer = resolve
      })
    },
  })
  const proxy = await startProxy(t, { environment })
  const { tcp, port } = await associate(proxy)
  const target = await udpPeer(t)
  const client = await udpPeer(t)
  for (let i = 0; i < 100; i++) client.send(toName('slow.example', target.port, `${i}`), port)
  client.send(toName('none.example', target.port, 'none'), port)
  client.send(toFour(target.port, 'meanwhile'), port)
  t.equal((await target.next())?.toString(), 'meanwhile')
  answer(['127.0.0.1'])
  for (let i = 0; i < 16; i++) t.equal((await target.next())?.toString(), `${i}`)
  t.equal(await target.next(50), undefined)
  client.send(toName('slow.example', target.port, 'known'), port)
  t.equal((await target.next())?.toString(), 'known')
  t.equal(asked, 2)
  for (let i = 0; i < 1000; i++) {
    client.send(toName(`n${i}.example`, target.port, 'x'), port)
    // The kernel's buffer holds some 200 datagrams.
    if (i % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  client.send(toFour(target.port, 'alive'), port)
  t.equal((await target.next())?.toString(), 'alive')
  tcp.close()
})

t.test('an environment that carries no datagrams says so', async (t) => {
  const proxy = await startProxy(t, { environment: fakeEnvironment({}) })
  await t.rejects(associate(proxy), { message: 'reply 7' })
})
