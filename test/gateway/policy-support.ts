/** A policy port in front of real processes of `direct` environments: all on loopback. */
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import type {
  EnvironmentOptions,
  GatewayOptions,
  PolicyOptions,
  PolicyRule,
} from '../../src/core/options.js'
import { PolicyPort } from '../../src/gateway/policy-port.js'
import { standbyAnswer } from '../../src/gateway/standby-answer.js'
import { Supervisor } from '../../src/gateway/supervisor.js'
import { freePort } from '../support/free-port.js'
import { environmentOptions } from './support.js'

const ENVIRONMENT = fileURLToPath(new URL('../../src/cli/environment-process.js', import.meta.url))

export interface PolicyWorld {
  readonly port: number
  readonly policy: PolicyPort
  readonly supervisor: Supervisor
  configuration: GatewayOptions
  /** Waits until the environment is in that state. */
  reaches(name: string, state: string): Promise<void>
}

export interface PolicyWorldOptions {
  readonly rules?: readonly Omit<PolicyRule, 'source'>[]
  readonly policy?: Partial<PolicyOptions>
  readonly environments?: Readonly<Record<string, Partial<EnvironmentOptions>>>
  /** The module of the environments' processes. */
  readonly module?: string
}

/** An environment `office` unless others are given, each up. */
export async function policyWorld(t: Test, options: PolicyWorldOptions = {}): Promise<PolicyWorld> {
  const { rules = [], environments = { office: {} } } = options
  const made: EnvironmentOptions[] = []
  for (const [name, more] of Object.entries(environments)) {
    made.push(environmentOptions(name, await freePort(), more))
  }
  const port = await freePort()
  const configuration: GatewayOptions = {
    file: undefined,
    control: { listen: undefined },
    environments: made,
    policy: {
      listen: [{ kind: 'tcp', address: '127.0.0.1', port }],
      names: true,
      users: [],
      allowUnauthenticated: false,
      rules: rules.map((rule, i) => ({ ...rule, source: `pvpn.yaml:${i + 1}` })),
      default: 'deny',
      ...options.policy,
    },
  }
  const supervisor: Supervisor = new Supervisor({
    configuration,
    load: async () => ({ options: world.configuration, problems: [], warnings: [] }),
    version: '0',
    listening: () => ({ control: null, policy: policy.listening }),
    onReload: (next) => policy.configure(next),
    module: options.module ?? ENVIRONMENT,
    logger: silentLogger,
    logLevel: 'error',
    standbyAnswer: standbyAnswer(silentLogger),
  })
  const policy = new PolicyPort(supervisor, silentLogger)
  t.teardown(() => Promise.all([supervisor.stop(), policy.close()]))
  const reaches = async (name: string, state: string) => {
    while ((await supervisor.environment(name))?.state !== state) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const world: PolicyWorld = { port, policy, supervisor, configuration, reaches }
  supervisor.start()
  t.same(await policy.configure(configuration), [])
  for (const { name, start } of made) if (start === 'always') await reaches(name, 'up')
  return world
}
