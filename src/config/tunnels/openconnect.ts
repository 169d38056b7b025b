/** `type: openconnect`: an SSL-VPN server and what its login asks for. */
import { resolve } from 'node:path'
import {
  type OpenconnectOptions,
  type OpenconnectTlsOptions,
  SSL_PROTOCOLS,
} from '../../core/options.js'
import { parseTarget } from '../address.js'
import { type Context, type Finish, secretText } from '../context.js'
import { decodeText, othersCanRead, readBounded } from '../files.js'
import { MAX_FORM_FIELDS, MAX_TUNNEL_FILE_BYTES } from '../limits.js'
import { quote } from '../problem.js'
import { type Secret, secretFields } from '../secrets.js'
import {
  about,
  boolean,
  type Complain,
  choice,
  entries,
  type Fields,
  type Shape,
  type Spec,
  text,
  words,
} from '../spec.js'
import type { TunnelDraft, TunnelType } from './contract.js'

/** Of the secrets here: needed to start only. */
const OWNER = 'tunnel'

const NOT_THROUGH =
  'engine: openconnect runs a program on this machine, whose connection can go through no other environment: leave "through" out'

const PIN = /^pin-sha256:([A-Za-z0-9+/]{43}=)$/
const CERTIFICATE = '-----BEGIN CERTIFICATE-----'

const shape = {
  url: about('https://HOST[:PORT][/GROUP] of the server', text('an https URL', parseUrl)),
  username: about('User name', words('text')),
  ...secretFields('password', "the user's password"),
  form: about(
    "Further fields of the server's forms: FIELD, FIELD_file or FIELD_command",
    formSpec(),
  ),
  authgroup: about("The server's group, by its name or value", words('text')),
  certificate: about('File with our certificate: PEM, or PKCS #12 with its key', words('a path')),
  key: about('File with its private key, PEM; default: the certificate file', words('a path')),
  ...secretFields('key_password', 'the password of the private key'),
  ca: about('File with the authorities to trust, PEM; default: the public ones', words('a path')),
  server_pin: about(
    "pin-sha256:BASE64 of the server's public key; without ca it replaces the checks of chain and name",
    text('pin-sha256:BASE64', (value, complain) =>
      PIN.test(value)
        ? value.replace('pin-sha256:', '')
        : complain(`${quote(value)} is not pin-sha256: and 44 characters of base64`),
    ),
  ),
  dtls: about('Packets by UDP where the server offers it; needs engine: openconnect', boolean),
  engine: about(
    'Who speaks with the server: this program, or the installed openconnect; default native',
    choice(['native', 'openconnect']),
  ),
  protocol: about(
    'What the server speaks; default anyconnect, the others need engine: openconnect',
    choice(SSL_PROTOCOLS),
  ),
}

/** By exactly this shape the fields were read. */
type OpenconnectFields = Fields<typeof shape>

export const openconnect: TunnelType = {
  shape,
  read(fields: Fields<Shape>, context: Context): TunnelDraft {
    const own = fields as OpenconnectFields
    const { report, secrets } = context
    const { url, engine = 'native', protocol = 'anyconnect', dtls = false } = own.values
    if (url === undefined && !own.has('url')) report.problem(own.place, '"url" is missing')
    if (engine === 'native') checkNative(own, context)
    else checkEngine(own, context)
    const password = secrets.take(own, 'password', OWNER)
    const keyPassword = secrets.take(own, 'key_password', OWNER)
    const form = readForm(own, context)
    const tls = readTls(own, context)
    return {
      ...(engine === 'native' ? {} : { notThrough: NOT_THROUGH }),
      finish: () => {
        const finished = form()
        const texts = [password, keyPassword].map((secret) =>
          secret === undefined ? '' : secretText(secret),
        )
        const [passwordText, keyPasswordText] = texts
        if (url === undefined || finished === undefined || texts.includes(undefined))
          return undefined
        const { username, authgroup } = own.values
        return {
          type: 'openconnect',
          place: url,
          ...(username === undefined ? {} : { username }),
          ...(password === undefined ? {} : { password: passwordText }),
          ...(authgroup === undefined ? {} : { authgroup }),
          form: finished,
          tls: {
            ...tls,
            ...(engine === 'native' ? {} : { files: files(own, context) }),
            ...(keyPassword === undefined ? {} : { keyPassword: keyPasswordText }),
          },
          engine,
          protocol,
          dtls,
        } as OpenconnectOptions
      },
    }
  },
}

