/** `pvpn start ENV`. */
import { environmentCommand } from '../environment-command.js'

export const { configure } = environmentCommand(
  'start',
  'starts it, asks for the password or code that it needs, and waits until it is up or says why not',
)
