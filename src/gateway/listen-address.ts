/** Listen addresses as text, and the words for what keeps one from being listened on. */
import { formatHostPort } from '../core/ip.js'
import type { ListenAddress } from '../core/options.js'

export function formatListenAddress(listen: ListenAddress): string {
  return listen.kind === 'unix'
    ? `unix:${listen.path}`
    : formatHostPort(listen.address, listen.port)
}

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
