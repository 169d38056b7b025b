/** Who listens where: two on one port, and ports that strangers reach without a password. */
import { parseIp } from '../core/ip.js'
import { formatListenAddress, plainAddress } from '../core/listen-address.js'
import type { ListenAddress } from '../core/options.js'
import { isLocal } from './address.js'
import type { Place } from './place.js'
import type { Report } from './reader.js'

export interface Claim {
  readonly listen: ListenAddress
  readonly protocol: 'tcp' | 'udp'
  /** For the message about the second one: `environments.office.listen`. */
  readonly owner: string
  /** Undefined for a default that stands nowhere in the file. */
  readonly place: Place | undefined
}

/** Canonical host part: IPv4-mapped addresses are IPv4, every wildcard that takes all is `*`. */
function hostOf(address: string): string {
  const plain = plainAddress(address)
  const ip = parseIp(plain)
  if (ip === undefined || ip.some((byte) => byte !== 0)) return plain
  return ip.length === 4 ? '*4' : '*'
}

/** Would the second of the two fail to bind? `::` takes IPv4 as well. */
function overlap(a: string, b: string): boolean {
  if (a === b || a === '*' || b === '*') return true
  return (a === '*4' && !b.includes(':')) || (b === '*4' && !a.includes(':'))
}

/** Reports every claim that an earlier one excludes. */
export function checkClaims(claims: readonly Claim[], report: Report): void {
  const taken = new Map<string, { readonly host: string; readonly claim: Claim }[]>()
  for (const claim of claims) {
    const { listen, protocol } = claim
    if (listen.kind === 'tcp' && listen.port === 0) continue
    const key = listen.kind === 'unix' ? `unix:${listen.path}` : `${protocol}:${listen.port}`
    const host = listen.kind === 'unix' ? '*' : hostOf(listen.address)
    const others = taken.get(key) ?? []
    const other = others.find((entry) => overlap(entry.host, host))?.claim
    if (other !== undefined) {
      // A default has no place: then the one that stands in the file is told.
      const [at, by] = claim.place === undefined ? [other, claim] : [claim, other]
      const where = by.place === undefined ? 'the default' : `line ${by.place.line}`
      if (at.place !== undefined) {
        const words = `${formatListenAddress(at.listen)} is taken already by ${by.owner} (${where})`
        report.problem(at.place, words)
      }
    }
    others.push({ host, claim })
    taken.set(key, others)
  }
}

/** Reports a listener that others than this machine reach, unless `allowed` (who is let in is known, or it was asked for). */
export function checkOpen(
  claims: readonly Claim[],
  allowed: boolean,
  remedy: string,
  report: Report,
): void {
  for (const { listen, place } of claims) {
    if (allowed || place === undefined || isLocal(listen)) continue
    report.problem(
      place,
      `${formatListenAddress(listen)} can be reached from other machines: ${remedy}`,
    )
  }
}
