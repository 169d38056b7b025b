/** The directives of an .ovpn file that mean something to pvpn, each with what it does to the draft. */
import { X509Certificate } from 'node:crypto'
import { parseIp, parseIpv4, parsePrefix } from '../../core/ip.js'
import { domainName } from '../address.js'
import { quote } from '../problem.js'
import { type OvpnDraft, transportOf } from './draft.js'
import type { OvpnLine } from './lines.js'
import { bytesOf, clientKeyV2, type FileSource, pemBlocks, staticKey, textOf } from './material.js'
import { type TlsList, tlsCiphers, tlsGroups, tlsSuites } from './tls-ciphers.js'

/** How a line comes out: undefined is honoured, else why it is ignored or refused. */
export type Outcome = { readonly ignored: string } | { readonly refused: string } | undefined

type Read = (line: OvpnLine, draft: OvpnDraft, source: FileSource) => Outcome

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

/** Ciphers that the tunnel knows, upper case. */
const CIPHERS = /^(AES-(128|192|256)-(GCM|CBC)|CHACHA20-POLY1305)$/

function bad(line: OvpnLine, source: FileSource, why: string): undefined {
  return source.problem(line, `"${line.name}" ${why}`)
}

function integer(text: string | undefined, most: number): number | undefined {
  const value = text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined
  return value !== undefined && value <= most ? value : undefined
}

/** A directive with one number that goes into the draft. */
function number(put: (draft: OvpnDraft, value: number) => void, most = 2_147_483): Read {
  return (line, draft, source) => {
    const value = integer(line.args[0], most)
    if (value === undefined) return bad(line, source, `needs a number up to ${most}`)
    put(draft, value)
    return undefined
  }
}

/** What a push may say too: the machine reads it, as it reads a push. */
const pass: Read = (line, draft) => {
  draft.directives.push([line.name, ...line.args])
  return undefined
}

/** PEM of the directive into the draft. */
function pem(
  kind: RegExp,
  what: string,
  put: (draft: OvpnDraft, blocks: readonly string[]) => void,
): Read {
  return (line, draft, source) => {
    const text = textOf(line, source)
    if (text === undefined) return undefined
    const blocks = pemBlocks(text, kind)
    if (blocks.length === 0) return bad(line, source, `holds no ${what} (PEM)`)
    put(draft, blocks)
    return undefined
  }
}

const remote: Read = (line, draft, source) => {
  const [given = '', portText, proto] = line.args
  const host = parseIp(given) === undefined ? domainName(given) : given
  const port = portText === undefined ? undefined : integer(portText, 65_535)
  if (host === undefined)
    return bad(line, source, `needs a host name or IP address, not ${quote(given)}`)
  if (portText !== undefined && (port === undefined || port === 0)) {
    return bad(line, source, `has no port from 1 to 65535: ${quote(portText)}`)
  }
  if (proto !== undefined && transportOf(proto) === undefined) {
    return bad(line, source, `has no protocol that a client can use: ${quote(proto)}`)
  }
  draft.remotes.push({ host, port, proto, line })
  return undefined
}

const tlsAuth: Read = (line, draft, source) => {
  const text = textOf(line, source)
  if (text === undefined) return undefined
  const key = staticKey(text)
  if (key === undefined) return bad(line, source, 'holds no static key of 2048 bits')
  const direction = line.args[1] === '0' ? 0 : line.args[1] === '1' ? 1 : undefined
  draft.tlsAuth = { line, key, direction }
  return undefined
}

const cipherList: Read = (line, draft, source) => {
  const names = (line.args[0] ?? '').split(':').map((name) => name.replace(/^\?/, '').toUpperCase())
  const known = names
    .flatMap((name) => (name === 'DEFAULT' ? [...draft.ciphers] : [name]))
    .filter((name) => CIPHERS.test(name))
  if (known.length === 0) return bad(line, source, 'names no cipher that pvpn has')
  draft.ciphers = [...new Set(known)]
  return undefined
}

const verifyName: Read = (line, draft, source) => {
  const [value, kind = 'subject'] = line.args
  if (value === undefined) return bad(line, source, 'needs a name')
  if (kind !== 'subject' && kind !== 'name' && kind !== 'name-prefix') {
    return bad(line, source, `has no type ${quote(kind)}: subject, name or name-prefix`)
  }
  draft.name = { kind, value }
  return undefined
}

