/** What the frame (main.ts) and a command's module agree on. */
import type { Command } from 'commander'
import type { LogLevel } from '../core/log.js'

/** Handed to a command's `configure`; its members are meant for the command's action. */
export interface CommandContext {
  /** Every command of the program. */
  readonly commands: readonly CommandEntry[]
  /** What `--log-level` says; `info` without it. */
  logLevel(): LogLevel
  /** Ends the command with this status once the action is done and nothing is pending (0 otherwise). */
  setExitStatus(status: 0 | 1 | 2): void
  /**
   * Goes on when the reader of standard output went away (a gateway must not end for that); without
   * it the program ends quietly.
   */
  surviveBrokenPipe(): void
}

/**
 * A command's module, loaded only when the command is used. `configure` adds arguments, options,
 * examples and the action to a Command whose name and summary are set already. The action reports
 * failures by throwing: ERR_CONFIG ends with status 2, everything else with 1.
 */
export interface CommandModule {
  /** The command writes to descriptor 1 by itself: the frame keeps from opening `process.stdout`. */
  readonly ownsStandardOutput?: true
  configure(command: Command, context: CommandContext): void
}

export interface CommandEntry {
  readonly name: string
  /** One line for `pvpn --help`. */
  readonly summary: string
  readonly load: () => Promise<CommandModule>
}

/** Adds an `Examples:` section to the command's help; rows are a command line and what it does. */
export function addExamples(
  command: Command,
  rows: readonly (readonly [line: string, does: string])[],
): void {
  const width = Math.max(...rows.map(([line]) => line.length))
  const lines = rows.map(([line, does]) => `  ${line.padEnd(width)}   ${does}`)
  command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`)
}

/** `-c, --config FILE`, as every command that reads the configuration has it. */
export function addConfigOption(command: Command): void {
  command.option(
    '-c, --config <file>',
    'configuration (default: $PVPN_CONFIG, else pvpn/pvpn.yaml in $XDG_CONFIG_HOME or ~/.config, else /etc/pvpn/pvpn.yaml)',
  )
}
