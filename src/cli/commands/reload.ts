/** `pvpn reload`: the gateway reads its configuration again. */
import type { Command } from 'commander'
import type { ReloadReport } from '../../gateway/contract.js'
import { addExamples, type CommandContext } from '../command.js'
import { reload } from '../control-commands.js'
import { oneLine } from '../report.js'

export function configure(command: Command, context: CommandContext): void {
  command.action(async () => {
    const report = await reload()
    for (const line of [...report.problems, ...report.warnings]) {
      process.stderr.write(`${oneLine(line)}\n`)
    }
    if (report.ok) {
      process.stdout.write(changes(report))
    } else {
      process.stderr.write('pvpn: nothing was changed: everything runs on as before\n')
      context.setExitStatus(2)
    }
  })
  addExamples(command, [
    ['pvpn reload', 'applies the file; unchanged environments are not touched'],
  ])
}

function changes(report: ReloadReport): string {
  const rows = [
    ['started', report.started],
    ['restarted', report.restarted],
    ['changed, not running', report.changed],
    ['stopped', report.stopped],
    ['unchanged', report.unchanged],
  ] as const
  return rows
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${what}: ${names.join(', ')}\n`)
    .join('')
}
