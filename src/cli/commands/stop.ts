/** `pvpn stop ENV`. */
import { environmentCommand } from '../environment-command.js'

export const { configure } = environmentCommand(
  'stop',
  'ends its process and connections; its ports answer that it is stopped',
)
