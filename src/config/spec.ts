/**
 * Specs say what a value of the file must look like; one spec serves the reader (values with every
 * mistake reported at its place) and the JSON schema, so that they can't disagree.
 */
import { isMap, isScalar, isSeq, type Scalar } from 'yaml'
import { MAX_MERGE_DEPTH } from './limits.js'
import { didYouMean } from './nearest.js'
import type { Located, Place } from './place.js'
import { quote } from './problem.js'
import type { Reader } from './reader.js'
import type { YamlNode } from './yaml.js'

export type JsonSchema = { readonly [key: string]: unknown }

export interface Spec<T> {
  readonly schema: JsonSchema
  /** The value, or undefined when a mistake was reported. */
  read(node: YamlNode, reader: Reader): T | undefined
}

type ValueOf<S> = S extends Spec<infer T> ? T : never

/** Reports why a text does not do; the result is the parser's own. */
export type Complain = (message: string) => undefined

/** Adds words for people to a spec's schema. */
export function about<T>(description: string, spec: Spec<T>): Spec<T> {
  return { read: spec.read, schema: { description, ...spec.schema } }
}

/** The scalar behind a node; reports `wanted` otherwise. */
function scalar(node: YamlNode, reader: Reader, wanted: string): Scalar | undefined {
  const value = reader.value(node)
  if (value === undefined) return undefined
  if (!isScalar(value)) return reader.problem(node, `must be ${wanted}, not a ${kind(value)}`)
  if (value.value === null) return reader.problem(node, `is empty: must be ${wanted}`)
  return value
}

function kind(node: YamlNode): string {
  return isMap(node) ? 'map' : isSeq(node) ? 'list' : 'single value'
}

/** Text that `parse` turns into a value. Numbers count as the text that was written. */
export function text<T>(
  wanted: string,
  parse: (text: string, complain: Complain) => T | undefined,
  schema: JsonSchema = {},
): Spec<T> {
  return {
    schema: { type: 'string', ...schema },
    read(node, reader) {
      const found = scalar(node, reader, wanted)
      if (found === undefined) return undefined
      const { value, source } = found
      if (typeof value === 'boolean') return reader.problem(node, `must be ${wanted}: quote it`)
      const words = typeof value === 'string' ? value : (source ?? String(value))
      return parse(words, (message) => reader.problem(node, message))
    },
  }
}

/** Any text that is not empty. */
export function words(wanted: string): Spec<string> {
  const parse = (value: string, complain: Complain) =>
    value === '' ? complain(`is empty: must be ${wanted}`) : value
  return text(wanted, parse, { minLength: 1 })
}

export function choice<const T extends string>(values: readonly T[]): Spec<T> {
  const wanted = values.join(' or ')
  const parse = (value: string, complain: Complain) =>
    values.find((known) => known === value) ??
    complain(`${quote(value)} is not ${wanted}${didYouMean(value, values)}`)
  return text(wanted, parse, { enum: values })
}

export const boolean: Spec<boolean> = {
  schema: { type: 'boolean' },
  read(node, reader) {
    const found = scalar(node, reader, 'true or false')
    if (found === undefined) return undefined
    if (typeof found.value === 'boolean') return found.value
    return reader.problem(node, 'must be true or false')
  },
}

/** A number from `least` to `most`, whole unless said otherwise. */
export function number(
  least: number,
  most: number,
  options: { readonly fraction?: boolean } = {},
): Spec<number> {
  const fraction = options.fraction === true
  const range = `a ${fraction ? '' : 'whole '}number from ${least} to ${most}`
  const wanted = least === most ? String(least) : range
  return {
    schema: { type: fraction ? 'number' : 'integer', minimum: least, maximum: most },
    read(node, reader) {
      const value = scalar(node, reader, wanted)?.value
      if (value === undefined) return undefined
      const good =
        typeof value === 'number' &&
        value >= least &&
        value <= most &&
        (fraction || Number.isInteger(value))
      return good ? value : reader.problem(node, `must be ${wanted}`)
    },
  }
}

/** A value together with its place. */
export function located<T>(spec: Spec<T>): Spec<Located<T>> {
  return {
    schema: spec.schema,
    read(node, reader) {
      const value = spec.read(node, reader)
      return value === undefined ? undefined : { value, place: reader.place(node) }
    },
  }
}

/** A list; bad items are reported and left out. */
export function list<T>(item: Spec<T>): Spec<readonly T[]> {
  return {
    schema: { type: 'array', items: item.schema },
    read(node, reader) {
      const value = reader.value(node)
      if (value === undefined) return undefined
      if (!isSeq(value)) return reader.problem(node, `must be a list, not a ${kind(value)}`)
      return readItems(value.items as readonly YamlNode[], item, reader)
    },
  }
}

/** A list, or one item without brackets. */
export function oneOrList<T>(item: Spec<T>): Spec<readonly T[]> {
  return {
    schema: { anyOf: [item.schema, { type: 'array', items: item.schema }] },
    read(node, reader) {
      const value = reader.value(node)
      if (value === undefined) return undefined
      const items = isSeq(value) ? (value.items as readonly YamlNode[]) : [node]
      return readItems(items, item, reader)
    },
  }
}

function readItems<T>(items: readonly YamlNode[], item: Spec<T>, reader: Reader): readonly T[] {
  return items.map((node) => item.read(node, reader)).filter((value) => value !== undefined)
}

export interface Entry {
  readonly key: string
  readonly place: Place
  readonly node: YamlNode
  /** Only the key is there. */
  readonly bare: boolean
}

