/** `pvpn start|stop|restart ENV` are one command with three names; on a terminal the first and last ask for what is missing. */
import type { Command } from 'commander'
import { remedy } from '../core/remedy.js'
import type { Action } from '../gateway/contract.js'
import { answerQuestions } from './answer-questions.js'
import { addExamples, type CommandContext, type CommandModule } from './command.js'
import { act } from './control-commands.js'
import { oneLine } from './report.js'

export function environmentCommand(action: Action, does: string): CommandModule {
  return {
    configure(command: Command, context: CommandContext) {
      command
        .argument('<environment>', 'its name, as in the configuration')
        .action(async (name: string) => {
          const acted = await act(name, action)
          const { state, error, asks, listen } =
            action === 'stop' ? acted : await answerQuestions(acted)
          const done = action === 'stop' ? state === 'stopped' : state === 'up'
          const where = state === 'up' ? ` (${listen.proxy.join(', ')})` : ''
          const why = error === null ? '' : `: ${oneLine(error.message)}`
          process.stdout.write(`${name} is ${state}${where}${why}\n`)
          if (done) return
          context.setExitStatus(1)
          // What it asks was asked above, or could not be.
          const hint = error === null || asks !== undefined ? null : remedy(error, name)
          if (hint !== null) process.stderr.write(`hint: ${oneLine(hint)}\n`)
        })
      addExamples(command, [[`pvpn ${action} office`, does]])
    },
  }
}
