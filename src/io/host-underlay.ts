/** The host's own network below a tunnel. */
import type { Underlay } from '../core/stream-tunnel.js'
import { connectHost } from './host-connect.js'
import { bindHostUdp } from './host-datagram.js'
import { lookupHost } from './host-dns.js'

export const hostUnderlay: Underlay = {
  dial: (target, options) => connectHost(target, options),
  bindUdp: ({ family }) => bindHostUdp({ family }),
  lookup: (host) => lookupHost(host, undefined),
}
