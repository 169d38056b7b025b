import dnsPacket from 'dns-packet'
import t from 'tap'
import { createDirect } from '../../src/environment/direct.js'
import { eventually } from '../support/fake-stream.js'
import { RawClient, startServer } from '../support/proxy.js'
import { udpPeer } from '../support/udp.js'

async function started() {
  const environment = createDirect({ name: 'home', connectTimeout: 5 })
  await environment.start()
  return environment
}

t.test('states are told, and what is not up refuses', async (t) => {
  const states: string[] = []
  const environment = createDirect({
    name: 'home',
    connectTimeout: 5,
    onState: () => states.push(environment.state),
  })
  const down = { code: 'ERR_DOWN' }
  await t.rejects(environment.dial({ host: '127.0.0.1', port: 1 }), down)
  await t.rejects(environment.lookup('localhost'), down)
  await t.rejects(environment.reverse('127.0.0.1'), down)
  await t.rejects(environment.bindUdp(), down)
  await t.rejects(environment.listenTcp({ port: 0 }), down)
  const query = dnsPacket.encode({ id: 5, type: 'query', questions: [{ type: 'A', name: 'a.b' }] })
  const answer = dnsPacket.decode(Buffer.from(await environment.exchange(query, 'udp')))
  t.match(answer, { id: 5, rcode: 'SERVFAIL', questions: [{ name: 'a.b' }] })
  await environment.start()
  await environment.start()
  t.type(environment.upSince, 'number')
  await environment.stop()
  t.same(states, ['starting', 'up', 'stopped'])
  t.match(environment.tunnelStatus, { type: 'direct', bytesIn: 0 })
})

t.test('dials with half-close, by address and by a name of both families', async (t) => {
  const environment = await started()
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  for (const host of ['127.0.0.1', 'localhost']) {
    const stream = await environment.dial({ host, port: echo.port })
    let got = ''
    stream.onReadable = () => {
      got += Buffer.from(stream.read() ?? []).toString()
    }
    stream.write(Buffer.from('hello'))
    stream.end()
    await eventually(() => stream.ended)
    t.equal(got, 'hello')
  }
  await t.rejects(environment.dial({ host: '127.0.0.1', port: 1 }), { code: 'ERR_REFUSED' })
})

t.test('looks names up as the host does', async (t) => {
  const environment = await started()
  const found = await environment.lookup('localhost')
  t.ok(found.includes('127.0.0.1') || found.includes('::1'))
  t.same(await environment.lookup('10.0.0.7'), ['10.0.0.7'])
  t.same(await environment.lookup('FD00:0::7', { family: 6 }), ['fd00::7'])
  await t.rejects(environment.lookup('10.0.0.7', { family: 6 }), { code: 'ERR_NAME' })
  await t.rejects(environment.reverse('no address'), { code: 'ERR_NAME' })
})

t.test("UDP and accepted connections are the host's", async (t) => {
  const environment = await started()
  for (const host of ['127.0.0.1', '::1']) {
    const peer = await udpPeer(t, { host, echo: true })
    const port = await environment.bindUdp({ family: host === '::1' ? 6 : 4 })
    t.teardown(() => port.close())
    let got: unknown
    port.onMessage = (from, bytes) => {
      got = [from, [...bytes]]
    }
    t.ok(port.send({ address: host, port: peer.port }, new Uint8Array([1, 2])))
    t.notOk(port.send({ address: host, port: 0 }, new Uint8Array([1, 2])))
    await eventually(() => got !== undefined)
    t.same(got, [{ address: host, port: peer.port }, [1, 2]])
    port.close()
    t.notOk(port.send({ address: host, port: peer.port }, new Uint8Array(1)))
  }
  const listener = await environment.listenTcp({ port: 0 })
  t.teardown(() => listener.close())
  listener.onConnection = (stream) => {
    t.equal(stream.remote.address, '127.0.0.1')
    stream.write(Buffer.from('welcome'))
    stream.end()
  }
  const client = await RawClient.open(listener.local.port)
  t.equal(await client.rest(), 'welcome')
  client.close()
  await t.rejects(environment.listenTcp({ port: listener.local.port }), { code: 'ERR_LIMIT' })
})

t.test('broken questions are answered FORMERR, never sent', async (t) => {
  const environment = await started()
  for (const bytes of [
    new Uint8Array(0),
    new Uint8Array(5),
    new Uint8Array(12),
    new Uint8Array(40),
  ]) {
    const answer = await environment.exchange(bytes, 'tcp')
    t.equal(answer.length, 12)
    t.equal((answer[3] ?? 0) & 15, 1)
  }
})
