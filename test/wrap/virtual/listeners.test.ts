import { constants } from 'node:os'
import t from 'tap'
import { PvpnError } from '../../../src/core/errors.js'
import type { ManagedEnvironment } from '../../../src/core/managed-environment.js'
import type { StreamListener } from '../../../src/core/stream.js'
import { Listeners } from '../../../src/wrap/virtual/listeners.js'
import { streamPair } from '../../../src/wrap/virtual/stream-pair.js'
import type { VirtualStream } from '../../../src/wrap/virtual/virtual-stream.js'
import { fakeEnvironment } from '../../support/fake-environment.js'

const { EADDRINUSE, EADDRNOTAVAIL, EINVAL } = constants.errno

function lab(taken: readonly number[] = []) {
  const inside = new Map<number, StreamListener>()
  const environment = {
    ...fakeEnvironment({
      listenTcp: async ({ port }) => {
        if (taken.includes(port)) throw new PvpnError('ERR_LIMIT', 'taken')
        const listener: StreamListener = {
          local: { address: '10.0.0.1', port },
          close: () => inside.delete(port),
          onConnection: () => {},
        }
        inside.set(port, listener)
        return listener
      },
    }),
    link: { addresses: ['10.0.0.1/24'], mtu: 1400, dns: [], search: [] },
  } as unknown as ManagedEnvironment
  return { listeners: new Listeners(environment), inside }
}

/** What a listener needs of a program's socket. */
function program(family: 4 | 6 = 4) {
  const socket = {
    family,
    local: undefined,
    options: new Map<string, Uint8Array>(),
    announced: 0,
    onRelease: () => {},
    listening: () => {},
    announce: () => {
      socket.announced++
    },
  }
  return socket as typeof socket & VirtualStream
}

t.test('places are given once', async (t) => {
  const { listeners } = lab()
  const at = (address: string, port: number) => ({ address, port })
  const first = program()
  t.same(listeners.bind(first, at('127.0.0.1', 80)), at('127.0.0.1', 80))
  t.throws(() => listeners.bind(first, at('127.0.0.1', 81)), { message: `errno ${EINVAL}` })
  t.throws(() => listeners.bind(program(), at('127.0.0.1', 80)), { message: `errno ${EADDRINUSE}` })
  t.throws(() => listeners.bind(program(), at('0.0.0.0', 80)), { message: `errno ${EADDRINUSE}` })
  t.throws(() => listeners.bind(program(6), at('::', 80)), { message: `errno ${EADDRINUSE}` })
  t.same(listeners.bind(program(), at('127.0.0.2', 80)), at('127.0.0.2', 80))
  t.throws(() => listeners.bind(program(), at('8.8.8.8', 80)), {
    message: `errno ${EADDRNOTAVAIL}`,
  })
  t.ok(listeners.bind(program(), at('10.0.0.1', 0)).port >= 16_384)
  first.onRelease()
  t.ok(listeners.bind(program(), at('127.0.0.1', 80)))
})

t.test(
  'loopback: a connection waits until it is taken, and no more than the backlog',
  async (t) => {
    const { listeners, inside } = lab()
    const server = program()
    const to = listeners.bind(server, { address: '127.0.0.1', port: 0 })
    t.throws(() => listeners.connect(to), { code: 'ERR_REFUSED' }, 'nobody listens')
    await listeners.listen(server, 2)
    t.equal(inside.size, 0, 'the tunnel has no port for it')
    const near = listeners.connect(to)
    listeners.connect(to)
    t.throws(() => listeners.connect(to), { code: 'ERR_REFUSED' })
    t.equal(server.announced, 2)
    const far = listeners.take(server)
    near.write(Buffer.from('hello'))
    t.equal(Buffer.from(far?.read() ?? '').toString(), 'hello')
    t.same(far?.remote, near.local)
    t.ok(listeners.take(server))
    t.equal(listeners.take(server), undefined)
    server.onRelease()
    t.notOk(listeners.listens(to))
  },
)

t.test('any address: in the tunnel too', async (t) => {
  const { listeners, inside } = lab([99])
  const server = program()
  listeners.bind(server, { address: '0.0.0.0', port: 8080 })
  await listeners.listen(server, 1)
  const [near, far] = streamPair(
    { address: '10.0.0.9', port: 5 },
    { address: '10.0.0.1', port: 80 },
  )
  inside.get(8080)?.onConnection(far)
  t.equal(listeners.take(server), far)
  t.ok(near)
  t.ok(listeners.listens({ address: '127.0.0.1', port: 8080 }))
  t.notOk(listeners.listens({ address: '::1', port: 8080 }))
  server.onRelease()
  t.equal(inside.size, 0)
  const other = program()
  listeners.bind(other, { address: '0.0.0.0', port: 99 })
  await t.rejects(listeners.listen(other, 1), { message: `errno ${EADDRINUSE}` })
  t.notOk(listeners.listens({ address: '127.0.0.1', port: 99 }))
})
