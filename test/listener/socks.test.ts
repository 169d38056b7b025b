import t from 'tap'
import { type ErrorCode, PvpnError } from '../../src/core/errors.js'
import { fakeEnvironment } from '../support/fake-environment.js'
import {
  type Cleaner,
  RawClient,
  socks5Request,
  startProxy,
  startServer,
} from '../support/proxy.js'

const users = [
  { name: 'ann', password: 'correct horse' },
  { name: 'bob', password: '' },
]
const text = (s: string) => [...Buffer.from(s)]
const credentials = (name: string, password: string) => [
  1,
  name.length,
  ...text(name),
  password.length,
  ...text(password),
]
const named = (command: number, name: string, port: number) => [
  ...[5, command, 0, 3, name.length],
  ...text(name),
  ...[port >> 8, port & 255],
]

async function greet(t: Cleaner, port: number): Promise<RawClient> {
  const client = await RawClient.open(port)
  t.teardown(() => client.close())
  client.send([5, 1, 0])
  await client.take(2)
  return client
}

t.test('SOCKS5 chooses the method', async (t) => {
  const open = await startProxy(t)
  const closed = await startProxy(t, { users })
  const cases: [number, number[], number[]][] = [
    [open.port, [5, 1, 0], [5, 0]],
    [open.port, [5, 2, 2, 0], [5, 0]],
    [open.port, [5, 1, 2], [5, 2]],
    [open.port, [5, 1, 1], [5, 0xff]],
    [open.port, [5, 0], [5, 0xff]],
    [closed.port, [5, 2, 0, 2], [5, 2]],
    [closed.port, [5, 1, 0], [5, 0xff]],
  ]
  for (const [port, greeting, answer] of cases) {
    const client = await RawClient.open(port)
    client.send(greeting)
    t.same([...(await client.take(2))], answer)
    if (answer[1] === 0xff) t.equal(await client.rest(), '', 'closed')
    client.close()
  }
})

t.test('SOCKS5 users', async (t) => {
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const proxy = await startProxy(t, { users })
  const cases: [string, string, boolean][] = [
    ['ann', 'correct horse', true],
    ['bob', '', true],
    ['ann', 'correct hors', false],
    ['ann', '', false],
    ['', 'correct horse', false],
    ['anncorrect', ' horse', false],
    ['eve', 'correct horse', false],
  ]
  for (const [name, password, good] of cases) {
    const client = await RawClient.open(proxy.port)
    client.send([5, 1, 2])
    await client.take(2)
    client.send(credentials(name, password))
    t.same([...(await client.take(2))], [1, good ? 0 : 1], `${name}:${password}`)
    if (good) {
      client.send(socks5Request(1, echo.port))
      t.equal((await client.take(10))[1], 0)
      t.equal([...proxy.listener.connections()].find((c) => c.user === name)?.protocol, 'socks5')
    } else t.equal(await client.rest(), '', 'closed')
    client.close()
  }
})

t.test('a proxy without users takes any password from clients that insist', async (t) => {
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const proxy = await startProxy(t)
  const client = await RawClient.open(proxy.port)
  client.send([5, 1, 2, ...credentials('any', 'thing'), ...socks5Request(1, echo.port)])
  t.same([...(await client.take(6))], [5, 2, 1, 0, 5, 0])
  client.close()
})

