/** Questions of our own, and names of servers for logs. */
import { encode, RECURSION_DESIRED } from 'dns-packet'
import type { Bytes } from '../core/types.js'
import { DNS_UDP_PAYLOAD } from './limits.js'
import { TYPE_A, TYPE_AAAA, TYPE_PTR } from './message.js'

/** What the resolver itself asks for. */
export type LookupType = 'A' | 'AAAA' | 'PTR'

export const TYPE_NUMBER = {
  A: TYPE_A,
  AAAA: TYPE_AAAA,
  PTR: TYPE_PTR,
} as const satisfies Record<LookupType, number>

/** A query with id 0 (set per attempt) for a name that `validName` accepts, with or without EDNS. */
export function encodeQuery(name: string, type: LookupType, edns: boolean): Bytes {
  return encode({
    type: 'query',
    id: 0,
    flags: RECURSION_DESIRED,
    questions: [{ name, type, class: 'IN' }],
    additionals: edns
      ? [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: DNS_UDP_PAYLOAD,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ]
      : [],
  })
}
