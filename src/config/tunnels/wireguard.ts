/** `type: wireguard`: a wg-quick file (wireproxy's or NetworkManager's too), or its fields in YAML. */
import { dirname, join, resolve } from 'node:path'
import type { WireguardPeerOptions } from '../../core/options.js'
import { parseAddress, parseInterfaceAddress, parseNetwork, parseTarget } from '../address.js'
import { type Context, type Finish, secretText } from '../context.js'
import { decodeText, othersCanRead, readBounded } from '../files.js'
import { MAX_ALLOWED_IPS, MAX_TUNNEL_FILE_BYTES, MAX_WIREGUARD_PEERS } from '../limits.js'
import { type Secret, secretFields } from '../secrets.js'
import {
  about,
  choiceOr,
  type Fields,
  list,
  number,
  object,
  oneOrList,
  type Shape,
  text,
  words,
} from '../spec.js'
import { parseKey } from '../wg-key.js'
import { DEFAULT_MTU, MTU_RANGE } from '../wg-quick.js'
import { parseWireguardFile } from '../wireguard-file.js'
import type { TunnelDraft, TunnelType } from './contract.js'

/** Of the secrets here: needed to start only. */
const OWNER = 'tunnel'
const NO_KEY = 'is not a key: 44 characters of base64 (wg genkey)'

const peerShape = {
  public_key: about(
    "The peer's public key",
    text('a key', (value, complain) => parseKey(value) ?? complain(NO_KEY)),
  ),
  ...secretFields('preshared_key', 'the preshared key'),
  endpoint: about(
    'HOST:PORT of the peer; without it the peer calls',
    text('HOST:PORT', parseTarget),
  ),
  allowed_ips: about('Networks behind the peer', oneOrList(text('a network', parseNetwork))),
  persistent_keepalive: about(
    'Seconds between keepalives; 0 or off: none',
    choiceOr('off', 0, number(0, 65_535)),
  ),
}

const shape = {
  file: about('wg-quick file, relative to this file', words('a path')),
  ...secretFields('private_key', 'the private key'),
  addresses: about(
    "The environment's own addresses, with prefix length",
    oneOrList(text('an address with prefix length', parseInterfaceAddress)),
  ),
  dns: about('DNS servers that the tunnel brings', oneOrList(text('an IP address', parseAddress))),
  mtu: about(`Bytes; default ${DEFAULT_MTU}`, number(MTU_RANGE.least, MTU_RANGE.most)),
  listen_port: about('UDP port on the host; default any', number(0, 65_535)),
  peers: about('The far sides', list(object(peerShape, ['public_key', 'allowed_ips']))),
}

/** By exactly this shape the fields were read. */
type WireguardFields = Fields<typeof shape>
type PeerFields = Fields<typeof peerShape>

export const wireguard: TunnelType = {
  shape,
  read(fields: Fields<Shape>, context: Context): TunnelDraft {
    const own = fields as WireguardFields
    if (!own.has('file')) return readFields(own, context)
    for (const key of Object.keys(shape)) {
      if (key !== 'file' && own.has(key as keyof typeof shape)) {
        const at = own.at(key as keyof typeof shape)
        context.report.problem(at, `"${key}" can not stand beside "file"; write it in the file`)
      }
    }
    return readFile(own, context)
  },
}

function readFile(fields: WireguardFields, context: Context): TunnelDraft {
  const failed: TunnelDraft = { finish: () => undefined }
  const { file } = fields.values
  if (file === undefined) return failed
  const shown = join(dirname(context.file), file)
  const found = readBounded(resolve(context.folder, file), MAX_TUNNEL_FILE_BYTES)
  const content = typeof found === 'string' ? undefined : decodeText(found.bytes)
  if (typeof found === 'string' || content === undefined) {
    const why = typeof found === 'string' ? found : 'is not text'
    context.report.problem(fields.at('file'), `${file} ${why}`)
    return failed
  }
  if (othersCanRead(found.mode)) {
    const message = `others can read the keys in ${file}: chmod 600 ${shown}`
    context.report.warning(fields.at('file'), message)
  }
  const { options, listenPortAt, directives, report } = parseWireguardFile(content, shown)
  for (const problem of report.problems) context.report.problem(problem, problem.message)
  for (const warning of report.warnings) context.report.warning(warning, warning.message)
  for (const { line, name, verdict, reason } of directives) {
    if (verdict !== 'refused') continue
    context.report.warning({ file: shown, line, column: 1 }, `${name} is left out: ${reason}`)
  }
  if (options === undefined) return failed
  const port = options.listenPort
  const place = listenPortAt ?? fields.at('file')
  const needed = options.peers.some((peer) => peer.endpoint === undefined)
  return { finish: () => options, needsUdp: true, udpPort: { port, place, needed } }
}

