/** Single sealed messages against RFC 8439 and draft-irtf-cfrg-xchacha-03. */
import t from 'tap'
import { counterNonce, open, seal, xopen, xseal } from '../../src/crypto/aead.js'

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const shown = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const PLAINTEXT = new TextEncoder().encode(
  "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
)
const KEY = hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f')
const ADDITIONAL = hex('50515253c0c1c2c3c4c5c6c7')

t.test('RFC 8439 section 2.8.2', (t) => {
  const nonce = hex('070000004041424344454647')
  const sealed = hex(
    'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6' +
      '3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36' +
      '92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
      '3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691',
  )
  t.equal(shown(seal(KEY, nonce, PLAINTEXT, ADDITIONAL)), shown(sealed))
  t.same(open(KEY, nonce, sealed, ADDITIONAL), PLAINTEXT)
  t.equal(open(KEY, counterNonce(1), sealed, ADDITIONAL), undefined)
  t.end()
})

t.test('draft-irtf-cfrg-xchacha-03 appendix A.3.1', (t) => {
  const nonce = hex('404142434445464748494a4b4c4d4e4f5051525354555657')
  const sealed = hex(
    'bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb' +
      '731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452' +
      '2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9' +
      '21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49',
  )
  t.equal(shown(xseal(KEY, nonce, PLAINTEXT, ADDITIONAL)), shown(sealed))
  t.same(xopen(KEY, nonce, sealed, ADDITIONAL), PLAINTEXT)
  t.end()
})

t.test('any changed bit, and any cut, is a forgery', (t) => {
  const nonce = counterNonce(7)
  const xnonce = new Uint8Array(24)
  const sealed = seal(KEY, nonce, PLAINTEXT.subarray(0, 20), ADDITIONAL)
  const xsealed = xseal(KEY, xnonce, PLAINTEXT.subarray(0, 20), ADDITIONAL)
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const flip = (bytes: Uint8Array) =>
      bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
    if (open(KEY, nonce, flip(sealed), ADDITIONAL) !== undefined) t.fail(`bit ${bit}`)
    if (xopen(KEY, xnonce, flip(xsealed), ADDITIONAL) !== undefined) t.fail(`bit ${bit}, x`)
  }
  for (let length = 0; length < sealed.length; length++) {
    t.equal(open(KEY, nonce, sealed.subarray(0, length), ADDITIONAL), undefined)
    t.equal(xopen(KEY, xnonce, xsealed.subarray(0, length), ADDITIONAL), undefined)
  }
  t.end()
})

t.test('the nonce of a counter', (t) => {
  t.equal(shown(counterNonce(0x0102030405)), '000000000504030201000000')
  t.end()
})
