/** What the readers of the file's sections share. */
import type { ListenAddress } from '../core/options.js'
import { parseListen } from './address.js'
import { quote } from './problem.js'
import type { Report } from './reader.js'
import type { Secret, SecretSource } from './secrets.js'
import { type Complain, type Spec, text } from './spec.js'

export interface Context {
  /** Absolute folder of the configuration: relative paths start here. */
  readonly folder: string
  /** The configuration as the user would type it. */
  readonly file: string
  readonly report: Report
  readonly secrets: SecretSource
  /** For the tunnel of this environment. */
  readonly secretsOf: (environment: string) => SecretSource
}

/** The second half of reading: run once the secrets are known. Undefined: a problem was reported. */
export type Finish<T> = () => T | undefined

/** An environment's name, also as a part of `HOST.ENV.pvpn.internal`. */
export const NAME_PATTERN = '^[a-z0-9][a-z0-9-]{0,31}$'

/** Words that stand where an environment's name could. */
const RESERVED = ['deny', 'none']

export function parseName(name: string, complain: Complain): string | undefined {
  if (RESERVED.includes(name)) return complain(`"${name}" can not be an environment's name`)
  if (new RegExp(NAME_PATTERN).test(name)) return name
  const rule = 'lower-case letters, digits and -, at most 32, the first no -'
  return complain(`${quote(name)} is not a name for an environment: ${rule}`)
}

/** `ADDRESS:PORT` or `unix:PATH`, relative to the configuration. */
export function listenSpec(folder: string): Spec<ListenAddress> {
  return text('ADDRESS:PORT or unix:PATH', (value, complain) =>
    parseListen(value, folder, complain),
  )
}

/** The secret's text, or `placeholder` for one that was put off; undefined when it is unknown. */
export function secretText(secret: Secret): string | undefined {
  return secret.deferred ? '' : secret.text
}
