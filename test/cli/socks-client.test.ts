import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { connectThroughSocks } from '../../src/cli/socks-client.js'
import type { ListenAddress, ProxyUser } from '../../src/core/options.js'
import type { Target } from '../../src/core/types.js'

/** A listener that answers with these bytes, one piece per message, cut into single bytes. */
async function listener(t: Test, answers: readonly (readonly number[])[]) {
  const heard: string[] = []
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    const left = [...answers]
    socket.on('error', () => {})
    socket.on('data', async (bytes) => {
      heard.push(bytes.toString('hex'))
      for (const byte of left.shift() ?? []) {
        socket.write(Uint8Array.of(byte))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = server.address() as { port: number }
  const proxy: ListenAddress = { kind: 'tcp', address: '127.0.0.1', port }
  const through = async (target: Target, user?: ProxyUser) => {
    const socket = await connectThroughSocks({ proxy, target, user: async () => user })
    t.teardown(() => socket.destroy())
    return socket
  }
  return { heard, through }
}

const OPEN = [5, 0]
const DONE = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]

t.test('targets as the protocol writes them', async (t) => {
  const cases: readonly (readonly [Target, string])[] = [
    [{ host: '10.0.0.1', port: 80 }, '050100010a0000010050'],
    [{ host: 'fd00::1', port: 65_535 }, `05010004fd${'00'.repeat(14)}01ffff`],
    [{ host: 'a.b', port: 1 }, '0501000303612e620001'],
    [{ host: 'n'.repeat(255), port: 1 }, `05010003ff${'6e'.repeat(255)}0001`],
  ]
  for (const [target, request] of cases) {
    const { heard, through } = await listener(t, [OPEN, DONE])
    await through(target)
    t.same(heard, ['05020002', request])
  }
})

t.test(
  'the address in the reply may be of any kind, and what follows it is the stream',
  async (t) => {
    const addresses = [
      [1, 0, 0, 0, 0, 0, 0],
      [4, ...new Array<number>(18).fill(0)],
      [3, 2, 120, 120, 0, 0],
      [3, 0, 0, 0],
    ]
    for (const address of addresses) {
      const early = [...Buffer.from('banner')]
      const { through } = await listener(t, [OPEN, [5, 0, 0, ...address, ...early]])
      const socket = await through({ host: 'a', port: 1 })
      let got = ''
      socket.on('data', (bytes) => {
        got += bytes
      })
      socket.resume()
      for (let i = 0; i < 200 && got !== 'banner'; i++) {
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      t.equal(got, 'banner')
    }
  },
)

t.test('each refusal has its code', async (t) => {
  const codes = [
    'ERR_RESOLVER',
    'ERR_DENIED',
    'ERR_NET_UNREACHABLE',
    'ERR_HOST_UNREACHABLE',
    'ERR_REFUSED',
    'ERR_TIMEOUT',
    'ERR_UNSUPPORTED',
    'ERR_UNSUPPORTED',
    'ERR_PROTOCOL',
  ]
  for (const [i, code] of codes.entries()) {
    const { through } = await listener(t, [OPEN, [5, i + 1, 0, 1, 0, 0, 0, 0, 0, 0]])
    await t.rejects(through({ host: 'a', port: 1 }), { code }, `reply ${i + 1}`)
  }
})

t.test('login, and what goes wrong with it', async (t) => {
  const user = { name: 'u', password: 'pä' }
  const { heard, through } = await listener(t, [[5, 2], [1, 0], DONE])
  await through({ host: 'a', port: 1 }, user)
  t.equal(heard[1], '01017503' + '70c3a4')
  const refused = await listener(t, [
    [5, 2],
    [1, 1],
  ])
  await t.rejects(refused.through({ host: 'a', port: 1 }, user), { code: 'ERR_AUTH' })
  const nobody = await listener(t, [[5, 2]])
  await t.rejects(nobody.through({ host: 'a', port: 1 }), { code: 'ERR_AUTH' })
  const none = await listener(t, [[5, 255]])
  await t.rejects(none.through({ host: 'a', port: 1 }, user), { code: 'ERR_AUTH' })
  const http = await listener(t, [[...Buffer.from('HTTP/1.1 400')]])
  await t.rejects(http.through({ host: 'a', port: 1 }), { code: 'ERR_PROTOCOL' })
})
