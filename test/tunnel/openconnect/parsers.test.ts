/** Tables and fuzz of the parsers: HTTP answers, XML, settings, frames, places, cookies. */
import fc from 'fast-check'
import t from 'tap'
import { formatIp } from '../../../src/core/ip.js'
import { parseServerMessage } from '../../../src/tunnel/openconnect/auth-message.js'
import { Cookies } from '../../../src/tunnel/openconnect/cookies.js'
import { FRAME, FrameSplitter, frame } from '../../../src/tunnel/openconnect/frame.js'
import { type AnswerStep, HttpAnswerReader } from '../../../src/tunnel/openconnect/http-answer.js'
import {
  OC_BODY_BYTES,
  OC_COOKIES,
  OC_FRAME_BYTES,
  OC_HEAD_BYTES,
  OC_HEAD_LINES,
  OC_ROUTES,
  OC_XML_DEPTH,
  OC_XML_ELEMENTS,
} from '../../../src/tunnel/openconnect/limits.js'
import { parsePlace, resolvePlace } from '../../../src/tunnel/openconnect/origin.js'
import { parseSettings } from '../../../src/tunnel/openconnect/settings.js'
import { parseXml } from '../../../src/tunnel/openconnect/xml.js'
import { fuzzRun, pieces } from '../../support/fuzz.js'

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))

function read(text: string, { tunnel = false, end = false, cut = 1e9 } = {}): AnswerStep {
  const reader = new HttpAnswerReader(tunnel)
  const all = bytes(text)
  let step: AnswerStep = { kind: 'more' }
  for (let at = 0; at < all.length && step.kind === 'more'; at += cut) {
    step = reader.push(all.subarray(at, at + cut))
  }
  return end && step.kind === 'more' ? reader.end() : step
}

t.test('answers of HTTP', async (t) => {
  const body = (step: AnswerStep) =>
    step.kind === 'done' ? Buffer.from(step.answer.body).toString() : step.kind
  const ok = 'HTTP/1.1 200 OK\r\n'
  for (const cut of [1, 3, 1e9]) {
    t.equal(body(read(`${ok}Content-Length: 3\r\n\r\nabc`, { cut })), 'abc')
    t.equal(body(read(`${ok}content-length:3\n\nabc`, { cut })), 'abc')
    t.equal(
      body(
        read(`${ok}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: x\r\n\r\n`, {
          cut,
        }),
      ),
      'abc',
    )
    t.equal(
      body(read(`HTTP/1.1 100 Continue\r\n\r\n${ok}Content-Length: 1\r\n\r\na`, { cut })),
      'a',
    )
    t.equal(body(read(`${ok}\r\nabc`, { cut })), 'more')
    t.equal(body(read(`${ok}\r\nabc`, { cut, end: true })), 'abc')
    t.equal(body(read(`${ok}Content-Length: 4\r\n\r\nabc`, { cut, end: true })), 'broken')
    t.equal(body(read('HTTP/1.1 401 No\r\n\r\n', { cut, tunnel: true })), '')
  }
  const tunnel = read(`${ok}X-CSTP-MTU: 1400\r\n\r\nSTF`, { tunnel: true })
  t.ok(tunnel.kind === 'done' && Buffer.from(tunnel.answer.rest).toString() === 'STF')
  const bad = [
    'HTTP/2 200\r\n\r\n',
    'hello\r\n\r\n',
    `${ok}no colon\r\n\r\n`,
    `${ok}Content-Length: -1\r\n\r\n`,
    `${ok}Content-Length: ${OC_BODY_BYTES + 1}\r\n\r\n`,
    `${ok}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`,
    `${ok}Transfer-Encoding: chunked\r\n\r\n1\r\nabc`,
    `${ok}\r\n${'x'.repeat(OC_BODY_BYTES + 1)}`,
    `${ok}Transfer-Encoding: chunked\r\n\r\n${'1\r\na\r\n'.repeat(OC_BODY_BYTES / 6 + 1)}`,
    ok + 'A: b\r\n'.repeat(OC_HEAD_LINES),
    ok + 'x'.repeat(OC_HEAD_BYTES),
  ]
  for (const text of bad) t.equal(read(text).kind, 'broken', JSON.stringify(text.slice(0, 70)))
})

