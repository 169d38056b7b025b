import t from 'tap'
import {
  chacha20Poly1305Module,
  ONE_TIME_KEY_AT,
  PACKET_AT,
  TAG_AT,
} from '../../src/crypto/chacha20-poly1305-wasm.js'
import { wasmChaCha } from '../../src/crypto/packet-cipher-wasm.js'
import { skipWasm } from '../support/ciphers.js'

const P = 2n ** 130n - 5n
const CLAMP = 0x0ffffffc0ffffffc0ffffffc0fffffffn

function number(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)
}

function bytesOf(value: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 255n))
}

function lengthBlock(length: number): bigint {
  return BigInt(length) << 64n
}

/** RFC 8439 sections 2.5 and 2.8 in plain arithmetic. */
function expected(r: bigint, s: bigint, message: Uint8Array): bigint {
  const blocks: bigint[] = []
  for (let at = 0; at < message.length; at += 16) blocks.push(number(message.subarray(at, at + 16)))
  blocks.push(lengthBlock(message.length))
  const h = blocks.reduce((sum, block) => ((sum + block + 2n ** 128n) * (r & CLAMP)) % P, 0n)
  return (h + s) % 2n ** 128n
}

function tag(r: bigint, s: bigint, message: Uint8Array): bigint {
  const wasm = wasmChaCha()
  if (wasm === null) throw new Error('no WebAssembly')
  wasm.reserve(message.length)
  wasm.memory.set(bytesOf(r, 16), ONE_TIME_KEY_AT)
  wasm.memory.set(bytesOf(s, 16), ONE_TIME_KEY_AT + 16)
  wasm.memory.set(message, PACKET_AT)
  wasm.exports.mac(message.length)
  return number(wasm.memory.slice(TAG_AT, TAG_AT + 16))
}

const EXTREMES = [0n, 1n, 2n, 5n, 2n ** 26n - 1n, 2n ** 127n, 2n ** 128n - 1n, 2n ** 128n - 5n]

t.test('Poly1305 of extreme keys and messages', { skip: skipWasm }, (t) => {
  const messages = [0, 1, 15, 16, 17, 32, 160, 161, 1420].flatMap((length) =>
    [0, 1, 0x7f, 0x80, 0xff].map((byte) => new Uint8Array(length).fill(byte)),
  )
  for (const r of [...EXTREMES, CLAMP, 0x3ffffffn << 26n]) {
    for (const s of EXTREMES) {
      for (const m of messages) {
        if (tag(r, s, m) !== expected(r, s, m)) t.fail(`r ${r}, s ${s}, ${m.length} of ${m[0]}`)
      }
    }
  }
  t.pass('agree with plain arithmetic')
  t.end()
})

t.test('Poly1305 reduces sums around the prime', { skip: skipWasm }, (t) => {
  // With r = 1 the sum of the blocks is what is reduced: the message is made for each sum wanted.
  let made = 0
  for (const around of [0n, P, 2n ** 130n, 2n * P, 2n ** 104n, 2n ** 78n, 2n ** 52n]) {
    for (let off = -8n; off <= 8n; off++) {
      for (let blocks = 1; blocks <= 8; blocks++) {
        const length = 16 * blocks
        const rest = around + off - lengthBlock(length) - BigInt(blocks + 1) * 2n ** 128n
        if (rest < 0n || rest >= BigInt(blocks) * 2n ** 128n) continue
        const message = new Uint8Array(length)
        let left = rest
        for (let b = 0; b < blocks; b++) {
          const part = left < 2n ** 128n ? left : 2n ** 128n - 1n
          message.set(bytesOf(part, 16), 16 * b)
          left -= part
        }
        made++
        for (const s of EXTREMES) {
          if (tag(1n, s, message) !== expected(1n, s, message)) t.fail(`${around} + ${off}, s ${s}`)
        }
      }
    }
  }
  t.ok(made > 50, `${made} messages`)
  t.end()
})

t.test('the module is small and always the same', (t) => {
  const module = chacha20Poly1305Module()
  t.ok(module.length < 8192, `${module.length} bytes`)
  t.strictSame(chacha20Poly1305Module(), module)
  t.end()
})

t.test('its memory grows with the largest packet', { skip: skipWasm }, (t) => {
  const message = new Uint8Array(300_000).fill(3)
  t.equal(tag(7n, 9n, message), expected(7n, 9n, message))
  t.end()
})
