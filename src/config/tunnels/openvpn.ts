/** `type: openvpn`: an .ovpn file, and the secrets that it asks for. */
import { dirname, join, resolve } from 'node:path'
import type { OpenvpnOptions } from '../../core/options.js'
import { type Context, secretText } from '../context.js'
import { decodeText, othersCanRead, readBounded } from '../files.js'
import { MAX_TUNNEL_FILE_BYTES } from '../limits.js'
import { type OvpnFile, parseOvpn } from '../openvpn/ovpn.js'
import { type Secret, secretFields } from '../secrets.js'
import { about, type Fields, type Shape, words } from '../spec.js'
import type { TunnelDraft, TunnelType } from './contract.js'

/** Of the secrets here: needed to start only. */
const OWNER = 'tunnel'

const shape = {
  file: about('.ovpn file, relative to this file', words('a path')),
  username: about('User name, where the file asks for one', words('text')),
  ...secretFields('password', "the user's password"),
  ...secretFields('key_password', "the password of the file's private key"),
  ...secretFields('challenge', "the answer to the file's static challenge"),
}

/** By exactly this shape the fields were read. */
type OpenvpnFields = Fields<typeof shape>

export const openvpn: TunnelType = {
  shape,
  read(fields: Fields<Shape>, context: Context): TunnelDraft {
    const own = fields as OpenvpnFields
    const password = context.secrets.take(own, 'password', OWNER)
    const keyPassword = context.secrets.take(own, 'key_password', OWNER)
    const challenge = context.secrets.take(own, 'challenge', OWNER)
    const file = readFile(own, context)
    const options = file?.options
    if (file === undefined || options === undefined) return { finish: () => undefined }
    const place = file.localPortAt ?? own.at('file')
    return {
      needsUdp: options.remotes.every(({ transport }) => transport === 'udp'),
      udpPort: { port: options.localPort, place, needed: false },
      finish: () => withSecrets(options, own.values.username, { password, keyPassword, challenge }),
    }
  },
}

function readFile(fields: OpenvpnFields, context: Context): OvpnFile | undefined {
  const { report } = context
  const { file } = fields.values
  if (file === undefined) {
    if (!fields.has('file')) report.problem(fields.place, '"file" is missing')
    return undefined
  }
  const shown = join(dirname(context.file), file)
  const path = resolve(context.folder, file)
  const found = readBounded(path, MAX_TUNNEL_FILE_BYTES)
  const content = typeof found === 'string' ? undefined : decodeText(found.bytes)
  if (typeof found === 'string' || content === undefined) {
    const why = typeof found === 'string' ? found : 'is not text'
    report.problem(fields.at('file'), `${file} ${why}`)
    return undefined
  }
  const parsed = parseOvpn(content, path, shown)
  if (othersCanRead(found.mode) && /PRIVATE KEY|OpenVPN .* key/.test(content)) {
    report.warning(fields.at('file'), `others can read the keys in ${file}: chmod 600 ${shown}`)
  }
  for (const problem of parsed.report.problems) report.problem(problem, problem.message)
  for (const warning of parsed.report.warnings) report.warning(warning, warning.message)
  for (const { line, name, verdict, reason } of parsed.directives) {
    if (verdict !== 'refused') continue
    report.warning({ file: shown, line, column: 1 }, `${name} is left out: ${reason}`)
  }
  return parsed
}

interface Given {
  readonly password: Secret | undefined
  readonly keyPassword: Secret | undefined
  readonly challenge: Secret | undefined
}

/** Undefined when a secret could not be had, which was reported. What is not asked for stays unused. */
function withSecrets(
  options: OpenvpnOptions,
  username: string | undefined,
  given: Given,
): OpenvpnOptions | undefined {
  const texts: { password?: string; keyPassword?: string; challenge?: string } = {}
  for (const name of ['password', 'keyPassword', 'challenge'] as const) {
    const secret = given[name]
    if (secret === undefined) continue
    const text = secretText(secret)
    if (text === undefined) return undefined
    texts[name] = text
  }
  const { keyPassword, password, challenge } = texts
  const tls = { ...options.tls, ...(keyPassword === undefined ? {} : { keyPassword }) }
  if (!options.asksPassword) return { ...options, tls }
  return {
    ...options,
    tls,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(challenge === undefined || options.staticChallenge === undefined ? {} : { challenge }),
  }
}
