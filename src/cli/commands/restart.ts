/** `pvpn restart ENV`. */
import { environmentCommand } from '../environment-command.js'

export const { configure } = environmentCommand(
  'restart',
  'stops and starts it; asks as `pvpn start` does',
)
