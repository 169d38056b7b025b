/** `pvpn check`: every problem of the configuration, at its place. Runs no `x_command`. */
import type { Command } from 'commander'
import { findConfig } from '../../config/find.js'
import { loadConfig } from '../../config/load.js'
import { formatProblem } from '../../config/problem.js'
import { addConfigOption, addExamples, type CommandContext } from '../command.js'
import { oneLine } from '../report.js'

export function configure(command: Command, context: CommandContext): void {
  addConfigOption(command)
  addExamples(command, [
    ['pvpn check', 'check the configuration that `pvpn up` would use'],
    ['pvpn check -c site.yaml', 'check this file; status 2 when it has problems'],
  ])
  command.action(async ({ config }: { config?: string }) => {
    const file = findConfig({ file: config, env: process.env })
    const { options, warnings, problems } = await loadConfig(file, { secrets: false })
    const lines = [
      ...problems.map(formatProblem),
      ...warnings.map(({ message, ...at }) =>
        formatProblem({ ...at, message: `warning: ${message}` }),
      ),
    ]
    for (const line of lines) process.stdout.write(`${oneLine(line)}\n`)
    if (options === undefined) {
      context.setExitStatus(2)
      return
    }
    const count = options.environments.length
    process.stdout.write(`${file}: good, ${count} environment${count === 1 ? '' : 's'}\n`)
  })
}
