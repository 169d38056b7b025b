import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import fc from 'fast-check'
import t from 'tap'
import * as credentials from '../../src/control/credentials.js'
import { type GuardedRequest, guard } from '../../src/control/guard.js'

const options = { address: '127.0.0.1', token: 'secret-token' }
const own = { host: '127.0.0.1:1090' }
const auth = { authorization: 'Bearer secret-token' }

function status(
  method: string,
  headers: GuardedRequest['headers'],
  path = '/api/v1/environments',
  address = options.address,
): number {
  return guard({ method, path, headers }, { ...options, address })?.status ?? 200
}

t.test('guard lets programs read without a token, and change with it', async (t) => {
  t.equal(status('GET', own), 200)
  t.equal(status('POST', own), 401)
  t.equal(status('POST', { ...own, ...auth }), 200)
  t.equal(status('POST', { ...own, authorization: 'bearer  secret-token' }), 200)
  for (const authorization of [
    'Bearer',
    'Bearer secret-toke',
    'Bearer secret-tokenx',
    'Basic secret-token',
    'secret-token',
    `Bearer ${'x'.repeat(5000)}`,
    'Bearer a b',
  ]) {
    t.equal(status('POST', { ...own, authorization }), 401, authorization.slice(0, 30))
  }
})

t.test('guard refuses hosts that are not ours (DNS rebinding)', async (t) => {
  const ours = [
    '127.0.0.1',
    '127.0.0.1:1090',
    'localhost:1090',
    'LOCALHOST',
    '[::1]:1090',
    '127.0.0.2:1',
  ]
  for (const host of ours) t.equal(status('GET', { host }), 200, host)
  const foreign = [
    undefined,
    '',
    'evil.example',
    'evil.example:1090',
    'localhost.evil.example:1090',
    '127.0.0.1.evil.example',
    '192.168.11.10:1090',
    'localhost:1090@evil.example',
    '127.1:1090',
    '2130706433',
    '0.0.0.0:1090',
    '[::1',
    '::1',
    '127.0.0.1%x',
  ]
  for (const host of foreign) {
    const headers = host === undefined ? {} : { host }
    t.equal(status('GET', headers), 421, String(host))
    t.equal(status('POST', { ...headers, ...auth }), 421, String(host))
    t.equal(status('GET', headers, '/healthz'), 421, String(host))
  }
})

t.test('guard refuses changes and reads by pages of other sites', async (t) => {
  for (const origin of [
    'http://evil.example',
    'null',
    'http://127.0.0.1:8080',
    'https://127.0.0.1:1090',
  ]) {
    t.equal(status('POST', { ...own, ...auth, origin }), 403, origin)
    t.equal(status('GET', { ...own, origin }), 403, origin)
  }
  t.equal(status('POST', { ...own, ...auth, origin: 'http://127.0.0.1:1090' }), 200)
  for (const site of ['cross-site', 'same-site']) {
    t.equal(status('POST', { ...own, ...auth, 'sec-fetch-site': site }), 403, site)
    t.equal(status('GET', { ...own, 'sec-fetch-site': site }), 403, site)
    t.equal(
      status('GET', { ...own, 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors' }, '/'),
      403,
    )
    t.equal(
      status('GET', { ...own, 'sec-fetch-site': site, 'sec-fetch-mode': 'navigate' }, '/'),
      200,
    )
    t.equal(status('GET', { ...own, 'sec-fetch-site': site }, '/proxy.pac'), 200)
  }
  t.equal(status('GET', { ...own, 'sec-fetch-site': 'same-origin' }), 200)
  t.equal(status('GET', { ...own, 'sec-fetch-site': 'none' }), 200)
})

t.test('guard wants the token for reading off loopback too', async (t) => {
  const host = { host: '192.168.11.51:1090' }
  for (const address of ['0.0.0.0', '192.168.11.51']) {
    t.equal(status('GET', host, '/metrics', address), 401)
    t.equal(status('GET', { ...host, ...auth }, '/metrics', address), 200)
    t.equal(status('GET', host, '/healthz', address), 200)
    t.equal(status('GET', { host: 'evil.example', ...auth }, '/metrics', address), 421)
  }
  t.equal(status('GET', { host: '10.0.0.1', ...auth }, '/metrics', '192.168.11.51'), 421)
})

t.test(
  'guard, fuzzed: whatever the headers say, only our hosts get in and only the token changes',
  async (t) => {
    const seconds = Number(process.env.FUZZ_SECONDS ?? 2)
    const word = fc.oneof(
      fc.constantFrom(
        'localhost',
        '127.0.0.1',
        '[::1]',
        '::1',
        'evil.example',
        'null',
        ':1090',
        '@',
        '',
      ),
      fc.string({ maxLength: 12 }),
    )
    const text = fc.array(word, { maxLength: 4 }).map((words) => words.join(''))
    const header = fc.option(text, { nil: undefined })
    const request = fc.record({
      method: fc.constantFrom('GET', 'HEAD', 'POST', 'DELETE', 'X'),
      path: fc.oneof(text, fc.constantFrom('/', '/healthz', '/api/v1/reload')),
      headers: fc.record({
        host: header,
        origin: header,
        authorization: fc.option(
          text.map((x) => `Bearer ${x}`),
          { nil: undefined },
        ),
        'sec-fetch-site': header,
        'sec-fetch-mode': header,
      }),
    })
    const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)
    t.comment(`seed ${seed}`)
    const property = fc.property(request, (r) => {
      const refused = guard(r, options) !== undefined
      const { host, authorization } = r.headers
      if (refused) return true
      const ours = /^(localhost|\[?127\.\d+\.\d+\.\d+\]?|\[[0:]*:0*1\])(:\d{1,5})?$/i.test(
        host ?? '',
      )
      return (
        ours &&
        (r.method === 'GET' || r.method === 'HEAD' || authorization === 'Bearer secret-token')
      )
    })
    const result = fc.check(property, {
      seed,
      numRuns: 1e9,
      interruptAfterTimeLimit: seconds * 1000,
    })
    t.equal(JSON.stringify(result.counterexample), 'null')
    t.ok(result.numRuns > 100)
  },
)

t.test('tokens are compared by digests of one length, in a time that tells nothing', async (t) => {
  const compared: [number, number][] = []
  const { timingSafeEqual } = crypto
  const replace = (by: typeof timingSafeEqual) => {
    crypto.timingSafeEqual = by
    syncBuiltinESMExports()
  }
  t.teardown(() => replace(timingSafeEqual))
  replace((a, b) => {
    compared.push([a.byteLength, b.byteLength])
    return timingSafeEqual(a, b)
  })
  const given = ['', 's', 'secret-toke', 'secret-token', 'secret-tokenx', 'x'.repeat(5000)]
  for (const token of given) {
    const authorization = `Bearer ${token}`
    t.equal(credentials.holdsToken({ authorization }, options), token === 'secret-token')
    const cookie = `pvpn-1090=${token === 'secret-token' ? credentials.cookieValue(token) : token}`
    t.equal(credentials.holdsCookie({ ...own, cookie }, options), token === 'secret-token')
  }
  t.equal(compared.length, 2 * given.length, 'none is turned away before it is compared')
  t.ok(compared.every(([a, b]) => a === 32 && b === 32))
})
