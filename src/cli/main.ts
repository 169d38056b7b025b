/**
 * The `pvpn` program: finds the command, loads that command's module only, and turns every outcome
 * into an exit status (0 done, 1 failed, 2 wrong usage or configuration).
 */
import { writeSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { PvpnError } from '../core/errors.js'
import type { LogLevel } from '../core/log.js'
import type { CommandContext, CommandEntry } from './command.js'
import { COMMANDS } from './command-list.js'
import { describeFailure, exitStatus, oneLine } from './report.js'
import { version } from './version.js'

const LEVELS: readonly LogLevel[] = ['error', 'warn', 'info', 'debug']

/** Below the list of commands: what a newcomer types first. */
const BEGIN = `
To begin:
  pvpn demo                  two networks of its own, to try
  pvpn import office.conf    your network: the WireGuard or OpenVPN file that you were given
  pvpn up                    runs it, until Ctrl-C; then in a second shell
  pvpn browser office        a browser window on it, or
  eval "$(pvpn env office)"  programs of that shell: curl, git, pip, npm ...

\`pvpn COMMAND --help\` shows the command with examples.`

/** Runs one command line (without `node` and the script) and sets the process's exit status. */
export async function run(argv: readonly string[]): Promise<void> {
  const frame = new Frame()
  frame.guardProcess()
  await frame.run(argv)
}

class Frame implements CommandContext {
  readonly commands = COMMANDS
  readonly #program = new Command('pvpn')
  #active: Command | undefined
  #status: 0 | 1 | 2 = 0
  #surviveBrokenPipe = false
  #ownsStandardOutput = false

  logLevel(): LogLevel {
    const options = { ...this.#program.opts(), ...this.#active?.opts() } as { logLevel?: LogLevel }
    return options.logLevel ?? 'info'
  }

  setExitStatus(status: 0 | 1 | 2): void {
    this.#status = status
  }

  surviveBrokenPipe(): void {
    this.#surviveBrokenPipe = true
  }

  #guardStandardOutput(): void {
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') this.#die(error)
      if (!this.#surviveBrokenPipe) process.exit(this.#status)
    })
  }

  /** What escapes a command's own handling still ends in one line and a status. */
  guardProcess(): void {
    process.stderr.on('error', () => {})
    process.on('uncaughtException', (error) => this.#die(error))
  }

  async run(argv: readonly string[]): Promise<void> {
    const words = moveHelp(argv)
    const used = COMMANDS.find((entry) => entry.name === firstOperand(words))
    if (used === undefined) this.#guardStandardOutput()
    try {
      this.#defineProgram()
      for (const entry of COMMANDS) await this.#define(entry, entry === used)
      if (words.length === 0) this.#program.help({ error: true })
      await this.#program.parseAsync([...words], { from: 'user' })
      process.exitCode = this.#status
    } catch (error) {
      process.exitCode = this.#report(error, used)
    }
  }

  #defineProgram(): void {
    this.#program
      .description('Several private networks at the same time, each behind its own proxy port.')
      .version(version(), '-V, --version', 'print the version')
      .usage('[options] COMMAND [ARGUMENT...]')
      .enablePositionalOptions()
      .helpCommand(false)
      .addHelpText('after', BEGIN)
    this.#frame(this.#program)
  }

  async #define(entry: CommandEntry, used: boolean): Promise<void> {
    const command = this.#program.command(entry.name).summary(entry.summary)
    const [first = '', ...rest] = entry.summary
    this.#frame(command.description(`${first.toUpperCase()}${rest.join('')}.`))
    if (!used) return
    this.#active = command
    const module = await entry.load()
    this.#ownsStandardOutput = module.ownsStandardOutput === true
    if (!this.#ownsStandardOutput) this.#guardStandardOutput()
    module.configure(command, this)
  }

  /** What the program and every command have in common. */
  #frame(command: Command): void {
    command
      .helpOption('-h, --help', 'show this help')
      .configureHelp({ subcommandTerm: (command) => command.name() })
      .addOption(new Option('--log-level <level>', 'how much to say').choices(LEVELS))
      .exitOverride()
      .configureOutput({ outputError: () => {} })
      .showSuggestionAfterError(true)
  }

  #report(error: unknown, used: CommandEntry | undefined): 0 | 1 | 2 {
    if (error instanceof CommanderError) {
      // Help and version were printed by commander; only mistakes are left to say.
      if (error.exitCode === 0) return 0
      if (error.code !== 'commander.help') {
        const message = oneLine(error.message).replace(/^error: /, '')
        const help = used === undefined ? 'pvpn --help' : `pvpn ${used.name} --help`
        process.stderr.write(`pvpn: ${message}\nhint: ${help} shows how\n`)
      }
      return 2
    }
    process.stderr.write(describeFailure(error, this.logLevel()))
    return error instanceof PvpnError ? exitStatus(error) : 1
  }

  #die(error: unknown): never {
    // Help of such a command, to a reader who went away.
    const broken = (error as NodeJS.ErrnoException).code === 'EPIPE'
    if (broken && this.#ownsStandardOutput) process.exit(this.#status)
    try {
      writeSync(2, describeFailure(error, this.logLevel()))
    } finally {
      process.exit(error instanceof PvpnError ? exitStatus(error) : 1)
    }
  }
}

/** `help check` means `check --help`, as people try both. */
function moveHelp(argv: readonly string[]): readonly string[] {
  return argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv
}

/** The command's name: the first word that is neither an option nor the value of `--log-level`. */
function firstOperand(argv: readonly string[]): string | undefined {
  const at = argv.findIndex((word, i) => !word.startsWith('-') && argv[i - 1] !== '--log-level')
  return at < 0 ? undefined : argv[at]
}
