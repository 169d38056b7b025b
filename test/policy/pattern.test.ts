import fc from 'fast-check'
import t from 'tap'
import { internalName, parseInternalName } from '../../src/policy/internal-name.js'
import { wildcard } from '../../src/policy/pattern.js'

t.test('wildcard agrees with a plain search over all splits', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 8 })
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 6 })
  fc.assert(
    fc.property(pattern, text, (pattern, text) => wildcard(pattern)(text) === plain(pattern, text)),
    { numRuns: 5000 },
  )
})

function plain(pattern: string, text: string): boolean {
  if (pattern === '') return text === ''
  const rest = pattern.slice(1)
  if (pattern[0] !== '*') return text[0] === pattern[0] && plain(rest, text.slice(1))
  for (let i = 0; i <= text.length; i++) if (plain(rest, text.slice(i))) return true
  return false
}

t.test('a pattern made to backtrack takes no time', async (t) => {
  const matches = wildcard(`${'*a'.repeat(100)}*b`)
  t.notOk(matches('a'.repeat(100_000)))
})

t.test('names below pvpn.internal survive the way there and back', async (t) => {
  for (const host of [
    'www',
    'www.shop.example',
    '10.0.0.1',
    'fd00:11::10',
    '::1',
    'fe80::',
    '::',
  ]) {
    t.same(parseInternalName(internalName(host, 'office')), { environment: 'office', host })
  }
})
