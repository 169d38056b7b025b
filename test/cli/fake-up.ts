/**
 * `pvpn up` with fake environments: the real gateway over fake-environment.ts, configured by a JSON
 * file of `{ environments: [{ name, port, start? }], control? }` that SIGHUP and reload read again.
 */
import { readFileSync } from 'node:fs'
import { stateLine } from '../../src/cli/event-lines.js'
import { describeFailure } from '../../src/cli/report.js'
import { runGateway, untilSignalled } from '../../src/cli/run-gateway.js'
import type { GatewayOptions } from '../../src/core/options.js'
import type { LoadedConfiguration } from '../../src/gateway/contract.js'
import { standbyAnswer } from '../../src/gateway/standby-answer.js'
import { createLogger } from '../../src/io/logger.js'
import { runtimeFolder } from '../../src/io/runtime-folder.js'
import { environmentOptions, FAKE_ENVIRONMENT } from '../gateway/support.js'

interface File {
  readonly environments: readonly { name: string; port: number; start?: 'always' | 'on-demand' }[]
  readonly control?: number
}

function load(): LoadedConfiguration {
  try {
    const { environments, control } = JSON.parse(
      readFileSync(process.argv[2] ?? '', 'utf8'),
    ) as File
    const listen = { kind: 'tcp', address: '127.0.0.1', port: control ?? 0 } as const
    const options: GatewayOptions = {
      file: undefined,
      control: { listen: control === undefined ? undefined : listen },
      environments: environments.map(({ name, port, start }) =>
        environmentOptions(name, port, start === undefined ? {} : { start }),
      ),
      policy: undefined,
    }
    return { options, problems: [], warnings: [] }
  } catch {
    return { problems: ['fake.json:1:1: no JSON'], warnings: [] }
  }
}

const { options } = load()
if (options === undefined) process.exit(2)
const logger = createLogger({ level: 'info' })
try {
  const starting = runGateway({
    configuration: options,
    load: async () => load(),
    folder: runtimeFolder(),
    version: '0.0.0',
    logger,
    logLevel: 'info',
    environmentModule: FAKE_ENVIRONMENT,
    standbyAnswer: standbyAnswer(logger),
    onEvent(event) {
      if (event.kind === 'state') process.stdout.write(`${stateLine(event, 0)}\n`)
    },
  })
  const ended = untilSignalled(starting, logger)
  starting.then(
    ({ control }) => process.stdout.write(`control ${control}\n`),
    () => {},
  )
  await ended
  process.exit(0)
} catch (error) {
  process.stderr.write(describeFailure(error, 'info'))
  process.exit(1)
}
