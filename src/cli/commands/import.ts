/** `pvpn import`: adds an environment made of a tunnel file, and says what became of each directive. */
import type { Command } from 'commander'
import type { Directive } from '../../config/directive.js'
import { findConfigToWrite } from '../../config/find.js'
import { type ImportResult, importFile } from '../../config/import/import.js'
import { formatProblem } from '../../config/problem.js'
import { addConfigOption, addExamples, type CommandContext } from '../command.js'
import { oneLine } from '../report.js'

interface ImportOptions {
  readonly name?: string
  readonly config?: string
  readonly dryRun?: boolean
}

export function configure(command: Command, _context: CommandContext): void {
  command
    .argument(
      '<file>',
      'wg-quick, wireproxy, .ovpn or ssh_config file, or NetworkManager keyfile (WireGuard, OpenVPN, openconnect)',
    )
    .option('--name <name>', "the environment's name (default: from the file's name)")
    .option('--dry-run', 'say what would be done, and write nothing')
  addConfigOption(command)
  addExamples(command, [
    ['pvpn import office.conf', 'add environment "office" on the next free port from 1081'],
    ['pvpn import wg0.conf --name site', 'the same with another name'],
    ['pvpn import office.ovpn', 'an OpenVPN client file, with the files that it names'],
    ['pvpn import Office.nmconnection', 'a connection of NetworkManager'],
    ['pvpn import ~/.ssh/config --name office', 'the entry "office" of an ssh_config file'],
    ['pvpn import office.conf --dry-run', 'only show what would become of it'],
  ])
  command.action((file: string, options: ImportOptions) => {
    const config = findConfigToWrite({ file: options.config, env: process.env })
    const dryRun = options.dryRun === true
    const result = importFile({ file, name: options.name, config, dryRun })
    process.stdout.write(`${describe(file, config, dryRun, result).join('\n')}\n`)
  })
}

function describe(
  file: string,
  config: string,
  dryRun: boolean,
  result: ImportResult,
): readonly string[] {
  const { name, kind, directives, notes, warnings, listen, lines, copy } = result
  return [
    `${oneLine(file)}: ${kind}`,
    ...directiveTable(directives),
    ...warnings.map((warning) => `warning: ${oneLine(formatProblem(warning))}`),
    ...notes.map((note) => `note: ${note}`),
    dryRun ? `would be added to ${config}:` : `added to ${config}:`,
    ...lines.split('\n').map((line) => `  ${oneLine(line) === '' ? '' : line}`),
    ...copied(copy, dryRun),
    `"${name}" listens on ${listen.join(', ')}${dryRun ? ' then' : ' once `pvpn up` runs'}`,
  ]
}

function copied(copy: string | undefined, dryRun: boolean): readonly string[] {
  if (copy === undefined) return []
  return [dryRun ? `would be copied: ${copy}` : `keys: ${copy} (beside it, mode 0600)`]
}

function directiveTable(directives: readonly Directive[]): readonly string[] {
  const width = Math.max(0, ...directives.map(({ name }) => name.length))
  const digits = String(directives.at(-1)?.line ?? 0).length
  return directives.map(({ line, name, verdict, reason }) => {
    const words = reason === undefined ? verdict : `${verdict}: ${reason}`
    return `  line ${String(line).padStart(digits)}  ${oneLine(name).padEnd(width)}  ${words}`
  })
}
