import fc from 'fast-check'
import t from 'tap'
import { PvpnError } from '../../../src/core/errors.js'
import type { HandshakeStep, ProxyHandshake } from '../../../src/tunnel/proxy/handshake.js'
import { HttpConnect } from '../../../src/tunnel/proxy/http-connect.js'
import { MAX_CONNECT_HEAD } from '../../../src/tunnel/proxy/limits.js'
import { Socks5Handshake } from '../../../src/tunnel/proxy/socks5.js'
import { fuzzRun, pieces } from '../../support/fuzz.js'

const text = (words: string) => Uint8Array.from(Buffer.from(words, 'latin1'))
const target = { host: 'db.example', port: 5432 }
const credentials = { username: 'ann', password: 'right horse' }
const server = 'proxy.example:1080'

/** Feeds the chunks until something comes of it; what is left over is a part of the rest. */
function feed(handshake: ProxyHandshake, chunks: readonly Uint8Array[]) {
  const sent: Uint8Array[] = [handshake.greeting]
  for (const [i, chunk] of chunks.entries()) {
    const step: HandshakeStep = handshake.push(chunk)
    if (step.kind === 'failed') return { sent, code: step.error.code, error: step.error }
    if (step.kind === 'done') {
      return { sent, rest: Buffer.concat([step.rest, ...chunks.slice(i + 1)]), bound: step.bound }
    }
    if (step.send !== undefined) sent.push(step.send)
  }
  return { sent }
}

const byByte = (bytes: Uint8Array) => [...bytes].map((byte) => Uint8Array.of(byte))

t.test('SOCKS5: without a password, by name and by address', async (t) => {
  const wish = { command: 1, target }
  const found = feed(new Socks5Handshake({ server, credentials: undefined, wish }), [
    Uint8Array.of(5, 0),
    Uint8Array.of(5, 0, 0, 1, 10, 0, 0, 9, 0x12, 0x34, 104, 105),
  ])
  t.same(
    Buffer.concat(found.sent).toString('latin1'),
    '\x05\x01\x00\x05\x01\x00\x03\x0adb.example\x15\x38',
  )
  t.same(found.rest, Buffer.from('hi'))
  t.same(found.bound, { host: '10.0.0.9', port: 0x1234 })
  const six = { command: 1, target: { host: 'fd00::1', port: 80 } }
  const other = feed(new Socks5Handshake({ server, credentials, wish: six }), [
    Uint8Array.of(5, 2),
    Uint8Array.of(1, 0),
    Uint8Array.of(5, 0, 0, 3, 1, 120, 0, 80),
  ])
  t.same(other.sent[0], Uint8Array.of(5, 2, 0, 2))
  t.same(Buffer.from(other.sent[1] ?? []).toString('latin1'), '\x01\x03ann\x0bright horse')
  t.equal(other.sent[2]?.[3], 4, 'an IPv6 address goes as one')
  t.match(other.bound, { host: 'x', port: 80 })
})

t.test('SOCKS5: refusals', async (t) => {
  const wish = { command: 1, target }
  const run = (login: typeof credentials | undefined, ...chunks: Uint8Array[]) => {
    const found = feed(new Socks5Handshake({ server, credentials: login, wish }), chunks)
    t.notMatch(`${found.error?.message} ${found.error?.hint}`, /horse/, 'no password in words')
    return found.code
  }
  t.equal(run(undefined, Uint8Array.of(5, 255)), 'ERR_AUTH')
  t.equal(run(undefined, Uint8Array.of(5, 2)), 'ERR_AUTH', 'a password that nobody offered')
  t.equal(run(credentials, Uint8Array.of(5, 255)), 'ERR_AUTH')
  t.equal(run(credentials, Uint8Array.of(5, 2), Uint8Array.of(1, 1)), 'ERR_AUTH')
  t.equal(run(undefined, text('HTTP/1.1 400')), 'ERR_CONFIG')
  t.equal(run(undefined, Uint8Array.of(5, 0, 5, 0)), 'ERR_PROTOCOL', 'before it was asked')
  t.equal(run(undefined, Uint8Array.of(5, 0), Uint8Array.of(5, 0, 0, 9, 0)), 'ERR_CONFIG')
  const codes = [1, 2, 3, 4, 5, 6, 7, 8, 99].map((code) =>
    run(undefined, Uint8Array.of(5, 0), Uint8Array.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0)),
  )
  t.same(codes, [
    'ERR_PROTOCOL',
    'ERR_DENIED',
    'ERR_NET_UNREACHABLE',
    'ERR_HOST_UNREACHABLE',
    'ERR_REFUSED',
    'ERR_TIMEOUT',
    'ERR_UNSUPPORTED',
    'ERR_UNSUPPORTED',
    'ERR_PROTOCOL',
  ])
})

t.test('SOCKS5: a look alone ends when we are let in', async (t) => {
  const found = feed(new Socks5Handshake({ server, credentials }), [
    Uint8Array.of(5, 2),
    Uint8Array.of(1, 0),
  ])
  t.equal(found.rest?.length, 0)
})

