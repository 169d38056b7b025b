import { connect } from 'node:net'
import t from 'tap'
import { Entrances } from '../../src/cli/entrances.js'
import { PvpnError } from '../../src/core/errors.js'
import { silentLogger } from '../../src/core/log.js'
import type { EnvironmentOptions } from '../../src/core/options.js'
import { fakeEnvironment } from '../support/fake-environment.js'
import { FakeStream } from '../support/fake-stream.js'
import { freePort } from '../support/free-port.js'

function options(more: Partial<EnvironmentOptions>): EnvironmentOptions {
  return {
    name: 'lab',
    tunnel: { type: 'direct' },
    listen: [],
    users: [],
    dns: { servers: undefined, search: undefined, zones: {}, hosts: {}, listen: [] },
    forwards: [],
    publish: [],
    start: 'always',
    connectTimeout: 5,
    allowUnauthenticated: false,
    ...more,
  }
}

const loopback = (port: number) => ({ kind: 'tcp', address: '127.0.0.1', port }) as const

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

t.test('all that is asked for is opened, told, and closed again', async (t) => {
  const [one, two, dns] = [await freePort(), await freePort(), await freePort()]
  const entrances = new Entrances(
    options({
      listen: [loopback(one), loopback(two)],
      dns: {
        servers: undefined,
        search: undefined,
        zones: {},
        hosts: {},
        listen: [loopback(dns)],
      },
    }),
    fakeEnvironment({}),
    silentLogger,
  )
  await entrances.start()
  t.same(entrances.proxyAddresses, [`127.0.0.1:${one}`, `127.0.0.1:${two}`])
  t.same(entrances.dnsAddresses, [`127.0.0.1:${dns}`])
  t.same(await Promise.all([one, two, dns].map(reachable)), [true, true, true])
  await entrances.stop()
  t.same(await Promise.all([one, two, dns].map(reachable)), [false, false, false])
})

t.test('when one cannot be had none is left open', async (t) => {
  const [free, taken] = [await freePort(), await freePort()]
  const holder = new Entrances(
    options({ listen: [loopback(taken)] }),
    fakeEnvironment({}),
    silentLogger,
  )
  await holder.start()
  t.teardown(() => holder.stop())
  const entrances = new Entrances(
    options({ listen: [loopback(free), loopback(taken)] }),
    fakeEnvironment({}),
    silentLogger,
  )
  await t.rejects(entrances.start(), { code: 'ERR_CONFIG' })
  t.notOk(await reachable(free))
  t.ok(await reachable(taken), 'the other one’s port is still his')
})

t.test(
  'ports inside are opened when the environment is up, once, and one that fails keeps none of the others',
  async (t) => {
    const asked: number[] = []
    const environment = fakeEnvironment({
      listenTcp: async ({ port }) => {
        asked.push(port)
        if (port === 1) throw new Error('taken')
        return {
          local: { address: '10.0.0.1', port },
          close: () => undefined,
          onConnection: () => undefined,
        }
      },
    })
    const publish = (port: number) =>
      ({ protocol: 'tcp', port, to: { host: '127.0.0.1', port: 9 } }) as const
    const entrances = new Entrances(
      options({ publish: [publish(1), publish(2)] }),
      environment,
      silentLogger,
    )
    await entrances.start()
    t.same(asked, [])
    await entrances.environmentUp()
    await entrances.environmentUp()
    t.same(asked, [1, 2])
    await entrances.stop()
  },
)

/** What the proxy answers to these bytes, until it closes or has said `enough` bytes. */
function said(port: number, bytes: Buffer, enough = Number.POSITIVE_INFINITY): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    let got = Buffer.alloc(0)
    socket.on('data', (data) => {
      got = Buffer.concat([got, data])
      if (got.length >= enough) socket.destroy()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(got))
    socket.write(bytes)
  })
}

function socks5(host: string, port = 80): Buffer {
  const name = Buffer.from(host, 'latin1')
  const head = [5, 1, 0, 5, 1, 0, 3, name.length]
  return Buffer.concat([Buffer.from(head), name, Buffer.from([port >> 8, port & 255])])
}

t.test('outcomes and bytes are counted; names and hosts, however hostile, are not', async (t) => {
  const [proxy, closed, forward] = [await freePort(), await freePort(), await freePort()]
  const entrances = new Entrances(
    options({
      listen: [loopback(proxy), loopback(closed)],
      users: [{ name: 'ann', password: 'right' }],
      forwards: [
        { listen: loopback(forward), to: { host: 'refused.example', port: 1 }, protocol: 'tcp' },
      ],
    }),
    fakeEnvironment({
      dial: async ({ host }) => {
        if (host === 'ok.example') return new FakeStream()
        throw new PvpnError(host === 'refused.example' ? 'ERR_REFUSED' : 'ERR_NAME', 'no')
      },
    }),
    silentLogger,
  )
  await entrances.start()
  t.teardown(() => entrances.stop())
  const keys = Object.keys(entrances.outcomes.counts)

  const login = (password: string) =>
    Buffer.concat([
      Buffer.from([5, 1, 2, 1, 3]),
      Buffer.from('ann'),
      Buffer.from([password.length]),
      Buffer.from(password),
    ])
  const ask = (host: string) => Buffer.concat([login('right'), socks5(host).subarray(3)])
  await said(proxy, ask('ok.example'), 10)
  await said(proxy, ask('refused.example'))
  await said(proxy, login('wrong'))
  await said(proxy, Buffer.from([5, 1, 0]))
  for (const name of ['x"} 1\nevil{a="b', '__proto__', 'constructor', '\\', 'a'.repeat(255)]) {
    await said(proxy, ask(name))
  }
  const wrong = Buffer.from('ann:wrong').toString('base64')
  for (const field of ['', `Proxy-Authorization: Basic ${wrong}\r\n`]) {
    const head = `CONNECT ok.example:80 HTTP/1.1\r\nHost: x\r\n${field}Connection: close\r\n\r\n`
    await said(proxy, Buffer.from(head), 20)
  }
  await said(forward, Buffer.from('hello'))

  const { counts } = entrances.outcomes
  t.same(Object.keys(counts), keys, 'no name has become a key')
  t.equal(counts.ok, 1)
  t.equal(counts.ERR_REFUSED, 2, 'at the proxy port, and at the forward')
  t.equal(counts.ERR_NAME, 5)
  t.equal(counts.ERR_AUTH, 3, 'no password, a wrong one, a wrong one by HTTP; a question is none')
  const { fromPrograms, toPrograms } = entrances.traffic
  t.ok(fromPrograms > 600 && toPrograms > 100, `${fromPrograms} ${toPrograms}`)
})
