/** The files that a program inside sees in the place of the host's: who answers names, and how. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Answered inside of each namespace, by sockets that the holder makes. */
const NAME_SERVER = '127.0.0.53'

export interface NamespaceNames {
  readonly search: readonly string[]
  /** Name to addresses. */
  readonly hosts: Readonly<Record<string, readonly string[]>>
}

/** Writes them in place: who has them mounted sees the new ones at once. */
export function writeNamespaceFiles(folder: string, name: string, names: NamespaceNames): void {
  const write = (file: string, text: string) => {
    writeFileSync(join(folder, `${name}.${file}`), text, { mode: 0o600 })
  }
  write('resolv.conf', resolvConf(names.search))
  write('hosts', hostsFile(names.hosts))
  write('nsswitch.conf', nsswitch(hostFile('/etc/nsswitch.conf')))
  write('empty', '')
}

export function resolvConf(search: readonly string[]): string {
  const line = search.length === 0 ? '' : `search ${search.join(' ')}\n`
  return `# pvpn: the environment's resolver\nnameserver ${NAME_SERVER}\n${line}options edns0\n`
}

export function hostsFile(hosts: NamespaceNames['hosts']): string {
  const lines = ['127.0.0.1 localhost', '::1 localhost ip6-localhost ip6-loopback']
  for (const [name, addresses] of Object.entries(hosts)) {
    for (const address of addresses) lines.push(`${address} ${name}`)
  }
  return `${lines.join('\n')}\n`
}

/** The host's, with names asked of files and DNS alone: other modules ask outside. */
export function nsswitch(own: string): string {
  const rest = own.split('\n').filter((line) => !/^\s*hosts\s*:/.test(line))
  return `${rest.join('\n').trimEnd()}\nhosts: files dns\n`.trimStart()
}

function hostFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
