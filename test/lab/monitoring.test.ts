/** A real Prometheus scrapes a real gateway: every panel shows something, every rule evaluates. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CONFIGURATION, LabGateway } from '../support/lab-gateway.js'
import {
  ALERTS,
  ALERTS_TEST,
  alertExpressions,
  dashboard,
  panelExpressions,
} from '../support/monitoring.js'
import { eventually, labSkip } from '../support/namespace.js'
import { LAB_PROGRAMS, VpnLab, WEB } from '../support/vpn-lab.js'

const CONTROL = 'http://127.0.0.1:1090'
const PROMETHEUS = 'http://127.0.0.1:9090'
const POLICY = 'http://127.0.0.1:1080'
/** Of rates: several scrapes fit in. */
const WINDOW = '20s'

const WITH_POLICY = `${CONFIGURATION}policy:
  rules:
    - { address: ${WEB}, environment: office }
    - { domain: www.office.example, environment: office }
`

const SCRAPE = (rules: string) => `
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [${rules}]
scrape_configs:
  - job_name: pvpn
    static_configs: [{ targets: ['127.0.0.1:1090'] }]
`

interface Result {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
}

t.test(
  'Prometheus, its rules and the Grafana dashboard',
  { skip: labSkip(...LAB_PROGRAMS, 'prometheus', 'promtool'), timeout: 600_000 },
  async (t) => {
    const lab = await VpnLab.create()
    t.teardown(() => lab.destroy())
    const { client } = lab
    const gateway = new LabGateway(lab, WITH_POLICY)
    t.ok(await gateway.up(), `up: ${gateway.stderr}`)
    t.teardown(() => gateway.kill())

    const folder = join(lab.folder, 'prometheus')
    mkdirSync(folder)
    const config = join(folder, 'prometheus.yml')
    writeFileSync(join(folder, 'alerts.yml'), readFileSync(ALERTS))
    writeFileSync(config, SCRAPE(join(folder, 'alerts.yml')))
    await client.check(['promtool', 'check', 'config', config])
    const prometheus = client.spawn(
      [
        'prometheus',
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        '--web.listen-address=127.0.0.1:9090',
        '--log.level=error',
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    )
    t.teardown(() => prometheus.kill('SIGKILL'))

    const get = async (path: string, query?: string) => {
      const more = query === undefined ? [] : ['-G', '--data-urlencode', `query=${query}`]
      const { stdout } = await client.run(['curl', '-sS', '-m', '20', ...more, PROMETHEUS + path])
      return JSON.parse(stdout || '{}') as {
        status?: string
        error?: string
        data: { result: readonly Result[]; groups: readonly Group[] } & readonly Series[]
      }
    }
    const query = async (text: string) => {
      const { status, error, data } = await get('/api/v1/query', text)
      if (status !== 'success') throw new Error(`${text}: ${error}`)
      return data.result
    }

    /** Names, addresses, a refused port, a name that is not there, a forbidden target. */
    const traffic = async (): Promise<void> => {
      await Promise.all([
        gateway.curl('office', 'http://www.office.example/'),
        gateway.curl('site', `http://${WEB}/big?n=300000`, '-o', '/dev/null'),
        gateway.curl('home', `http://${WEB}/`),
        gateway.curl('office', `http://${WEB}:81/`),
        gateway.curl('office', 'http://nowhere.office.example/'),
        client.run(['curl', '-sS', '-m', '20', '-x', POLICY, `http://${WEB}/`]),
        client.run(['curl', '-sS', '-m', '20', '-x', POLICY, 'http://denied.example/']),
      ])
    }

    await t.test('promtool finds nothing to say about the metrics', async (t) => {
      await traffic()
      const { stdout } = await client.run(['curl', '-sS', `${CONTROL}/metrics`])
      t.match(stdout, /^pvpn_connections_total\{environment="office",result="ERR_REFUSED"\} 1$/m)
      const checked = await client.run(['promtool', 'check', 'metrics'], { input: stdout })
      t.same(checked, { code: 0, stdout: '', stderr: '' })
    })

    await t.test('promtool runs the alerts: each fires, and is silent', async (t) => {
      const rules = await client.run(['promtool', 'check', 'rules', ALERTS])
      t.equal(rules.code, 0, rules.stdout + rules.stderr)
      const tests = await client.run(['promtool', 'test', 'rules', ALERTS_TEST])
      t.equal(tests.code, 0, tests.stdout + tests.stderr)
    })

    const scraped = await eventually(
      async () => (await query('up == 1').catch(() => [])).length === 1,
      20_000,
      200,
    )
    t.ok(scraped, 'it is scraped without a token')
    const begin = Date.now()
    while (Date.now() - begin < 12_000) await traffic()

    await t.test('every panel of the Grafana dashboard has data', async (t) => {
      for (const { of, text } of panelExpressions(WINDOW)) {
        const values = (await query(text)).map(({ value }) => Number(value[1]))
        t.ok(
          values.some((value) => Number.isFinite(value)),
          `${of}: ${text} → ${values.join(' ')}`,
        )
      }
      for (const { name, definition } of dashboard().templating.list) {
        if (definition === undefined) continue
        const [, series = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(definition) ?? []
        const found = await query(`group by (${label}) (${series.replace('$instance', '.*')})`)
        t.ok(found.length > 0, `variable ${name}`)
      }
    })

    await t.test('the numbers are those of the traffic', async (t) => {
      const one = async (text: string) => Number((await query(text))[0]?.value[1])
      const office = 'environment="office"'
      t.ok((await one(`pvpn_connections_total{${office},result="ok"}`)) >= 4)
      t.ok((await one(`pvpn_connections_total{${office},result="ERR_NAME"}`)) >= 2)
      t.ok((await one('pvpn_policy_decisions_total{result="denied"}')) >= 2)
      t.ok((await one('pvpn_tunnel_bytes_total{environment="site",direction="in"}')) > 600_000)
      t.ok((await one('pvpn_proxy_bytes_total{environment="home",direction="in"}')) > 100)
      t.equal(await one('pvpn_connections_total{environment="site",result="ERR_REFUSED"}'), 0)
      const trip = await one(
        `histogram_quantile(0.5, pvpn_tcp_round_trip_seconds_bucket{${office}})`,
      )
      t.ok(trip > 0 && trip < 1, `median round trip ${trip} s`)
    })

    await t.test('rules are healthy', async (t) => {
      const { data } = await get('/api/v1/rules')
      const rules = data.groups.flatMap((group) => group.rules)
      t.equal(rules.length, alertExpressions().length)
      for (const { name, health, lastError } of rules) t.equal(health, 'ok', `${name} ${lastError}`)
    })

    await t.test('a process that ends resets its counters once, and nobody else’s', async (t) => {
      process.kill((await gateway.environment('office')).pid, 'SIGKILL')
      const back = await eventually(
        async () =>
          (await query('pvpn_environment_restarts_total{environment="office"} == 1')).length > 0,
        20_000,
        200,
      )
      t.ok(back)
      t.ok(await gateway.reaches('office', 'up', 15_000))
      await traffic()
      await new Promise((resolve) => setTimeout(resolve, 2500))
      const { data } = await get('/api/v1/label/__name__/values')
      const counters = (data as unknown as string[]).filter((name) =>
        /^pvpn_.*_(total|bucket|count|sum)$/.test(name),
      )
      // One metric at a time: `resets` leaves the name out.
      const resets = (
        await Promise.all(counters.map((name) => query(`resets(${name}[5m]) > 0`)))
      ).flat()
      const wrong = resets.filter(
        ({ metric, value }) => metric.environment !== 'office' || value[1] !== '1',
      )
      t.same(wrong, [])
      t.ok(resets.length > 10)
    })

    await t.test('labels have values of closed sets', async (t) => {
      const { data } = await get('/api/v1/series?match[]=%7B__name__%3D~%22pvpn_.%2B%22%7D')
      t.ok(data.length > 200, `${data.length} series`)
      const strange = data.filter(({ __name__: _, ...labels }) =>
        Object.entries(labels).some(([label, value]) => LABELS[label]?.test(value) !== true),
      )
      t.same(strange, [])
    })
  },
)

type Series = Readonly<Record<string, string>>

interface Group {
  readonly rules: readonly {
    readonly name: string
    readonly health: string
    readonly lastError?: string
  }[]
}

const LABELS: Readonly<Record<string, RegExp>> = {
  instance: /^127\.0\.0\.1:1090$/,
  job: /^pvpn$/,
  environment: /^(office|site|home)$/,
  direction: /^(in|out)$/,
  state: /^(stopped|starting|up|down|failed|alive|dead)$/,
  result:
    /^(ok|ERR_[A-Z_]+|completed|sent|received|failed|succeeded|hit|miss|allowed|denied|undecided|answer|nxdomain|servfail|refused|malformed|unreachable|silent|other)$/,
  reason: /^[a-z]+\d?(-[a-z]+)*$/,
  le: /^(\d+(\.\d+)?|\+Inf)$/,
  version: /^\d+\.\d+\.\d+/,
}
