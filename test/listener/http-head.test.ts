import t from 'tap'
import { parseHttpHead } from '../../src/listener/http-head.js'

const parse = (text: string, most = 100) => parseHttpHead(Buffer.from(text, 'latin1'), most)
const HEAD = 'GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n'

t.test('a head is read when it is whole, and left where it is', async (t) => {
  for (let i = 1; i < HEAD.length; i++) t.equal(parse(HEAD.slice(0, i)), undefined)
  t.match(parse(`\r\n${HEAD}more`), {
    kind: 'done',
    value: { method: 'GET', url: 'http://a/', rawHeaders: ['Host', 'a'] },
    length: 0,
  })
})

t.test('what can become no head is told at once', async (t) => {
  for (const text of ['\x16\x03\x01', ' GET', '\0', '\n', 'GET / HTTP/1.1\nHost: a']) {
    t.equal(parse(text)?.kind, 'invalid', JSON.stringify(text))
  }
})

t.test('as many bytes as a reader takes, without an end, are too long', async (t) => {
  const text = `GET / HTTP/1.1\r\nX: ${'a'.repeat(100)}`
  t.equal(parse(text.slice(0, 99)), undefined)
  t.match(parse(text.slice(0, 100)), { kind: 'invalid', reason: /too long/ })
})
