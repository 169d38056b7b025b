import fc from 'fast-check'
import t from 'tap'
import { PvpnError } from '../../src/core/errors.js'
import { KnownSecrets, secretsOf } from '../../src/core/known-secrets.js'
import { KNOWN_SECRETS, QUESTION_LABEL } from '../../src/core/limits.js'
import { plainText } from '../../src/core/plain-text.js'
import { askFor, question } from '../../src/core/question.js'
import { holds } from '../support/fuzz.js'

t.test('words without secrets', (t) => {
  const cases: readonly [secrets: readonly string[], text: string, wanted: string][] = [
    [['right horse'], 'refused: right horse!', 'refused: ***!'],
    [['right horse', 'horse'], 'right horse, horse', '***, ***'],
    [['right horse'], 'cmlnaHQgaG9yc2U= and right%20horse and right+horse', '*** and *** and ***'],
    [['two\u0000  blanks'], 'two blanks', '***'],
    [['abc'], 'abc, abcd, xabc (abc)', '***, abcd, xabc (***)'],
    [['a.c'], 'abc a.c', 'abc ***'],
    [['$&'], 'x $& y', 'x *** y'],
    [['', 'long enough'], 'nothing here', 'nothing here'],
    [[], 'right horse', 'right horse'],
  ]
  for (const [secrets, text, wanted] of cases) {
    t.equal(new KnownSecrets(secrets).blank(text), wanted, text)
  }
  for (let code = 0x20; code < 0x7f; code++) {
    const short = String.fromCharCode(0x61, code, 0x62)
    t.equal(new KnownSecrets([short]).blank(`it was ${short}.`), 'it was ***.', short)
  }
  const cut = `${'x'.repeat(QUESTION_LABEL)} right ho`
  t.match(new KnownSecrets(['right horse']).blank(cut), /x \*\*\*$/, 'cut off in the middle')
  t.equal(new KnownSecrets(['right horse']).blank('it is right'), 'it is right')
  t.end()
})

t.test('an error and its questions', (t) => {
  const known = new KnownSecrets(['right horse'])
  const plain = new PvpnError('ERR_DOWN', 'gone', { hint: 'wait' })
  t.equal(known.clean(plain), plain, 'one without stays as it is')
  const asks = [
    question('form.x', 'you said right horse', { choices: ['red', 'right horse'] }),
    question('username', 'User', { secret: false }),
    question('response', 'Code', { secret: false, once: true }),
  ]
  const said = askFor('right horse', asks)
  const clean = known.clean(new PvpnError(said.code, said.message, { asks, cause: said }))
  t.equal(clean.cause, undefined)
  t.notMatch(JSON.stringify([clean.message, clean.hint, clean.asks]), /horse/)
  t.same(
    clean.asks.map(({ field }) => field),
    asks.map(({ field }) => field),
  )
  t.same(clean.asks[0]?.choices, ['red'])
  const hint = known.clean(new PvpnError('ERR_AUTH', 'no', { hint: 'try right horse' }))
  t.equal(hint.hint, 'try ***')
  known.answered(asks, { 'form.x': 'typed one', username: 'annette', response: '4711' })
  t.equal(known.blank('typed one of annette with 4711'), '*** of annette with ***')
  t.end()
})

t.test('what each tunnel may give its server', (t) => {
  const server = { host: 'p.example', port: 1080 }
  t.same(secretsOf({ type: 'socks5', server, username: 'ann', password: 'horse' }), [
    'horse',
    'YW5uOmhvcnNl',
  ])
  t.same(secretsOf({ type: 'http', server }), [])
  t.same(secretsOf({ type: 'direct' }), [])
  const place = { host: 'v', port: 443, path: '/' }
  const found = secretsOf({
    ...{ type: 'openconnect', place, engine: 'native', protocol: 'anyconnect', dtls: false },
    ...{ password: 'one', form: { code: 'two' }, tls: { keyPassword: 'three' } },
  })
  t.same(found, ['one', 'three', 'two'])
  t.end()
})

t.test('fuzz: whatever a server makes of a secret that it repeats; a bounded number', (t) => {
  holds(
    t,
    fc.property(
      fc.string({ unit: 'binary', minLength: 4, maxLength: 60 }),
      fc.string({ unit: 'binary', maxLength: 300 }),
      (secret, before) => {
        const told = plainText(`${before} ${secret} `, QUESTION_LABEL)
        const wanted = plainText(secret, 60)
        const blank = new KnownSecrets([secret]).blank(told)
        return wanted.length < 4 || !blank.includes(wanted) || '***'.includes(wanted)
      },
    ),
  )
  const many = Array.from({ length: 2 * KNOWN_SECRETS }, (_, i) => `secret number ${i}`)
  const known = new KnownSecrets(many)
  for (let i = 0; i < 100; i++) known.answered([question('x', 'x')], { x: `another ${i}` })
  t.ok(many.filter((text) => known.blank(text) === '***').length <= KNOWN_SECRETS)
  t.end()
})
