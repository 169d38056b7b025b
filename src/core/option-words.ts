/** One line of OpenVPN's option language, in files and pushes: words, quotes, backslashes, comments. */

/** The words up to a comment; undefined when a quote stays open. */
export function optionWords(line: string): readonly string[] | undefined {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let i = 0; i < line.length; i++) {
    const c = line[i] as string
    if (c === '\\' && quote !== "'") {
      i++
      word = (word ?? '') + (line[i] ?? '')
    } else if (quote !== '') {
      if (c === quote) quote = ''
      else word = (word ?? '') + c
    } else if (c === '"' || c === "'") {
      quote = c
      word ??= ''
    } else if (c === ' ' || c === '\t') {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (word === undefined && (c === '#' || c === ';')) {
      return words
    } else word = (word ?? '') + c
  }
  if (quote !== '') return undefined
  if (word !== undefined) words.push(word)
  return words
}