const serverPurpose: Read = (line, draft, source) => {
  if (line.args[0] !== 'server') return bad(line, source, 'of a client must say server')
  draft.usages.push(SERVER_AUTH)
  draft.keyUsage = true
  return undefined
}

const usage: Read = (line, draft, source) => {
  const wanted = line.args.join(' ')
  const oid = /server auth/i.test(wanted)
    ? SERVER_AUTH
    : /client auth/i.test(wanted)
      ? CLIENT_AUTH
      : wanted
  if (!/^[\d.]+$/.test(oid))
    return bad(line, source, 'needs an OID or "TLS Web Server Authentication"')
  draft.usages.push(oid)
  return undefined
}

const fingerprints: Read = (line, draft, source) => {
  const found = (line.inline ?? line.args.join('\n'))
    .split('\n')
    .map((text) => text.trim().replace(/:/g, '').toLowerCase())
    .filter((text) => text !== '' && !/^[#;]/.test(text))
  if (found.length === 0 || found.some((text) => !/^[0-9a-f]{64}$/.test(text))) {
    return bad(line, source, 'needs SHA-256 fingerprints: 64 hexadecimal digits')
  }
  draft.fingerprints.push(...found)
  return undefined
}

const credentials: Read = (line, draft, source) => {
  draft.asksPassword = true
  if (line.inline === undefined && line.args.length === 0) return undefined
  const [username, password] = (textOf(line, source) ?? '').split(/\r?\n/)
  if (username) draft.username = username
  if (password) draft.password = password
  return undefined
}

/** A list of TLS's names; what this OpenSSL lacks is said, and nothing left is a mistake. */
function tlsList(
  parse: (list: string) => TlsList,
  keep: (draft: OvpnDraft, text: string) => void,
): Read {
  return (line, draft, source) => {
    const { text, unknown } = parse(line.args[0] ?? '')
    if (text === undefined) return bad(line, source, 'has nothing in it that can be offered here')
    if (unknown.length > 0) {
      source.warning(
        line,
        `${line.name}: unknown here, and left out: ${unknown.map(quote).join(', ')}`,
      )
    }
    if (/@SECLEVEL=0/.test(text))
      source.warning(line, `${line.name} takes weak certificates and keys`)
    keep(draft, text)
    return undefined
  }
}

const versions = {
  minimum: { '1.0': 'TLSv1', '1.1': 'TLSv1.1', '1.2': 'TLSv1.2', '1.3': 'TLSv1.3' },
  maximum: { '1.2': 'TLSv1.2', '1.3': 'TLSv1.3' },
} as const

const route: Read = (line, draft, source) => {
  const [network = '', mask, gateway] = line.args
  const good =
    line.name === 'route'
      ? parseIpv4(network) !== undefined &&
        (mask === undefined || mask === 'default' || parseIpv4(mask) !== undefined)
      : parsePrefix(network) !== undefined
  if (!good) return { refused: `${quote(network)} is not a network; names are not looked up` }
  if (gateway === 'remote_host') return { ignored: 'there is no route outside' }
  return pass(line, draft, source)
}

const compression: Read = (line, draft, source) => {
  const [mode] = line.args
  const stub =
    line.name === 'compress' ? mode === undefined || /^stub|^migrate$/.test(mode) : mode === 'no'
  if (stub) return pass(line, draft, source)
  // `comp-lzo` by itself only allows it; the framing is what both sides must agree on.
  draft.directives.push(line.name === 'compress' ? ['compress'] : ['comp-lzo', 'no'])
  return { refused: 'nothing is compressed: it weakens the encryption; the framing for it is kept' }
}

const setenv: Read = (line, draft) => {
  const [name = '', ...value] = line.args
  if (name.startsWith('UV_')) draft.peerInfo.push(`${name}=${value.join(' ')}`)
  else return { ignored: 'there are no scripts to see it' }
  return undefined
}

export const READERS: Readonly<Record<string, Read>> = {
  remote,
  'remote-random': (_, draft) => {
    draft.remoteRandom = true
    return undefined
  },
  port: number((draft, port) => {
    draft.port = port
  }, 65_535),
  rport: number((draft, port) => {
    draft.port = port
  }, 65_535),
  lport: (line, draft, source) => {
    const port = integer(line.args[0], 65_535)
    if (port === undefined) return bad(line, source, 'needs a port')
    draft.localPort = { port, line }
    return undefined
  },
  proto: (line, draft, source) => {
    const [proto = ''] = line.args
    if (transportOf(proto) === undefined) {
      return bad(line, source, `can't be ${quote(proto)} in a client: udp or tcp`)
    }
    draft.proto = proto
    return undefined
  },
  dev: (line, _, source) =>
    /^tap/.test(line.args[0] ?? '')
      ? bad(line, source, 'tap carries Ethernet frames, which pvpn does not: ask for dev tun')
      : undefined,
  'dev-type': (line, _, source) =>
    line.args[0] === 'tap'
      ? bad(line, source, 'tap carries Ethernet frames, which pvpn does not: ask for dev tun')
      : undefined,
  float: (_, draft) => {
    draft.float = true
    return undefined
  },
  'tls-auth': tlsAuth,
  'tls-crypt': (line, draft, source) => {
    const text = textOf(line, source)
    if (text === undefined) return undefined
    draft.tlsCrypt = staticKey(text)
    return draft.tlsCrypt === undefined
      ? bad(line, source, 'holds no static key of 2048 bits')
      : undefined
  },
  'tls-crypt-v2': (line, draft, source) => {
    const text = textOf(line, source)
    if (text === undefined) return undefined
    draft.tlsCryptV2 = clientKeyV2(text)
    return draft.tlsCryptV2 === undefined
      ? bad(line, source, 'holds no tls-crypt-v2 client key')
      : undefined
  },
  'key-direction': (line, draft, source) => {
    if (line.args[0] !== '0' && line.args[0] !== '1') return bad(line, source, 'is 0 or 1')
    draft.keyDirection = line.args[0] === '0' ? 0 : 1
    return undefined
  },
  auth: (line, draft, source) => {
    const name = (line.args[0] ?? '').toLowerCase().replace('-', '')
    if (!/^sha(1|224|256|384|512)$/.test(name)) {
      return bad(
        line,
        source,
        `${quote(line.args[0] ?? '')} is not SHA1, SHA224, SHA256, SHA384 or SHA512`,
      )
    }
    draft.digest = name as OvpnDraft['digest']
    return undefined
  },
  cipher: (line, draft) => {
    const name = (line.args[0] ?? '').toUpperCase()
    draft.cipher = name
    return CIPHERS.test(name)
      ? undefined
      : { refused: `${quote(name)} is not there; a server that negotiates does without it` }
  },
  'data-ciphers': cipherList,
  'ncp-ciphers': cipherList,
  'data-ciphers-fallback': (line, draft) => {
    const name = (line.args[0] ?? '').toUpperCase()
    if (!CIPHERS.test(name)) return { refused: `${quote(name)} is not there` }
    draft.fallback = name
    return undefined
  },
  ca: pem(/^(TRUSTED |X509 )?CERTIFICATE$/, 'certificate', (draft, blocks) =>
    draft.ca.push(...blocks),
  ),
  cert: pem(/CERTIFICATE$/, 'certificate', (draft, blocks) => {
    draft.certificate = blocks.join('')
  }),
  'extra-certs': pem(/CERTIFICATE$/, 'certificate', (draft, blocks) => {
    draft.extraCertificates = blocks.join('')
  }),
  key: pem(/PRIVATE KEY$/, 'private key', (draft, blocks) => {
    draft.key = blocks[0]
  }),
  'crl-verify': (line, draft, source) => {
    if (line.args[1] === 'dir') return { refused: 'give the revocation list as a file' }
    return pem(/CRL$/, 'revocation list', (into, blocks) => into.crl.push(...blocks))(
      line,
      draft,
      source,
    )
  },
  pkcs12: (line, draft, source) => {
    if (line.inline === undefined) draft.pkcs12 = bytesOf(line, source)
    else draft.pkcs12 = Uint8Array.from(Buffer.from(line.inline, 'base64'))
    return undefined
  },
  askpass: (line, draft, source) => {
    if (line.args.length === 0 && line.inline === undefined) {
      return { ignored: 'key_password of the configuration, or `pvpn start` asks' }
    }
    draft.keyPassword = textOf(line, source)?.split(/\r?\n/)[0]
    return undefined
  },
  'auth-user-pass': credentials,
  'auth-nocache': (_, draft) => {
    draft.forgetsPassword = true
    return undefined
  },
  'static-challenge': (line, draft, source) => {
    const [text, echo = '0', format = 'scrv1'] = line.args
    if (text === undefined || (echo !== '0' && echo !== '1')) {
      return bad(line, source, 'needs text, and 0 or 1')
    }
    if (format !== 'scrv1' && format !== 'concat') return bad(line, source, 'is scrv1 or concat')
    draft.challenge = { text, echo: echo === '1', format }
    return undefined
  },
  'verify-x509-name': verifyName,
  'remote-cert-tls': serverPurpose,
  'ns-cert-type': serverPurpose,
  'remote-cert-eku': usage,
  'peer-fingerprint': fingerprints,
  'x509-username-field': (line, _, source) =>
    line.args[0] === 'CN' ? undefined : bad(line, source, 'other than CN is not supported'),
  'tls-version-min': (line, draft, source) => {
    const [version = ''] = line.args
    if (!Object.hasOwn(versions.minimum, version))
      return bad(line, source, 'is 1.0, 1.1, 1.2 or 1.3')
    draft.minimum = versions.minimum[version as keyof typeof versions.minimum]
    return undefined
  },
  'tls-version-max': (line, draft, source) => {
    const [version = ''] = line.args
    if (!Object.hasOwn(versions.maximum, version)) return bad(line, source, 'is 1.2 or 1.3')
    draft.maximum = versions.maximum[version as keyof typeof versions.maximum]
    return undefined
  },
  'tls-cipher': tlsList(tlsCiphers, (draft, text) => {
    draft.tlsCiphers = text
  }),
  'tls-ciphersuites': tlsList(tlsSuites, (draft, text) => {
    draft.tlsSuites = text
  }),
  'tls-groups': tlsList(tlsGroups, (draft, text) => {
    draft.tlsGroups = text
  }),
  'tls-cert-profile': (line, draft) => {
    if (line.args[0] === 'insecure') draft.weakCertificates = true
    return line.args[0] === 'insecure' ? undefined : { ignored: "OpenSSL's own level is used" }
  },
  'reneg-sec': number((draft, value) => {
    draft.renegotiateSeconds = value
  }),
  'hand-window': number((draft, value) => {
    draft.handshakeWindow = value
  }),
  'tran-window': () => ({ ignored: 'the old key stays good for an hour' }),
  'connect-timeout': number((draft, value) => {
    draft.connectTimeout = value
  }),
  'server-poll-timeout': number((draft, value) => {
    draft.connectTimeout = value
  }),
  'connect-retry': (line, draft, source) => {
    const [first, most] = line.args.map((text) => integer(text, 86_400))
    if (first === undefined) return bad(line, source, 'needs seconds')
    draft.retrySeconds = first
    if (most !== undefined) draft.retryMaximum = most
    return undefined
  },
  route,
  'route-ipv6': route,
  'route-nopull': (_, draft) => {
    draft.routeNoPull = true
    return undefined
  },
  'pull-filter': (line, draft, source) => {
    const [action, prefix] = line.args
    if (
      (action !== 'accept' && action !== 'ignore' && action !== 'reject') ||
      prefix === undefined
    ) {
      return bad(line, source, 'needs accept, ignore or reject, and text')
    }
    draft.pullFilters.push({ action, prefix })
    return undefined
  },
  keepalive: (line, draft, source) => {
    const [ping, restart] = line.args.map((text) => integer(text, 86_400))
    if (ping === undefined || restart === undefined) return bad(line, source, 'needs two numbers')
    draft.directives.push(['ping', String(ping)], ['ping-restart', String(restart)])
    return undefined
  },
  compress: compression,
  'comp-lzo': compression,
  setenv,
  'setenv-safe': setenv,
  ...Object.fromEntries(
    [
      ...['redirect-gateway', 'dhcp-option', 'dns', 'ifconfig', 'ifconfig-ipv6', 'topology'],
      ...['ping', 'ping-restart', 'ping-exit', 'tun-mtu', 'mssfix', 'explicit-exit-notify'],
    ].map((name) => [name, pass]),
  ),
}

/** Is this PEM a certificate that can be read? */
export function readableCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).subject !== undefined
  } catch {
    return false
  }
}
