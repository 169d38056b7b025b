/**
 * The wg-quick format: every key of wg-quick(8) and of wg(8)'s configuration file. Keys are
 * case-insensitive, may come several times where they are lists, and `#` begins a comment.
 */
import { parseIp } from '../core/ip.js'
import type { WireguardOptions, WireguardPeerOptions } from '../core/options.js'
import type { Target } from '../core/types.js'
import {
  domainName,
  parseAddress,
  parseInterfaceAddress,
  parseNetwork,
  parseTarget,
} from './address.js'
import { type Directive, SCRIPT_REASON } from './directive.js'
import { type IniEntry, type IniFile, type IniSection, parseIni } from './ini.js'
import { MAX_ALLOWED_IPS, MAX_WIREGUARD_PEERS } from './limits.js'
import { didYouMean } from './nearest.js'
import type { Located, Place } from './place.js'
import { quote } from './problem.js'
import { Report } from './reader.js'
import { parseKey } from './wg-key.js'

/** Smallest that IPv6 works with (RFC 8200 section 5). */
const IPV6_MTU = 1280
/** What WireGuard leaves of a 1500-byte path, whatever the outer family. */
export const DEFAULT_MTU = 1420
/** Smallest and largest IP packets that a tunnel may be told to carry, in bytes. */
export const MTU_RANGE = { least: 576, most: 65_535 } as const

export interface WireguardFile {
  /** Undefined when `report` has problems. */
  readonly options: WireguardOptions | undefined
  /** Where `ListenPort` stands, when it does. */
  readonly listenPortAt: Place | undefined
  /** In the file's order. */
  readonly directives: readonly Directive[]
  readonly report: Report
  /** Sections that are not WireGuard's (wireproxy has some), when they were allowed. */
  readonly others: readonly IniSection[]
}

const KEYS = {
  interface: [
    'Address',
    'DNS',
    'MTU',
    'Table',
    'PreUp',
    'PostUp',
    'PreDown',
    'PostDown',
    'SaveConfig',
    'FwMark',
    'ListenPort',
    'PrivateKey',
  ],
  peer: ['PublicKey', 'PresharedKey', 'AllowedIPs', 'Endpoint', 'PersistentKeepalive'],
} as const

const IGNORED: Readonly<Record<string, string>> = {
  table: "nothing changes in the host's routing tables; inside, the environment has its own route",
  saveconfig: 'pvpn does not write to this file',
  fwmark: "marks steer the host's routing, which stays as it is",
  checkalive: "wireproxy's own; pvpn watches the handshakes",
  checkaliveinterval: "wireproxy's own; pvpn watches the handshakes",
}

/** Junk packets and changed headers of AmneziaWG: another protocol on the wire. */
const AMNEZIA = /^(jc|jmin|jmax|[sh][1-4]|i[1-5]|j[1-3]|itime)$/

interface InterfaceDraft {
  privateKey?: Uint8Array
  addresses: string[]
  dns: string[]
  search: string[]
  mtu: number
  listenPort: number
}

interface PeerDraft {
  place: Place
  publicKey?: Uint8Array
  presharedKey?: Uint8Array
  endpoint?: Target
  allowedIps: string[]
  persistentKeepalive: number
}

/**
 * Makes sense of sections that were read already; never throws. Section names in `others` (lower
 * case) are handed back unread.
 */
export function readWgQuick(
  ini: IniFile,
  file: string,
  others: ReadonlySet<string> = new Set(),
): WireguardFile {
  return new WgQuickReader(file, others).read(ini)
}

/** Reads the text of a wg-quick file; never throws. */
export function parseWgQuick(text: string, file: string): WireguardFile {
  return readWgQuick(parseIni(text, file, true), file)
}

