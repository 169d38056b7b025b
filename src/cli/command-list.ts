/** Every command, in the order of `pvpn --help`. Loading this list loads no command. */
import type { CommandEntry } from './command.js'

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'check',
    summary: 'validate the configuration and print every problem',
    load: () => import('./commands/check.js'),
  },
]
