import fc from 'fast-check'
import t from 'tap'
import { LineEditor } from '../../src/io/line-editor.js'
import { fuzzRun } from '../support/fuzz.js'

t.test('keys on a line', (t) => {
  const cases: readonly (readonly [typed: string, text: string, state: string, rest: string])[] = [
    ['horse\r', 'horse', 'done', ''],
    ['horse\nnext\n', 'horse', 'done', 'next\n'],
    ['hors\u007f\bse\r', 'hose', 'done', ''],
    ['wrong\u0015right\r', 'right', 'done', ''],
    ['x\u0003', 'x', 'given-up', ''],
    ['\u0004', '', 'given-up', ''],
    ['x\u0004y\r', 'xy', 'done', ''],
    ['a\u001b[A\u001b[1;5Cb\u001bOPc\u001bxd\r', 'abcd', 'done', ''],
    ['пароль 密码 😀\u007f\r', 'пароль 密码 ', 'done', ''],
    ['a\tb\u0000c', 'abc', 'typing', ''],
    ['123456789\r', '12345678', 'done', ''],
  ]
  for (const [typed, text, state, rest] of cases) {
    const editor = new LineEditor(typed.startsWith('123') ? 8 : 100)
    t.equal(editor.type(typed), rest, JSON.stringify(typed))
    t.equal(editor.text, text)
    t.equal(editor.state, state)
  }
  t.end()
})

t.test('fuzz: whole or key by key, the line is the same', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (typed) => {
      const [whole, single] = [new LineEditor(20), new LineEditor(20)]
      whole.type(typed)
      for (const key of typed) if (single.state === 'typing') single.type(key)
      return whole.text === single.text && whole.state === single.state && whole.text.length <= 40
    }),
    fuzzRun,
  )
  t.end()
})
