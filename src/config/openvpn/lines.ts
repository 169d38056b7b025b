/** An .ovpn file as lines of words and inline blocks, before anything is known about them. */
import { optionWords } from '../../core/option-words.js'

export interface OvpnLine {
  /** From 1. */
  readonly line: number
  /** The last line, of an inline block its closing tag. */
  readonly end: number
  /** The option's name, without the dashes that a command line would have. */
  readonly name: string
  readonly args: readonly string[]
  /** What stands between `<name>` and `</name>`. */
  readonly inline?: string
}

export interface OvpnMistake {
  readonly line: number
  readonly message: string
}

export interface OvpnLines {
  readonly lines: readonly OvpnLine[]
  readonly mistakes: readonly OvpnMistake[]
}

/** Never throws. */
export function readOvpnLines(text: string): OvpnLines {
  const lines: OvpnLine[] = []
  const mistakes: OvpnMistake[] = []
  const source = text.split(/\r?\n/)
  for (let i = 0; i < source.length; i++) {
    const raw = (source[i] as string).trim()
    const tag = /^<([a-z0-9-]+)>$/i.exec(raw)?.[1]
    if (tag === undefined) {
      const words = optionWords(raw)
      if (words === undefined) mistakes.push({ line: i + 1, message: 'a quote is not closed' })
      else if (words.length > 0) {
        const [name = '', ...args] = words
        lines.push({ line: i + 1, end: i + 1, name: name.replace(/^--/, ''), args })
      }
      continue
    }
    const close = `</${tag}>`
    let end = i + 1
    while (end < source.length && (source[end] as string).trim() !== close) end++
    if (end === source.length) {
      mistakes.push({ line: i + 1, message: `<${tag}> is not closed by ${close}` })
      break
    }
    const inline = source.slice(i + 1, end).join('\n')
    lines.push({ line: i + 1, end: end + 1, name: tag, args: [], inline })
    i = end
  }
  return { lines, mistakes }
}
