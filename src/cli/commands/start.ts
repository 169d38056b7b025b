/** `pvpn start ENV`. */
import { environmentCommand } from '../environment-command.js'

export const { configure } = environmentCommand(
  'start',
  'starts it, and waits until it is up or says why not',
)
