/** BLAKE2s against RFC 7693 and, where the RFC has no vector, against Python's hashlib (the authors' own code). */
import t from 'tap'
import { hash, hmac, kdf1, kdf2, kdf3, mac } from '../../src/crypto/blake2s.js'

const shown = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const KEY = Uint8Array.from({ length: 32 }, (_, i) => i)
const MESSAGE = Uint8Array.from({ length: 200 }, (_, i) => i % 251)
const text = new TextEncoder()

t.test('RFC 7693 appendix B', (t) => {
  const expected = '508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982'
  t.equal(shown(hash(text.encode('abc'))), expected)
  t.equal(shown(hash(text.encode('a'), new Uint8Array(0), text.encode('bc'))), expected)
  t.end()
})

t.test('keyed, 16 bytes', (t) => {
  const expected: Record<number, string> = {
    0: '9536f9b267655743dee97b8a670f9f53',
    1: '13bacfb85b48a1223c595f8c1e7e82cb',
    63: 'ece382a8bd5018f1de5da44b72cea75b',
    64: 'f1efa90d2547036841ecd3627fafbc36',
    65: '811ff8686d23a435ecbd0bdafcd27b1b',
    116: '072e94ffbfc684bd8ab2a1b9dade2fd5',
    132: '6d19534b4c332741c8ddd79a9644de2d',
    200: '42a6f8ff590af21b512e9e088257aa34',
  }
  for (const [length, digest] of Object.entries(expected)) {
    t.equal(shown(mac(KEY, MESSAGE.subarray(0, Number(length)))), digest, `${length} bytes`)
  }
  t.end()
})

t.test('HMAC, with a key longer than a block too', (t) => {
  t.equal(
    shown(hmac(KEY, MESSAGE.subarray(0, 50), MESSAGE.subarray(50))),
    '543eec9b22646365ef782d72dae137cc761d018005f8d33d0f20bfbd01e62974',
  )
  t.equal(
    shown(hmac(MESSAGE.subarray(0, 100), MESSAGE)),
    'c4c95271905c6f69c1dd7c6fbc0cb3735457a660ccc2c4370f28825e7abef5af',
  )
  t.end()
})

t.test("Noise's key derivation", (t) => {
  const input = text.encode('input')
  const three = [
    '87b7f70b24183c6db5dc4f6d9f4c47cdb203321aa2a0bef714896adb3107a040',
    '538a02e1eb2e31b7e4d4b82476d1fe2acf50085d3fb584537279195f5d1f5824',
    '9ad858025593be88de0f9442a589cfe84a88dc19e4753d93684d1c5efc4837f9',
  ]
  t.same(kdf3(KEY, input).map(shown), three)
  t.same(kdf2(KEY, input).map(shown), three.slice(0, 2))
  t.same(shown(kdf1(KEY, input)), three[0])
  t.end()
})
