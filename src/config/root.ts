/** The whole configuration: every section, and what must fit between them. */
import type { EnvironmentOptions, GatewayOptions, ListenAddress } from '../core/options.js'
import { parseListen } from './address.js'
import { type Claim, checkClaims, checkOpen } from './claims.js'
import { type Context, NAME_PATTERN, parseName } from './context.js'
import { type EnvironmentDraft, environmentSpec, readEnvironment } from './environment.js'
import { MAX_ENVIRONMENTS } from './limits.js'
import { didYouMean } from './nearest.js'
import type { Located } from './place.js'
import { policySpec, readPolicy } from './policy.js'
import { quote } from './problem.js'
import type { Reader } from './reader.js'
import { about, boolean, located, mapOf, number, object, text } from './spec.js'
import type { YamlNode } from './yaml.js'

export const DEFAULT_CONTROL: ListenAddress = { kind: 'tcp', address: '127.0.0.1', port: 1090 }

/** The parsed file's shape; also what the JSON schema is made of. */
export function rootSpec(context: Context) {
  const controlListen = text('ADDRESS:PORT, unix:PATH or none', (value, complain) =>
    value === 'none' ? value : parseListen(value, context.folder, complain),
  )
  return object(
    {
      version: about('Version of this format', number(1, 1)),
      control: about(
        'Dashboard, API, PAC and metrics',
        object({
          listen: about('Default 127.0.0.1:1090; none turns it off', located(controlListen)),
          allow_unauthenticated: about('Needed to listen off loopback', boolean),
        }),
      ),
      environments: about(
        'Private networks by name',
        mapOf(parseName, environmentSpec(context), {
          propertyNames: { pattern: NAME_PATTERN },
          minProperties: 1,
        }),
      ),
      policy: about('Which program belongs to which environment', policySpec(context)),
    },
    ['environments'],
  )
}

type RootFields = NonNullable<ReturnType<ReturnType<typeof rootSpec>['read']>>

/** Reads the root node. The result makes the options once secrets are known; undefined then means that problems were reported. */
export function readRoot(
  node: YamlNode,
  reader: Reader,
  context: Context,
  file: string,
): () => GatewayOptions | undefined {
  const fields = rootSpec(context).read(node, reader)
  if (fields === undefined) return () => undefined
  const environments = readEnvironments(fields, context)
  const known = knownNames(environments, context)
  const control = readControl(fields, context)
  const policy =
    fields.values.policy === undefined
      ? undefined
      : readPolicy(fields.values.policy, known, context)
  const claims = [control.claim, ...(policy?.claims ?? [])].filter((claim) => claim !== undefined)
  checkClaims([...claims, ...environments.flatMap((draft) => draft.claims)], context.report)
  checkThrough(environments, context)
  const moved = checkUdpPorts(environments, claims, context)
  return () => {
    const finished = environments.map((draft) => draft.finish(moved.has(draft.name)))
    const finishedPolicy = policy?.finish()
    if (finished.some((options) => options === undefined)) return undefined
    return {
      file,
      control: { listen: control.listen },
      environments: finished as EnvironmentOptions[],
      policy: finishedPolicy,
    }
  }
}

function readEnvironments(fields: RootFields, context: Context): readonly EnvironmentDraft[] {
  const map = fields.values.environments
  if (map === undefined) return []
  const at = fields.at('environments')
  if (map.size === 0) context.report.problem(at, 'there is no good environment in it')
  if (map.size > MAX_ENVIRONMENTS) context.report.problem(at, `more than ${MAX_ENVIRONMENTS}`)
  return [...map].map(([name, { value, place }]) => readEnvironment(name, place, value, context))
}

function readControl(fields: RootFields, context: Context) {
  const written = fields.values.control?.values.listen
  const listen = written?.value === 'none' ? undefined : (written?.value ?? DEFAULT_CONTROL)
  if (listen === undefined) return { listen, claim: undefined }
  const claim: Claim = { listen, protocol: 'tcp', owner: 'control.listen', place: written?.place }
  const allowed = fields.values.control?.values.allow_unauthenticated === true
  const remedy = 'everybody could read the state, so it needs allow_unauthenticated: true'
  checkOpen([claim], allowed, remedy, context.report)
  return { listen, claim }
}

function knownNames(environments: readonly EnvironmentDraft[], context: Context) {
  const names = environments.map((draft) => draft.name)
  return ({ value, place }: Located<string>) => {
    if (value === 'deny' || names.includes(value)) return
    const hint = didYouMean(value, [...names, 'deny'])
    context.report.problem(place, `unknown environment ${quote(value)}${hint}`)
  }
}

/** Reports `through` that names nothing, comes back to where it began, or can not carry what is needed. */
function checkThrough(environments: readonly EnvironmentDraft[], context: Context): void {
  const byName = new Map(environments.map((draft) => [draft.name, draft]))
  for (const { name, through, direct, notThrough, type, needsUdp } of environments) {
    if (through === undefined) continue
    if (notThrough !== undefined) {
      context.report.problem(through.place, notThrough)
      continue
    }
    if (!byName.has(through.value)) {
      const hint = didYouMean(through.value, byName.keys())
      const words = `unknown environment ${quote(through.value)}${hint}`
      context.report.problem(through.place, words)
      continue
    }
    const path = [name]
    let next = through.value
    while (!path.includes(next)) {
      path.push(next)
      const onward = byName.get(next)?.through?.value
      if (onward === undefined) break
      next = onward
    }
    const loops = next === name
    if (loops) {
      context.report.problem(
        through.place,
        `"through" makes a loop: ${[...path, name].join(' -> ')}`,
      )
    } else if (direct) {
      context.report.problem(
        through.place,
        'a direct environment has no tunnel to go through another',
      )
    } else if (needsUdp && byName.get(through.value)?.carriesUdp === false) {
      const lower = byName.get(through.value)?.type
      context.report.problem(
        through.place,
        `${type} needs UDP, and ${quote(through.value)} carries none (type ${lower}): use a tunnel over TCP here, or another environment below`,
      )
    }
  }
}

/**
 * Names of environments whose tunnel must take another UDP port, as an earlier one has it. Files of
 * one maker often carry the same ListenPort; who calls out does not need it.
 */
function checkUdpPorts(
  environments: readonly EnvironmentDraft[],
  claims: readonly Claim[],
  context: Context,
): ReadonlySet<string> {
  const taken = new Map<number, string>()
  for (const claim of [...claims, ...environments.flatMap((draft) => draft.claims)]) {
    if (claim.protocol === 'udp' && claim.listen.kind === 'tcp') {
      taken.set(claim.listen.port, claim.owner)
    }
  }
  const moved = new Set<string>()
  for (const { name, udpPort, through } of environments) {
    // A tunnel through another environment has no port of the host.
    if (through !== undefined || udpPort === undefined || udpPort.port === 0) continue
    const { port, place, needed } = udpPort
    const owner = taken.get(port)
    if (owner === undefined) taken.set(port, `the tunnel of "${name}"`)
    else if (needed) {
      context.report.problem(place, `UDP port ${port} is taken already by ${owner}`)
    } else {
      moved.add(name)
      const words = `UDP port ${port} is taken already by ${owner}: "${name}" takes any other`
      context.report.warning(place, words)
    }
  }
  return moved
}
