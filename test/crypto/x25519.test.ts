/** X25519 against RFC 7748. */
import t from 'tap'
import { generateKeyPair, publicKey, sharedSecret } from '../../src/crypto/x25519.js'

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const shown = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex')

t.test('RFC 7748 section 5.2', (t) => {
  t.equal(
    shown(
      sharedSecret(
        hex('a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4'),
        hex('e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c'),
      ),
    ),
    'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
  )
  t.equal(
    shown(
      sharedSecret(
        hex('4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d'),
        hex('e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493'),
      ),
    ),
    '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
  )
  t.end()
})

t.test('RFC 7748 section 5.2, a thousand rounds', (t) => {
  let k = new Uint8Array(32)
  k[0] = 9
  let u = k
  for (let i = 0; i < 1000; i++) {
    const next = sharedSecret(k, u) as Uint8Array<ArrayBuffer>
    u = k
    k = next
  }
  t.equal(shown(k), '684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51')
  t.end()
})

t.test('RFC 7748 section 6.1', (t) => {
  const alice = hex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a')
  const bob = hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb')
  const secret = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742'
  t.equal(
    shown(publicKey(alice)),
    '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
  )
  t.equal(shown(publicKey(bob)), 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
  t.equal(shown(sharedSecret(alice, publicKey(bob))), secret)
  t.equal(shown(sharedSecret(bob, publicKey(alice))), secret)
  t.end()
})

t.test('points of low order give no secret', (t) => {
  const { privateKey } = generateKeyPair((out) => out.fill(0x55))
  const low = [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ]
  for (const point of low) t.equal(sharedSecret(privateKey, hex(point)), undefined, point)
  t.end()
})

t.test('generated keys are clamped, as by wg genkey', (t) => {
  const { privateKey, publicKey: derived } = generateKeyPair((out) => out.fill(0xff))
  t.equal((privateKey[0] as number) & 7, 0)
  t.equal((privateKey[31] as number) & 0xc0, 0x40)
  t.same(derived, publicKey(privateKey))
  t.end()
})
