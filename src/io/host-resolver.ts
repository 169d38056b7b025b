/** Names asked of the host's resolver: only for the tunnels' own endpoints, never for programs. */
import { lookup } from 'node:dns/promises'

/** Addresses of a host name, as the host's resolver orders them; an IP literal is returned as it is. */
export async function resolveHost(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true })
  return found.map((entry) => entry.address)
}
