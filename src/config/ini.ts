/** Files of `[Section]` and `Key = Value` lines: wg-quick, wireproxy, NetworkManager keyfiles. */
import type { Place } from './place.js'

export interface IniEntry {
  readonly key: string
  /** What reports call it, when that is not `[Section] Key`. */
  readonly shown?: string
  readonly value: string
  readonly place: Place
  /** The place of the value. */
  readonly at: Place
}

export interface IniSection {
  readonly name: string
  readonly place: Place
  readonly entries: readonly IniEntry[]
}

export interface IniFile {
  readonly sections: readonly IniSection[]
  readonly mistakes: readonly { readonly place: Place; readonly message: string }[]
}

/**
 * Never throws. `inlineComments`: everything behind `#` is a comment (wg-quick); otherwise only
 * whole lines that begin with `#` or `;` are.
 */
export function parseIni(text: string, file: string, inlineComments: boolean): IniFile {
  const sections: { name: string; place: Place; entries: IniEntry[] }[] = []
  const mistakes: { place: Place; message: string }[] = []
  for (const [index, written] of text
    .replace(/^\ufeff/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    const code = inlineComments ? (written.split('#', 1)[0] as string) : written
    const line = code.trim()
    if (line === '' || (!inlineComments && /^[#;]/.test(line))) continue
    const column = code.length - code.trimStart().length + 1
    const place: Place = { file, line: index + 1, column }
    const section = /^\[([^\]]*)\]$/.exec(line)
    if (section !== null) {
      sections.push({ name: (section[1] as string).trim(), place, entries: [] })
      continue
    }
    const equals = line.indexOf('=')
    const into = sections.at(-1)
    if (equals <= 0) mistakes.push({ place, message: 'is neither [Section] nor Key = Value' })
    else if (into === undefined) mistakes.push({ place, message: 'stands before any [Section]' })
    else {
      const rest = line.slice(equals + 1)
      const offset = equals + 1 + (rest.length - rest.trimStart().length)
      into.entries.push({
        key: line.slice(0, equals).trim(),
        value: rest.trim(),
        place,
        at: { ...place, column: column + offset },
      })
    }
  }
  return { sections, mistakes }
}