/** The entries of a map: duplicate keys reported, merge keys (`<<`) filled in behind the map's own. */
export function entries(node: YamlNode, reader: Reader, depth = 0): readonly Entry[] | undefined {
  const map = reader.value(node)
  if (map === undefined) return undefined
  if (depth > MAX_MERGE_DEPTH) return reader.problem(node, 'maps are merged (<<) too deeply')
  if (!isMap(map)) {
    if (isScalar(map) && map.value === null) return reader.problem(node, 'is empty')
    return reader.problem(node, `must be a map of keys and values, not a ${kind(map)}`)
  }
  const found = new Map<string, Entry>()
  const merged: YamlNode[] = []
  for (const pair of map.items) {
    const keyNode = pair.key as YamlNode
    const key = reader.value(keyNode)
    if (key === undefined) continue
    if (!isScalar(key)) {
      reader.problem(keyNode, 'a key must be a single word')
      continue
    }
    const name = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value))
    const value = (pair.value ?? keyNode) as YamlNode
    if (name === '<<') merged.push(value)
    else if (found.has(name)) {
      const first = found.get(name)?.place.line
      reader.problem(
        keyNode,
        `${pair.value === null ? 'this' : `key ${quote(name)}`} appears twice (first on line ${first})`,
      )
    } else {
      const bare = pair.value === null
      found.set(name, { key: name, place: reader.place(keyNode), node: value, bare })
    }
  }
  for (const value of merged) mergeInto(found, value, reader, depth + 1)
  return [...found.values()]
}

function mergeInto(found: Map<string, Entry>, node: YamlNode, reader: Reader, depth: number): void {
  const value = reader.value(node)
  if (value === undefined) return
  const sources = isSeq(value) ? (value.items as readonly YamlNode[]) : [node]
  for (const source of sources) {
    for (const entry of entries(source, reader, depth) ?? []) {
      if (!found.has(entry.key)) found.set(entry.key, entry)
    }
  }
}

/** A map with keys of the user's choosing; one that `key` makes of two different texts is reported. */
export function mapOf<T>(
  key: (text: string, complain: Complain) => string | undefined,
  value: Spec<T>,
  schema: JsonSchema = {},
): Spec<ReadonlyMap<string, Located<T>>> {
  return {
    schema: { type: 'object', additionalProperties: value.schema, ...schema },
    read(node, reader) {
      const found = entries(node, reader)
      if (found === undefined) return undefined
      const out = new Map<string, Located<T>>()
      for (const entry of found) {
        const name = key(entry.key, (message) => reader.problem(entry.place, message))
        const read = reader.under(entry.key, () => value.read(entry.node, reader))
        if (name === undefined || read === undefined) continue
        const first = out.get(name)?.place.line
        if (first === undefined) out.set(name, { value: read, place: entry.place })
        else reader.problem(entry.place, `${quote(name)} appears twice (first on line ${first})`)
      }
      return out
    },
  }
}

export type Shape = { readonly [key: string]: Spec<unknown> }

/** What was read of a map with known keys. */
export interface Fields<S extends Shape = Shape> {
  readonly place: Place
  /** Keys that were written and are good. */
  readonly values: { readonly [K in keyof S]?: ValueOf<S[K]> }
  /** Was the key written, good or not? */
  has(key: keyof S): boolean
  /** The place of the key's value, or of the map. */
  at(key: keyof S): Place
}

/** What looks like a key may be a secret whose own `:` was left out (`password hunter2`): then it is not repeated. */
function unknownKey({ key, bare }: Entry, hint: string): string {
  if (hint !== '' || (!bare && /^[\w-]{1,40}$/.test(key))) return `unknown key ${quote(key)}${hint}`
  return bare
    ? 'has a key that is not known and has no value: is a ":" missing?'
    : 'has a key that is not known'
}

/** A map with known keys; unknown ones are reported. */
export function object<const S extends Shape>(
  shape: S,
  required: readonly (keyof S & string)[] = [],
): Spec<Fields<S>> {
  const properties = Object.fromEntries(Object.entries(shape).map(([key, s]) => [key, s.schema]))
  return {
    schema: {
      type: 'object',
      properties,
      additionalProperties: false,
      ...(required.length > 0 ? { required } : {}),
    },
    read(node, reader) {
      const found = entries(node, reader)
      if (found === undefined) return undefined
      const places = new Map<string, Place>()
      const values: Record<string, unknown> = {}
      for (const entry of found) {
        const spec = Object.hasOwn(shape, entry.key) ? shape[entry.key] : undefined
        if (spec === undefined) {
          reader.problem(entry.place, unknownKey(entry, didYouMean(entry.key, Object.keys(shape))))
          continue
        }
        places.set(entry.key, reader.place(entry.node))
        const value = reader.under(entry.key, () => spec.read(entry.node, reader))
        if (value !== undefined) values[entry.key] = value
      }
      const place = reader.place(node)
      for (const key of required) {
        if (!places.has(key)) reader.problem(place, `"${key}" is missing`)
      }
      return {
        place,
        values: values as Fields<S>['values'],
        has: (key) => places.has(key as string),
        at: (key) => places.get(key as string) ?? place,
      }
    },
  }
}

/** `word` for a value of its own, else what `spec` reads. */
export function choiceOr<T>(word: string, value: T, spec: Spec<T>): Spec<T> {
  return {
    schema: { anyOf: [{ const: word }, spec.schema] },
    read(node, reader) {
      const target = reader.value(node)
      if (target === undefined) return undefined
      return isScalar(target) && target.value === word ? value : spec.read(node, reader)
    },
  }
}
