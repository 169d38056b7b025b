/** What is said of a server's host key, and which algorithms it is asked for. */
import { PvpnError } from '../../core/errors.js'
import { formatHostPort } from '../../core/ip.js'
import { hostKeyType, SSH_ALGORITHMS } from '../../core/ssh-algorithms.js'
import type { Bytes } from '../../core/types.js'
import { checkHostKey, type HostNames, type KnownHost, keyTypeOf } from './known-hosts.js'

/** Algorithms whose keys are known come first, as in OpenSSH: a host that has several keys shows the known one. */
export function orderHostKeyAlgorithms(
  known: readonly string[],
  wanted: readonly string[] = SSH_ALGORITHMS.hostKey,
): readonly string[] {
  const isKnown = (algorithm: string) => known.includes(hostKeyType(algorithm))
  return [...wanted.filter(isKnown), ...wanted.filter((algorithm) => !isKnown(algorithm))]
}

export interface ShownKey {
  readonly key: Bytes
  /** `SHA256:…`, as ssh-keygen -l prints it. */
  readonly fingerprint: string
}

export interface KnownHostsView {
  readonly entries: readonly KnownHost[]
  /** The file where a new key belongs, as the user would type it. */
  readonly writeTo: string
}

/** Undefined when the key is known; else why the connection must end. */
export function refuseHostKey(
  view: KnownHostsView,
  names: HostNames,
  { key, fingerprint }: ShownKey,
): PvpnError | undefined {
  const verdict = checkHostKey(view.entries, names, key)
  const { host, port } = names
  const where = formatHostPort(host, port)
  const type = keyTypeOf(key)
  const shown = `${type} ${fingerprint}`
  switch (verdict.kind) {
    case 'known':
      return undefined
    case 'revoked':
      return new PvpnError(
        'ERR_AUTH',
        `the host key of ${where} is REVOKED (${verdict.entry.file}:${verdict.entry.line}): ${shown}`,
        { hint: 'do not connect: ask whoever runs the server' },
      )
    case 'changed': {
      const { file, line } = verdict.entry
      return new PvpnError(
        'ERR_AUTH',
        `THE HOST KEY OF ${where} HAS CHANGED: it shows ${shown}, ${file}:${line} has another. Somebody may be reading along. If whoever runs the server confirms the new key: remove that line, add the new key, then pvpn restart`,
        {
          hint: `the line goes with: ssh-keygen -R '${names.alias ?? plainName(names)}' -f ${file}`,
        },
      )
    }
    case 'unknown':
      return new PvpnError(
        'ERR_AUTH',
        `the host key of ${where} is not known: ${shown}.${also(verdict.others, verdict.authority)} Compare it with whoever runs the server, then: ${scan(names, type)} >> ${view.writeTo}, and pvpn restart`,
        { hint: `or connect once with ssh, which asks: ssh -p ${port} ${host}` },
      )
    default:
      return verdict satisfies never
  }
}

function plainName({ host, port }: HostNames): string {
  return port === 22 ? host : `[${host}]:${port}`
}

function also(others: readonly KnownHost[], authority: KnownHost | undefined): string {
  const [other] = others
  const types = [...new Set(others.map(({ type }) => type))].join(', ')
  return [
    other === undefined ? '' : ` (${types} is known, ${other.file}:${other.line}.)`,
    authority === undefined
      ? ''
      : ` (${authority.file}:${authority.line} trusts an authority; certificates of hosts are not supported.)`,
  ].join('')
}

/** What prints the line for known_hosts. */
function scan({ host, port, alias }: HostNames, type: string): string {
  const short = type.startsWith('ecdsa') ? 'ecdsa' : type.replace(/^ssh-/, '')
  const plain = `ssh-keyscan -t ${short} -p ${port} ${host}`
  return alias === undefined ? plain : `${plain} | sed 's/^[^ ]*/${alias}/'`
}
