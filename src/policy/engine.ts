/**
 * Which environment serves a request: the rules, without any I/O. The first rule whose fields all match
 * decides. Where only a resolver can tell (a rule on addresses, a request by name), `decide` says which
 * environment to ask, and is called again with the answer.
 */
import { formatIp, inPrefix, type Prefix, parseIp, parsePrefix } from '../core/ip.js'
import type { PolicyOptions, PolicyRule } from '../core/options.js'
import type { Bytes } from '../core/types.js'
import { parseInternalName } from './internal-name.js'
import { domainMatcher, type Matcher, programMatcher } from './pattern.js'

/** Who asks. What is not known matches no rule. */
export interface Caller {
  /** Path of the executable. */
  readonly program: string | undefined
  /** Paths of its parents' executables, the nearest first. */
  readonly ancestors: readonly string[]
  /** Names and numbers that mean its user. */
  readonly users: readonly string[]
  /** Names and numbers of its groups. */
  readonly groups: readonly string[]
}

export const NOBODY: Caller = { program: undefined, ancestors: [], users: [], groups: [] }

export interface PolicyRequest {
  /** Name or IP literal, as the program wrote it. */
  readonly host: string
  /** 0: none (a name is to be resolved); then rules with `port` do not match. */
  readonly port: number
  readonly caller: Caller
}

/** What decided: a rule's `FILE:LINE`, a name below pvpn.internal, or the default. */
export type DecidedBy =
  | { readonly kind: 'rule'; readonly source: string }
  | { readonly kind: 'name' }
  | { readonly kind: 'default' }

export type Decision =
  | {
      readonly kind: 'allow'
      readonly environment: string
      /** Host to be asked for inside: another one than was asked for with names below pvpn.internal. */
      readonly host: string
      /** Decided by the name's addresses: only these are meant. */
      readonly addresses?: readonly string[]
      readonly by: DecidedBy
    }
  | { readonly kind: 'deny'; readonly reason: string; readonly by: DecidedBy }

/** Ask this environment for the name's addresses, and decide again. */
export interface Question {
  readonly kind: 'resolve'
  readonly environment: string
  readonly host: string
  /** `FILE:LINE` of the rule that wants to know. */
  readonly source: string
}

/** Addresses of the request's host by environment, as far as they were asked for; none: no such name there. */
export type KnownAddresses = ReadonlyMap<string, readonly string[]>

interface CompiledRule {
  readonly rule: PolicyRule
  readonly program: Matcher | undefined
  readonly domains: readonly Matcher[] | undefined
  readonly addresses: readonly Prefix[] | undefined
}

export interface PolicyEngineOptions {
  readonly policy: Pick<PolicyOptions, 'names' | 'rules' | 'default'>
  /** Names of all environments. */
  readonly environments: readonly string[]
  /** What a path of a program leads to, links followed; default: itself. */
  readonly resolvePath?: (path: string) => string
}

export class PolicyEngine {
  readonly #names: boolean
  readonly #default: string
  readonly #environments: ReadonlySet<string>
  readonly #rules: readonly CompiledRule[]

  constructor({ policy, environments, resolvePath = (path) => path }: PolicyEngineOptions) {
    this.#names = policy.names
    this.#default = policy.default
    this.#environments = new Set(environments)
    this.#rules = policy.rules.map((rule) => compile(rule, resolvePath))
  }

