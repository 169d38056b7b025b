/** One server's options in the making: its plan with the fields before it, its keys, and what is said of them. */
import { resolve } from 'node:path'
import type { SshHopOptions } from '../../core/options.js'
import { type Context, type Finish, secretText } from '../context.js'
import { decodeText, othersCanRead, readBounded, unreadable } from '../files.js'
import { MAX_SECRET_BYTES, MAX_SSH_KEYS } from '../limits.js'
import type { Located, Place } from '../place.js'
import type { Secret } from '../secrets.js'
import type { HopFields } from './fields.js'
import { isLocked, isPrivateKey, isPublicKey } from './key-text.js'
import type { HopPlan } from './plan.js'
import { expandHome, type Surroundings } from './surroundings.js'

export interface HopSecrets {
  readonly password: Secret | undefined
  readonly keyPassword: Secret | undefined
}

/** What the fields of a server say goes before its file and the defaults, as ssh's options do. */
export function withFields(
  plan: HopPlan,
  { values, has, at }: HopFields,
  context: Context,
  around: Surroundings,
  /** A password or key was given, so that nothing else is tried by itself. */
  alone: boolean,
): HopPlan {
  const path = (file: string) => resolve(context.folder, expandHome(file, around.home))
  const located = (list: readonly Located<string>[]) =>
    list.map(({ value, place }) => ({ path: path(value), shown: value, place }))
  const { key, agent, known_hosts } = values
  if ((key?.length ?? 0) > MAX_SSH_KEYS) {
    context.report.problem(at('key'), `more than ${MAX_SSH_KEYS} keys`)
  }
  for (const { value, place } of known_hosts ?? []) {
    const why = unreadable(path(value))
    if (why !== undefined) context.report.problem(place, `${value} ${why}`)
  }
  return {
    ...plan,
    identities: key !== undefined ? located(key) : alone ? [] : plan.identities,
    agent: agentOf(agent, at('agent')),
    ...(known_hosts === undefined
      ? {}
      : { knownHosts: known_hosts.map(({ value }) => path(value)) }),
  }

  function agentOf(wanted: typeof agent, place: Place): string | undefined {
    if (typeof wanted === 'string') return path(wanted)
    if (wanted === undefined) return alone || has('key') ? undefined : plan.agent
    const socket = wanted ? around.env.SSH_AUTH_SOCK || undefined : undefined
    if (wanted && socket === undefined) {
      const remedy = 'start an agent, or give the path of its socket'
      context.report.problem(place, `SSH_AUTH_SOCK is not set: ${remedy}`)
    }
    return socket
  }
}

/** Reads the keys; the rest waits for the secrets. `at`: where a key without a place of its own belongs. */
export function draftHop(
  plan: HopPlan,
  secrets: HopSecrets,
  context: Context,
  at: Place,
): Finish<SshHopOptions> {
  const { keys, publicLines } = readKeys(plan, secrets, context, at)
  return () => {
    const password = secrets.password && secretText(secrets.password)
    const keyPassword = secrets.keyPassword && secretText(secrets.keyPassword)
    if (secrets.password !== undefined && password === undefined) return undefined
    if (secrets.keyPassword !== undefined && keyPassword === undefined) return undefined
    const { identities, identitiesOnly, agent, passwordAllowed, ...rest } = plan
    return {
      ...rest,
      keys: keys.map(({ file, text, locked }) => ({
        file,
        text,
        ...(locked ? { locked } : {}),
        ...(locked && keyPassword !== undefined ? { password: keyPassword } : {}),
      })),
      ...(agent === undefined ? {} : { agent }),
      ...(agent !== undefined && identitiesOnly ? { agentKeys: publicLines } : {}),
      ...(password === undefined || !passwordAllowed ? {} : { password }),
    }
  }
}

interface FoundKeys {
  readonly keys: { readonly file: string; readonly text: string; readonly locked: boolean }[]
  /** Lines of public keys that name keys of an agent. */
  readonly publicLines: string[]
}

/** A key that the configuration names must be there; of the others only what can be used is taken. */
function readKeys(plan: HopPlan, secrets: HopSecrets, context: Context, at: Place): FoundKeys {
  const { report } = context
  const found: FoundKeys = { keys: [], publicLines: [] }
  for (const { path, shown, place, guessed } of plan.identities) {
    const complain = (why: string) => {
      if (place !== undefined) report.problem(place, `${shown} ${why}`)
      else if (guessed !== true) report.warning(at, `${shown} ${why}`)
    }
    const beside = readText(`${path}.pub`)
    const hasPublic = isPublicKey(beside.text)
    if (hasPublic) found.publicLines.push(beside.text ?? '')
    const { text, why, mode } = readText(path)
    if (text === undefined || !isPrivateKey(text)) {
      if (isPublicKey(text)) found.publicLines.push(text ?? '')
      else if (!hasPublic || place !== undefined) complain(why ?? 'is no private key')
      continue
    }
    if (othersCanRead(mode)) {
      report.warning(place ?? at, `others can read the key ${shown}: chmod 600 ${shown}`)
    }
    const locked = isLocked(text)
    // Without its password an agent may have it; else it is asked for, unless nobody has named the key.
    const asked = plan.agent === undefined && guessed !== true
    if (!locked || secrets.keyPassword !== undefined || asked) {
      found.keys.push({ file: shown, text, locked })
    }
  }
  return found
}

function readText(path: string): { text?: string; why?: string; mode: number } {
  const found = readBounded(path, MAX_SECRET_BYTES)
  if (typeof found === 'string') return { why: found, mode: 0 }
  const text = decodeText(found.bytes)
  return text === undefined ? { why: 'is not text', mode: 0 } : { text, mode: found.mode }
}
