/** `[user@]host[:port]` of a jump host, and lists of them (ssh_config(5), ProxyJump). */
import { formatIp, parseIp } from '../../core/ip.js'
import { domainName } from '../address.js'

export interface JumpHost {
  readonly host: string
  readonly user: string | undefined
  readonly port: number | undefined
}

/** Undefined for what is none; also takes `ssh://[user@]host[:port]`. */
export function parseJump(text: string): JumpHost | undefined {
  const plain = text.replace(/^ssh:\/\//, '').replace(/\/$/, '')
  const at = plain.lastIndexOf('@')
  const user = at < 0 ? undefined : plain.slice(0, at)
  const rest = plain.slice(at + 1)
  const [, bracketed, name, portText] =
    /^(?:\[([^\]]+)\]|([^:[\]]+))(?::([0-9]{1,5}))?$/.exec(rest) ?? []
  const host = parseSshHost(bracketed ?? name ?? rest)
  const port = portText === undefined ? undefined : Number(portText)
  if (host === undefined || user === '' || port === 0 || (port ?? 1) > 65_535) return undefined
  return { host, user, port }
}

/** A host name, an alias or an address. */
export function parseSshHost(text: string): string | undefined {
  const ip = parseIp(text)
  return ip === undefined ? (domainName(text) === undefined ? undefined : text) : formatIp(ip)
}
