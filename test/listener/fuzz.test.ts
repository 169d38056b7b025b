/** Rubbish at the proxy port, from raw sockets: nothing throws, hangs or stays. */
import fc from 'fast-check'
import t from 'tap'
import { PvpnError } from '../../src/core/errors.js'
import { fakeEnvironment } from '../support/fake-environment.js'
import { eventually } from '../support/fake-stream.js'
import { FUZZ_MS, fuzzRun, pieces } from '../support/fuzz.js'
import { RawClient, startProxy } from '../support/proxy.js'

const socks = fc.tuple(
  fc.constantFrom(
    [5, 1, 0, 5, 1, 0, 3],
    [5, 1, 2, 1],
    [5],
    [4, 1, 0, 80, 0, 0, 0, 1],
    [4, 2],
    [5, 1, 0, 5, 0xf0, 0, 1],
    [5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0],
    [5, 1, 0, 5, 2, 0, 4],
  ),
  fc.uint8Array({ maxLength: 400 }),
)

const word = fc.constantFrom(
  ...[
    'GET ',
    'POST ',
    'CONNECT ',
    'OPTIONS ',
    'PRI ',
    'http://a.example/',
    'a.example:80',
    '*',
    '/',
  ],
  ...[' HTTP/1.1', ' HTTP/1.0', ' HTTP/2.0', '\r\n', '\r\n', '\n', '\r', '\r\n\r\n', 'Host: a\r\n'],
  ...['Content-Length: 5\r\n', 'Content-Length: ', '5', '-1', 'Transfer-Encoding: chunked\r\n'],
  ...[
    'Transfer-Encoding: ',
    'chunked',
    'gzip',
    'Connection: upgrade\r\n',
    'Upgrade: websocket\r\n',
  ],
  ...[
    'Upgrade: h2c\r\n',
    'Expect: 100-continue\r\n',
    'Connection: close\r\n',
    'hello',
    '0\r\n\r\n',
  ],
  ...['5\r\nhello\r\n', 'ffffffffffffffffff\r\n', 'Proxy-Authorization: Basic eDp5\r\n', '\0', 'é'],
  ...[
    'X: y\r\n',
    ' folded\r\n',
    'GET http://a.example/ HTTP/1.1\r\nHost: a\r\n\r\n',
    ':',
    'x'.repeat(9000),
  ],
)
const http = fc
  .array(word, { minLength: 1, maxLength: 24 })
  .map((words) => Buffer.from(words.join(''), 'latin1'))

const input = fc.oneof(
  socks.map(([head, rest]) => Uint8Array.from([...head, ...rest])),
  http,
  http.map((rest) =>
    Buffer.concat([Buffer.from('POST http://a.example/ HTTP/1.1\r\nHost: a\r\n'), rest]),
  ),
  fc.uint8Array({ maxLength: 300 }),
)

t.test(
  'rubbish is answered or closed, and forgotten',
  { timeout: 4 * FUZZ_MS + 60_000 },
  async (t) => {
    const failed = () => Promise.reject(new PvpnError('ERR_NAME', 'no such name'))
    const proxy = await startProxy(t, {
      environment: fakeEnvironment({ dial: failed, lookup: failed, reverse: failed }),
      timeouts: { head: 1_500, idle: 500, linger: 500, bind: 100, halfClosed: 500 },
    })
    await fc.assert(
      fc.asyncProperty(
        input,
        fc.array(fc.nat(), { maxLength: 4 }),
        fc.boolean(),
        async (bytes, cuts, reset) => {
          const client = await RawClient.open(proxy.port)
          for (const piece of pieces(bytes, cuts)) {
            client.send(piece)
            await new Promise((resolve) => setImmediate(resolve))
          }
          if (reset) client.reset()
          else {
            client.socket.end()
            await client.until(() => client.ended || client.closed, 'an end', 20_000)
            client.close()
          }
        },
      ),
      { ...fuzzRun, interruptAfterTimeLimit: 3 * FUZZ_MS } as fc.Parameters<
        [Uint8Array, number[], boolean]
      >,
    )
    await eventually(() => proxy.listener.openConnections === 0, 'all forgotten', 10_000)
    t.ok(proxy.listener.counters.accepted > 0)
  },
)