function checkNative(fields: OpenconnectFields, { report }: Context): void {
  const { protocol = 'anyconnect', dtls = false } = fields.values
  if (protocol !== 'anyconnect') {
    report.problem(
      fields.at('protocol'),
      `"${protocol}" needs engine: openconnect: the native client speaks anyconnect`,
    )
  }
  if (dtls) {
    report.problem(
      fields.at('dtls'),
      'the native client carries packets over TLS only: leave "dtls" out',
    )
  }
}

/** What the program would need as an argument, where everybody on the machine could read it; and what it does otherwise. */
function checkEngine(fields: OpenconnectFields, { report }: Context): void {
  const { username, authgroup } = fields.values
  if (fields.has('form')) {
    report.problem(
      fields.at('form'),
      'the installed openconnect takes "form" only where everybody can read it: leave it out, or leave "engine" out for AnyConnect servers',
    )
  }
  if (fields.has('ca') && fields.has('server_pin')) {
    report.problem(
      fields.at('server_pin'),
      'with engine: openconnect the key replaces the checks of chain and name: leave "ca" or "server_pin" out',
    )
  }
  for (const [key, value] of Object.entries({ username, authgroup })) {
    if (value?.includes('\0') === true) {
      report.problem(fields.at(key as 'username'), 'a zero character can not be given to a program')
    }
  }
}

/** By whole paths, for the program. */
function files(
  { values }: OpenconnectFields,
  { folder }: Context,
): NonNullable<OpenconnectTlsOptions['files']> {
  const { ca, certificate, key } = values
  const named = Object.entries({ ca, certificate, key })
  return Object.fromEntries(
    named.flatMap(([name, path]) => (path === undefined ? [] : [[name, resolve(folder, path)]])),
  )
}

