/** Proxy users: names and passwords compared in a time that tells nothing about either. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { ProxyUser } from '../core/options.js'
import type { Bytes } from '../core/types.js'

export class Authenticator {
  /** No users: everybody may come in. */
  readonly open: boolean
  readonly #users: readonly { readonly name: string; readonly digest: Buffer }[]

  constructor(users: readonly ProxyUser[]) {
    this.open = users.length === 0
    this.#users = users.map((user) => ({
      name: user.name,
      digest: digest(Buffer.from(user.name), Buffer.from(user.password)),
    }))
  }

  /** The user's name when the pair is right. Every user is compared, whatever the outcome. */
  check(name: Bytes, password: Bytes): string | undefined {
    const given = digest(name, password)
    let found: string | undefined
    for (const user of this.#users) if (timingSafeEqual(given, user.digest)) found = user.name
    return found
  }

  /** The user of a `Proxy-Authorization: Basic …` field (RFC 7617), when the pair is right. */
  checkBasic(field: string): string | undefined {
    const match = /^basic +([a-z0-9+/]+={0,2}) *$/i.exec(field)
    const pair = Buffer.from(match?.[1] ?? '', 'base64')
    const colon = pair.indexOf(0x3a)
    return colon < 0 ? undefined : this.check(pair.subarray(0, colon), pair.subarray(colon + 1))
  }
}

/** Of fixed length whatever was given, and unambiguous: the name's length goes first. */
function digest(name: Bytes, password: Bytes): Buffer {
  return createHash('sha256').update(`${name.length}:`).update(name).update(password).digest()
}
