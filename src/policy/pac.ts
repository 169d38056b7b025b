/**
 * The proxy auto-configuration file: the policy as far as a browser can follow it. Rules that look at
 * program, user or group are decided for whoever reads the file, as far as that is known; what is not,
 * and addresses for a request by name, is left to the policy port, which sees more. Where the policy says `deny`, the policy port says so in words. The script uses nothing of
 * what browsers bring for such files: their shExpMatch, isInNet and dnsResolve differ, and the last
 * two ask the host's resolver.
 */
import { createHash } from 'node:crypto'
import { formatHostPort, type Prefix, parsePrefix } from '../core/ip.js'
import type {
  EnvironmentOptions,
  GatewayOptions,
  ListenAddress,
  PolicyOptions,
  PolicyRule,
} from '../core/options.js'
import { PAC_LIBRARY } from './pac-library.js'
import { programMatcher } from './pattern.js'
import { programPath } from './processes.js'

export interface PacFile {
  readonly text: string
  /** Strong, quoted (RFC 9110 section 8.8.3). */
  readonly etag: string
}

/** Who the file is for. */
export interface PacReader {
  /** The browser's path and its parents'; undefined: some browser. */
  readonly program?: { readonly path: string; readonly ancestors: readonly string[] } | undefined
  /** Undefined: anybody. */
  readonly users?: readonly string[] | undefined
  readonly groups?: readonly string[] | undefined
}

/** Programs that follow such files, by the last part of their path. Others fetch them for somebody else. */
const BROWSER =
  /^(google-)?chrom|^(microsoft-|ms)edge|^(brave|opera|vivaldi|firefox|librewolf|waterfox|floorp|zen|palemoon|seamonkey|thunderbird|epiphany|konqueror|falkon|qutebrowser|midori|electron|WebKit|QtWebEngine)/i

export function isBrowser(path: string): boolean {
  return BROWSER.test(path.slice(path.lastIndexOf('/') + 1))
}

/** What the file is made of. */
export interface PacSource extends Pick<GatewayOptions, 'environments' | 'policy' | 'control'> {
  /** Search domains that an environment's tunnel has brought. */
  readonly search?: (environment: string) => readonly string[]
}

/** `FindProxyForURL` for this configuration and this reader. */
export function pacFile(options: PacSource, reader: PacReader = {}): PacFile {
  const text = new PacWriter(options, reader).text()
  const digest = createHash('sha256').update(text).digest('base64url').slice(0, 22)
  return { text, etag: `"${digest}"` }
}

/** Where a program of this machine reaches it; undefined: not by TCP. */
export function reachable(listen: readonly ListenAddress[]): string | undefined {
  const found = listen.find((at) => at.kind === 'tcp')
  if (found?.kind !== 'tcp') return undefined
  const own: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
  return formatHostPort(own[found.address] ?? found.address, found.port)
}

class PacWriter {
  readonly #environments: readonly EnvironmentOptions[]
  readonly #policy: PolicyOptions | undefined
  readonly #reader: PacReader
  readonly #search: (environment: string) => readonly string[]
  /** What takes everything that a browser may not decide, and refuses what nobody takes. */
  readonly #fallback: string

  constructor({ environments, policy, control, search }: PacSource, reader: PacReader) {
    this.#search = search ?? (() => [])
    this.#reader = reader
    this.#environments = environments
    this.#policy = policy
    const port =
      reachable(policy?.listen ?? []) ??
      reachable(control.listen === undefined ? [] : [control.listen])
    // The control port refuses to be a proxy; port 9 (discard) is the last that could answer.
    this.#fallback = `PROXY ${port ?? '127.0.0.1:9'}`
  }

