import t from 'tap'
import { stateLine } from '../../src/cli/event-lines.js'
import { age, size, statusTable } from '../../src/cli/status-table.js'
import { environmentStatus } from '../control/fake-gateway.js'

const now = Date.parse('2026-01-01T00:01:30.000Z')
const gateway = { version: '1', pid: 1, control: null, policy: null }

t.test('table lines up, with one row for each environment', async (t) => {
  const environments = [
    environmentStatus('office'),
    { ...environmentStatus('a-much-longer-name'), addresses: [], listen: { proxy: [], dns: [] } },
  ]
  const lines = statusTable({ ...gateway, environments }, now).split('\n')
  t.equal(lines.length, 4)
  const column = lines[0]?.indexOf('STATE')
  t.equal(lines[1]?.indexOf('up'), column)
  t.equal(lines[2]?.indexOf('up'), column)
  t.match(
    lines[1],
    /^office .* 127\.0\.0\.1:1081 +192\.168\.9\.52 +198\.51\.100\.1:51820 +90 s ago +11 B\/22 B +7$/,
  )
  t.match(lines[2], /^a-much-longer-name +up +- +- /)
  t.match(statusTable({ ...gateway, environments: [] }, now), /^NAME /)
  const policy = '127.0.0.1:1080'
  t.match(
    statusTable({ ...gateway, policy, environments }, now),
    /\n\npolicy port: 127\.0\.0\.1:1080\n$/,
  )
})

t.test('errors follow the table, with a hint where there is one', async (t) => {
  const error = (code: string, message: string) => ({
    ...environmentStatus('office'),
    state: 'failed' as const,
    error: { code, message },
  })
  const text = statusTable({ ...gateway, environments: [error('ERR_CONFIG', 'taken')] }, now)
  t.match(text, /\n\noffice: taken\n {2}hint: .*pvpn restart office\n$/)
  t.match(
    statusTable({ ...gateway, environments: [error('ERR_NEW', 'odd')] }, now),
    /\noffice: odd\n$/,
  )
})

t.test("an error's own hint, what is asked, and what is not checked", async (t) => {
  const status = (more: object) => ({
    ...gateway,
    environments: [{ ...environmentStatus('office'), state: 'failed' as const, ...more }],
  })
  const error = {
    code: 'ERR_AUTH',
    message: 'certificate expired',
    hint: 'renew, then: pvpn start ENV',
  }
  const asks = [{ field: 'p', label: 'P', secret: true, once: false, refused: false }]
  t.match(statusTable(status({ error }), now), /hint: renew, then: pvpn start office\n$/)
  t.match(statusTable(status({ error, asks }), now), /hint: It asks for that: pvpn start office\n$/)
  t.notMatch(statusTable(status({ error, state: 'starting' }), now), /hint/)
  t.match(
    statusTable(status({ error: null, relaxed: ['weak certificates are taken'] }), now),
    /\n\noffice: relaxed: weak certificates are taken\n$/,
  )
})

t.test('what comes from a peer can not move the cursor or forge a line', async (t) => {
  const hostile = 'x\u001b[2J\nforged  up\u0085\u2028'
  const environment = {
    ...environmentStatus('office'),
    error: { code: 'ERR_AUTH', message: hostile },
    tunnel: { ...environmentStatus('office').tunnel, endpoint: hostile },
  }
  const line = stateLine(
    { kind: 'state', environment: 'office', state: 'up', error: environment.error, listen: [] },
    6,
  )
  for (const text of [statusTable({ ...gateway, environments: [environment] }, now), line]) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    t.notMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028]/)
    t.notMatch(text, /^forged/m)
  }
})

t.test('ages and sizes are short', async (t) => {
  t.same([-5, 0, 119_000, 121_000, 7_200_000, 200_000_000].map(age), [
    '0 s',
    '0 s',
    '119 s',
    '2 min',
    '2 h',
    '2 d',
  ])
  t.same([0, 1023, 1024, 1_500_000, 2 ** 41].map(size), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.4 MiB',
    '2.0 TiB',
  ])
})
