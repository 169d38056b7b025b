/**
 * Adds an environment to a configuration's text. Lines are put in and the rest stays byte for byte;
 * where the text's form does not allow that (`environments: {}`), the library writes it again, with
 * comments and order kept. Either way the result is read back and compared.
 */
import {
  Document,
  isCollection,
  isMap,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
  type YAMLMap,
} from 'yaml'
import { parseHostPort } from '../../core/ip.js'

export interface ExistingConfig {
  /** Names of the environments, good or not. */
  readonly names: ReadonlySet<string>
  /** Ports that something in the file listens on. */
  readonly ports: ReadonlySet<number>
}

const QUIET = { prettyErrors: false, uniqueKeys: false, logLevel: 'error' } as const

/** Never folds a long value over several lines. */
const ONE_LINE = { lineWidth: 0 } as const

/** The defaults of policy and control: taken even when the file does not name them. */
const DEFAULT_PORTS = [1080, 1090]

/** What an import must keep clear of. The text must be YAML without errors. */
export function examine(text: string): ExistingConfig {
  const document = parseDocument(text, {
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: 'error',
  })
  const names = new Set<string>()
  const environments = isMap(document.contents) ? document.get('environments') : undefined
  if (isMap(environments)) {
    for (const pair of environments.items) {
      if (isScalar(pair.key)) names.add(String(pair.key.value))
    }
  }
  const ports = new Set(DEFAULT_PORTS)
  visit(document, {
    Pair(_, pair) {
      if (!isScalar(pair.key) || pair.key.value !== 'listen') return
      visit(pair.value as Parameters<typeof visit>[0], {
        Scalar(_key, node) {
          const port = parseHostPort(String(node.value))?.port
          if (port !== undefined) ports.add(port)
        },
      })
    },
  })
  return { names, ports }
}

/** The environment's lines without indentation: a block whose values are on one line each. */
export function renderEnvironment(name: string, body: object): string {
  const document = new Document({})
  document.contents = environmentNode(document, { [name]: body })
  return document.toString(ONE_LINE).replace(/\n$/, '')
}

/** The whole text with the environment at the end of `environments`; undefined when that can't be done safely. */
export function addEnvironment(written: string, name: string, body: object): string | undefined {
  const empty = parseDocument(written, QUIET).contents === null
  const text = empty ? `${endLine(written)}version: 1\nenvironments:\n` : written
  const before = parse(text)
  if (before === undefined) return undefined
  const wanted = {
    ...before,
    environments: { ...(before.environments as object | null | undefined), [name]: body },
  }
  const same = (candidate: string | undefined) =>
    candidate !== undefined && JSON.stringify(parse(candidate)) === JSON.stringify(wanted)
  const inserted = insertLines(text, name, body)
  if (same(inserted)) return inserted
  const again = writeAgain(text, name, body)
  return same(again) ? again : undefined
}

function endLine(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const document = parseDocument(text, {
      prettyErrors: false,
      uniqueKeys: false,
      logLevel: 'error',
    })
    if (document.errors.length > 0) return undefined
    const value: unknown = document.toJS({ maxAliasCount: 100 })
    // Throws where an anchor holds an alias to itself: that can't be compared.
    JSON.stringify(value)
    return value === null ? {} : (value as Record<string, unknown>)
  } catch {
    // Aliases without end, or in a circle.
    return undefined
  }
}

function insertLines(text: string, name: string, body: object): string | undefined {
  const lines = new LineCounter()
  const document = parseDocument(text, { ...QUIET, lineCounter: lines })
  const environments = isMap(document.contents) ? document.get('environments') : undefined
  const end = text.includes('\r\n') ? '\r\n' : '\n'
  const block = (indent: string) =>
    renderEnvironment(name, body)
      .split('\n')
      .map((line) => `${indent}${line}${end}`)
      .join('')
  if (!isMap(environments) || environments.flow === true) return undefined
  const first = environments.items[0]
  const last = environments.items.at(-1)
  if (!isScalar(first?.key) || first.key.range == null) return undefined
  const value = last?.value ?? last?.key
  const range = (value as { range?: [number, number, number] } | undefined)?.range
  if (range === undefined) return undefined
  const indent = ' '.repeat(lines.linePos(first.key.range[0]).col - 1)
  // A block's value ends after its newline; anything else in the middle of its line.
  const ended = text[range[1] - 1] === '\n'
  const newline = ended ? range[1] : text.indexOf('\n', range[1]) + 1
  if (newline === 0) return text + end + block(indent)
  // Comments further in than the environment's name are still about what is in it.
  const inside = new RegExp(`^(?:[ \\t\\r]*\\n)*${indent} +#[^\\n]*(?:\\n|$)`)
  let at = newline
  for (;;) {
    const comment = inside.exec(text.slice(at))
    if (comment === null) break
    at += comment[0].length
  }
  const lead = text[at - 1] === '\n' ? '' : end
  return text.slice(0, at) + lead + block(indent) + text.slice(at)
}

/** The map of names to environments as a node: maps and lists inside an environment stay on one line. */
function environmentNode(document: Document, entries: Readonly<Record<string, object>>): YAMLMap {
  const map = document.createNode(entries) as YAMLMap
  for (const { value } of map.items) {
    for (const pair of (value as YAMLMap).items)
      if (isCollection(pair.value)) pair.value.flow = true
  }
  return map
}

function writeAgain(text: string, name: string, body: object): string | undefined {
  const document = parseDocument(text, {
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: 'error',
  })
  if (!isMap(document.contents)) return undefined
  const own = environmentNode(document as unknown as Document, { [name]: body })
  const environments = document.get('environments')
  if (isMap(environments)) {
    environments.flow = false
    environments.items.push(...own.items)
  } else if (environments == null) document.set('environments', own)
  else return undefined
  return document.toString(ONE_LINE)
}
