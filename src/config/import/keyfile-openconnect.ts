/** NetworkManager's keyfiles for SSL-VPN servers (service-type openconnect) as fields of a tunnel. */
import { dirname, resolve } from 'node:path'
import { parseIp } from '../../core/ip.js'
import { SSL_PROTOCOLS } from '../../core/options.js'
import { domainName } from '../address.js'
import type { Directive } from '../directive.js'
import { readBounded } from '../files.js'
import { parseIni } from '../ini.js'
import { MAX_TUNNEL_FILE_BYTES } from '../limits.js'
import { didYouMean } from '../nearest.js'
import { quote } from '../problem.js'
import { Report } from '../reader.js'
import { entriesOf, isYes, type KeyfileEntry, listOf, noted } from './keyfile-lines.js'

export interface KeyfileOpenconnect {
  /** What stands in the tunnel beside its type. */
  readonly fields: Readonly<Record<string, string | boolean>>
  /** The environment's own, where the keyfile names some. */
  readonly dns: { readonly servers?: readonly string[]; readonly search?: readonly string[] }
  readonly directives: readonly Directive[]
  readonly report: Report
}

const OWN = "NetworkManager's own"
const SERVER = 'the server says so at each login'
const SESSION = 'of a session that is over'
const UDP = 'packets go by TLS only'
const ROUTES = 'the server says what is inside, and the environment has no other way'
const STRICT = 'the certificate is always checked; `server_pin` trusts one that nobody signed'

const IGNORED: Readonly<Record<string, string>> = {
  'service-type': 'the tunnel has a type',
  authtype: 'what the server asks for is answered',
  prevent_invalid_cert: STRICT,
  certsigs: STRICT,
  autoconnect: OWN,
  save_passwords: OWN,
  lasthost: OWN,
  xmlconfig: OWN,
  mtu: SERVER,
  reported_os: 'pvpn says what it runs on',
  useragent: 'pvpn says its own',
  version: 'pvpn says its own',
}

const REFUSED: Readonly<Record<string, string>> = {
  proxy: 'use `through: ENV` with an environment of type http or socks5',
  enable_csd_trojan: "a server's programs are never run",
  csd_enable: "a server's programs are never run",
  csd_wrapper: "a server's programs are never run",
  pem_passphrase_fsid: 'give key_password_file to the tunnel',
  stoken_source: 'no software tokens; `pvpn start` asks for the code',
  stoken_string: 'no software tokens; `pvpn start` asks for the code',
}

/** Our name for a file that NetworkManager names. */
const FILES: Readonly<Record<string, string>> = {
  cacert: 'ca',
  usercert: 'certificate',
  userkey: 'key',
}

/** Our name for what was typed into the server's forms: `form:main:username`. */
const FORM: Readonly<Record<string, string>> = {
  username: 'username',
  password: 'password',
  group_list: 'authgroup',
}

/** Reads the text of a keyfile; never throws. `file` is its path, which messages use as well. */
export function readKeyfileOpenconnect(text: string, file: string): KeyfileOpenconnect {
  const reading = new Reading(file)
  const ini = parseIni(text, file, false)
  for (const { place, message } of ini.mistakes) reading.report.problem(place, message)
  for (const section of ini.sections) {
    for (const entry of entriesOf(section, reading.report)) reading.take(section.name, entry)
  }
  return reading.finish()
}

class Reading {
  readonly report = new Report()
  readonly #file: string
  readonly #fields: Record<string, string | boolean> = {}
  readonly #servers: string[] = []
  readonly #search: string[] = []
  readonly #directives: Directive[] = []

  constructor(file: string) {
    this.#file = file
  }

  take(section: string, from: KeyfileEntry): void {
    if (section === 'vpn') this.#vpn(from)
    else if (section === 'vpn-secrets') this.#secret(from)
    else if (section === 'ipv4' || section === 'ipv6') this.#network(from)
    else this.#note(from, 'ignored', OWN)
  }

