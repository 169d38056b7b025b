/** What a tunnel's configuration leaves unchecked that would be checked by default: shown in status. */
import type { OpenconnectOptions, OpenvpnOptions, TunnelOptions } from './options.js'

/** In words, none for a tunnel that checks everything. */
export function relaxations(tunnel: TunnelOptions): readonly string[] {
  if (tunnel.type === 'openconnect') return ofOpenconnect(tunnel)
  return tunnel.type === 'openvpn' ? ofOpenvpn(tunnel) : []
}

function ofOpenconnect({ tls }: OpenconnectOptions): readonly string[] {
  if (tls.pin === undefined || tls.ca !== undefined) return []
  return ['the server is known by its key alone, not by name and authority (server_pin without ca)']
}

function ofOpenvpn({ tls }: OpenvpnOptions): readonly string[] {
  const { name, usages, fingerprints, weakCertificates, minimum } = tls
  const found: string[] = []
  if (name === undefined && usages.length === 0 && fingerprints.length === 0) {
    found.push(
      'any certificate of the authority may be the server (no verify-x509-name, no remote-cert-tls)',
    )
  }
  if (weakCertificates || tls.ciphers?.includes('@SECLEVEL=0') === true) {
    found.push('weak certificates and keys are taken (tls-cert-profile insecure, @SECLEVEL=0)')
  }
  if (minimum === 'TLSv1' || minimum === 'TLSv1.1') {
    found.push(`TLS from ${minimum.slice(4)} on is taken (tls-version-min)`)
  }
  return found
}
