/** The words of one option as the reference implementation cuts them: quotes and backslashes. */

/** Undefined when a quote stays open. */
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
    } else word = (word ?? '') + c
  }
  if (quote !== '') return undefined
  if (word !== undefined) words.push(word)
  return words
}