  finish(): KeyfileOpenconnect {
    const { gateway, ...rest } = this.#fields
    if (gateway === undefined) {
      this.report.problem({ file: this.#file, line: 0, column: 0 }, 'there is no "gateway"')
    }
    return {
      fields: { url: gateway ?? '', ...rest },
      dns: {
        ...(this.#servers.length > 0 ? { servers: this.#servers } : {}),
        ...(this.#search.length > 0 ? { search: this.#search } : {}),
      },
      directives: this.#directives,
      report: this.report,
    }
  }

  #note(from: KeyfileEntry, verdict: Directive['verdict'], reason?: string): void {
    this.#directives.push(noted(from, verdict, reason))
  }

  #honour(from: KeyfileEntry, field: string, value: string | boolean): void {
    this.#fields[field] = value
    this.#note(from, 'honoured')
  }

  #vpn(from: KeyfileEntry): void {
    const { key, value } = from
    const own = (table: Readonly<Record<string, string>>) =>
      Object.hasOwn(table, key) ? table[key] : undefined
    const [file, refused, ignored] = [own(FILES), own(REFUSED), own(IGNORED)]
    if (key === 'gateway') this.#gateway(from)
    else if (key === 'protocol') this.#protocol(from)
    else if (value === '') this.#note(from, 'ignored', 'it is empty')
    else if (file !== undefined) this.#path(from, file)
    else if (key === 'disable_udp') {
      this.#note(from, isYes(value) ? 'honoured' : 'ignored', isYes(value) ? undefined : UDP)
    } else if (refused !== undefined) {
      if (value === 'no') this.#note(from, 'honoured')
      else this.#note(from, 'refused', refused)
    } else if (ignored !== undefined) this.#note(from, 'ignored', ignored)
    else if (key.endsWith('-flags')) {
      this.#note(from, 'ignored', 'pvpn asks for what does not stand in a file')
    } else {
      const known = [FILES, REFUSED, IGNORED].flatMap((table) => Object.keys(table))
      const close = didYouMean(key, [...known, 'protocol', 'disable_udp'])
      this.#note(from, 'refused', `unknown to pvpn${close}`)
    }
  }

  #gateway(from: KeyfileEntry): void {
    const value = from.value.replace(/^https:\/\//i, '')
    if (/^[^\s/?#@]+(\/[!-~]*)?$/.test(value) && !value.includes('://')) {
      this.#honour(from, 'gateway', `https://${value}`)
      return
    }
    this.report.problem(from.entry.at, `${quote(from.value)} is not the address of a server`)
  }

  #protocol(from: KeyfileEntry): void {
    const { value } = from
    if (value === 'anyconnect') this.#note(from, 'honoured')
    else if (SSL_PROTOCOLS.some((known) => known === value)) {
      this.#fields.engine = 'openconnect'
      this.#honour(from, 'protocol', value)
    } else {
      const what = `${quote(value)} is not supported: ${SSL_PROTOCOLS.join(', ')} are`
      this.report.problem(from.entry.at, what)
    }
  }

  /** By its whole path: the file stays where it is. */
  #path(from: KeyfileEntry, field: string): void {
    const path = resolve(dirname(this.#file), from.value)
    const found = readBounded(path, MAX_TUNNEL_FILE_BYTES)
    if (typeof found === 'string') this.report.problem(from.entry.at, `${path} ${found}`)
    else this.#honour(from, field, path)
  }

  #secret(from: KeyfileEntry): void {
    const name = /^form:[^:]*:(.+)$/.exec(from.key)?.[1]
    const field = name !== undefined && Object.hasOwn(FORM, name) ? FORM[name] : undefined
    if (field !== undefined) this.#honour(from, field, from.value)
    else if (name !== undefined) {
      this.#note(from, 'ignored', `\`pvpn start\` asks, or add it to the tunnel's form`)
    } else this.#note(from, 'ignored', SESSION)
  }

  #network(from: KeyfileEntry): void {
    const { key, value } = from
    const [list, good] =
      key === 'dns'
        ? [this.#servers, (item: string) => parseIp(item) !== undefined]
        : [this.#search, (item: string) => domainName(item) !== undefined]
    if (key !== 'dns' && key !== 'dns-search') {
      if (key === 'method' && value === 'auto') this.#note(from, 'honoured')
      else this.#note(from, 'ignored', /^(route|never|gateway)/.test(key) ? ROUTES : OWN)
      return
    }
    const items = listOf(value).filter((item) => !item.startsWith('~'))
    const odd = items.find((item) => !good(item))
    if (odd !== undefined) {
      this.#note(from, 'refused', `${quote(odd)} is neither address nor domain as it is needed`)
      return
    }
    list.push(...items)
    this.#note(from, 'honoured')
  }
}
