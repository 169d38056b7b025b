/** `pvpn completion`: scripts that complete commands and options (written into them) and environments (asked for each time). */
import { Argument, Command, type Option } from 'commander'
import { addConfigOption, addExamples, type CommandContext } from '../command.js'
import { type CommandWords, SHELLS, type Shell, writeScript } from '../completion-script.js'
import { environmentNames } from '../proxy-lookup.js'

export function configure(command: Command, context: CommandContext): void {
  command
    .addArgument(new Argument('[shell]', 'for which shell').choices(SHELLS))
    .option('--environments', 'print the names of the environments, as the scripts ask for them')
  addConfigOption(command)
  addExamples(command, [
    ['eval "$(pvpn completion bash)"', 'in ~/.bashrc'],
    ['pvpn completion zsh > ~/.zfunc/_pvpn', 'with ~/.zfunc in $fpath'],
    ['pvpn completion fish > ~/.config/fish/conf.d/pvpn.fish', 'for fish'],
  ])
  command.action(
    async (shell: Shell | undefined, options: { environments?: true; config?: string }) => {
      if (options.environments === true) {
        const names = await environmentNames(options.config)
        process.stdout.write(names.map((name) => `${name}\n`).join(''))
      } else if (shell === undefined) {
        command.error(`error: missing required argument 'shell' (${SHELLS.join(', ')})`)
      } else process.stdout.write(writeScript(shell, await collect(command, context)))
    },
  )
}

/** What every command takes; `self` is the frame's own, whose common options all others share. */
async function collect(self: Command, context: CommandContext): Promise<readonly CommandWords[]> {
  const common = self.options.filter((option) => option.long === '--log-level')
  return Promise.all(
    context.commands.map(async ({ name, summary, load }) => {
      const command = new Command(name)
      const module = await load()
      module.configure(command, context)
      const [first] = command.registeredArguments
      const options = [...command.options, ...common].map(describeOption)
      return {
        name,
        summary,
        options: [...options, { words: ['-h', '--help'], values: undefined }],
        first: first?.argChoices ?? valuesOf(first?.name()),
      }
    }),
  )
}

/** By the name of the argument: `<environment>`, `<file>`. */
function valuesOf(name: string | undefined): CommandWords['first'] {
  return name === 'environment' || name === 'file' ? name : 'none'
}

function describeOption(option: Option): CommandWords['options'][number] {
  const words = [option.short, option.long].filter((word) => word !== undefined)
  const argument = /[<[](.+)[>\]]/.exec(option.flags)?.[1]
  if (argument === undefined) return { words, values: undefined }
  return { words, values: option.argChoices ?? valuesOf(argument) }
}
