import fc from 'fast-check'
import t from 'tap'
import {
  endToEndFields,
  fieldTokens,
  fieldValues,
  requestProblem,
  trailerFields,
} from '../../src/wire/http-fields.js'
import { parseAbsoluteTarget, parseAuthority } from '../../src/wire/http-target.js'
import { fuzzRun } from '../support/fuzz.js'

t.test('absolute-form', async (t) => {
  const cases: Record<string, unknown> = {
    'http://a.example': {
      target: { host: 'a.example', port: 80 },
      authority: 'a.example',
      path: '/',
    },
    'HTTP://A.example:81?q': {
      target: { host: 'A.example', port: 81 },
      authority: 'A.example:81',
      path: '/?q',
    },
    'http://a.example:/x//y/../z?%41': {
      target: { host: 'a.example', port: 80 },
      path: '/x//y/../z?%41',
    },
    'http://[fd00::7]:8080/': {
      target: { host: 'fd00::7', port: 8080 },
      authority: '[fd00::7]:8080',
    },
    'http://[fd00::7]/': { target: { host: 'fd00::7', port: 80 } },
    'ws://a.example/chat': { target: { port: 80 }, path: '/chat' },
    'https://a.example/': 'scheme',
    'ftp://a.example/': 'scheme',
    'http://u:p@a.example/': 'userinfo',
    'http://a.example@evil.example/': 'userinfo',
    'http:///x': 'syntax',
    'http://:80/': 'syntax',
    'http://a.example:99999/': 'syntax',
    'http://a.example:x/': 'syntax',
    'http://fd00::7/': 'syntax',
    'http://[fd00::7': 'syntax',
    'http://[a.example]/': 'syntax',
    'http://a.example/#part': 'syntax',
    '/x': 'syntax',
    '': 'syntax',
  }
  for (const [text, expected] of Object.entries(cases)) {
    const parsed = parseAbsoluteTarget('GET', text)
    if (typeof expected === 'string') t.equal(parsed, expected, text)
    else t.match(parsed, expected as object, text)
  }
  t.match(parseAbsoluteTarget('OPTIONS', 'http://a.example'), { path: '*' })
  t.match(parseAbsoluteTarget('OPTIONS', 'http://a.example/'), { path: '/' })
})

t.test('authority-form', async (t) => {
  t.same(parseAuthority('a.example:443'), { host: 'a.example', port: 443 })
  t.same(parseAuthority('[::1]:443'), { host: '::1', port: 443 })
  for (const bad of ['a.example', 'a.example:', ':443', '[::1]', 'a:b:1', 'a.example:443x', '']) {
    t.equal(parseAuthority(bad), undefined, bad)
  }
})

t.test('fields', async (t) => {
  const fields = [
    'A',
    '1',
    'connection',
    'close, B',
    'b',
    '2',
    'TE',
    'x',
    'a',
    '3',
    'Connection',
    'c',
    'C',
    '4',
  ]
  t.same(fieldValues(fields, 'a'), ['1', '3'])
  t.same(fieldTokens(fields, 'connection'), ['close', 'b', 'c'])
  t.same(endToEndFields(fields), ['A', '1', 'a', '3'])
  t.same(endToEndFields(fields, ['a']), [])
  t.same(trailerFields(['X', '1', 'Content-Length', '5', 'Set-Cookie', 'a']), [['X', '1']])
})

t.test('framing: what passes has one meaning', async (t) => {
  const field = fc.tuple(
    fc.constantFrom(
      'Content-Length',
      'content-length',
      'Transfer-Encoding',
      'TRANSFER-ENCODING',
      'Host',
      'X',
    ),
    fc.constantFrom(
      '0',
      '5',
      '5, 5',
      '+5',
      '-1',
      '0x5',
      ' 5',
      '5 ',
      '',
      'chunked',
      'Chunked',
      'gzip',
      'chunked, gzip',
      'a\r\n b',
      'a\nb',
      'a',
    ),
  )
  fc.assert(
    fc.property(
      fc.array(field, { maxLength: 6 }),
      fc.constantFrom('1.0', '1.1'),
      (pairs, version) => {
        const list = pairs.flat()
        if (requestProblem(version, list) !== undefined) return
        const lengths = fieldValues(list, 'content-length')
        const codings = fieldValues(list, 'transfer-encoding')
        const fine =
          lengths.length + codings.length <= 1 &&
          lengths.every((value) => /^\d+$/.test(value)) &&
          codings.every((value) => version === '1.1' && value.toLowerCase() === 'chunked') &&
          fieldValues(list, 'host').length <= 1 &&
          list.every((value) => !/[\r\n]/.test(value))
        if (!fine) throw new Error(`passed: ${list}`)
      },
    ),
    fuzzRun,
  )
  t.pass()
})
