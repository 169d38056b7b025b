/**
 * Two listeners as gateway and environment: what the first decides is all that the second reaches,
 * whatever the bytes are and however they come.
 */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { HandedConnection } from '../../src/core/admission.js'
import { PvpnError } from '../../src/core/errors.js'
import type { Target } from '../../src/core/types.js'
import { startReading } from '../../src/io/socket-reading.js'
import { parseHttpHead } from '../../src/listener/http-head.js'
import { fakeEnvironment } from '../support/fake-environment.js'
import { FUZZ_MS, fuzzRun, pieces } from '../support/fuzz.js'
import { RawClient, startProxy } from '../support/proxy.js'

const ALLOWED: Target = { host: 'allowed.example', port: 80 }

/** Everything but ALLOWED is refused; `dialled` is what was reached all the same. */
async function gateway(t: Test, timeouts = {}) {
  const dialled: Target[] = []
  const environment = fakeEnvironment({
    dial: async (target) => {
      dialled.push(target)
      throw new PvpnError('ERR_REFUSED', 'nobody listens')
    },
  })
  const inside = await startProxy(t, { environment })
  const outside = await startProxy(t, {
    place: 'policy port',
    timeouts,
    route: () => {
      throw new Error('nothing is served here')
    },
    divert: {
      connection: async ({ session }, { target }) => {
        if (target.host !== ALLOWED.host || target.port !== ALLOWED.port) {
          throw new PvpnError('ERR_DENIED', 'not allowed')
        }
        return (socket, head) => {
          const admission = { asked: target, host: 'true.example' }
          const handed: HandedConnection = { listener: session.listener, head, admission }
          startReading(socket)
          inside.listener.accept(socket, handed)
        }
      },
      datagram: async () => {
        throw new PvpnError('ERR_DENIED', 'not allowed')
      },
      enter: async () => {
        throw new PvpnError('ERR_DOWN', 'down')
      },
    },
  })
  return { port: outside.port, dialled }
}

/** Ends a little later: within one process the end can't be handed over with the rest. */
async function answered(client: RawClient): Promise<void> {
  const timer = setTimeout(() => client.socket.end(), 20)
  await client.rest()
  clearTimeout(timer)
}

const name = (command: number, host: string, port: number) => [
  ...[5, command, 0, 3, host.length],
  ...Buffer.from(host),
  ...[port >> 8, port & 255],
]

const SEEDS: readonly (readonly number[])[] = [
  [5, 1, 0, ...name(1, 'allowed.example', 80)],
  [5, 1, 0, ...name(1, 'denied.example', 80)],
  [5, 1, 0, ...name(2, 'allowed.example', 80)],
  [5, 1, 0, ...name(0xf0, 'allowed.example', 80)],
  [4, 1, 0, 80, 0, 0, 0, 1, 0, ...Buffer.from('allowed.example'), 0],
  [...Buffer.from('GET http://allowed.example/ HTTP/1.1\r\nHost: denied.example\r\n\r\n')],
  [...Buffer.from('GET http://denied.example/ HTTP/1.1\r\nHost: allowed.example\r\n\r\n')],
  [
    ...Buffer.from(
      'CONNECT allowed.example:80 HTTP/1.1\r\nHost: a\r\n\r\nGET http://denied.example/ HTTP/1.1\r\n\r\n',
    ),
  ],
  [
    ...Buffer.from(
      'POST http://allowed.example/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET http://denied.example/ HTTP/1.1\r\n\r\n',
    ),
  ],
  [
    ...Buffer.from(
      '\r\nGET http://allowed.example:80/ HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
    ),
  ],
]

t.test('what was allowed is reached under its true name, once', async (t) => {
  const { port, dialled } = await gateway(t)
  for (const seed of SEEDS) {
    const client = await RawClient.open(port)
    client.send(seed)
    await answered(client)
    client.close()
  }
  t.same(
    dialled,
    [0, 4, 5, 7, 8, 9].map(() => ({ host: 'true.example', port: 80 })),
  )
})

t.test('a head that does not come to its end is answered, and closed', async (t) => {
  const { port } = await gateway(t, { head: 50 })
  const client = await RawClient.open(port)
  client.send('GET http://allowed.example/ HTTP/1.1\r\nHost:')
  t.match(await client.rest(), /^HTTP\/1.1 408 /)
  const socks = await RawClient.open(port)
  socks.send([5, 1])
  await socks.until(() => socks.closed, 'the end')
})

t.setTimeout(2 * FUZZ_MS + 30_000)

t.test('changed bytes, in pieces: nothing else is ever reached', async (t) => {
  const { port, dialled } = await gateway(t)
  const change = fc.record({ at: fc.nat(), byte: fc.nat(255), kind: fc.nat(2) })
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...SEEDS),
      fc.array(change, { maxLength: 4 }),
      fc.array(fc.nat(), { maxLength: 3 }),
      async (seed, changes, cuts) => {
        const bytes = [...seed]
        for (const { at, byte, kind } of changes) {
          bytes.splice(at % (bytes.length + 1), kind === 0 ? 0 : 1, ...(kind === 2 ? [] : [byte]))
        }
        const client = await RawClient.open(port)
        for (const piece of pieces(Uint8Array.from(bytes), cuts)) {
          client.send(piece)
          await new Promise(setImmediate)
        }
        await answered(client)
        client.close()
      },
    ),
    fuzzRun,
  )
  t.ok(dialled.length > 0)
  t.ok(dialled.every(({ host, port }) => host === 'true.example' && port === 80))
})

t.test('a head is found wherever it is cut, and rubbish is none', async () => {
  const bytes = fc.uint8Array({ maxLength: 200 })
  const line = fc.constantFrom('GET http://a/ HTTP/1.1', 'Host: a', 'X:  y ', ' folded', 'x', '')
  const text = fc.array(line, { maxLength: 6 }).map((lines) => Buffer.from(lines.join('\r\n')))
  fc.assert(
    fc.property(fc.oneof(bytes, text), (bytes) => {
      const whole = parseHttpHead(bytes, 1000)
      for (let length = 0; length < bytes.length; length++) {
        const part = parseHttpHead(bytes.subarray(0, length), 1000)
        if (part?.kind === 'done' && whole?.kind !== 'done') throw new Error('more bytes, no head')
      }
      if (whole?.kind === 'done' && whole.length !== 0) throw new Error('bytes were taken')
    }),
    fuzzRun,
  )
})
