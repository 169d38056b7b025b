/** An ssh_config file as lines of words (ssh_config(5)), before anything is known about them. */

export interface SshLine {
  /** From 1. */
  readonly line: number
  /** As written. */
  readonly name: string
  /** In lower case. */
  readonly keyword: string
  readonly args: readonly string[]
}

export interface SshLines {
  readonly lines: readonly SshLine[]
  readonly mistakes: readonly { readonly line: number; readonly message: string }[]
}

/** Never throws. */
export function readSshLines(text: string): SshLines {
  const lines: SshLine[] = []
  const mistakes: { line: number; message: string }[] = []
  text.split('\n').forEach((raw, i) => {
    const line = i + 1
    const trimmed = raw.trim()
    if (trimmed === '' || trimmed.startsWith('#')) return
    const [, name = '', rest = ''] =
      /^"?([A-Za-z][A-Za-z0-9]*)"?(?:\s*=\s*|\s+|$)(.*)$/.exec(trimmed) ?? []
    const args = name === '' ? undefined : argsOf(rest)
    if (args === undefined) {
      const message = name === '' ? 'is no directive' : 'a quote is not closed'
      mistakes.push({ line, message })
      return
    }
    lines.push({ line, name, keyword: name.toLowerCase(), args })
  })
  return { lines, mistakes }
}

/** Words with quotes and backslashes as OpenSSH's argv_split has them; `#` at a word's beginning ends them. Undefined: a quote is open. */
function argsOf(text: string): readonly string[] | undefined {
  const args: string[] = []
  let at = 0
  for (;;) {
    while (at < text.length && /[ \t\r]/.test(text[at] as string)) at++
    if (at >= text.length || text[at] === '#') return args
    let word = ''
    let quote = ''
    for (; at < text.length; at++) {
      const c = text[at] as string
      const next = text[at + 1]
      if (
        c === '\\' &&
        (next === '"' || next === "'" || next === '\\' || (quote === '' && next === ' '))
      ) {
        word += next
        at++
      } else if (quote === '' && (c === '"' || c === "'")) quote = c
      else if (c === quote) quote = ''
      else if (quote === '' && /[ \t\r]/.test(c)) break
      else word += c
    }
    if (quote !== '') return undefined
    args.push(word)
  }
}
