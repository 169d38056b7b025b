/** Server, user and password of an upstream proxy. */
import type { Target } from '../../core/types.js'
import { parseTarget } from '../address.js'
import { type Context, type Finish, secretText } from '../context.js'
import { secretFields } from '../secrets.js'
import { about, type Fields, text, words } from '../spec.js'

/** Of the secrets here: needed to start only. */
const OWNER = 'tunnel'

/** Bytes of a user name or password that SOCKS5 can carry (RFC 1929 section 2). */
const LONGEST = 255

export const loginShape = {
  server: about('HOST:PORT of the proxy', text('HOST:PORT', parseTarget)),
  username: about('User name at the proxy', words('text')),
  ...secretFields('password', "the user's password"),
}

export interface Login {
  readonly server: Target
  readonly username?: string
  readonly password?: string
}

/** Reports what does not fit together. */
export function readLogin(fields: Fields<typeof loginShape>, context: Context): Finish<Login> {
  const { server, username } = fields.values
  const { report } = context
  const secret = context.secrets.take(fields, 'password', OWNER)
  if (server === undefined && !fields.has('server')) {
    report.problem(fields.place, '"server" is missing')
  }
  if (secret !== undefined && !fields.has('username')) {
    report.problem(secret.place, `"${secret.key}" needs a "username"`)
  }
  if (username !== undefined && Buffer.byteLength(username) > LONGEST) {
    report.problem(fields.at('username'), `is longer than ${LONGEST} bytes`)
  }
  return () => {
    if (server === undefined) return undefined
    const password = secret === undefined ? undefined : secretText(secret)
    if (secret !== undefined && password === undefined) return undefined
    if (secret !== undefined && Buffer.byteLength(password ?? '') > LONGEST) {
      report.problem(secret.place, `the password is longer than ${LONGEST} bytes`)
      return undefined
    }
    return {
      server,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    }
  }
}
