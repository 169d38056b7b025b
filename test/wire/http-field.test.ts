/** A field line of HTTP/1: name and value, and what is none. */
import t from 'tap'
import { parseHttpField } from '../../src/wire/http-field.js'

t.test('name and value', async (t) => {
  for (const [line, wanted] of [
    ['Host: a.example', ['Host', 'a.example']],
    ['Host:a.example \t ', ['Host', 'a.example']],
    ['Empty:', ['Empty', '']],
    ['Empty: \t', ['Empty', '']],
    ['Via: a : b', ['Via', 'a : b']],
    ['Text: \u00a0x\u00a0', ['Text', '\u00a0x\u00a0']],
  ] as const) {
    t.same(parseHttpField(line), wanted, JSON.stringify(line))
  }
})

t.test('no field', async (t) => {
  for (const line of [
    '',
    'Host',
    ': x',
    'Ho st: x',
    ' Host: x',
    'Host : x',
    'A: b\rc',
    'A: b\nc',
  ]) {
    t.equal(parseHttpField(line), undefined, JSON.stringify(line))
  }
})

// A pattern took seconds for these, and far more for longer ones.
t.test('blanks inside, however many', async (t) => {
  const value = `x${' '.repeat(1_000_000)}y`
  t.same(parseHttpField(`A: ${value}  `), ['A', value])
})
