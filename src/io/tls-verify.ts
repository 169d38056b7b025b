/** Is the peer of a TLS session who the configuration says? Chain, purpose, name, expiry, fingerprint. */
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { PvpnError } from '../core/errors.js'
import type { OpenvpnTlsOptions } from '../core/options.js'
import { hasExtension, KEY_USAGE } from './certificate-extension.js'

/** What OpenSSL's verification codes mean to a person. */
const WORDS: Readonly<Record<string, string>> = {
  CERT_NOT_YET_VALID: 'is not valid yet',
  CERT_REVOKED: 'has been revoked',
  CERT_SIGNATURE_FAILURE: 'is not signed by its authority',
  INVALID_PURPOSE: 'is not a server certificate',
  UNABLE_TO_GET_CRL: 'has no revocation list among those of crl-verify',
  CRL_HAS_EXPIRED: 'comes with a revocation list that has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'signs itself and is not trusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'is signed by an authority that is not ours',
  UNABLE_TO_GET_ISSUER_CERT: 'is signed by an authority that is not ours',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'is signed by an authority that is not ours',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'is signed by an authority that is not ours',
}

/** Undefined: every check is passed. `now` is in milliseconds since 1970. */
export function verifyPeer(
  socket: TLSSocket,
  options: OpenvpnTlsOptions,
  now: number,
): PvpnError | undefined {
  const certificate = socket.getPeerCertificate(true)
  if (certificate.raw === undefined) return refused('the server shows no certificate')
  const who = commonName(certificate)
  const { fingerprints, ca, pkcs12, name, usages } = options
  const pinned = fingerprints.length > 0
  if (pinned && !fingerprints.includes(fingerprintOf(certificate))) {
    return refused(`the certificate of ${who} has another fingerprint than peer-fingerprint says`)
  }
  const chained = ca.length > 0 || pkcs12 !== undefined
  if (chained || !pinned) {
    const chain = chainError(socket, certificate, now)
    if (chain !== undefined) return chain
  } else if (Date.parse(certificate.valid_to) < now) {
    return expiredError(who, new Date(certificate.valid_to))
  }
  const missing = usages.find((usage) => !(certificate.ext_key_usage ?? []).includes(usage))
  if (missing !== undefined) {
    return refused(
      `the certificate of ${who} is not for a server (no extended key usage ${missing})`,
    )
  }
  if (options.keyUsage === true && !hasExtension(certificate.raw, KEY_USAGE)) {
    return refused(`the certificate of ${who} says no key usage (remote-cert-tls)`)
  }
  if (name !== undefined && !named(certificate, name)) {
    return refused(`the certificate is of ${who}, not of ${name.value} (verify-x509-name)`)
  }
  return undefined
}

export function expiredError(who: string, until: Date): PvpnError {
  const day = until.toISOString().slice(0, 10)
  return new PvpnError('ERR_AUTH', `certificate of ${who} expired on ${day}`, {
    hint: 'the one who runs the server has to renew it; or check the clock of this machine',
  })
}

/** What the chain's check found, in words; undefined: nothing. */
export function chainError(
  socket: TLSSocket,
  certificate: DetailedPeerCertificate,
  now: number,
): PvpnError | undefined {
  // Node's types say Error; it is the code.
  const code = socket.authorized ? undefined : String(socket.authorizationError ?? 'unknown')
  if (code === undefined) return undefined
  if (code === 'CERT_HAS_EXPIRED') {
    const expired = chainOf(certificate).find((one) => Date.parse(one.valid_to) < now)
    const one = expired ?? certificate
    return expiredError(commonName(one), new Date(one.valid_to))
  }
  const words = WORDS[code] ?? `can't be verified (${code})`
  return refused(`the certificate of ${commonName(certificate)} ${words}`)
}

function refused(message: string): PvpnError {
  return new PvpnError('ERR_AUTH', message, {
    hint: "the server may not be the one it should be: check ca, verify-x509-name and the server's certificate",
  })
}

/** From the server's own up to the root, as far as known. */
function chainOf(certificate: DetailedPeerCertificate): readonly DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = []
  let one: DetailedPeerCertificate | undefined = certificate
  while (one !== undefined && !chain.includes(one) && chain.length < 16) {
    chain.push(one)
    one = one.issuerCertificate as DetailedPeerCertificate | undefined
  }
  return chain
}

/** Who a certificate is of, fit for a line of ours. */
export function commonName(certificate: DetailedPeerCertificate): string {
  const name: unknown = certificate.subject?.CN
  const text = Array.isArray(name) ? name.join('/') : typeof name === 'string' ? name : 'the server'
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 100)
}

function fingerprintOf(certificate: DetailedPeerCertificate): string {
  return certificate.fingerprint256.replace(/:/g, '').toLowerCase()
}

function named(
  certificate: DetailedPeerCertificate,
  { kind, value }: NonNullable<OpenvpnTlsOptions['name']>,
): boolean {
  const name: unknown = certificate.subject?.CN
  if (kind === 'name') return name === value
  if (kind === 'name-prefix') return typeof name === 'string' && name.startsWith(value)
  // As OpenVPN writes a subject: `C=…, O=…, CN=…`, in the certificate's order.
  const subject = Object.entries(certificate.subject ?? {})
    .flatMap(([key, values]) => [values].flat().map((one) => `${key}=${String(one)}`))
    .join(', ')
  return subject === value
}