  text(): string {
    const { names = false, rules = [] } = this.#policy ?? {}
    return `${[
      '// Made by pvpn from its configuration. Nothing here asks a resolver, and no proxy is followed by DIRECT.',
      'function FindProxyForURL(url, host) {',
      '  var name = pvpnName(host), port = pvpnPort(url), address = pvpnAddress(name), place = null;',
      ...this.#claims(),
      ...(names
        ? [`  if (pvpnBelow(name, ".pvpn.internal")) return ${quoted(this.#fallback)};`]
        : []),
      ...rules.flatMap((rule) => this.#rule(rule)),
      '  if (place !== null) return place;',
      `  return ${quoted(this.#rest())};`,
      '}',
      PAC_LIBRARY,
    ].join('\n')}\n`
  }

  #rule(rule: PolicyRule): string[] {
    const conditions: string[] = []
    if (rule.port !== undefined) conditions.push(any(rule.port.map((port) => `port === ${port}`)))
    if (rule.domain !== undefined) {
      conditions.push(`address === null && ${any(rule.domain.map(domainTest))}`)
    }
    const reader = readBy(rule, this.#reader)
    if (reader === 'no') return []
    const proxy = reader === 'perhaps' ? this.#fallback : this.#proxyOf(rule.environment)
    const comment = `  // ${oneLine(rule.source)}`
    const { address } = rule
    if (address === undefined) return [comment, statement(conditions, proxy)]
    const prefixes = address.map(parsePrefix).filter((prefix) => prefix !== undefined)
    const inside = `address !== null && ${any(prefixes.map(addressTest))}`
    return [
      comment,
      statement([...conditions, inside], proxy),
      // Which addresses a name has only the policy port can find out; some names have their place.
      statement([...conditions, 'address === null', 'place === null'], this.#fallback),
    ]
  }

  /** Names that environments bring themselves: hosts, zones, search domains. One that several bring is left to the policy port. */
  #claims(): string[] {
    const owners = new Map<string, Set<string>>()
    const claim = (test: string, environment: string) => {
      owners.set(test, (owners.get(test) ?? new Set()).add(environment))
    }
    for (const { name, dns, tunnel } of this.#environments) {
      const brought = tunnel.type === 'wireguard' ? tunnel.search : []
      const search = dns.search ?? [...new Set([...brought, ...this.#search(name)])]
      for (const host of Object.keys(dns.hosts)) claim(domainTest(host), name)
      for (const zone of [...Object.keys(dns.zones), ...search]) {
        const suffix = zone.toLowerCase().replace(/\.$/, '')
        claim(any([domainTest(suffix), domainTest(`.${suffix}`)]), name)
      }
    }
    return [...owners].map(([test, [environment = '', ...more]]) => {
      const proxy = more.length === 0 ? this.#proxyOf(environment) : this.#fallback
      const agreed = `place === null || place === ${quoted(proxy)}`
      return `  if (address === null && ${test}) place = ${agreed} ? ${quoted(proxy)} : ${quoted(this.#fallback)};`
    })
  }

  #rest(): string {
    const found = this.#environments.find(({ name }) => name === this.#policy?.default)
    return found?.tunnel.type === 'direct' ? 'DIRECT' : this.#fallback
  }

  #proxyOf(environment: string): string {
    const found = this.#environments.find(({ name }) => name === environment)
    const at = reachable(found?.listen ?? [])
    return at === undefined ? this.#fallback : `PROXY ${at}`
  }
}

/** Do program, user and group of the rule fit the reader? */
function readBy(rule: PolicyRule, { program, users, groups }: PacReader): 'yes' | 'no' | 'perhaps' {
  let answer: 'yes' | 'perhaps' = 'yes'
  for (const [wanted, known] of [
    [rule.user, users],
    [rule.group, groups],
  ] as const) {
    if (wanted === undefined || known?.includes(wanted) === true) continue
    if (known !== undefined) return 'no'
    answer = 'perhaps'
  }
  if (rule.program === undefined) return answer
  if (program === undefined) {
    const last = rule.program.slice(rule.program.lastIndexOf('/') + 1)
    return last.includes('*') || isBrowser(last) ? 'perhaps' : 'no'
  }
  const matches = programMatcher(rule.program, programPath(rule.program))
  const child = rule.children === true && program.ancestors.some(matches)
  return matches(program.path) || child ? answer : 'no'
}

function statement(conditions: readonly string[], proxy: string): string {
  return `  if (${conditions.join(' && ') || 'true'}) return ${quoted(proxy)};`
}

function any(tests: readonly string[]): string {
  return tests.length === 1 ? (tests[0] as string) : `(${tests.join(' || ') || 'false'})`
}

/** Patterns become regular expressions of our own: `*` is any characters, everything else is itself. */
function domainTest(pattern: string): string {
  if (!pattern.includes('*')) {
    return pattern.startsWith('.')
      ? `pvpnBelow(name, ${quoted(pattern)})`
      : `name === ${quoted(pattern)}`
  }
  const text = (pattern.startsWith('.') ? `*${pattern}` : pattern).replace(/\*+/g, '*')
  return `pvpnMatch(name, ${JSON.stringify(text.split('*'))})`
}

function addressTest({ address, bits }: Prefix): string {
  const groups: number[] = []
  for (let i = 0; i < address.length; i += 2) {
    groups.push(((address[i] as number) << 8) | (address[i + 1] as number))
  }
  return `pvpnInside(address, ${JSON.stringify(groups)}, ${bits})`
}

/** As a script's text; also where the file is put into a page. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/[<\u2028\u2029]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?')
}
