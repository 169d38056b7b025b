/** Who may use a listener: `users: [{ name, password }]`. */
import type { ProxyUser } from '../core/options.js'
import { type Context, type Finish, secretText } from './context.js'
import { MAX_CREDENTIAL_BYTES } from './limits.js'
import { secretFields } from './secrets.js'
import { about, type Fields, list, object, type Shape, type Spec, text } from './spec.js'

const userName = text(
  'a user name',
  (name, complain) => {
    // HTTP Basic ends the name at the first colon (RFC 7617).
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    if (name === '' || /[:\u0000-\u001f\u007f]/.test(name)) {
      return complain('must be a user name without colon and control characters')
    }
    if (Buffer.byteLength(name) <= MAX_CREDENTIAL_BYTES) return name
    return complain(`must be a user name of at most ${MAX_CREDENTIAL_BYTES} bytes`)
  },
  { minLength: 1 },
)

const shape = { name: about('User name', userName), ...secretFields('password', 'the password') }

export const usersSpec: Spec<readonly Fields<Shape>[]> = about(
  'Who may use the listeners; needed off loopback',
  list(object(shape, ['name'])),
)

/** Owner of the users' secrets of an environment, or of the policy port. */
export function ownerOfUsers(environment: string | undefined): string {
  return `users of ${environment ?? 'the policy port'}`
}

/** Reports users without password and names that come twice. */
export function readUsers(
  users: readonly Fields<Shape>[] | undefined,
  environment: string | undefined,
  context: Context,
): Finish<readonly ProxyUser[]> {
  const names = new Set<string>()
  const drafts = (users ?? []).map((fields) => {
    const name = fields.values.name as string | undefined
    const secret = context.secrets.take(fields, 'password', ownerOfUsers(environment))
    if (secret === undefined) {
      context.report.problem(fields.place, '"password_file" (or "password_command") is missing')
    }
    if (name !== undefined && names.has(name)) {
      context.report.problem(fields.at('name'), `user "${name}" appears twice`)
    }
    if (name !== undefined) names.add(name)
    return { name, secret }
  })
  return () => {
    const finished: ProxyUser[] = []
    for (const { name, secret } of drafts) {
      const password = secret === undefined ? undefined : secretText(secret)
      if (name === undefined || secret === undefined || password === undefined) continue
      const length = Buffer.byteLength(password)
      if (!secret.deferred && (length === 0 || length > MAX_CREDENTIAL_BYTES)) {
        const words = length === 0 ? 'is empty' : `is longer than ${MAX_CREDENTIAL_BYTES} bytes`
        context.report.problem(secret.place, `the password ${words}`)
      }
      finished.push({ name, password })
    }
    return finished
  }
}
