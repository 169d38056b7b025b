/** The tunnel types, and the `tunnel:` value of an environment. */
import { isMap } from 'yaml'
import { type Context, NAME_PATTERN } from '../context.js'
import { didYouMean } from '../nearest.js'
import type { Located } from '../place.js'
import { quote } from '../problem.js'
import type { Reader } from '../reader.js'
import { about, entries, type JsonSchema, located, object, type Spec, words } from '../spec.js'
import type { YamlNode } from '../yaml.js'
import type { TunnelDraft, TunnelType } from './contract.js'
import { direct } from './direct.js'
import { http } from './http.js'
import { openconnect } from './openconnect.js'
import { openvpn } from './openvpn.js'
import { socks5 } from './socks5.js'
import { ssh } from './ssh.js'
import { wireguard } from './wireguard.js'

const TYPES: Readonly<Record<string, TunnelType>> = {
  wireguard,
  openvpn,
  openconnect,
  ssh,
  socks5,
  http,
  direct,
}

/** Known words, for a better answer than "unknown". */
const PLANNED = ['ikev2', 'sstp', 'pptp'] as const

export interface TunnelValue {
  readonly type: string
  readonly draft: TunnelDraft
  /** The environment that carries this tunnel's own packets. */
  readonly through: Located<string> | undefined
}

function specOf(name: string, type: TunnelType) {
  const own = {
    type: words('a tunnel type'),
    through: about(
      "Environment that carries this tunnel's own packets",
      located(words("an environment's name")),
    ),
  }
  const spec = object({ ...own, ...type.shape }, ['type'])
  const { properties, ...rest } = spec.schema
  const known = properties as JsonSchema
  const through = { ...(known.through as JsonSchema), pattern: NAME_PATTERN }
  return {
    read: spec.read,
    schema: { ...rest, properties: { ...known, type: { const: name }, through } },
  }
}

const SPECS = Object.entries(TYPES).map(([name, type]) => ({
  name,
  type,
  spec: specOf(name, type),
}))

export function tunnelSpec(context: Context): Spec<TunnelValue> {
  return {
    schema: { oneOf: SPECS.map(({ spec }) => spec.schema) },
    read(node, reader) {
      const name = typeOf(node, reader)
      if (name === undefined) return undefined
      const found = SPECS.find((known) => known.name === name.value)
      if (found === undefined) {
        const known = [...SPECS.map((entry) => entry.name), ...PLANNED]
        const planned = known.includes(name.value)
        return reader.problem(
          name.place,
          planned
            ? `tunnel type "${name.value}" is not supported by this version yet`
            : `unknown tunnel type ${quote(name.value)}${didYouMean(name.value, known)}`,
        )
      }
      const fields = found.spec.read(node, reader)
      if (fields === undefined) return undefined
      // environments.ENV.tunnel
      const environment = reader.path.at(-2) ?? ''
      const own = { ...context, secrets: context.secretsOf(environment) }
      return {
        type: found.name,
        draft: found.type.read(fields, own),
        through: fields.values.through,
      }
    },
  }
}

/** The word behind `type`, looked at before the map is read, as it says how to read the map. */
function typeOf(node: YamlNode, reader: Reader): Located<string> | undefined {
  const map = reader.value(node)
  if (map === undefined) return undefined
  if (!isMap(map))
    return reader.problem(node, 'must be a map like { type: wireguard, file: x.conf }')
  const type = entries(node, reader)?.find((entry) => entry.key === 'type')
  if (type !== undefined) return located(words('a tunnel type')).read(type.node, reader)
  return reader.problem(node, `"type" is missing: one of ${Object.keys(TYPES).join(', ')}`)
}
