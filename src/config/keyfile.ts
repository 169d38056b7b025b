/** NetworkManager's keyfiles for WireGuard (nm-settings-keyfile(5)), told in wg-quick's words. */
import type { Directive } from './directive.js'
import type { IniEntry, IniFile, IniSection } from './ini.js'

const PEER = 'wireguard-peer.'

const INTERFACE_KEYS: Readonly<Record<string, string>> = {
  'private-key': 'PrivateKey',
  'listen-port': 'ListenPort',
  mtu: 'MTU',
}

const PEER_KEYS: Readonly<Record<string, string>> = {
  endpoint: 'Endpoint',
  'preshared-key': 'PresharedKey',
  'persistent-keepalive': 'PersistentKeepalive',
  'allowed-ips': 'AllowedIPs',
}

const LOST_KEY = 'NetworkManager may keep this key elsewhere: then it is not in the file'

export function isKeyfile(ini: IniFile): boolean {
  return ini.sections.some((section) => section.name === 'connection')
}

/** What `[connection] type` says: `wireguard`, `vpn`, … */
export function keyfileType(ini: IniFile): string | undefined {
  const connection = ini.sections.find((section) => section.name === 'connection')
  return connection?.entries.find((entry) => entry.key === 'type')?.value
}

/** The same with wg-quick's sections and keys, at the keyfile's places, and what has no such key. */
export function keyfileToWgQuick(ini: IniFile): {
  readonly ini: IniFile
  readonly ignored: readonly Directive[]
} {
  const ignored: Directive[] = []
  const ownEntries: IniEntry[] = []
  const sections: IniSection[] = []
  let own: IniSection | undefined
  for (const section of ini.sections) {
    const { name, place } = section
    const drop = (entry: IniEntry, reason: string) => {
      const directive = { line: entry.place.line, name: shown(section, entry) }
      ignored.push({ ...directive, verdict: 'ignored', reason })
    }
    if (name === 'wireguard') own = section
    if (name.startsWith(PEER)) {
      const value = name.slice(PEER.length)
      const key = { key: 'PublicKey', shown: '[wireguard-peer]', value, place, at: place }
      const entries = translate(section, (entry) => PEER_KEYS[entry.key], drop)
      sections.push({ name: 'Peer', place, entries: [key, ...entries] })
    } else if (name === 'wireguard') {
      ownEntries.push(...translate(section, (entry) => INTERFACE_KEYS[entry.key], drop))
    } else if (name === 'ipv4' || name === 'ipv6') {
      ownEntries.push(...translate(section, addressKey, drop))
    } else {
      for (const entry of section.entries) drop(entry, "NetworkManager's own")
    }
  }
  if (own !== undefined) {
    sections.unshift({ name: 'Interface', place: own.place, entries: ownEntries })
  }
  return { ini: { sections, mistakes: ini.mistakes }, ignored }
}

function shown(section: IniSection, entry: IniEntry): string {
  const name = section.name.startsWith(PEER) ? '[wireguard-peer]' : `[${section.name}]`
  return `${name} ${entry.key}`
}

function addressKey(entry: IniEntry): string | undefined {
  if (/^address(es|[0-9]+)$/.test(entry.key)) return 'Address'
  return entry.key === 'dns' || entry.key === 'dns-search' ? 'DNS' : undefined
}

/** Entries under their wg-quick names; those without one are dropped with the reason. */
function translate(
  section: IniSection,
  nameOf: (entry: IniEntry) => string | undefined,
  drop: (entry: IniEntry, reason: string) => void,
): readonly IniEntry[] {
  const out: IniEntry[] = []
  for (const entry of section.entries) {
    const key = nameOf(entry)
    if (key === undefined) drop(entry, reasonFor(entry.key))
    else out.push({ ...entry, key, shown: shown(section, entry), value: listValue(key, entry) })
  }
  return out
}

function reasonFor(key: string): string {
  if (key.endsWith('-key-flags')) return LOST_KEY
  if (/^(route|gateway|fwmark|peer-routes|never-default|ip[46]-)/.test(key)) {
    return "nothing changes in the host's routing; inside, the environment has its own route"
  }
  return "NetworkManager's own"
}

/** NetworkManager separates list items by `;`, and writes a gateway behind an address. */
function listValue(key: string, entry: IniEntry): string {
  if (key === 'Address') {
    const addresses = entry.value.split(';').map((item) => item.split(',', 1)[0])
    return addresses.join(',')
  }
  return key === 'DNS' || key === 'AllowedIPs' ? entry.value.replaceAll(';', ',') : entry.value
}
