/** The words for what keeps an address from being listened on. */
import { formatListenAddress } from '../core/listen-address.js'
import type { ListenAddress } from '../core/options.js'

/** Plain words for an error of bind or listen. */
export function bindProblem(listen: ListenAddress, error: NodeJS.ErrnoException): string {
  const where = formatListenAddress(listen)
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where} is in use by another program`
    case 'EADDRNOTAVAIL':
      return `${where} is not an address of this machine`
    case 'EACCES':
      return `no permission to listen on ${where}`
    default:
      return `can't listen on ${where}: ${error.message}`
  }
}
