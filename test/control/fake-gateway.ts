/** A gateway without environments behind it, and raw requests, for tests of the control API. */
import { once } from 'node:events'
import { connect } from 'node:net'
import type { EnvironmentActivity } from '../../src/core/activity.js'
import type { EnvironmentStatus } from '../../src/core/environment.js'
import { PvpnError } from '../../src/core/errors.js'
import type {
  Gateway,
  GatewayEvent,
  GatewayFigures,
  Policy,
  PolicyDecision,
  PolicyFigures,
  PolicyQuestion,
  ReloadReport,
  Said,
} from '../../src/gateway/contract.js'
import { environmentFigures } from '../support/figures.js'

export function environmentStatus(name: string): EnvironmentStatus {
  return {
    name,
    state: 'up',
    error: null,
    pid: 42,
    tunnel: {
      type: 'wireguard',
      endpoint: '198.51.100.1:51820',
      since: '2026-01-01T00:00:00.000Z',
      lastHandshake: '2026-01-01T00:00:00.000Z',
      bytesIn: 11,
      bytesOut: 22,
    },
    addresses: ['192.168.9.52'],
    mtu: 1420,
    dns: { servers: ['192.168.10.1'], search: [] },
    listen: { proxy: ['127.0.0.1:1081'], dns: [] },
    connections: 7,
  }
}

export class FakePolicy implements Policy {
  readonly recent: readonly PolicyDecision[] = [
    {
      ...EXPLANATION,
      at: '2026-01-01T00:00:00.000Z',
      took: 0.5,
      client: '127.0.0.1:40000',
      program: '/usr/bin/git',
      user: null,
    },
  ]

  readonly figures: PolicyFigures = {
    allowed: { office: 30, site: 0 },
    denied: 4,
    undecided: 1,
    took: { bounds: [1, 5], counts: [33, 1, 1], sum: 50 },
  }

  pac() {
    return { text: 'function FindProxyForURL() { return "PROXY x" }\n', etag: '"tag"' }
  }

  async explain({ host, port, program }: PolicyQuestion) {
    if (host === 'none.example') return undefined
    if (host === 'down.example') throw new PvpnError('ERR_DOWN', 'environment site: is down')
    return { ...EXPLANATION, target: `${host}:${port} ${program ?? ''}` }
  }
}

const EXPLANATION = {
  target: 'git.example:443',
  environment: 'office',
  host: 'git.example',
  by: 'rule',
  rule: 'pvpn.yaml:9',
  reason: null,
  consulted: [{ environment: 'site', addresses: ['10.0.0.1'], rule: 'pvpn.yaml:8' }],
} as const

export class FakeGateway implements Gateway {
  readonly policy = new FakePolicy()
  readonly names = ['office', 'site']
  readonly calls: string[] = []
  looks = 0
  ready = true
  report: ReloadReport = {
    ok: true,
    problems: [],
    warnings: [],
    started: [],
    restarted: ['site'],
    changed: [],
    stopped: [],
    unchanged: ['office'],
  }
  #listeners = new Set<(event: GatewayEvent) => void>()

  get listeners(): number {
    return this.#listeners.size
  }

  async status() {
    const environments = this.names.map(environmentStatus)
    return { version: '1.2.3', pid: 1, control: '127.0.0.1:1090', policy: null, environments }
  }

  async activity(name: string): Promise<EnvironmentActivity | undefined> {
    this.looks++
    return this.names.includes(name) ? ACTIVITY : undefined
  }

  async readings() {
    return this.names.map((name) => ({
      status: environmentStatus(name),
      figures: environmentFigures(),
      restarts: 6,
      standbyAnswers: 7,
    }))
  }

  get figures(): GatewayFigures {
    return {
      process: environmentFigures().process,
      reloads: { succeeded: 2, failed: 1 },
      configuredAt: 1_767_225_601,
      configurationGood: false,
    }
  }

  async environment(name: string) {
    return this.names.includes(name) ? environmentStatus(name) : undefined
  }

  async act(name: string, action: string, wait: number) {
    this.calls.push(`${action} ${name} ${wait}`)
    return this.environment(name)
  }

  async answer(name: string, said: Said, wait: number) {
    this.calls.push(`answer ${name} ${JSON.stringify(said)} ${wait}`)
    return said.asksId === 'old' ? ('stale' as const) : this.environment(name)
  }

  async reload() {
    this.calls.push('reload')
    return this.report
  }

  listen(listener: (event: GatewayEvent) => void) {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  emit(event: GatewayEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}

/** Sends bytes as they are and returns all that comes back until the server closes. */
export async function raw(to: { port: number } | { path: string }, text: string): Promise<string> {
  const socket = connect('port' in to ? { host: '127.0.0.1', port: to.port } : to)
  let answer = ''
  socket.on('data', (data) => {
    answer += data.toString()
  })
  socket.on('error', () => {})
  socket.write(text)
  await once(socket, 'close')
  return answer
}

export const ACTIVITY: EnvironmentActivity = {
  connections: [
    {
      id: 1000,
      program: '/usr/bin/git',
      user: null,
      protocol: 'socks5',
      target: 'git.office.example:443',
      age: 12,
      bytesOut: 1200,
      bytesIn: 3_400_000,
    },
  ],
  total: 1,
  failures: [
    {
      at: '2026-01-01T00:00:00.000Z',
      code: 'ERR_REFUSED',
      message: '192.168.11.10:81: connection refused',
      target: '192.168.11.10:81',
      hint: 'The host is there, but nothing listens on this port.',
      times: 3,
    },
  ],
}
