import t from 'tap'
import { parseTarget, targetUrl } from '../../src/cli/policy-target.js'

t.test('hosts, hosts with ports, and URLs', async (t) => {
  const forms: Readonly<Record<string, readonly [string, number]>> = {
    'www.lab.example': ['www.lab.example', 443],
    'www.lab.example:8080': ['www.lab.example', 8080],
    '10.0.0.1': ['10.0.0.1', 443],
    '::1': ['::1', 443],
    '[::1]': ['::1', 443],
    '[::1]:22': ['::1', 22],
    'http://www.lab.example': ['www.lab.example', 80],
    'HTTPS://www.lab.example/a?b#c': ['www.lab.example', 443],
    'wss://www.lab.example:444/x': ['www.lab.example', 444],
    'http://user:secret@www.lab.example/': ['www.lab.example', 80],
    'http://[fd00::1]/': ['fd00::1', 80],
    'http://www.lab.example?x=a@b': ['www.lab.example', 80],
    'ssh://host:22': ['host', 22],
  }
  for (const [text, [host, port]] of Object.entries(forms)) {
    t.same(parseTarget(text), { host, port }, text)
  }
})

t.test('what is none of these', async (t) => {
  for (const text of [
    '',
    'a b',
    'host:99999',
    'host:',
    'http://',
    'ssh://host',
    'a/b',
    '[::1',
    ':80',
  ]) {
    t.throws(() => parseTarget(text), { code: 'ERR_CONFIG' }, JSON.stringify(text))
  }
})

t.test('as a PAC file gets it', async (t) => {
  t.equal(targetUrl('www.lab.example'), 'https://www.lab.example/')
  t.equal(targetUrl('www.lab.example:444'), 'https://www.lab.example:444/')
  t.equal(targetUrl('::1'), 'https://[::1]/')
  t.equal(targetUrl('http://a/b?c'), 'http://a/b?c')
})
