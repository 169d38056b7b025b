import fc from 'fast-check'
import t from 'tap'
import { optionWords } from '../../src/core/option-words.js'

/** As OpenVPN's parse_line() reads them. */
const LINES: readonly [line: string, words: readonly string[] | undefined][] = [
  ['', []],
  ['   \t ', []],
  ['remote vpn.example 1194', ['remote', 'vpn.example', '1194']],
  ['\tdev\t tun  ', ['dev', 'tun']],
  ['# all of it', []],
  ['; all of it', []],
  ['dev tun # the rest', ['dev', 'tun']],
  ['dev tun;not', ['dev', 'tun;not']],
  ['a#b', ['a#b']],
  ['auth-user-pass "my file"', ['auth-user-pass', 'my file']],
  ["x 'single # quoted' y", ['x', 'single # quoted', 'y']],
  ['x ""', ['x', '']],
  ["x ''", ['x', '']],
  ['x "a\\"b"', ['x', 'a"b']],
  ["x 'a\\b'", ['x', 'a\\b']],
  ['x C:\\\\keys\\\\my\\ key', ['x', 'C:\\keys\\my key']],
  ['x pre"quoted part"post', ['x', 'prequoted partpost']],
  ['x "open', undefined],
  ['x \'open"', undefined],
  ['x end\\', ['x', 'end']],
  ['x "\'"', ['x', "'"]],
]

t.test('words, quotes, backslashes and comments', async (t) => {
  for (const [line, words] of LINES) t.same(optionWords(line), words, JSON.stringify(line))
})

t.test('words that are quoted well come back as they were', async (t) => {
  const word = fc.string({ maxLength: 12 })
  const quoted = (text: string) => `"${text.replaceAll(/[\\"]/g, (c) => `\\${c}`)}"`
  const bare = (text: string) =>
    text === '' ? '""' : [...text].map((c) => (/\w/.test(c) ? c : `\\${c}`)).join('')
  fc.assert(
    fc.property(fc.array(fc.tuple(word, fc.boolean()), { maxLength: 6 }), (words) => {
      const line = words.map(([text, quote]) => (quote ? quoted(text) : bare(text))).join(' \t')
      t.same(
        optionWords(line),
        words.map(([text]) => text),
      )
    }),
    { numRuns: 300 },
  )
})

t.test('no line makes it throw, or invent characters', async (t) => {
  const noise = fc.string({ unit: fc.constantFrom('"', "'", '\\', ' ', '\t', '#', ';', 'a', 'é') })
  fc.assert(
    fc.property(noise, (line) => {
      const words = optionWords(line)
      return words === undefined || words.join('').length <= line.length
    }),
    { numRuns: 5000 },
  )
  t.pass('5000 lines')
})
