import fc from 'fast-check'
import t from 'tap'
import { QUESTION_CHOICES, QUESTION_LABEL, QUESTIONS_MOST } from '../../src/core/limits.js'
import { plainText } from '../../src/core/plain-text.js'
import { askFor, question } from '../../src/core/question.js'
import { remedy } from '../../src/core/remedy.js'
import { fuzzRun } from '../support/fuzz.js'

t.test("a server's words become plain", (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['Code:', 'Code:'],
    ['  two\r\nlines\t ', 'two lines'],
    ['\u001b[2J\u001b]0;title\u0007Password', '[2J ]0;title Password'],
    ['\u202edrowssap\u202c', 'drowssap'],
    ['Пароль · 密码 · é', 'Пароль · 密码 · é'],
    ['a\u2028b\u0085c\u200bd', 'a b c d'],
    ['\ud800x', 'x'],
  ]
  for (const [given, wanted] of cases) t.equal(plainText(given, 100), wanted, wanted)
  t.equal(plainText('😀😀😀', 2), '😀😀', 'cut between characters')
  t.equal(question('code', '\u0000').label, 'code', 'never empty')
  t.end()
})

t.test('fuzz: whatever a server says is one line of bounded length', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), (text) => {
      const line = plainText(text, QUESTION_LABEL)
      return [...line].length <= QUESTION_LABEL && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(line)
    }),
    fuzzRun,
  )
  t.end()
})

t.test('an error that asks', (t) => {
  const many = Array.from({ length: 20 }, (_, i) => question(`f${i}`, `label ${i}`))
  const error = askFor('the server', many)
  t.equal(error.code, 'ERR_AUTH')
  t.equal(error.asks.length, QUESTIONS_MOST)
  t.match(error.message, /^auth failed: the server asks for "label 0" and "label 1"/)
  t.match(question('a', 'b'), { secret: true, once: false, refused: false })
  const choices = ['good', 'bad\u001b[0m', ...Array.from({ length: 99 }, (_, i) => String(i))]
  const { choices: shown = [] } = question('group', 'Group', { choices })
  t.equal(shown[1], '0', 'a choice that can not be shown is none')
  t.ok(shown.length <= QUESTION_CHOICES)
  t.equal(
    remedy({ code: 'ERR_AUTH', message: 'x' }, 'office', true),
    'It asks for that: pvpn start office',
  )
  t.end()
})
