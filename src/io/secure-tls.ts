/** Node's TLS for SSL-VPN servers: its context, the checks of the server, and what went wrong in words. */
import { createHash } from 'node:crypto'
import {
  checkServerIdentity,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from 'node:tls'
import { PvpnError } from '../core/errors.js'
import type { OpenconnectTlsOptions } from '../core/options.js'
import { isKeyLocked, ownExpiry, reasonOf } from './tls-engine.js'
import { chainError, commonName, expiredError } from './tls-verify.js'

/**
 * Undefined: the key's password is missing, or `keyPassword` is not it. Throws ERR_CONFIG when certificate
 * and key do not fit together, ERR_AUTH when ours has expired.
 */
export function secureContextOf(options: OpenconnectTlsOptions): SecureContext | undefined {
  const { ca, certificate, key, pkcs12, keyPassword } = options
  const expired = certificate === undefined ? undefined : ownExpiry(certificate)
  if (expired !== undefined) throw expired
  try {
    return createSecureContext({
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      ...(certificate === undefined ? {} : { cert: certificate, key: key ?? certificate }),
      ...(pkcs12 === undefined ? {} : { pfx: Buffer.from(pkcs12) }),
      ...(keyPassword === undefined ? {} : { passphrase: keyPassword }),
    })
  } catch (thrown) {
    const reason = reasonOf(thrown)
    if (isKeyLocked(keyOf(options), reason)) return undefined
    throw new PvpnError('ERR_CONFIG', `certificate and key can't be used: ${reason}`, {
      hint: 'check that the key belongs to the certificate, and key_password',
    })
  }
}

/** The key may stand in the certificate's file. */
function keyOf({ certificate, key = certificate, pkcs12 }: OpenconnectTlsOptions) {
  return { ...(key === undefined ? {} : { key }), ...(pkcs12 === undefined ? {} : { pkcs12 }) }
}

/** Undefined: every check is passed. `host`: who the certificate must name; `now`: milliseconds since 1970. */
export function verifyServer(
  socket: TLSSocket,
  host: string,
  { ca, pin }: OpenconnectTlsOptions,
  now: number,
): PvpnError | undefined {
  const certificate = socket.getPeerCertificate(true)
  if (certificate.raw === undefined) return refused('the server shows no certificate')
  const who = commonName(certificate)
  const found = pinOf(socket)
  if (pin !== undefined && pin !== found) {
    return refused(`the key of ${who} is another than server_pin says: it is pin-sha256:${found}`)
  }
  if (pin !== undefined && ca === undefined) {
    const until = Date.parse(certificate.valid_to)
    return until < now ? expiredError(who, new Date(until)) : undefined
  }
  const chain = chainError(socket, certificate, now)
  if (chain !== undefined) {
    return new PvpnError(chain.code, chain.message, {
      hint: `${chain.hint ?? ''}; ca trusts an authority, server_pin: pin-sha256:${found} this one key`,
    })
  }
  if (checkServerIdentity(host, certificate) === undefined) return undefined
  return refused(`the certificate is of ${who}, not of ${host}`)
}

/** SHA-256 of the certificate's SubjectPublicKeyInfo, base64. */
function pinOf(socket: TLSSocket): string | undefined {
  const key = socket.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' })
  return key === undefined ? undefined : createHash('sha256').update(key).digest('base64')
}

function refused(message: string): PvpnError {
  return new PvpnError('ERR_AUTH', message, {
    hint: 'the server may not be the one it should be: check url, ca and server_pin',
  })
}

/** What ended a connection, in words. `where`: the server. */
export function secureError(
  error: NodeJS.ErrnoException | undefined,
  where: string,
  secure: boolean,
): PvpnError {
  const code = error?.code
  const reason = error === undefined ? 'closed by the server' : (code ?? reasonOf(error))
  if (error !== undefined && code?.startsWith('ERR_SSL') === true) {
    const words = reasonOf(error)
    if (
      /alert.*(certificate|unknown ca|access denied)|certificate.*(alert|required)/i.test(words)
    ) {
      return new PvpnError(
        'ERR_AUTH',
        `auth failed: the server refused this client in TLS: ${words}`,
        {
          hint: 'does it want a client certificate? set certificate and key, or ask for a new one',
        },
      )
    }
    return secure
      ? new PvpnError('ERR_DOWN', `TLS with ${where} ended: ${words}`)
      : new PvpnError('ERR_PROTOCOL', `no TLS with ${where}: ${words}`, {
          hint: 'check the port of the url',
        })
  }
  if (secure) return new PvpnError('ERR_DOWN', reason)
  return new PvpnError(
    'ERR_DOWN',
    `server unreachable: no TLS connection to ${where} (${reason})`,
    {
      hint: 'check host and port of the url',
    },
  )
}