t.test('CONNECT: what is sent, and answers that open the way', async (t) => {
  const connect = new HttpConnect({ server, credentials, target: { host: 'fd00::1', port: 443 } })
  t.equal(
    Buffer.from(connect.greeting).toString(),
    'CONNECT [fd00::1]:443 HTTP/1.1\r\nHost: [fd00::1]:443\r\n' +
      `Proxy-Authorization: Basic ${Buffer.from('ann:right horse').toString('base64')}\r\n\r\n`,
  )
  for (const answer of [
    'HTTP/1.1 200 Connection established\r\n\r\n',
    'HTTP/1.0 200\r\nVia: a\r\n\r\n',
    'HTTP/1.1 204 x\n\n',
  ]) {
    for (const cut of [[text(`${answer}SSH-2.0`)], byByte(text(`${answer}SSH-2.0`))]) {
      const found = feed(new HttpConnect({ server, credentials: undefined, target }), cut)
      t.equal(found.rest?.toString(), 'SSH-2.0', JSON.stringify(answer))
    }
  }
  for (const host of ['a b', 'a\r\nX: y', '', 'ä']) {
    t.throws(() => new HttpConnect({ server, credentials, target: { host, port: 1 } }), {
      code: 'ERR_NAME',
    })
  }
})

t.test('CONNECT: refusals', async (t) => {
  const run = (answer: string, login?: typeof credentials) => {
    const found = feed(new HttpConnect({ server, credentials: login, target }), [text(answer)])
    t.notMatch(`${found.error?.message} ${found.error?.hint}`, /horse/)
    return [found.code, found.error?.message]
  }
  t.match(run('HTTP/1.1 407 No\r\n\r\n'), ['ERR_AUTH', /wants a user and password/])
  t.match(run('HTTP/1.1 407 No\r\n\r\n', credentials), ['ERR_AUTH', /refuses user and password/])
  t.match(run('HTTP/1.0 401 No\r\n\r\n', credentials), ['ERR_AUTH', /\(401\)/])
  for (const [status, code] of [
    [403, 'ERR_DENIED'],
    [404, 'ERR_NAME'],
    [405, 'ERR_UNSUPPORTED'],
    [502, 'ERR_HOST_UNREACHABLE'],
    [503, 'ERR_HOST_UNREACHABLE'],
    [504, 'ERR_TIMEOUT'],
    [301, 'ERR_PROTOCOL'],
  ] as const) {
    t.match(run(`HTTP/1.1 ${status} x\r\nA: b\r\n\r\nbody`), [code, `says ${status}`])
  }
  t.match(run('HTTP/1.1 502 x\r\nProxy-Status: office; error=connection_refused\r\n\r\n'), [
    'ERR_REFUSED',
  ])
  t.match(run('HTTP/1.1 503 x\r\nX-Squid-Error: ERR_DNS_FAIL 0\r\n\r\n'), ['ERR_NAME'])
  for (const broken of [
    'SSH-2.0-x\r\n\r\n',
    'HTTP/1.1 20\r\n\r\n',
    'HTTP/2 200\r\n\r\n',
    '\r\n\r\n',
  ]) {
    t.match(run(broken), ['ERR_CONFIG', /is no HTTP proxy/])
  }
  const endless = `HTTP/1.1 200 OK\r\nA: ${'x'.repeat(MAX_CONNECT_HEAD)}`
  t.match(run(endless), ['ERR_CONFIG'])
  t.equal(
    feed(new HttpConnect({ server, credentials, target }), byByte(text(endless))).code,
    'ERR_CONFIG',
  )
})

const anything = fc.uint8Array({ maxLength: 600 })
const socksAnswer = fc
  .tuple(fc.constantFrom([5, 0], [5, 2, 1, 0], [5, 2, 1, 1], [5]), anything)
  .map(([head, rest]) => Uint8Array.from([...head, 5, 0, 0, 1, ...rest]))
const httpAnswer = fc
  .tuple(
    fc.constantFrom('HTTP/1.1 200 OK\r\n', 'HTTP/1.1 407 x\r\n', 'HTTP/1.', ''),
    anything,
    fc.constantFrom('\r\n\r\n', '\n\n', ''),
    anything,
  )
  .map(([line, a, end, b]) => Buffer.concat([text(line), a, text(end), b]))

t.test('whatever comes, in whatever cut: no throw, and for HTTP the same outcome', async (t) => {
  const cuts = fc.array(fc.nat(), { maxLength: 8 })
  fc.assert(
    fc.property(fc.oneof(anything, socksAnswer), cuts, fc.boolean(), (bytes, places, login) => {
      for (const chunks of [[bytes], pieces(bytes, places), byByte(bytes)]) {
        const wish = { command: 1, target }
        const found = feed(
          new Socks5Handshake({ server, credentials: login ? credentials : undefined, wish }),
          chunks,
        )
        if (found.error !== undefined && !(found.error instanceof PvpnError)) return false
      }
      return true
    }),
    fuzzRun,
  )
  fc.assert(
    fc.property(fc.oneof(anything, httpAnswer), cuts, (bytes, places) => {
      const [whole, split, single] = [[bytes], pieces(bytes, places), byByte(bytes)].map(
        (chunks) => {
          const { code, rest } = feed(new HttpConnect({ server, credentials, target }), chunks)
          return `${code} ${rest?.toString('hex')}`
        },
      )
      return whole === split && whole === single
    }),
    fuzzRun,
  )
  t.pass('no counterexample')
})
