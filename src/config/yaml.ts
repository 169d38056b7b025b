/** YAML text to nodes with their places. Syntax errors are told in our own words: the library's can quote the text, which may be a secret. */
import { isAlias, LineCounter, type Node, parseDocument, visit, type YAMLError } from 'yaml'
import type { Place } from './place.js'
import type { Problem } from './problem.js'

/** A value as the library gives it; aliases are resolved by `Source.value`. */
export type YamlNode = Node

export interface Source {
  readonly root: YamlNode | undefined
  place(node: YamlNode): Place
  /** The node itself, or what its alias stands for; undefined when the alias stands for nothing. */
  value(node: YamlNode): YamlNode | undefined
  readonly problems: readonly Problem[]
}

const WORDS: Readonly<Record<string, string>> = {
  ALIAS_PROPS: 'an alias (*name) takes no anchor or tag',
  BAD_ALIAS: 'text that begins with * is an alias in YAML: quote it',
  BAD_DIRECTIVE: 'a line that begins with % is a directive in YAML: quote it',
  BAD_DQ_ESCAPE: 'unknown escape in double quotes; single quotes take text as it is',
  BAD_INDENT: 'wrong indentation, or a closing bracket is missing above',
  BAD_SCALAR_START: 'text can not begin with this character: quote it',
  BLOCK_AS_IMPLICIT_KEY: 'a key and its value must stand alone on a line: is a quote missing?',
  BLOCK_IN_FLOW: 'an indented list or map can not stand inside [ ] or { }',
  MISSING_CHAR: 'something is missing before this: a colon, comma, quote or closing bracket',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line: is a colon missing?',
  MULTIPLE_DOCS: 'only one document is allowed: remove this --- and what follows',
  TAB_AS_INDENT: 'a tab is used for indentation; YAML takes spaces only',
  TAG_RESOLVE_FAILED: 'YAML tags (!name) are not used here; text that begins with ! needs quotes',
  UNEXPECTED_TOKEN: 'unexpected text or bracket',
  BAD_COLLECTION_TYPE: 'YAML tags (!name) are not used here',
}

function describe(error: YAMLError, text: string): string {
  const line = text.slice(text.lastIndexOf('\n', error.pos[0] - 1) + 1).split('\n', 1)[0] ?? ''
  if (/:\s*\[[0-9a-fA-F]*:/.test(line)) {
    return "an IPv6 address in brackets needs quotes: '[::1]:1081'"
  }
  return WORDS[error.code] ?? 'this is not valid YAML'
}

/** Never throws; a text that can't be parsed has a problem and no root. */
export function parseYaml(text: string, file: string): Source {
  const lines = new LineCounter()
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const place = (node: YamlNode): Place => at(node.range?.[0] ?? 0)
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      // The reader says it, with the first one's line; the library's check is quadratic.
      uniqueKeys: false,
      merge: false,
    })
    const problems = [...document.errors, ...document.warnings].map((error) => ({
      ...at(error.pos[0]),
      message: describe(error, text),
    }))
    const anchors = resolveAnchors(document.contents)
    return {
      root: document.contents ?? undefined,
      place,
      value: (node) => (isAlias(node) ? anchors.get(node) : node),
      problems,
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const problem = { file, line: 1, column: 1, message: 'lists or maps are nested too deeply' }
    return { root: undefined, place, value: () => undefined, problems: [problem] }
  }
}

/** What each alias stands for, in one walk: looking an alias up by itself costs the whole document. */
function resolveAnchors(root: YamlNode | null): Map<YamlNode, YamlNode> {
  const byName = new Map<string, YamlNode>()
  const targets = new Map<YamlNode, YamlNode>()
  visit(root, {
    Node(_key, node) {
      if (isAlias(node)) {
        const target = byName.get(node.source)
        if (target !== undefined) targets.set(node, target)
      } else if (node.anchor !== undefined) byName.set(node.anchor, node)
    },
  })
  return targets
}
