/** `type: http`: an upstream HTTP proxy that knows CONNECT, in the clear or over TLS. */
import { resolve } from 'node:path'
import { domainName } from '../address.js'
import type { Context } from '../context.js'
import { decodeText, readBounded } from '../files.js'
import { MAX_TUNNEL_FILE_BYTES } from '../limits.js'
import { quote } from '../problem.js'
import { about, boolean, type Fields, text, words } from '../spec.js'
import type { TunnelType } from './contract.js'
import { loginShape, readLogin } from './login.js'

const shape = {
  ...loginShape,
  tls: about('TLS to the proxy; default false', boolean),
  ca: about('File with the authorities to trust, PEM; default: the public ones', words('a path')),
  server_name: about(
    "Name in the proxy's certificate; default: the server's host",
    text(
      'a host name',
      (value, complain) => domainName(value) ?? complain(`${quote(value)} is not a host name`),
    ),
  ),
}

type HttpFields = Fields<typeof shape>

export const http: TunnelType = {
  shape,
  read(fields, context) {
    const own = fields as HttpFields
    const login = readLogin(own as Fields<typeof loginShape>, context)
    const { tls = false, server_name } = own.values
    for (const key of ['ca', 'server_name'] as const) {
      if (own.has(key) && !tls) context.report.problem(own.at(key), `"${key}" needs "tls: true"`)
    }
    if (own.values.username?.includes(':') === true) {
      context.report.problem(own.at('username'), 'a colon can not stand in a user name (RFC 7617)')
    }
    const ca = readAuthorities(own, context)
    return {
      outwardOnly: true,
      carriesUdp: false,
      finish: () => {
        const found = login()
        if (found === undefined) return undefined
        const security = {
          ...(ca === undefined ? {} : { ca }),
          ...(server_name === undefined ? {} : { serverName: server_name }),
        }
        return { type: 'http', ...found, ...(tls ? { tls: security } : {}) }
      },
    }
  },
}

function readAuthorities(fields: HttpFields, context: Context): string | undefined {
  const { ca } = fields.values
  if (ca === undefined) return undefined
  const found = readBounded(resolve(context.folder, ca), MAX_TUNNEL_FILE_BYTES)
  const content = typeof found === 'string' ? undefined : decodeText(found.bytes)
  const why =
    typeof found === 'string'
      ? found
      : content?.includes('-----BEGIN CERTIFICATE-----') === true
        ? undefined
        : 'has no certificate in it (PEM)'
  if (why !== undefined) context.report.problem(fields.at('ca'), `${ca} ${why}`)
  return content
}
