import t from 'tap'
import { relaxations } from '../../src/core/relaxations.js'
import { OPTIONS } from '../tunnel/openconnect/world.js'
import { options } from '../tunnel/openvpn/world.js'

t.test('what is not checked is said', (t) => {
  const { tls } = options()
  const strict = { ...tls, usages: ['1.3.6.1.5.5.7.3.1'] }
  t.same(relaxations({ type: 'direct' }), [])
  t.same(relaxations(options({ tls: strict })), [])
  const cases = [
    [tls, /^any certificate of the authority/],
    [{ ...strict, weakCertificates: true }, /^weak certificates/],
    [{ ...strict, ciphers: 'DEFAULT:@SECLEVEL=0' }, /^weak certificates/],
    [{ ...strict, minimum: 'TLSv1.1' }, /^TLS from 1.1 on/],
  ] as const
  for (const [given, words] of cases) t.match(relaxations(options({ tls: given })), [words])
  t.same(relaxations(OPTIONS), [])
  t.same(relaxations({ ...OPTIONS, tls: { pin: 'x', ca: 'y' } }), [])
  t.match(relaxations({ ...OPTIONS, tls: { pin: 'x' } }), [/^the server is known by its key alone/])
  t.end()
})
