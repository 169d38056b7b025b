import t from 'tap'
import { environmentStatus } from '../../src/cli/environment-status.js'
import { PvpnError } from '../../src/core/errors.js'
import type { ManagedEnvironment } from '../../src/core/managed-environment.js'
import { VirtualClock } from '../environment/virtual-clock.js'
import { fakeEnvironment } from '../support/fake-environment.js'

function environment(more: Partial<ManagedEnvironment> = {}): ManagedEnvironment {
  return {
    ...fakeEnvironment({}),
    start: async () => undefined,
    stop: async () => undefined,
    error: undefined,
    link: undefined,
    upSince: undefined,
    dns: { servers: [], search: [] },
    tunnelStatus: {
      type: 'wireguard',
      endpoint: undefined,
      lastHandshake: undefined,
      bytesIn: 0,
      bytesOut: 0,
    },
    figures: {},
    ...more,
  }
}

const LISTEN = {
  proxy: ['127.0.0.1:1081'],
  dns: [],
  connections: 3,
  fromPrograms: 5,
  toPrograms: 7,
}

t.test('monotonic times become times of day', async (t) => {
  const clock = new VirtualClock()
  await clock.advance(100_000)
  const before = Date.now()
  const status = environmentStatus(
    environment({
      upSince: 40_000,
      link: { addresses: ['10.0.0.1/24', 'fd00::1'], dns: [], search: [], mtu: 1420 },
      tunnelStatus: {
        type: 'wireguard',
        endpoint: '192.0.2.1:1',
        lastHandshake: 99_000,
        bytesIn: 1,
        bytesOut: 2,
      },
    }),
    LISTEN,
    clock,
  )
  const ago = (text: string | null) => before - Date.parse(text ?? '')
  t.ok(Math.abs(ago(status.tunnel.since) - 60_000) < 1000, `${status.tunnel.since}`)
  t.ok(Math.abs(ago(status.tunnel.lastHandshake) - 1000) < 1000)
  t.match(status.tunnel.since, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  t.same(status.addresses, ['10.0.0.1', 'fd00::1'], 'without prefix lengths')
  t.match(status, { mtu: 1420, connections: 3, pid: process.pid, error: null })
  t.same(status.listen, { proxy: ['127.0.0.1:1081'], dns: [] })
})

t.test(
  'what is not known is null, and of an error only code, message and hint are told',
  async (t) => {
    const error = new PvpnError('ERR_DOWN', 'no answer', {
      cause: new Error('secret'),
      hint: 'look',
    })
    const status = environmentStatus(
      environment({ state: 'down', error }),
      LISTEN,
      new VirtualClock(),
    )
    t.same(status.error, { code: 'ERR_DOWN', message: 'no answer', hint: 'look' })
    t.match(status, {
      state: 'down',
      mtu: null,
      tunnel: { since: null, endpoint: null, lastHandshake: null },
    })
    t.same(JSON.parse(JSON.stringify(status)), status, 'it survives JSON')
  },
)

t.test('without a tunnel the bytes are those of the programs', async (t) => {
  const bytes = (type: string) => {
    const { tunnelStatus } = environment()
    const status = { ...tunnelStatus, type, bytesIn: 1, bytesOut: 2 }
    const { tunnel } = environmentStatus(
      environment({ tunnelStatus: status }),
      LISTEN,
      new VirtualClock(),
    )
    return [tunnel.bytesIn, tunnel.bytesOut]
  }
  t.same(bytes('direct'), [7, 5])
  t.same(bytes('wireguard'), [1, 2])
})