  decide(request: PolicyRequest, known: KnownAddresses = new Map()): Decision | Question {
    const host = normalHost(request.host)
    if (this.#names) {
      const internal = parseInternalName(host)
      if (internal !== undefined) return this.#byName(internal, host)
    }
    const address = literal(host)
    /** Rules that deny addresses: the name's are those that the environment chosen further down knows. */
    const deferred: CompiledRule[] = []
    for (const compiled of this.#rules) {
      if (!matchesButAddress(compiled, request, address === undefined ? host : undefined)) continue
      const { rule, addresses } = compiled
      let meant: readonly string[] | undefined
      if (addresses !== undefined && address !== undefined) {
        if (!within(address, addresses)) continue
      } else if (addresses !== undefined && rule.environment === 'deny') {
        deferred.push(compiled)
        continue
      } else if (addresses !== undefined) {
        const found = known.get(rule.environment)
        const { source, environment } = rule
        if (found === undefined) return { kind: 'resolve', environment, host, source }
        meant = found.filter((text) => textWithin(text, addresses))
        if (meant.length === 0) continue
      }
      return this.#chosen(rule.environment, { kind: 'rule', source: rule.source }, host, {
        deferred,
        known,
        addresses: meant,
      })
    }
    return this.#chosen(this.#default, { kind: 'default' }, host, {
      deferred,
      known,
      addresses: undefined,
    })
  }

  #byName(
    internal: { readonly environment: string | undefined; readonly host: string },
    name: string,
  ): Decision {
    const by = { kind: 'name' } as const
    const { environment, host } = internal
    if (environment === undefined) {
      return { kind: 'deny', reason: `${name}: the form is HOST.ENV.pvpn.internal`, by }
    }
    if (!this.#environments.has(environment)) {
      return { kind: 'deny', reason: `${name}: there is no environment ${environment}`, by }
    }
    return { kind: 'allow', environment, host, by }
  }

  #chosen(
    environment: string,
    by: DecidedBy,
    host: string,
    options: {
      readonly deferred: readonly CompiledRule[]
      readonly known: KnownAddresses
      readonly addresses: readonly string[] | undefined
    },
  ): Decision | Question {
    if (environment === 'deny') return denied(host, by)
    const { deferred, known } = options
    let { addresses } = options
    const [first] = deferred
    if (first !== undefined) {
      const found = known.get(environment)
      if (found === undefined) {
        return { kind: 'resolve', environment, host, source: first.rule.source }
      }
      const denying = deferred.find((rule) =>
        found.some((text) => textWithin(text, rule.addresses ?? [])),
      )
      if (denying !== undefined) return denied(host, { kind: 'rule', source: denying.rule.source })
      addresses ??= found
    }
    const meant = addresses === undefined ? {} : { addresses }
    return { kind: 'allow', environment, host, ...meant, by }
  }
}

/** What a person calls it: `FILE:LINE`, or words. */
export function decidedByText(by: DecidedBy): string {
  switch (by.kind) {
    case 'rule':
      return by.source
    case 'name':
      return 'its name (policy.names)'
    case 'default':
      return 'policy.default'
    default:
      return by satisfies never
  }
}

/** Lower case, without brackets and without the dot at the end; an address in its canonical form. */
export function normalHost(host: string): string {
  const address = literal(host)
  if (address !== undefined) return formatIp(address)
  return host.toLowerCase().replace(/\.$/, '')
}

function denied(host: string, by: DecidedBy): Decision {
  const reason =
    by.kind === 'rule'
      ? `${host} is denied by the rule at ${by.source}`
      : `no rule of the policy allows ${host}, and its default is deny`
  return { kind: 'deny', reason, by }
}

function compile(rule: PolicyRule, resolvePath: (path: string) => string): CompiledRule {
  const { program, domain, address } = rule
  return {
    rule,
    program: program === undefined ? undefined : programMatcher(program, resolvePath(program)),
    domains: domain?.map(domainMatcher),
    addresses: address?.map(parsePrefix).filter((prefix) => prefix !== undefined),
  }
}

/** `name` is undefined for an IP literal, which is no domain. The dear fields (who asks) come last. */
function matchesButAddress(
  { rule, program, domains }: CompiledRule,
  { port, caller }: PolicyRequest,
  name: string | undefined,
): boolean {
  if (rule.port !== undefined && !rule.port.includes(port)) return false
  if (domains !== undefined && (name === undefined || !domains.some((matches) => matches(name)))) {
    return false
  }
  if (rule.user !== undefined && !caller.users.includes(rule.user)) return false
  if (rule.group !== undefined && !caller.groups.includes(rule.group)) return false
  if (program === undefined) return true
  if (caller.program === undefined) return false
  return program(caller.program) || (rule.children === true && caller.ancestors.some(program))
}

/** IPv4-mapped addresses are the IPv4 addresses that they mean. */
function literal(host: string): Bytes | undefined {
  const bytes = parseIp(host)
  if (bytes?.length !== 16) return bytes
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0)
  return mapped && bytes[10] === 0xff && bytes[11] === 0xff ? bytes.subarray(12) : bytes
}

function within(address: Bytes, prefixes: readonly Prefix[]): boolean {
  return prefixes.some((prefix) => inPrefix(address, prefix))
}

function textWithin(text: string, prefixes: readonly Prefix[]): boolean {
  const address = literal(text)
  return address !== undefined && within(address, prefixes)
}