function parseUrl(value: string, complain: Complain): OpenconnectOptions['place'] | undefined {
  // What stands before an @ may be a secret: such a value is not repeated.
  if (value.includes('@')) return complain('no user in the url: use "username" and "password_file"')
  if (/^http:/i.test(value)) return complain('must be https: a VPN without TLS is none')
  if (/^(?!https:)[a-z][a-z0-9+.-]*:\/\//i.test(value)) {
    return complain(`${quote(value)} is not an https URL (https://vpn.example)`)
  }
  const found = /^([^/?#\s]+)(\/[!-~]*)?$/.exec(value.replace(/^https:\/\//i, ''))
  if (found === null) return complain(`${quote(value)} is not an https URL (https://vpn.example)`)
  const [, authority = '', path = '/'] = found
  const withPort = /^(\[[^\]]*\]|[^:]+):\d+$/.test(authority) ? authority : `${authority}:443`
  const target = parseTarget(withPort, complain)
  return target === undefined ? undefined : { ...target, path: path.replace(/#.*$/, '') }
}

/** A map whose keys are the server's; each may be a secret. */
function formSpec(): Spec<Fields<Shape>> {
  const value = words('text')
  return {
    schema: { type: 'object', additionalProperties: value.schema },
    read(node, reader) {
      const found = entries(node, reader)
      if (found === undefined) return undefined
      const values: Record<string, unknown> = {}
      const places = new Map<string, ReturnType<typeof reader.place>>()
      for (const entry of found) {
        if (!/^[A-Za-z_][\w.-]{0,63}$/.test(entry.key)) {
          reader.problem(entry.place, `must hold names of a form's fields, not ${quote(entry.key)}`)
          continue
        }
        places.set(entry.key, reader.place(entry.node))
        const read = reader.under(entry.key, () => value.read(entry.node, reader))
        if (read !== undefined) values[entry.key] = read
      }
      const place = reader.place(node)
      return {
        place,
        values: values as Fields<Shape>['values'],
        has: (key) => places.has(key as string),
        at: (key) => places.get(key as string) ?? place,
      }
    },
  }
}

function readForm(
  fields: OpenconnectFields,
  { report, secrets }: Context,
): Finish<Readonly<Record<string, string>>> {
  const form = fields.values.form as Fields<Shape> | undefined
  const taken = new Map<string, Secret>()
  for (const key of Object.keys(form?.values ?? {})) {
    const name = key.replace(/_(file|command)$/, '')
    if (form === undefined || taken.has(name)) continue
    const secret = secrets.take(form, name, OWNER)
    if (secret !== undefined) taken.set(name, secret)
  }
  if (form !== undefined && taken.size > MAX_FORM_FIELDS) {
    report.problem(form.place, `more than ${MAX_FORM_FIELDS} fields`)
  }
  return () => {
    const out: [string, string][] = []
    for (const [name, secret] of taken) {
      const value = secretText(secret)
      if (value === undefined) return undefined
      out.push([name, value])
    }
    return Object.fromEntries(out)
  }
}

function readTls(fields: OpenconnectFields, context: Context): OpenconnectTlsOptions {
  const { report } = context
  const { certificate, key, ca, server_pin: pin } = fields.values
  for (const name of [
    'key',
    'key_password',
    'key_password_file',
    'key_password_command',
  ] as const) {
    if (fields.has(name) && certificate === undefined) {
      report.problem(fields.at(name), `"${name}" needs a "certificate"`)
      break
    }
  }
  const own = certificate === undefined ? undefined : readOwn(fields, certificate, context)
  const keyText =
    key === undefined ? undefined : readPem(fields, 'key', key, 'PRIVATE KEY-----', context)
  const authorities = ca === undefined ? undefined : readPem(fields, 'ca', ca, CERTIFICATE, context)
  if (own?.certificate !== undefined && keyText === undefined && !fields.has('key')) {
    if (!own.certificate.includes('PRIVATE KEY-----')) {
      report.problem(fields.at('certificate'), `${certificate} has no private key in it: add "key"`)
    }
  }
  if (own?.pkcs12 !== undefined && key !== undefined) {
    report.problem(fields.at('key'), 'the key stands in the certificate file (PKCS #12)')
  }
  return {
    ...own,
    ...(keyText === undefined ? {} : { key: keyText }),
    ...(authorities === undefined ? {} : { ca: authorities }),
    ...(pin === undefined ? {} : { pin }),
  }
}

/** Our certificate: PEM text, or else taken for PKCS #12, which shows when it is used. */
function readOwn(
  fields: OpenconnectFields,
  path: string,
  { folder, report }: Context,
): Pick<OpenconnectTlsOptions, 'certificate' | 'pkcs12'> {
  const found = readBounded(resolve(folder, path), MAX_TUNNEL_FILE_BYTES)
  if (typeof found === 'string') {
    report.problem(fields.at('certificate'), `${path} ${found}`)
    return {}
  }
  const content = decodeText(found.bytes)
  const pem = content?.includes(CERTIFICATE) === true
  if (othersCanRead(found.mode) && (!pem || content?.includes('PRIVATE KEY-----'))) {
    report.warning(fields.at('certificate'), `others can read the key in ${path}: chmod 600 it`)
  }
  if (pem) return { certificate: content ?? '' }
  if (found.bytes[0] === 0x30) return { pkcs12: Uint8Array.from(found.bytes) }
  report.problem(fields.at('certificate'), `${path} has no certificate in it (PEM or PKCS #12)`)
  return {}
}

function readPem(
  fields: OpenconnectFields,
  name: 'key' | 'ca',
  path: string,
  wanted: string,
  { folder, report }: Context,
): string | undefined {
  const found = readBounded(resolve(folder, path), MAX_TUNNEL_FILE_BYTES)
  const content = typeof found === 'string' ? undefined : decodeText(found.bytes)
  if (typeof found === 'string') report.problem(fields.at(name), `${path} ${found}`)
  else if (content?.includes(wanted) !== true) {
    const what = name === 'key' ? 'private key' : 'certificate'
    report.problem(fields.at(name), `${path} has no ${what} in it (PEM)`)
  } else if (name === 'key' && othersCanRead(found.mode)) {
    report.warning(fields.at(name), `others can read the key in ${path}: chmod 600 it`)
  }
  return content
}
