/** What a VPN server may give its clients: addresses and names that can't be are left out, and that is told. */
import { LEFT_OUT_MOST } from './limits.js'
import { plainText } from './plain-text.js'
import type { Bytes } from './types.js'

/** Characters of one value that are told. */
const SHOWN = 64
/** RFC 1035 section 2.3.4; without the final dot. */
const LONGEST_NAME = 253
const LONGEST_LABEL = 63

/**
 * May it be the address of one host, reached by a network? Not: this network (0/8), loopback, multicast,
 * broadcast (RFC 6890), the unspecified address, IPv4 inside IPv6 (RFC 4291 section 2.5.5).
 */
export function isHostAddress(address: Bytes): boolean {
  const [first = 0] = address
  if (address.length === 4) {
    const multicast = first >= 224 && first <= 239
    return first !== 0 && first !== 127 && !multicast && address.some((byte) => byte !== 255)
  }
  const zeros = address.findIndex((byte) => byte !== 0)
  // ::, ::1, ::a.b.c.d and ::ffff:a.b.c.d.
  const low =
    zeros < 0 || zeros >= 12 || (zeros === 10 && address[10] === 255 && address[11] === 255)
  return first !== 255 && !low
}

/** A domain as DNS can carry it: letters, digits, `-` and `_`; a dot at the end is allowed. */
export function isDomainName(text: string): boolean {
  const name = text.replace(/\.$/, '')
  if (name.length > LONGEST_NAME || !/^[\w-]+(\.[\w-]+)*$/.test(name)) return false
  return name.split('.').every((label) => label.length <= LONGEST_LABEL)
}

/** What was left out, for the log; bounded. */
export class LeftOut {
  readonly words: string[] = []

  /** `what` is ours, `value` the server's. Always false, for use in filters. */
  note(what: string, value: string): false {
    const words = `${what} ${plainText(value, SHOWN)}`.trim()
    if (this.words.length < LEFT_OUT_MOST && !this.words.includes(words)) this.words.push(words)
    return false
  }
}
