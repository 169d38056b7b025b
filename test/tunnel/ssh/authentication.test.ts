/** The order of a login. */
import t from 'tap'
import { Authentication } from '../../../src/tunnel/ssh/authentication.js'
import { MAX_SSH_AUTH_ROUNDS } from '../../../src/tunnel/ssh/limits.js'

const ALL = ['publickey', 'keyboard-interactive', 'password']

t.test('keys, then questions, then the password', async (t) => {
  const login = new Authentication({ keys: ['a', 'b'], password: true })
  t.same(login.first(), { kind: 'none' })
  t.same(login.refused(ALL, false), { kind: 'key', key: 0 })
  t.same(login.refused(ALL, false), { kind: 'key', key: 1 })
  t.same(login.refused(ALL, false), { kind: 'keyboard' })
  t.same(login.answers([], 'pw'), [], 'nothing is asked')
  t.same(login.refused(ALL, false), { kind: 'password' })
  t.match(login.refused(ALL, false), {
    kind: 'failed',
    why: /accept key a, key b, the password; it takes publickey/,
  })
})

t.test('two ways one after the other', async (t) => {
  const login = new Authentication({ keys: ['a'], password: true })
  login.first()
  t.same(login.refused(['publickey'], false), { kind: 'key', key: 0 })
  t.same(login.refused(['password'], true), { kind: 'password' })
  t.match(login.refused(['password'], false), { kind: 'failed' })
})

t.test('a password is given away once', async (t) => {
  const login = new Authentication({ keys: [], password: true })
  login.first()
  t.same(login.refused(ALL, false), { kind: 'keyboard' })
  t.same(login.answers([{ text: 'Password:', echo: false }], 'pw'), ['pw'])
  t.equal(login.answers([{ text: 'Again:', echo: false }], 'pw'), undefined)
  t.match(login.failure, /the server asks "Again:"/)
  t.equal(
    new Authentication({ keys: [], password: true }).answers([{ text: 'Name?', echo: true }], 'pw'),
    undefined,
    'never to a question that is shown',
  )
})

t.test('what a person would have to say', async (t) => {
  const hidden = (text: string) => [{ text, echo: false }]
  const code = new Authentication({ keys: [], password: true })
  code.first()
  for (const text of ['Verification code: ', 'One-time password: ', 'Token:', 'PIN:', 'OTP: ']) {
    t.equal(code.answers(hidden(text), 'pw'), undefined, `the password is not for "${text}"`)
    t.same(code.wanted, { password: false, prompts: hidden(text) })
  }
  t.same(
    code.answers(hidden('Token:'), 'pw', (all) => all.map(({ text }) => `for ${text}`)),
    ['for Token:'],
  )
  t.same(code.answers(hidden('Password:'), 'pw'), ['pw'])

  const nothing = new Authentication({ keys: [], password: false })
  nothing.first()
  t.same(nothing.refused(ALL, false), { kind: 'keyboard' })
  t.equal(nothing.answers(hidden('Password: '), undefined), undefined)
  t.same(nothing.wanted, { password: true, prompts: [] })
  const two = [...hidden('Password: '), { text: 'Where? ', echo: true }]
  t.equal(nothing.answers(two, undefined), undefined)
  t.same(nothing.wanted, { password: false, prompts: two })

  const plain = new Authentication({ keys: [], password: false })
  plain.first()
  t.match(plain.refused(['password'], false), { kind: 'failed' })
  t.same(plain.wanted, { password: true, prompts: [] })
  const none = new Authentication({ keys: [], password: false })
  none.first()
  none.refused(['publickey'], false)
  t.same(none.wanted, { password: false, prompts: [] })
})

t.test('a server without end', async (t) => {
  const login = new Authentication({ keys: [], password: true })
  login.first()
  let rounds = 0
  while (login.answers([], 'pw') !== undefined) rounds++
  t.equal(rounds, MAX_SSH_AUTH_ROUNDS)
  const many = new Authentication({ keys: Array(1000).fill('k'), password: false })
  many.first()
  let keys = 0
  for (; many.refused(ALL, false).kind === 'key'; ) keys++
  t.equal(keys, MAX_SSH_AUTH_ROUNDS)
})
