/** NetworkManager's keyfiles for OpenVPN (service-type openvpn) as .ovpn files. */
import { parseIp } from '../../core/ip.js'
import type { Directive } from '../directive.js'
import type { IniFile } from '../ini.js'
import { didYouMean } from '../nearest.js'
import type { Report } from '../reader.js'
import {
  entriesOf,
  isYes,
  type KeyfileEntry,
  noted,
  type OvpnSource,
  ovpnWord,
} from './keyfile-lines.js'
import { networkLines } from './keyfile-network.js'

export interface KeyfileOvpn {
  /** The .ovpn file. */
  readonly text: string
  /** What line N of it (from 1) says; none for lines that every client has. */
  readonly sources: readonly (readonly KeyfileEntry[])[]
  /** Of entries that are not in the text. */
  readonly directives: readonly Directive[]
  /** For the configuration, where the file has no password beside it. */
  readonly username: string | undefined
}

/** Keys that are the same directive with one argument. */
const ONE_WORD: Readonly<Record<string, string>> = {
  port: 'port',
  'extra-certs': 'extra-certs',
  'tls-crypt': 'tls-crypt',
  'tls-crypt-v2': 'tls-crypt-v2',
  cipher: 'cipher',
  'data-ciphers': 'data-ciphers',
  'data-ciphers-fallback': 'data-ciphers-fallback',
  auth: 'auth',
  keysize: 'keysize',
  'tls-cipher': 'tls-cipher',
  'tls-version-min': 'tls-version-min',
  'tls-version-max': 'tls-version-max',
  'tls-remote': 'tls-remote',
  'remote-cert-tls': 'remote-cert-tls',
  'ns-cert-type': 'ns-cert-type',
  'crl-verify-file': 'crl-verify',
  'reneg-seconds': 'reneg-sec',
  'tunnel-mtu': 'tun-mtu',
  'fragment-size': 'fragment',
  ping: 'ping',
  'ping-exit': 'ping-exit',
  'ping-restart': 'ping-restart',
  'connect-timeout': 'connect-timeout',
  'dev-type': 'dev-type',
  'mtu-disc': 'mtu-disc',
  'allow-compression': 'allow-compression',
  'static-key': 'secret',
}

/** Keys that are a directive without argument when they say yes. */
const WHEN_YES: Readonly<Record<string, readonly string[]>> = {
  'proto-tcp': ['proto', 'tcp-client'],
  'tap-dev': ['dev', 'tap'],
  float: ['float'],
  'remote-random': ['remote-random'],
  'remote-random-hostname': ['remote-random-hostname'],
  'ncp-disable': ['ncp-disable'],
  'push-peer-info': ['push-peer-info'],
}

/** Read with another key. */
const TOGETHER = ['connection-type', 'ta-dir', 'username', 'ca', 'cert', 'key']

const SPECIAL: Readonly<Record<string, (value: string) => readonly (readonly string[])[]>> = {
  remote: (value) =>
    value
      .split(/[\s,;]+/)
      .filter(Boolean)
      .map(remote),
  mssfix: (value) => (value === 'no' ? [] : [value === 'yes' ? ['mssfix'] : ['mssfix', value]]),
  'comp-lzo': (value) => [['comp-lzo', value === 'no-by-default' ? 'no' : value]],
  compress: (value) => [value === 'yes' ? ['compress'] : ['compress', value]],
  'verify-x509-name': (value) => {
    const [, kind, name] = /^(subject|name|name-prefix):(.*)$/.exec(value) ?? []
    return [['verify-x509-name', name ?? value, kind ?? 'subject']]
  },
  'crl-verify-dir': (value) => [['crl-verify', value, 'dir']],
}

const OWN = "NetworkManager's own"

const IGNORED: Readonly<Record<string, string>> = {
  'service-type': 'an OpenVPN file says so by itself',
  dev: "an interface's name; there is none",
  'local-ip': 'of static keys',
  'remote-ip': 'of static keys',
  'static-key-direction': 'of static keys',
  'max-routes': "pvpn's own bound holds",
  'tls-version-min-or-highest': 'tls-version-min alone holds',
  'user-name': OWN,
  persistent: OWN,
  timeout: OWN,
}

const PROXY = 'use `through: ENV` with an environment of type http or socks5'

/** Mistakes in values go to `report`, at the keyfile's places. */
export function keyfileToOvpn(ini: IniFile, report: Report): KeyfileOvpn {
  return new Translation(report).read(ini)
}