t.test('fuzz: answers of HTTP in any cut', (t) => {
  const real =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b\r\n\r\n3\r\nabc\r\n0\r\n\r\nrest'
  fc.assert(
    fc.property(
      fc.array(fc.nat()),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
      fc.boolean(),
      (cuts, changes, tunnel) => {
        const all = bytes(real)
        for (const [at, byte] of changes) all[at % all.length] = byte
        const one = new HttpAnswerReader(tunnel)
        const whole = one.push(all)
        const other = new HttpAnswerReader(tunnel)
        let step: AnswerStep = { kind: 'more' }
        for (const piece of pieces(all, cuts)) if (step.kind === 'more') step = other.push(piece)
        return step.kind === whole.kind
      },
    ),
    fuzzRun,
  )
  t.end()
})

t.test('XML is bounded, and has no entities of its own', async (t) => {
  t.equal(parseXml('<a b="c&lt;">d<e/>&amp;</a>')?.text, 'd&')
  const bad = [
    '',
    'a',
    '<a>',
    '<a></b>',
    '<a/><b/>',
    '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
    '<!DOCTYPE a SYSTEM "http://evil.example/"><a/>',
    '<a>&unknown;</a>',
    '<a>'.repeat(OC_XML_DEPTH + 1) + '</a>'.repeat(OC_XML_DEPTH + 1),
    `<a>${'<b/>'.repeat(OC_XML_ELEMENTS)}</a>`,
  ]
  for (const text of bad) t.equal(parseXml(text), undefined, text.slice(0, 60))
})

t.test('fuzz: any text, and any change of a real document', (t) => {
  const real =
    '<?xml version="1.0"?><config-auth type="auth-request"><auth id="main"><message param1="x">Hi %s</message>' +
    '<form action="/a"><input type="text" name="n" label="L:"/><select name="group_list"><option value="a">A</option></select></form></auth></config-auth>'
  fc.assert(
    fc.property(fc.string(), fc.nat(), fc.nat({ max: 30 }), (text, at, gone) => {
      parseServerMessage(text)
      const place = at % real.length
      const found = parseServerMessage(real.slice(0, place) + text + real.slice(place + gone))
      return typeof found.kind === 'string'
    }),
    fuzzRun,
  )
  t.end()
})

t.test('the settings', async (t) => {
  const settings = parseSettings(
    Object.entries({
      'x-cstp-address': '192.168.9.52',
      'x-cstp-netmask': '255.255.255.0',
      'x-cstp-address-ip6': 'fd00:9::2/64',
      'x-cstp-dns': '192.168.10.1',
      'x-cstp-default-domain': 'Site.Example, lab.example',
      'x-cstp-split-include': '192.168.10.0/255.255.255.0',
      'x-cstp-split-exclude': '192.168.10.7/32',
      'x-cstp-split-include-ip6': 'fd00:11::/64',
      'x-cstp-mtu': '1406',
      'x-cstp-dpd': '30',
      'x-cstp-keepalive': '20',
      'x-cstp-rekey-time': '3600',
      'x-cstp-rekey-method': 'ssl',
      'x-cstp-banner': 'Hello%20you%0A%1b[31m',
    }),
  )
  t.match(settings, {
    bits4: 24,
    bits6: 64,
    dns: ['192.168.10.1'],
    search: ['site.example', 'lab.example'],
    mtu: 1406,
    probeAfter: 30_000,
    keepalive: 20_000,
    rekeyAfter: 3_600_000,
    banner: 'Hello you [31m',
    compressed: false,
  })
  t.same(
    settings.routes.map(({ address, bits, inside }) => `${formatIp(address)}/${bits} ${inside}`),
    ['192.168.10.0/24 true', '192.168.10.7/32 false', 'fd00:11::/64 true'],
  )
  const odd = parseSettings([
    ['x-cstp-address', 'fd00:9::3'],
    ['x-cstp-netmask-ip6', 'fd00:9::3/48'],
    ['x-cstp-dns', 'no address'],
    ['x-cstp-mtu', '99999999999'],
    ['x-cstp-dpd', '0'],
    ['x-cstp-rekey-time', '60'],
    ['x-cstp-rekey-method', 'none'],
    ['x-cstp-split-include', '1.2.3.0/255.0.255.0'],
    ['x-cstp-content-encoding', 'lzs'],
    ['x-cstp-banner', '%'],
  ])
  t.match(odd, {
    bits6: 48,
    dns: [],
    mtu: undefined,
    probeAfter: undefined,
    rekeyAfter: undefined,
    routes: [],
    compressed: true,
  })
  const many = Array.from({ length: 5000 }, (_, i): [string, string] => [
    'x-cstp-split-include',
    `10.0.${i % 250}.0/24`,
  ])
  t.equal(parseSettings(many).routes.length, OC_ROUTES)
})

