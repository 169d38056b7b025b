import t from 'tap'
import { composeEnvironment } from '../../src/cli/compose-environment.js'
import { silentLogger } from '../../src/core/log.js'

t.test('an environment that is not up refuses everything, at once', async (t) => {
  const environment = await composeEnvironment({
    logger: silentLogger,
    onState: () => undefined,
    options: {
      name: 'lab',
      tunnel: {
        type: 'wireguard',
        privateKey: new Uint8Array(32).fill(8),
        addresses: ['10.0.0.2/24'],
        dns: ['10.0.0.1'],
        search: [],
        mtu: 1420,
        listenPort: 0,
        // A peer without an endpoint: nobody can be asked.
        peers: [
          {
            publicKey: new Uint8Array(32).fill(9),
            allowedIps: ['0.0.0.0/0'],
            persistentKeepalive: 0,
          },
        ],
      },
      listen: [],
      users: [],
      dns: { servers: undefined, search: undefined, zones: {}, hosts: {}, listen: [] },
      forwards: [],
      publish: [],
      start: 'always',
      connectTimeout: 15,
      allowUnauthenticated: false,
    },
  })
  await environment.start()
  t.teardown(() => environment.stop())
  t.equal(environment.state, 'starting')
  const down = { code: 'ERR_DOWN', message: /"lab" is not up/ }
  await t.rejects(environment.dial({ host: '10.0.0.1', port: 80 }), down)
  await t.rejects(environment.lookup('www.lab.example'), down)
  await t.rejects(environment.reverse('10.0.0.1'), down)
  await t.rejects(environment.bindUdp(), down)
  await t.rejects(environment.listenTcp({ port: 0 }), down)
})