class Translation {
  readonly #report: Report
  readonly #directives: Directive[] = []
  readonly #lines: OvpnSource[] = []
  readonly #blocks: {
    readonly name: string
    readonly content: readonly string[]
    from: KeyfileEntry[]
  }[] = []
  #username: string | undefined

  constructor(report: Report) {
    this.#report = report
  }

  read(ini: IniFile): KeyfileOvpn {
    const vpn = new Map<string, KeyfileEntry>()
    const secrets = new Map<string, KeyfileEntry>()
    for (const section of ini.sections) {
      const entries = entriesOf(section, this.#report)
      const into =
        section.name === 'vpn' ? vpn : section.name === 'vpn-secrets' ? secrets : undefined
      if (into !== undefined) for (const entry of entries) into.set(entry.key, entry)
      else if (section.name === 'ipv4' || section.name === 'ipv6') {
        const { lines, directives } = networkLines(entries, section.name === 'ipv4' ? 4 : 6)
        this.#lines.push(...lines)
        this.#directives.push(...directives)
      } else for (const entry of entries) this.#note(entry, 'ignored', OWN)
    }
    this.#together(vpn, secrets)
    for (const entry of vpn.values()) if (!TOGETHER.includes(entry.key)) this.#vpnKey(entry, vpn)
    return { ...this.#written(), directives: this.#directives, username: this.#username }
  }

  #note(from: KeyfileEntry, verdict: Directive['verdict'], reason?: string): void {
    this.#directives.push(noted(from, verdict, reason))
  }

  #line(words: readonly string[], ...from: (KeyfileEntry | undefined)[]): void {
    this.#lines.push({ words, from: from.filter((entry) => entry !== undefined) })
  }

  #vpnKey(from: KeyfileEntry, vpn: ReadonlyMap<string, KeyfileEntry>): void {
    const { key, value } = from
    const own = <T>(table: Readonly<Record<string, T>>): T | undefined =>
      Object.hasOwn(table, key) ? table[key] : undefined
    const [name, words, special] = [own(ONE_WORD), own(WHEN_YES), own(SPECIAL)]
    const ignored = own(IGNORED)
    if (key === 'ta') {
      const direction = vpn.get('ta-dir')
      this.#line(['tls-auth', value, ...(direction ? [direction.value] : [])], from, direction)
    } else if (name !== undefined) this.#line([name, value], from)
    else if (words !== undefined) {
      if (isYes(value)) this.#line(words, from)
      else this.#note(from, 'honoured')
    } else if (special !== undefined) {
      const lines = special(value)
      for (const line of lines) this.#line(line, from)
      if (lines.length === 0) this.#note(from, 'honoured')
    } else if (ignored !== undefined) this.#note(from, 'ignored', ignored)
    else if (key.endsWith('-flags')) {
      this.#note(from, 'ignored', 'pvpn asks for what does not stand in a file')
    } else if (/^(proxy|http-proxy|socks-proxy)/.test(key)) this.#note(from, 'refused', PROXY)
    else {
      const known = [ONE_WORD, WHEN_YES, SPECIAL].flatMap((table) => Object.keys(table))
      const close = didYouMean(key, [...known, ...TOGETHER, 'ta'])
      this.#note(from, 'refused', `unknown to pvpn${close}`)
    }
  }

  /** The ways to prove who we are, each of several keys. */
  #together(
    vpn: ReadonlyMap<string, KeyfileEntry>,
    secrets: ReadonlyMap<string, KeyfileEntry>,
  ): void {
    const kind = vpn.get('connection-type')
    if (kind !== undefined) this.#note(kind, 'honoured')
    const direction = vpn.get('ta-dir')
    if (direction !== undefined && !vpn.has('ta'))
      this.#note(direction, 'ignored', 'there is no ta')
    const [ca, cert, key] = ['ca', 'cert', 'key'].map((name) => vpn.get(name))
    const byPassword = /^password/.test(kind?.value ?? '')
    if (ca !== undefined && ca.value === cert?.value && ca.value === key?.value) {
      this.#line(['pkcs12', ca.value], ca, cert, key)
    } else {
      if (ca !== undefined) this.#line(['ca', ca.value], ca)
      for (const entry of [cert, key]) {
        if (entry === undefined) continue
        if (kind?.value === 'password') this.#note(entry, 'ignored', 'connection-type is password')
        else this.#line([entry.key, entry.value], entry)
      }
    }
    const password = secrets.get('password')
    const username = vpn.get('username')
    if (byPassword) this.#credentials(username, password)
    else {
      for (const entry of [username, password]) {
        if (entry !== undefined)
          this.#note(entry, 'ignored', 'connection-type asks for no password')
      }
    }
    for (const entry of secrets.values()) {
      if (entry.key === 'cert-pass') this.#block('askpass', [entry.value], entry)
      else if (entry.key !== 'password') this.#note(entry, 'refused', PROXY)
    }
  }

  #credentials(username: KeyfileEntry | undefined, password: KeyfileEntry | undefined): void {
    if (username !== undefined && password !== undefined) {
      this.#block('auth-user-pass', [username.value, password.value], username, password)
      return
    }
    this.#line(['auth-user-pass'])
    this.#username = username?.value
    if (username !== undefined) this.#note(username, 'honoured')
    if (password !== undefined) this.#note(password, 'ignored', 'there is no username to it')
  }

  #block(name: string, content: readonly string[], ...from: KeyfileEntry[]): void {
    for (const entry of from) {
      // Such a line would end the block, and what follows be read as directives.
      if (entry.value.trim() !== `</${name}>`) continue
      this.#report.problem(entry.entry.at, `${entry.shown} can't be the end of a block`)
      return
    }
    this.#blocks.push({ name, content, from })
  }

  #written(): Pick<KeyfileOvpn, 'text' | 'sources'> {
    const text: string[] = ['client', 'dev tun']
    const sources: (readonly KeyfileEntry[])[] = [[], []]
    for (const { words, from } of this.#lines) {
      text.push(words.map(ovpnWord).join(' '))
      sources.push(from)
    }
    for (const { name, content, from } of this.#blocks) {
      text.push(`<${name}>`, ...content, `</${name}>`)
      sources.push(from, ...content.map(() => []), [])
    }
    return { text: `${text.join('\n')}\n`, sources }
  }
}

/** `HOST:PORT:PROTOCOL`, the latter two optional; IPv6 addresses bare or in brackets. */
function remote(item: string): readonly string[] {
  if (parseIp(item) !== undefined) return ['remote', item]
  const [, bracketed, plain = '', port, proto] =
    /^(?:\[([^\]]*)\]|([^:]*))(?::([^:]*))?(?::(.*))?$/.exec(item) ?? []
  const host = bracketed ?? plain
  if (host === '') return ['remote', item]
  return ['remote', host, ...(port ? [port] : []), ...(port && proto ? [proto] : [])]
}