t.test('fuzz: any values of the fields', (t) => {
  const names = [
    'address',
    'netmask',
    'address-ip6',
    'dns',
    'split-include',
    'split-exclude-ip6',
    'mtu',
    'dpd',
    'rekey-time',
    'default-domain',
    'banner',
  ]
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.constantFrom(...names),
          fc.oneof(
            fc.string(),
            fc.ipV4(),
            fc.ipV6(),
            fc.tuple(fc.ipV4(), fc.ipV4()).map((pair) => pair.join('/')),
          ),
        ),
      ),
      (fields) => {
        const found = parseSettings(fields.map(([name, value]) => [`x-cstp-${name}`, value]))
        return found.bits4 <= 32 && found.bits6 <= 128 && found.dns.length <= 32
      },
    ),
    fuzzRun,
  )
  t.end()
})

t.test('frames in any cut', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }),
      fc.array(fc.nat()),
      (payloads, cuts) => {
        const frames = payloads.map((payload, i) =>
          frame([FRAME.data, FRAME.dpdRequest][i % 2] as number, payload),
        )
        const found: Uint8Array[] = []
        const splitter = new FrameSplitter()
        for (const piece of pieces(Uint8Array.from(frames.flatMap((one) => [...one])), cuts)) {
          if (!splitter.push(piece, (one) => found.push(one.slice()))) return false
        }
        return (
          found.length === frames.length &&
          found.every((one, i) => Buffer.compare(one, frames[i] as Uint8Array) === 0)
        )
      },
    ),
    fuzzRun,
  )
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), (chunks) => {
      const splitter = new FrameSplitter()
      return chunks.every((chunk) => typeof splitter.push(chunk, () => {}) === 'boolean')
    }),
    fuzzRun,
  )
  const long = frame(FRAME.data, new Uint8Array(OC_FRAME_BYTES + 1))
  t.equal(
    new FrameSplitter().push(long, () => t.fail()),
    false,
    'too long',
  )
  t.equal(
    new FrameSplitter().push(frame(FRAME.data, new Uint8Array(OC_FRAME_BYTES)), () => {}),
    true,
  )
  t.equal(
    new FrameSplitter().push(bytes('HTTP/1.1 200'), () => t.fail()),
    false,
    'no frame',
  )
  t.end()
})

t.test('places', async (t) => {
  t.same(parsePlace('https://VPN.example'), { host: 'vpn.example', port: 443, path: '/' })
  t.same(parsePlace('https://[2001:db8::1]:8443/a?b=c#d'), {
    host: '2001:db8::1',
    port: 8443,
    path: '/a?b=c',
  })
  for (const bad of [
    'http://a/',
    'https://',
    'https://a:0/',
    'https://a:70000/',
    'https://u@a/',
    'https://a/\r\nX: y',
    'https://a b/',
  ]) {
    t.equal(parsePlace(bad), undefined, bad)
  }
  const base = { host: 'vpn.example', port: 8443, path: '/one/two?x' }
  for (const [reference, path] of [
    ['/auth', '/auth'],
    ['three', '/one/three'],
    ['?q=/../', '/one/?q=/../'],
    ['', '/one/two?x'],
  ] as const) {
    t.equal(resolvePlace(base, reference)?.path, path)
  }
  t.equal(resolvePlace(base, '//other.example/x')?.host, 'other.example')
  t.equal(resolvePlace(base, 'a\r\nb'), undefined)
})

t.test('cookies', async (t) => {
  const cookies = new Cookies()
  cookies.take('a=1; Path=/; Secure')
  cookies.take('b=2')
  cookies.take('a=; expires=Thu, 01 Jan 1970')
  cookies.take('c=3; Max-Age=0')
  cookies.take('d=x y')
  cookies.take('e=x\r\nf: g')
  t.equal(cookies.text, 'b=2')
  for (let i = 0; i < 100; i++) cookies.take(`n${i}=1`)
  t.equal(cookies.text.split('; ').length, OC_COOKIES)
})
