/** What people write as a target: HOST, HOST:PORT or a URL. */
import { PvpnError } from '../core/errors.js'
import { formatHostPort, parseHostPort, parseIp } from '../core/ip.js'
import type { Target } from '../core/types.js'

const PORTS: Readonly<Record<string, number>> = { http: 80, ws: 80, https: 443, wss: 443, ftp: 21 }

/** A bare host is asked about as for HTTPS (port 443). ERR_CONFIG for what is none of these. */
export function parseTarget(text: string): Target {
  const url = /^([a-z][a-z0-9+.-]*):\/\/(?:[^/?#@]*@)?([^/?#]*)/i.exec(text)
  const authority = url?.[2] ?? text
  const port = url === null ? 443 : PORTS[(url[1] as string).toLowerCase()]
  const whole = parseHostPort(authority)
  if (whole !== undefined) return whole
  const host = authority.replace(/^\[(.*)\]$/, '$1')
  const known = parseIp(host) !== undefined || /^[^\s:[\]/]+$/.test(host)
  if (known && port !== undefined) return { host, port }
  throw new PvpnError('ERR_CONFIG', `${JSON.stringify(text)} is no HOST, HOST:PORT or URL`)
}

/** As `FindProxyForURL` gets it. */
export function targetUrl(text: string): string {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return text
  const { host, port } = parseTarget(text)
  return `https://${formatHostPort(host, port)}/`.replace(/:443\/$/, '/')
}
