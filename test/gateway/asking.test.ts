import t from 'tap'
import { question } from '../../src/core/question.js'
import { Asking } from '../../src/gateway/asking.js'

const USER = question('username', 'User', { secret: false })
const PASSWORD = question('password', 'Password')
const CODE = question('code', 'Code', { once: true })
const refused = { ...PASSWORD, refused: true }
const fields = (asking: Asking) => asking.open.map(({ field }) => field)

t.test('answers are kept until they are refused, codes never', (t) => {
  const asking = new Asking()
  t.equal(asking.answered(asking.id, { password: 'x' }), undefined, 'nothing was asked')
  t.equal(asking.asked([USER, PASSWORD]), undefined)
  t.same(fields(asking), ['username', 'password'])
  t.same(asking.answered(asking.id, { username: 'ann', password: 'horse', other: 'no' }), {
    username: 'ann',
    password: 'horse',
  })
  t.same(fields(asking), [])
  t.equal(asking.asked([CODE]), undefined, 'the server goes on')
  t.same(asking.answered(asking.id, { code: '1' }), { code: '1' })
  asking.accepted()
  t.same(asking.asked([USER, PASSWORD]), { username: 'ann', password: 'horse' }, 'a reconnect')
  asking.accepted()
  t.equal(asking.asked([PASSWORD, CODE]), undefined)
  t.same(fields(asking), ['code'], 'only what is not known')
  t.same(asking.answered(asking.id, { code: '2' }), { password: 'horse', code: '2' })
  asking.accepted()
  t.equal(asking.asked([refused]), undefined)
  t.same(fields(asking), ['password'], 'the kept one was refused')
  t.end()
})

t.test('an answer that is asked for again without coming up was wrong', (t) => {
  const asking = new Asking()
  asking.asked([PASSWORD])
  asking.answered(asking.id, { password: 'a' })
  asking.accepted()
  t.same(asking.asked([PASSWORD]), { password: 'a' })
  t.equal(asking.asked([PASSWORD]), undefined, 'not a second time')
  t.same(fields(asking), ['password'])
  asking.answered(asking.id, { password: 'b' })
  t.equal(asking.asked([PASSWORD]), undefined)
  asking.silent()
  t.same(fields(asking), [])
  t.end()
})

t.test('a person can make it forget', (t) => {
  const asking = new Asking()
  asking.asked([PASSWORD])
  asking.answered(asking.id, { password: 'a' })
  asking.accepted()
  asking.forget()
  t.equal(asking.asked([PASSWORD]), undefined)
  t.same(
    asking.answered(asking.id, { constructor: 'x' } as Record<string, string>),
    {},
    'an answer may be missing',
  )
  t.end()
})

t.test('an answer is for the question that was seen', async (t) => {
  const asking = new Asking()
  asking.asked([PASSWORD])
  const { id } = asking
  asking.silent()
  asking.asked([PASSWORD])
  t.not(asking.id, id, 'the same words, asked anew')
  t.equal(asking.answered(id, { password: 'a' }), undefined)
  t.same(fields(asking), ['password'], 'it stands as before')
  t.same(asking.answered(asking.id, { password: 'b' }), { password: 'b' })
})
