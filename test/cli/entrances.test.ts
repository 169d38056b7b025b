import { connect } from 'node:net'
import t from 'tap'
import { Entrances } from '../../src/cli/entrances.js'
import { silentLogger } from '../../src/core/log.js'
import type { EnvironmentOptions } from '../../src/core/options.js'
import { fakeEnvironment } from '../support/fake-environment.js'
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
