import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { hasExtension, KEY_USAGE } from '../../src/io/certificate-extension.js'
import { holds } from '../support/fuzz.js'
import { KEY_USAGE_CERTIFICATE, SERVER_CERTIFICATE } from '../support/tls-fixtures.js'

const raw = (pem: string) => Uint8Array.from(new X509Certificate(pem).raw)
/** id-ce-extKeyUsage. */
const EXTENDED = Uint8Array.of(0x55, 0x1d, 0x25)

t.test('an extension that is there, and one that is not', (t) => {
  t.ok(hasExtension(raw(KEY_USAGE_CERTIFICATE), KEY_USAGE))
  t.ok(hasExtension(raw(SERVER_CERTIFICATE), EXTENDED))
  t.notOk(hasExtension(raw(SERVER_CERTIFICATE), KEY_USAGE))
  t.notOk(hasExtension(raw(KEY_USAGE_CERTIFICATE), Uint8Array.of(0x55, 0x1d)))
  t.end()
})

t.test('its name elsewhere in the certificate does not count', (t) => {
  const bytes = raw(SERVER_CERTIFICATE)
  const name = Buffer.from(bytes).indexOf('vpn.example')
  bytes.set([0x06, 0x03, ...KEY_USAGE], name)
  t.notOk(hasExtension(bytes, KEY_USAGE))
  t.end()
})

t.test('fuzz: any bytes, and certificates with some of them changed or cut off', (t) => {
  const good = raw(KEY_USAGE_CERTIFICATE)
  const changes = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 8 })
  const damaged = fc.tuple(changes, fc.nat(good.length)).map(([all, end]) => {
    const bytes = Uint8Array.from(good)
    for (const [at, value] of all) bytes[at] = value
    return bytes.subarray(0, end)
  })
  holds(
    t,
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged), (bytes) => {
      return typeof hasExtension(bytes, KEY_USAGE) === 'boolean'
    }),
  )
  t.end()
})