t.test('byte by byte is as good as whole', async (t) => {
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const proxy = await startProxy(t, { users })
  const client = await RawClient.open(proxy.port)
  const all = [
    ...[5, 1, 2],
    ...credentials('ann', 'correct horse'),
    ...named(1, 'localhost', echo.port),
    ...text('hello'),
  ]
  for (const byte of all) {
    client.send([byte])
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.same([...(await client.take(4))], [5, 2, 1, 0])
  const reply = await client.take(10)
  t.equal(reply[1], 0)
  client.socket.end()
  t.equal(await client.rest(), 'hello')
})

const replies: Record<ErrorCode, [socks5: number, http: number]> = {
  ERR_ABORTED: [1, 502],
  ERR_AUTH: [2, 407],
  ERR_CONFIG: [1, 500],
  ERR_DENIED: [2, 403],
  ERR_DOWN: [3, 503],
  ERR_HOST_UNREACHABLE: [4, 502],
  ERR_INTERNAL: [1, 500],
  ERR_LIMIT: [1, 503],
  ERR_NAME: [4, 502],
  ERR_NET_UNREACHABLE: [3, 502],
  ERR_PROTOCOL: [1, 502],
  ERR_REFUSED: [5, 502],
  ERR_RESET: [1, 502],
  ERR_RESOLVER: [1, 504],
  ERR_TIMEOUT: [6, 504],
  ERR_UNSUPPORTED: [7, 501],
}

for (const [code, [socks5, http]] of Object.entries(replies)) {
  for (const where of ['route', 'dial']) {
    t.test(`${code} of ${where} is told to every kind of client`, async (t) => {
      const error = new PvpnError(code as ErrorCode, 'said "so" \xe9')
      const environment = fakeEnvironment({ dial: () => Promise.reject(error) })
      const proxy = await startProxy(
        t,
        where === 'dial'
          ? { environment }
          : {
              route: () => {
                throw error
              },
            },
      )
      const five = await greet(t, proxy.port)
      five.send(named(1, 'db.example', 80))
      t.same([...(await five.take(10))], [5, socks5, 0, 1, 0, 0, 0, 0, 0, 0])
      t.equal(await five.rest(), '', 'closed')

      const four = await RawClient.open(proxy.port)
      four.send([4, 1, 0, 80, 10, 0, 0, 1, 0])
      t.same([...(await four.take(8))], [0, 91, 0, 0, 0, 0, 0, 0])
      t.equal(await four.rest(), '', 'closed')

      for (const request of [
        'CONNECT db.example:80 HTTP/1.1\r\nHost: db.example:80\r\n\r\n',
        'GET http://db.example/ HTTP/1.1\r\nHost: db.example\r\nConnection: close\r\n\r\n',
        'GET http://db.example/ HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
      ]) {
        const client = await RawClient.open(proxy.port)
        client.send(request)
        const answer = await client.rest()
        t.match(answer, new RegExp(`^HTTP/1\\.1 ${http} `))
        const details = code === 'ERR_INTERNAL' ? 'internal error' : 'said \\\\"so\\\\" \\?'
        t.match(
          answer,
          new RegExp(`\r\nProxy-Status: pvpn; error=[a-z_]+; details="${details}"\r\n`),
        )
        t.match(answer, 'environment lab')
        client.close()
      }
    })
  }
}

t.test('what SOCKS5 does not know is refused', async (t) => {
  const proxy = await startProxy(t)
  const unknownCommand = await greet(t, proxy.port)
  unknownCommand.send(socks5Request(9, 80))
  t.equal((await unknownCommand.take(10))[1], 7)
  const unknownAddress = await greet(t, proxy.port)
  unknownAddress.send([5, 1, 0, 2, 1, 2, 3, 4, 5])
  t.equal((await unknownAddress.take(10))[1], 8)
  for (const name of ['', 'a b', 'a\0b', 'a/b', 'a@b', 'a\r\nb']) {
    const badName = await greet(t, proxy.port)
    badName.send(named(1, name, 80))
    t.equal((await badName.take(10))[1], 4, JSON.stringify(name))
  }
  const portZero = await greet(t, proxy.port)
  portZero.send(socks5Request(1, 0))
  t.equal((await portZero.take(10))[1], 5)
  const wrongVersion = await greet(t, proxy.port)
  wrongVersion.send([4, 1, 0, 1, 127, 0, 0, 1, 0, 80])
  t.equal(await wrongVersion.rest(), '')
})

t.test('SOCKS4 bounds its fields and refuses what it does not know', async (t) => {
  const proxy = await startProxy(t)
  const unknown = await RawClient.open(proxy.port)
  unknown.send([4, 9, 0, 80, 127, 0, 0, 1, 0])
  t.equal((await unknown.take(8))[1], 91)
  for (const long of [
    [4, 1, 0, 80, 127, 0, 0, 1, ...new Array<number>(300).fill(65)],
    [4, 1, 0, 80, 0, 0, 0, 1, 0, ...new Array<number>(300).fill(65)],
  ]) {
    const client = await RawClient.open(proxy.port)
    client.send(long)
    t.equal((await client.take(8))[1], 91)
    client.close()
  }
  const echo = await startServer(t, (socket) => socket.pipe(socket))
  const named = await RawClient.open(proxy.port)
  const head = [4, 1, echo.port >> 8, echo.port & 255, 0, 0, 0, 1, 65, 0]
  named.send([...head, ...text('localhost'), 0, ...text('early')])
  t.equal((await named.take(8))[1], 90)
  named.socket.end()
  t.equal(await named.rest(), 'early')
})

t.test('RESOLVE and RESOLVE_PTR answer with what the environment knows', async (t) => {
  const environment = fakeEnvironment({
    lookup: async (name) => (name === 'six.example' ? ['fd00::7', '10.0.0.7'] : ['10.0.0.7']),
    reverse: async (address) => [`host-${address.replaceAll(/[.:]/g, '-')}.example`],
  })
  const proxy = await startProxy(t, { environment })
  const four = await greet(t, proxy.port)
  four.send(named(0xf0, 'four.example', 0))
  t.same([...(await four.take(10))], [5, 0, 0, 1, 10, 0, 0, 7, 0, 0])
  const six = await greet(t, proxy.port)
  six.send(named(0xf0, 'six.example', 0))
  const reply = await six.take(22)
  t.same([...reply.subarray(0, 6), reply[19]], [5, 0, 0, 4, 0xfd, 0, 7])
  for (const request of [
    [5, 0xf1, 0, 1, 10, 0, 0, 7, 0, 0],
    [5, 0xf1, 0, 3, 8, ...text('10.0.0.7'), 0, 0],
  ]) {
    const back = await greet(t, proxy.port)
    back.send(request)
    const answer = await back.take(4 + 1 + 21 + 2)
    t.same([...answer.subarray(0, 5)], [5, 0, 0, 3, 21])
    t.equal(answer.subarray(5, 26).toString(), 'host-10-0-0-7.example')
  }
})

t.test('RESOLVE tells what failed', async (t) => {
  const environment = fakeEnvironment({
    lookup: () => Promise.reject(new PvpnError('ERR_NAME', 'no such name')),
    reverse: () => Promise.reject(new PvpnError('ERR_RESOLVER', 'silent')),
  })
  const proxy = await startProxy(t, { environment })
  const client = await greet(t, proxy.port)
  client.send(named(0xf0, 'x.example', 0))
  t.equal((await client.take(10))[1], 4)
  const back = await greet(t, proxy.port)
  back.send([5, 0xf1, 0, 1, 10, 0, 0, 7, 0, 0])
  t.equal((await back.take(10))[1], 1)
})

t.test('BIND tells its port, then who came, and joins', async (t) => {
  const proxy = await startProxy(t)
  const five = await greet(t, proxy.port)
  five.send([5, 2, 0, 1, 127, 0, 0, 1, 0, 0])
  const first = await five.take(10)
  t.equal(first[1], 0)
  const caller = await RawClient.open(first.readUInt16BE(8))
  const second = await five.take(10)
  t.same([...second.subarray(0, 8)], [5, 0, 0, 1, 127, 0, 0, 1])
  t.equal(second.readUInt16BE(8), caller.socket.localPort)
  caller.send('from inside')
  t.equal((await five.take(11)).toString(), 'from inside')
  five.send('back')
  five.socket.end()
  t.equal(await caller.rest(), 'back')
  caller.close()

  const four = await RawClient.open(proxy.port)
  four.send([4, 2, 0, 0, 127, 0, 0, 1, 0])
  const told = await four.take(8)
  t.equal(told[1], 90)
  const other = await RawClient.open(told.readUInt16BE(2))
  t.same([...(await four.take(8))].slice(4), [127, 0, 0, 1])
  other.socket.end('bye')
  t.equal(await four.rest(), 'bye')
  four.close()
})

t.test('BIND gives up when nobody comes, and lets only the expected caller in', async (t) => {
  const proxy = await startProxy(t, { timeouts: { bind: 50 } })
  const client = await greet(t, proxy.port)
  client.send([5, 2, 0, 1, 127, 0, 0, 2, 0, 0])
  const first = await client.take(10)
  // Turned away, perhaps before it has noticed that it was connected.
  const stranger = await RawClient.open(first.readUInt16BE(8)).catch(() => undefined)
  await stranger?.until(() => stranger.closed, 'turned away')
  t.equal((await client.take(10))[1], 6)
  t.equal(await client.rest(), '')
})

t.test('a connection that fails later is a reset, not an end', async (t) => {
  const server = await startServer(t, (socket) => {
    socket.on('data', () => socket.resetAndDestroy())
  })
  const proxy = await startProxy(t)
  const client = await greet(t, proxy.port)
  client.send(socks5Request(1, server.port))
  await client.take(10)
  client.send('x')
  await client.until(() => client.closed, 'reset')
  t.equal(client.failed?.code, 'ECONNRESET')
})

t.test('a client that resets resets its target', async (t) => {
  let failed: (code: string | undefined) => void = () => {}
  const reset = new Promise<string | undefined>((resolve) => {
    failed = resolve
  })
  const server = await startServer(t, (socket) => {
    socket.on('error', (error: NodeJS.ErrnoException) => failed(error.code))
    socket.on('end', () => failed('end'))
    socket.resume()
  })
  const proxy = await startProxy(t)
  const client = await greet(t, proxy.port)
  client.send(socks5Request(1, server.port))
  await client.take(10)
  client.reset()
  t.equal(await reset, 'ECONNRESET')
})

t.test('a client that goes while it is being connected takes the attempt with it', async (t) => {
  let aborted: () => void = () => {}
  const gone = new Promise<void>((resolve) => {
    aborted = resolve
  })
  const environment = fakeEnvironment({
    dial: (_target, options) =>
      new Promise((_resolve, reject) => {
        options?.signal?.addEventListener('abort', () => {
          aborted()
          reject(new PvpnError('ERR_ABORTED', 'given up'))
        })
      }),
  })
  const proxy = await startProxy(t, { environment })
  const client = await greet(t, proxy.port)
  client.send(socks5Request(1, 80))
  await new Promise((resolve) => setTimeout(resolve, 30))
  client.reset()
  await gone
  t.pass('aborted')
})

t.test('an environment that never answers is timed out', async (t) => {
  const environment = fakeEnvironment({ dial: () => new Promise(() => {}) })
  const proxy = await startProxy(t, { environment, connectTimeout: -0.9 })
  const client = await greet(t, proxy.port)
  client.send(socks5Request(1, 80))
  t.equal((await client.take(10))[1], 6)
})
