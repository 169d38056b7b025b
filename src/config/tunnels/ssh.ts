/** `type: ssh`: an SSH server by its own fields, or by an entry of an ssh_config file. */
import { dirname, join, resolve } from 'node:path'
import type { SshHopOptions } from '../../core/options.js'
import type { Context, Finish } from '../context.js'
import { decodeText, readBounded } from '../files.js'
import { MAX_SSH_JUMPS, MAX_TUNNEL_FILE_BYTES } from '../limits.js'
import { didYouMean } from '../nearest.js'
import { quote } from '../problem.js'
import type { Fields, Shape } from '../spec.js'
import { sshChain } from '../ssh/chain.js'
import { draftHop, type HopSecrets, withFields } from '../ssh/draft.js'
import { type HopFields, type SshFields, sshShape } from '../ssh/fields.js'
import { type HopPlan, plainPlan } from '../ssh/plan.js'
import { expandHome, type Surroundings, surroundings } from '../ssh/surroundings.js'
import type { TunnelDraft, TunnelType } from './contract.js'

/** Of the secrets here: needed to start only. */
const OWNER = 'tunnel'

export const ssh: TunnelType = {
  shape: sshShape,
  read(fields: Fields<Shape>, context: Context): TunnelDraft {
    const own = fields as unknown as SshFields
    const hops = readHops(own, context)
    return {
      publishes: 'tcp',
      carriesUdp: false,
      finish: () => {
        const finished = hops?.map((hop) => hop()) ?? [undefined]
        const good = finished.filter((hop) => hop !== undefined)
        return good.length === finished.length ? { type: 'ssh', hops: good } : undefined
      },
    }
  },
}

function readHops(
  fields: SshFields,
  context: Context,
): readonly Finish<SshHopOptions>[] | undefined {
  const { report } = context
  const around = surroundings()
  const { file, host, port = 22, username = around.user } = fields.values
  const hop = fields as unknown as HopFields
  const secrets = takeSecrets(hop, context)
  if (host === undefined) {
    if (!fields.has('host')) report.problem(fields.place, '"host" is missing')
    return undefined
  }
  const plans =
    file === undefined
      ? [plainPlan({ host, port, username }, around)]
      : plansOfFile(fields, context, around)
  const last = plans?.at(-1)
  if (plans === undefined || last === undefined) return undefined
  const alone = file === undefined && secrets.password !== undefined
  const target = draftHop(
    withFields(last, hop, context, around, alone),
    secrets,
    context,
    fields.at('host'),
  )
  const before = fields.has('jump')
    ? readJumps(fields, secrets, context, around)
    : plans
        .slice(0, -1)
        .map((plan) => draftHop(plan, withoutPassword(secrets), context, fields.at('host')))
  if (before.length > MAX_SSH_JUMPS) {
    report.problem(fields.at('jump'), `more than ${MAX_SSH_JUMPS} jump hosts`)
  }
  return [...before, target]
}

function takeSecrets(fields: HopFields, context: Context): HopSecrets {
  const plain = fields as unknown as Fields<Shape>
  return {
    password: context.secrets.take(plain, 'password', OWNER),
    keyPassword: context.secrets.take(plain, 'key_password', OWNER),
  }
}

/** The password is the last server's: no other one is to see it. */
function withoutPassword({ keyPassword }: HopSecrets): HopSecrets {
  return { password: undefined, keyPassword }
}

function plansOfFile(
  fields: SshFields,
  context: Context,
  around: Surroundings,
): readonly HopPlan[] | undefined {
  const { report } = context
  const { file = '', host = '', username, port } = fields.values
  const expanded = expandHome(file, around.home)
  const shown = expanded === file ? join(dirname(context.file), file) : expanded
  const found = readBounded(resolve(context.folder, expanded), MAX_TUNNEL_FILE_BYTES)
  const content = typeof found === 'string' ? undefined : decodeText(found.bytes)
  if (content === undefined) {
    const why = typeof found === 'string' ? found : 'is not text'
    report.problem(fields.at('file'), `${file} ${why}`)
    return undefined
  }
  const chain = sshChain(content, shown, { name: host, user: username, port }, around)
  const { entry } = chain
  if (!entry.named) {
    const hint = didYouMean(host, entry.hosts)
    const some = entry.hosts.slice(0, 8).join(', ')
    const known = hint === '' && some !== '' ? ` (there are ${some})` : hint
    report.problem(fields.at('host'), `${file} has no entry for host ${quote(host)}${known}`)
  }
  for (const problem of chain.problems) report.problem(problem, problem.message)
  for (const warning of chain.warnings) report.warning(warning, warning.message)
  return chain.hops
}

function readJumps(
  fields: SshFields,
  secrets: HopSecrets,
  context: Context,
  around: Surroundings,
): readonly Finish<SshHopOptions>[] {
  const user = around.user
  return (fields.values.jump ?? []).flatMap((jump) => {
    if (jump.kind === 'hosts') {
      return jump.hosts.map(({ host, user: username = user, port = 22 }) => {
        const plan = plainPlan({ host, port, username }, around)
        const shared = withFields(plan, fields as unknown as HopFields, context, around, false)
        return draftHop(shared, withoutPassword(secrets), context, fields.at('jump'))
      })
    }
    const own = jump.fields
    const { host, port = 22, username = user } = own.values
    const mine = takeSecrets(own, context)
    if (host === undefined) return []
    const plan = plainPlan({ host, port, username }, around)
    const whole = withFields(plan, own, context, around, mine.password !== undefined)
    return [draftHop(whole, mine, context, own.at('host'))]
  })
}
