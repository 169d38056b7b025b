/** `pvpn up`: the gateway in the foreground. */
import type { Command } from 'commander'
import { findConfig } from '../../config/find.js'
import { loadConfig } from '../../config/load.js'
import { ConfigError, formatProblem } from '../../config/problem.js'
import type { LoadedConfiguration } from '../../gateway/contract.js'
import { standbyAnswer } from '../../gateway/standby-answer.js'
import { createLogger } from '../../io/logger.js'
import { runtimeFolder } from '../../io/runtime-folder.js'
import { addConfigOption, addExamples, type CommandContext } from '../command.js'
import { ENVIRONMENT_MODULE } from '../environment-module.js'
import { idleLine, stateLine } from '../event-lines.js'
import { runGateway, untilSignalled } from '../run-gateway.js'
import { version } from '../version.js'

export function configure(command: Command, context: CommandContext): void {
  addConfigOption(command)
  addExamples(command, [
    ['pvpn up', 'start them all; each says its proxy port once it is up'],
    ['pvpn up -c site.yaml', 'the same with this configuration'],
    ['kill -HUP PID', 'read it again (as `pvpn reload`)'],
  ])
  command.action(async ({ config }: { config?: string }) => {
    context.surviveBrokenPipe()
    const file = findConfig({ file: config, env: process.env })
    const { options, problems, warnings } = await loadConfig(file, { secrets: true })
    if (options === undefined) throw new ConfigError(problems)
    const logLevel = context.logLevel()
    const logger = createLogger({ level: logLevel })
    for (const warning of warnings) logger.warn({}, formatProblem(warning))
    const width = Math.max(...options.environments.map(({ name }) => name.length), 0)
    const say = (line: string) => process.stdout.write(`${line}\n`)
    const starting = runGateway({
      configuration: options,
      load: () => reloaded(file),
      folder: runtimeFolder(),
      version: version(),
      logger,
      logLevel,
      environmentModule: ENVIRONMENT_MODULE,
      standbyAnswer: standbyAnswer(logger),
      onEvent(event) {
        if (event.kind === 'state') say(stateLine(event, width))
      },
    })
    const ended = untilSignalled(starting, logger)
    starting.then(
      ({ control, policy }) => {
        for (const environment of options.environments) {
          if (environment.start === 'on-demand') say(idleLine(environment, width))
        }
        const more = policy === null ? {} : { policy }
        logger.info({ control, ...more, pid: process.pid }, 'gateway runs')
      },
      () => {},
    )
    await ended
    process.exit(0)
  })
}

async function reloaded(file: string): Promise<LoadedConfiguration> {
  const { options, problems, warnings } = await loadConfig(file, { secrets: true })
  return {
    ...(options === undefined ? {} : { options }),
    problems: problems.map(formatProblem),
    warnings: warnings.map(formatProblem),
  }
}
