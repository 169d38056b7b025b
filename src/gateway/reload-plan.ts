/** What a new configuration means for each environment. Pure. */
import { isDeepStrictEqual } from 'node:util'
import type { EnvironmentOptions } from '../core/options.js'

export interface ReloadPlan {
  readonly started: readonly EnvironmentOptions[]
  readonly changed: readonly EnvironmentOptions[]
  readonly removed: readonly string[]
  readonly unchanged: readonly string[]
}

/** Compares by value, keys and passwords included: an environment whose options are equal is not touched. */
export function reloadPlan(
  before: readonly EnvironmentOptions[],
  after: readonly EnvironmentOptions[],
): ReloadPlan {
  const old = new Map(before.map((options) => [options.name, options]))
  const names = new Set(after.map((options) => options.name))
  const known = after.filter((options) => old.has(options.name))
  const same = (options: EnvironmentOptions) => isDeepStrictEqual(options, old.get(options.name))
  return {
    started: after.filter((options) => !old.has(options.name)),
    changed: known.filter((options) => !same(options)),
    removed: [...old.keys()].filter((name) => !names.has(name)),
    unchanged: known.filter(same).map((options) => options.name),
  }
}
