/** Dashboard, alerts and their page name metrics that exist, and all that exist are explained. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { createMetrics } from '../../src/control/metrics.js'
import { FakeGateway } from '../control/fake-gateway.js'
import {
  ALERTS_TEST,
  alertExpressions,
  dashboard,
  MONITORING,
  panelExpressions,
} from '../support/monitoring.js'

async function names(): Promise<{ families: Set<string>; series: Set<string> }> {
  const gateway = new FakeGateway()
  const { render } = createMetrics({ gateway, policy: gateway.policy, version: '1' })
  const families = new Set<string>()
  const series = new Set<string>()
  for (const [, name = '', type] of (await render()).matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    families.add(name)
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
    for (const suffix of suffixes) series.add(name + suffix)
  }
  return { families, series }
}

t.test('every metric that a panel or an alert asks for exists', async (t) => {
  const { series } = await names()
  const expressions = [...panelExpressions(), ...alertExpressions()]
  const variables = dashboard().templating.list.flatMap(({ name, definition }) =>
    definition === undefined ? [] : [{ of: `variable ${name}`, text: definition }],
  )
  t.ok(expressions.length > 50)
  for (const { of, text } of [...expressions, ...variables]) {
    const asked = [...text.matchAll(/\bpvpn_\w+/g)].map(([name]) => name)
    t.ok(asked.length > 0 || text.includes('up{'), of)
    for (const name of asked) t.ok(series.has(name), `${of}: ${name}`)
  }
})

t.test('every metric is on the page, and the page names no other', async (t) => {
  const { families } = await names()
  const rows = [...readFileSync(MONITORING, 'utf8').matchAll(/^\| `(pvpn_\w+)`/gm)]
  t.same(rows.map(([, name]) => name).sort(), [...families].sort())
})

t.test('every alert is tested where it fires and where it does not', async (t) => {
  const { tests } = parse(readFileSync(ALERTS_TEST, 'utf8')) as {
    tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[]
  }
  const cases = tests.flatMap((test) => test.alert_rule_test)
  for (const { of } of alertExpressions()) {
    const own = cases.filter(({ alertname }) => alertname === of)
    t.ok(
      own.some((c) => c.exp_alerts.length > 0),
      `${of} fires`,
    )
    t.ok(
      own.some((c) => c.exp_alerts.length === 0),
      `${of} is silent`,
    )
  }
})
