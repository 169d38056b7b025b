/** The files for Prometheus and Grafana, as tests read them. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

const file = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

export const ALERTS = file('docs/monitoring/alerts.yml')
export const ALERTS_TEST = file('test/docs/alerts.test.yml')
export const GRAFANA = file('docs/monitoring/grafana.json')
export const MONITORING = file('docs/monitoring.md')

export interface Expression {
  /** Panel or alert. */
  readonly of: string
  readonly text: string
}

interface Panel {
  readonly title: string
  readonly type: string
  readonly targets?: readonly { readonly expr: string }[]
}

interface Dashboard {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { name: string; definition?: string }[] }
}

export function dashboard(): Dashboard {
  return JSON.parse(readFileSync(GRAFANA, 'utf8')) as Dashboard
}

/** What the panels ask for, with Grafana's variables as a person sets them who wants to see all. */
export function panelExpressions(interval = '1m'): readonly Expression[] {
  const variables: Readonly<Record<string, string>> = {
    instance: '.*',
    environment: '.*',
    __rate_interval: interval,
  }
  return dashboard().panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      of: title,
      text: expr.replace(/\$(\w+)/g, (_, name: string) => {
        const value = variables[name]
        if (value === undefined) throw new Error(`${title}: no variable ${name}`)
        return value
      }),
    })),
  )
}

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[]
  }[]
}

export function alertExpressions(): readonly Expression[] {
  const { groups } = parse(readFileSync(ALERTS, 'utf8')) as Rules
  return groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => ({ of: alert, text: expr })))
}