class WgQuickReader {
  readonly #file: string
  readonly #allowed: ReadonlySet<string>
  readonly #report = new Report()
  readonly #directives: Directive[] = []
  readonly #others: IniSection[] = []
  readonly #interface: InterfaceDraft = {
    addresses: [],
    dns: [],
    search: [],
    mtu: DEFAULT_MTU,
    listenPort: 0,
  }
  readonly #peers: PeerDraft[] = []
  #interfaceAt: Place | undefined
  #listenPortAt: Place | undefined
  #allowedIps = 0

  constructor(file: string, allowed: ReadonlySet<string>) {
    this.#file = file
    this.#allowed = allowed
  }

  read(ini: IniFile): WireguardFile {
    for (const mistake of ini.mistakes) this.#report.problem(mistake.place, mistake.message)
    for (const section of ini.sections) this.#section(section)
    const options = this.#finish()
    return {
      options: this.#report.problems.length === 0 ? options : undefined,
      listenPortAt: this.#listenPortAt,
      directives: this.#directives,
      report: this.#report,
      others: this.#others,
    }
  }

  #section(section: IniSection): void {
    const name = section.name.toLowerCase()
    if (name === 'interface') {
      this.#interfaceAt ??= section.place
      for (const entry of section.entries) this.#interfaceEntry(entry)
    } else if (name === 'peer') {
      if (this.#peers.length === MAX_WIREGUARD_PEERS) {
        this.#report.problem(section.place, `more than ${MAX_WIREGUARD_PEERS} peers`)
        return
      }
      const peer = { place: section.place, allowedIps: [], persistentKeepalive: 0 }
      this.#peers.push(peer)
      for (const entry of section.entries) this.#peerEntry(entry, peer)
    } else if (this.#allowed.has(name)) {
      this.#others.push(section)
    } else {
      const known = ['Interface', 'Peer']
      const hint = didYouMean(section.name, known)
      this.#report.problem(section.place, `unknown section ${quote(section.name)}${hint}`)
    }
  }

  #interfaceEntry(entry: IniEntry): void {
    const key = entry.key.toLowerCase()
    const draft = this.#interface
    const ignored = IGNORED[key]
    if (ignored !== undefined) {
      this.#note('Interface', entry, 'ignored', ignored)
      return
    }
    switch (key) {
      case 'privatekey':
        draft.privateKey = this.#key(entry) ?? draft.privateKey ?? new Uint8Array(32)
        break
      case 'address':
        for (const item of this.#items(entry)) {
          const address = parseInterfaceAddress(item.value, (m) => this.#problem(item.place, m))
          if (address !== undefined) draft.addresses.push(address)
        }
        break
      case 'dns':
        this.#dns(entry)
        break
      case 'mtu':
        draft.mtu = this.#integer(entry, MTU_RANGE.least, MTU_RANGE.most) ?? draft.mtu
        break
      case 'listenport':
        draft.listenPort = this.#integer(entry, 0, 65_535) ?? draft.listenPort
        this.#listenPortAt = entry.at
        break
      case 'preup':
      case 'postup':
      case 'predown':
      case 'postdown':
        this.#note('Interface', entry, 'refused', SCRIPT_REASON)
        return
      default:
        this.#unknown('Interface', entry)
        return
    }
    this.#note('Interface', entry, 'honoured')
  }

  #peerEntry(entry: IniEntry, peer: PeerDraft): void {
    switch (entry.key.toLowerCase()) {
      case 'publickey':
        peer.publicKey = this.#key(entry) ?? peer.publicKey ?? new Uint8Array(32)
        break
      case 'presharedkey': {
        const key = this.#key(entry)
        // All zeros means none (wg(8)).
        if (key?.some((byte) => byte !== 0) === true) peer.presharedKey = key
        break
      }
      case 'allowedips':
        this.#allowedIpsEntry(entry, peer)
        break
      case 'endpoint': {
        const endpoint = parseTarget(entry.value, (m) => this.#problem(entry.at, m))
        if (endpoint !== undefined) peer.endpoint = endpoint
        break
      }
      case 'persistentkeepalive':
        peer.persistentKeepalive =
          entry.value.toLowerCase() === 'off' ? 0 : (this.#integer(entry, 0, 65_535) ?? 0)
        break
      default:
        this.#unknown('Peer', entry)
        return
    }
    this.#note('Peer', entry, 'honoured')
  }

  #dns(entry: IniEntry): void {
    for (const item of this.#items(entry)) {
      if (parseIp(item.value) !== undefined) {
        const server = parseAddress(item.value, (m) => this.#problem(item.place, m))
        if (server !== undefined) this.#interface.dns.push(server)
        continue
      }
      const domain = domainName(item.value)
      if (domain !== undefined) this.#interface.search.push(domain)
      else {
        const words = 'is neither the IP address of a DNS server nor a search domain'
        this.#report.problem(item.place, `${quote(item.value)} ${words}`)
      }
    }
  }

  #allowedIpsEntry(entry: IniEntry, peer: PeerDraft): void {
    for (const item of this.#items(entry)) {
      if (this.#allowedIps++ === MAX_ALLOWED_IPS) {
        this.#report.problem(item.place, `more than ${MAX_ALLOWED_IPS} AllowedIPs`)
      }
      if (this.#allowedIps > MAX_ALLOWED_IPS) return
      const network = parseNetwork(item.value, (m) => this.#problem(item.place, m))
      if (network !== undefined) peer.allowedIps.push(network)
    }
  }

  /** The parts of a comma-separated value. */
  #items(entry: IniEntry): readonly Located<string>[] {
    let column = entry.at.column
    const items: Located<string>[] = []
    for (const part of entry.value.split(',')) {
      const lead = part.length - part.trimStart().length
      const value = part.trim()
      if (value !== '') items.push({ value, place: { ...entry.at, column: column + lead } })
      column += part.length + 1
    }
    return items
  }

  #key(entry: IniEntry): Uint8Array | undefined {
    const key = parseKey(entry.value)
    if (key === undefined) {
      this.#report.problem(
        entry.at,
        `${entry.key} is not a key: 44 characters of base64 (wg genkey)`,
      )
    }
    return key
  }

  #integer(entry: IniEntry, least: number, most: number): number | undefined {
    const value = /^[0-9]{1,9}$/.test(entry.value) ? Number(entry.value) : -1
    if (value >= least && value <= most) return value
    return this.#problem(entry.at, `${entry.key} must be a whole number from ${least} to ${most}`)
  }

  #unknown(section: 'Interface' | 'Peer', entry: IniEntry): void {
    const key = entry.key.toLowerCase()
    const own: readonly string[] = section === 'Peer' ? KEYS.peer : KEYS.interface
    const other = section === 'Peer' ? 'Interface' : 'Peer'
    const others: readonly string[] = section === 'Peer' ? KEYS.interface : KEYS.peer
    if (AMNEZIA.test(key)) {
      const words = 'belongs to AmneziaWG, another protocol on the wire, which pvpn does not speak'
      this.#report.problem(entry.place, `${entry.key} ${words}`)
    } else if (others.some((known) => known.toLowerCase() === key)) {
      this.#report.problem(entry.place, `${entry.key} belongs under [${other}]`)
    } else if (/^[A-Za-z]{1,32}$/.test(entry.key)) {
      const hint = didYouMean(entry.key, own)
      this.#report.problem(entry.place, `unknown key "${entry.key}" in [${section}]${hint}`)
    } else {
      // Not quoted: a secret whose own `=` was taken for the separator would stand here.
      this.#report.problem(entry.place, `is not Key = Value with a key known in [${section}]`)
    }
  }

  #note(section: string, entry: IniEntry, verdict: Directive['verdict'], reason?: string): void {
    const name = entry.shown ?? `[${section}] ${entry.key}`
    const because = reason === undefined ? {} : { reason }
    this.#directives.push({ line: entry.place.line, name, verdict, ...because })
  }

  #problem(place: Place, message: string): undefined {
    this.#report.problem(place, message)
    return undefined
  }

  #finish(): WireguardOptions | undefined {
    const { privateKey, addresses, dns, search, mtu, listenPort } = this.#interface
    const at = this.#interfaceAt
    if (at === undefined) {
      this.#report.problem({ file: this.#file, line: 1, column: 1 }, '[Interface] is missing')
      return undefined
    }
    if (privateKey === undefined) this.#report.problem(at, 'PrivateKey is missing')
    if (addresses.length === 0) this.#report.problem(at, 'Address is missing')
    if (mtu < IPV6_MTU && addresses.some((address) => address.includes(':'))) {
      this.#report.warning(at, `IPv6 needs an MTU of ${IPV6_MTU} at least, and has ${mtu}`)
    }
    if (this.#peers.length === 0) this.#report.problem(at, 'there is no [Peer]')
    const peers = this.#finishPeers()
    if (privateKey === undefined) return undefined
    return { type: 'wireguard', privateKey, addresses, dns, search, mtu, listenPort, peers }
  }

  #finishPeers(): readonly WireguardPeerOptions[] {
    const lines = new Map<string, number>()
    const peers: WireguardPeerOptions[] = []
    for (const { place, publicKey, ...rest } of this.#peers) {
      if (publicKey === undefined) {
        this.#report.problem(place, 'PublicKey is missing')
        continue
      }
      const name = Buffer.from(publicKey).toString('base64')
      const first = lines.get(name)
      if (first !== undefined) {
        this.#report.problem(place, `this peer's PublicKey is that of the peer on line ${first}`)
      } else if (rest.allowedIps.length === 0) {
        this.#report.warning(place, 'this peer has no AllowedIPs: nothing goes to it')
      }
      lines.set(name, place.line)
      peers.push({ publicKey, ...rest })
    }
    return peers
  }
}