function readFields(fields: WireguardFields, context: Context): TunnelDraft {
  const { report, secrets } = context
  const { addresses = [], dns = [], mtu = DEFAULT_MTU, listen_port = 0, peers = [] } = fields.values
  const secret = secrets.take(fields, 'private_key', OWNER)
  if (secret === undefined) report.problem(fields.place, '"file" or "private_key_file" is missing')
  for (const key of ['addresses', 'peers'] as const) {
    const missing = secret !== undefined && !fields.has(key)
    if (missing) report.problem(fields.place, `"${key}" is missing`)
    else if (fields.has(key) && fields.values[key]?.length === 0) {
      report.problem(fields.at(key), 'the list is empty')
    }
  }
  if (peers.length > MAX_WIREGUARD_PEERS) {
    report.problem(fields.at('peers'), `more than ${MAX_WIREGUARD_PEERS} peers`)
  }
  const routes = peers.reduce((sum, peer) => sum + (peer.values.allowed_ips?.length ?? 0), 0)
  if (routes > MAX_ALLOWED_IPS) {
    report.problem(fields.at('peers'), `more than ${MAX_ALLOWED_IPS} allowed_ips`)
  }
  const finishPeers = readPeers(peers, context)
  const needed = peers.some((peer) => !peer.has('endpoint'))
  return {
    needsUdp: true,
    udpPort: { port: listen_port, place: fields.at('listen_port'), needed },
    finish: () => {
      const privateKey = keyOf(secret, context)
      const finished = finishPeers()
      if (privateKey === undefined || finished === undefined) return undefined
      const base = { type: 'wireguard', privateKey, addresses, dns, search: [], mtu } as const
      return { ...base, listenPort: listen_port, peers: finished }
    },
  }
}

function readPeers(
  peers: readonly PeerFields[],
  context: Context,
): Finish<readonly WireguardPeerOptions[]> {
  const seen = new Set<string>()
  const drafts = peers.map((fields) => {
    const { public_key } = fields.values
    if (public_key !== undefined) {
      const name = Buffer.from(public_key).toString('base64')
      if (seen.has(name)) {
        context.report.problem(fields.at('public_key'), 'another peer has this key')
      }
      seen.add(name)
    }
    return { fields, secret: context.secrets.take(fields, 'preshared_key', OWNER, null) }
  })
  return () => {
    const finished: WireguardPeerOptions[] = []
    for (const { fields, secret } of drafts) {
      const { public_key, endpoint, allowed_ips = [], persistent_keepalive = 0 } = fields.values
      const presharedKey = keyOf(secret, context)
      if (public_key === undefined || (secret !== undefined && presharedKey === undefined)) {
        return undefined
      }
      finished.push({
        publicKey: public_key,
        ...(presharedKey === undefined ? {} : { presharedKey }),
        ...(endpoint === undefined ? {} : { endpoint }),
        allowedIps: allowed_ips,
        persistentKeepalive: persistent_keepalive,
      })
    }
    return finished
  }
}

/** The secret's key; zeros for one that was put off. */
function keyOf(secret: Secret | undefined, context: Context): Uint8Array | undefined {
  if (secret === undefined) return undefined
  if (secret.deferred) return new Uint8Array(32)
  const value = secretText(secret)
  if (value === undefined) return undefined
  const key = parseKey(value.trim())
  if (key === undefined) context.report.problem(secret.place, `"${secret.key}" ${NO_KEY}`)
  return key
}
