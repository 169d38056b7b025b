/** Listening addresses as text, and the rule about listening where others can connect. */
import { formatHostPort, formatIp, inPrefix, parseIp, parsePrefix } from './ip.js'
import type { ListenAddress } from './options.js'

const LOOPBACK = [parsePrefix('127.0.0.0/8'), parsePrefix('::1/128')]
const MAPPED = parsePrefix('::ffff:0:0/96')

/** Is this IP literal the host itself (127.0.0.0/8, ::1, or the former mapped into IPv6)? */
export function isLoopback(address: string): boolean {
  const ip = parseIp(plainAddress(address))
  return ip !== undefined && LOOPBACK.some((prefix) => prefix !== undefined && inPrefix(ip, prefix))
}

/** The address without an IPv6 zone, and an IPv4-mapped one as IPv4: sockets bound to `::` report such. */
export function plainAddress(address: string): string {
  const zone = address.indexOf('%')
  const text = zone < 0 ? address : address.slice(0, zone)
  const ip = parseIp(text)
  if (ip === undefined) return text
  return formatIp(MAPPED !== undefined && inPrefix(ip, MAPPED) ? ip.subarray(12) : ip)
}

/** `127.0.0.1:1081`, `[::1]:1081` or `unix:PATH`. */
export function formatListenAddress(listen: ListenAddress): string {
  return listen.kind === 'unix'
    ? `unix:${listen.path}`
    : formatHostPort(listen.address, listen.port)
}

/**
 * Why this listener may not be opened, or undefined when it may. Off loopback anybody who reaches
 * the port would be inside the private network, so users are needed there, or the explicit
 * `allow_unauthenticated`. Unix sockets are guarded by their file mode (0600).
 */
export function listenProblem(
  listen: ListenAddress,
  options: { readonly authenticated: boolean; readonly allowUnauthenticated: boolean },
): string | undefined {
  if (listen.kind === 'unix' || isLoopback(listen.address)) return undefined
  if (options.authenticated || options.allowUnauthenticated) return undefined
  return (
    `${formatListenAddress(listen)} can be reached from other machines: ` +
    'give it users, or set allow_unauthenticated: true if everybody there may use it'
  )
}
