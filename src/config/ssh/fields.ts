/** The fields of an SSH server, and of the ones before it. */
import { isMap, isScalar } from 'yaml'
import { quote } from '../problem.js'
import { secretFields } from '../secrets.js'
import {
  about,
  type Fields,
  located,
  number,
  object,
  oneOrList,
  type Spec,
  text,
  words,
} from '../spec.js'
import { type JumpHost, parseJump, parseSshHost } from './jump.js'

/** True: the agent of SSH_AUTH_SOCK; false: none; a text: its socket. */
const agentSpec: Spec<boolean | string> = {
  schema: { anyOf: [{ type: 'boolean' }, { type: 'string', minLength: 1 }] },
  read(node, reader) {
    const value = reader.value(node)
    if (isScalar(value) && typeof value.value === 'boolean') return value.value
    return words('true, false or the path of a socket').read(node, reader)
  },
}

const paths = oneOrList(located(words('a path')))

export const hopShape = {
  host: about(
    'Name or address of the server; with file: an entry of it',
    text(
      'a host',
      (value, complain) =>
        parseSshHost(value) ?? complain(`${quote(value)} is not a host name or IP address`),
    ),
  ),
  port: about('Default 22', number(1, 65_535)),
  username: about("User name at the server; default: this user's", words('text')),
  key: about('Private key, or a list of them, relative to this file', paths),
  ...secretFields('key_password', 'the password of encrypted keys'),
  agent: about(
    'SSH agent: true, false or its socket; default true where no key and no password is given',
    agentSpec,
  ),
  ...secretFields('password', "the user's password"),
  known_hosts: about('known_hosts file, or a list of them; default: those of ssh', paths),
}

export type HopFields = Fields<typeof hopShape>

const jumpMap = object(hopShape, ['host'])

const jumpText = text<readonly JumpHost[]>('[USER@]HOST[:PORT]', (value, complain) => {
  const jumps = value.split(',').map((part) => parseJump(part.trim()))
  const good = jumps.filter((jump) => jump !== undefined)
  return good.length === jumps.length ? good : complain(`${quote(value)} is not [USER@]HOST[:PORT]`)
})

export type JumpValue =
  | { readonly kind: 'fields'; readonly fields: HopFields }
  | { readonly kind: 'hosts'; readonly hosts: readonly JumpHost[] }

/** A text (also several hosts by commas), or the fields of a server of its own. */
const jumpSpec: Spec<JumpValue> = {
  schema: { anyOf: [jumpText.schema, jumpMap.schema] },
  read(node, reader) {
    if (isMap(reader.value(node))) {
      const fields = jumpMap.read(node, reader)
      return fields && { kind: 'fields', fields }
    }
    const hosts = jumpText.read(node, reader)
    return hosts && { kind: 'hosts', hosts }
  },
}

export const sshShape = {
  file: about('ssh_config file, relative to this file; "host" is its entry', words('a path')),
  ...hopShape,
  jump: about(
    'Server that the connection goes through first: [USER@]HOST[:PORT], or its fields; a list for several. A text shares keys and agent, never the password',
    oneOrList(jumpSpec),
  ),
}

export type SshFields = Fields<typeof sshShape>
