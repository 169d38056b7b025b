/** The `policy:` section. */
import type { PolicyOptions, PolicyRule } from '../core/options.js'
import { parseNetwork } from './address.js'
import { type Claim, checkOpen } from './claims.js'
import { type Context, type Finish, listenSpec } from './context.js'
import { quote } from './problem.js'
import {
  about,
  boolean,
  type Complain,
  list,
  located,
  number,
  object,
  oneOrList,
  text,
  words,
} from './spec.js'
import { readUsers, usersSpec } from './users.js'

const DEFAULT_LISTEN = { kind: 'tcp', address: '127.0.0.1', port: 1080 } as const

/** `office.example` itself, `.office.example` what is below, `*` any characters. */
function parseDomainPattern(value: string, complain: Complain): string | undefined {
  const pattern = value.toLowerCase().replace(/\.$/, '')
  const good = pattern.length <= 253 && /^\.?[a-z0-9*_-]{1,63}(\.[a-z0-9*_-]{1,63})*$/.test(pattern)
  if (good) return pattern
  return complain(`${quote(value)} is not a domain: NAME, .SUFFIX, or a pattern with *`)
}

const environmentName = located(words("an environment's name, or deny"))

const ruleShape = {
  program: about('Path, name, or a pattern with *', words('a program')),
  children: about('Also what the program starts', boolean),
  user: about("The program's user", words('a user')),
  group: about("The program's group", words('a group')),
  domain: about(
    'NAME, .SUFFIX, or a pattern with *',
    oneOrList(text('a domain', parseDomainPattern)),
  ),
  address: about('Address or network', oneOrList(text('an address or network', parseNetwork))),
  port: about('Target port', oneOrList(number(1, 65_535))),
  environment: about('Where it goes; deny refuses', environmentName),
}

const CONDITIONS = ['program', 'user', 'group', 'domain', 'address', 'port'] as const

export function policySpec(context: Context) {
  return object({
    listen: about(
      'Policy port; default 127.0.0.1:1080',
      oneOrList(located(listenSpec(context.folder))),
    ),
    names: about('HOST.ENV.pvpn.internal chooses ENV, before the rules; default true', boolean),
    users: usersSpec,
    allow_unauthenticated: about('Needed to listen off loopback without users', boolean),
    rules: about(
      'First match wins; fields of one rule are and-ed',
      list(object(ruleShape, ['environment'])),
    ),
    default: about('An environment, or deny (default)', environmentName),
  })
}

type PolicyFields = NonNullable<ReturnType<ReturnType<typeof policySpec>['read']>>
type RuleFields = NonNullable<PolicyFields['values']['rules']>[number]

export interface PolicyDraft {
  readonly claims: readonly Claim[]
  readonly finish: Finish<PolicyOptions>
}

/** `known` reports a name that is neither an environment nor `deny`. */
export function readPolicy(
  fields: PolicyFields,
  known: (name: { readonly value: string; readonly place: RuleFields['place'] }) => void,
  context: Context,
): PolicyDraft {
  const { values } = fields
  const listen = values.listen ?? [{ value: DEFAULT_LISTEN, place: undefined }]
  const claims = listen.map(({ value, place }) => {
    return { listen: value, protocol: 'tcp', owner: 'policy.listen', place } as const
  })
  const users = readUsers(values.users, undefined, context)
  const allowUnauthenticated = values.allow_unauthenticated === true
  const authenticated = (values.users?.length ?? 0) > 0
  const remedy = 'it needs users, or allow_unauthenticated: true'
  checkOpen(claims, allowUnauthenticated || authenticated, remedy, context.report)
  if (values.default !== undefined) known(values.default)
  warnOfPrograms(values.rules ?? [], context)
  const rules = (values.rules ?? []).map((rule) => readRule(rule, known, context))
  return {
    claims,
    finish: () => {
      const finishedUsers = users()
      if (finishedUsers === undefined) return undefined
      return {
        listen: claims.map((claim) => claim.listen),
        names: values.names ?? true,
        users: finishedUsers,
        allowUnauthenticated,
        rules: rules.filter((rule) => rule !== undefined),
        default: values.default?.value ?? 'deny',
      }
    },
  }
}

/** Linux shows the programs behind sockets to their own user and to root only. */
function warnOfPrograms(rules: readonly RuleFields[], { report }: Context): void {
  const first = rules.find((rule) => rule.has('program'))
  if (first === undefined || process.getuid?.() === 0) return
  report.warning(
    first.at('program'),
    'a gateway that is not root sees the programs of its own user only: for others use "user"',
  )
}

function readRule(
  fields: RuleFields,
  known: (name: NonNullable<RuleFields['values']['environment']>) => void,
  context: Context,
): PolicyRule | undefined {
  const { environment, ...conditions } = fields.values
  if (!CONDITIONS.some((key) => fields.has(key))) {
    const names = CONDITIONS.join(', ')
    context.report.problem(fields.place, `a rule needs a condition (${names}); "default" takes all`)
  }
  if (fields.has('children') && !fields.has('program')) {
    context.report.problem(fields.at('children'), '"children" needs "program"')
  }
  if (environment === undefined) return undefined
  known(environment)
  const source = `${context.file}:${fields.place.line}`
  return { source, ...conditions, environment: environment.value }
}
