import { createServer, type Socket } from 'node:net'
import t from 'tap'
import type { PvpnError } from '../../src/core/errors.js'
import type { ByteStream } from '../../src/core/stream.js'
import { connectHost } from '../../src/io/host-connect.js'
import { onTrueEnd } from '../../src/io/true-end.js'
import { eventually } from '../support/fake-stream.js'
import { type Cleaner, startServer } from '../support/proxy.js'

interface Pair {
  readonly stream: ByteStream
  readonly far: Socket
  readonly received: string[]
  readonly closes: (PvpnError | undefined)[]
}

async function pair(t: Cleaner): Promise<Pair> {
  let accepted: (socket: Socket) => void = () => {}
  const accepting = new Promise<Socket>((resolve) => {
    accepted = resolve
  })
  const { port } = await startServer(t, (socket) => accepted(socket))
  const stream = await connectHost({ host: '127.0.0.1', port }, { timeout: 5000 })
  const received: string[] = []
  const closes: (PvpnError | undefined)[] = []
  stream.onReadable = () => {
    const bytes = stream.read()
    if (bytes !== undefined) received.push(Buffer.from(bytes).toString())
  }
  stream.onClose = (error) => closes.push(error)
  t.teardown(() => stream.abort())
  return { stream, far: await accepting, received, closes }
}

t.test('reads, writes, and both ends one after the other', async (t) => {
  const { stream, far, received, closes } = await pair(t)
  t.match(stream.remote, { address: '127.0.0.1', port: far.localPort })
  t.match(stream.local, { address: '127.0.0.1', port: far.remotePort })
  far.write('hello')
  await eventually(() => received.join('') === 'hello')
  t.equal(stream.read(), undefined)
  far.end('last')
  await eventually(() => stream.ended)
  t.equal(received.join(''), 'hellolast')
  t.equal(closes.length, 0)
  let got = ''
  far.on('data', (chunk) => {
    got += chunk
  })
  t.equal(stream.write(Buffer.from('late')), 4)
  stream.end()
  stream.end()
  t.equal(stream.write(Buffer.from('x')), 0)
  await eventually(() => closes.length === 1)
  t.same(closes, [undefined])
  t.equal(got, 'late')
})

t.test('pushes back while the far side does not read', async (t) => {
  const { stream, far } = await pair(t)
  far.pause()
  const chunk = Buffer.alloc(1 << 20, 'x')
  let taken = 0
  for (let n = stream.write(chunk); n > 0; n = stream.write(chunk)) taken += n
  t.ok(taken < 64 << 20, 'bounded')
  let writable = 0
  stream.onWritable = () => writable++
  let got = 0
  far.on('data', (bytes) => {
    got += bytes.length
  })
  far.resume()
  await eventually(() => got === taken && writable === 1)
  t.equal(writable, 1)
})

t.test('is not read ahead of its consumer', async (t) => {
  const { stream, far } = await pair(t)
  stream.onReadable = () => {}
  far.write(Buffer.alloc(32 << 20))
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.ok(far.writableLength > 1 << 20)
})

t.test('a reset is an error, ours is not told', async (t) => {
  const { far, closes } = await pair(t)
  far.resetAndDestroy()
  await eventually(() => closes.length === 1)
  t.equal(closes[0]?.code, 'ERR_RESET')
  const own = await pair(t)
  let failed: string | undefined
  own.far.on('error', (error: NodeJS.ErrnoException) => {
    failed = error.code
  })
  own.stream.write(Buffer.alloc(16 << 20))
  own.stream.abort()
  own.stream.abort()
  onTrueEnd(own.far, () => t.fail('taken for an end'))
  own.far.resume()
  await eventually(() => failed !== undefined)
  t.equal(failed, 'ECONNRESET', 'even with data queued')
  t.equal(own.closes.length, 0)
  t.equal(own.stream.write(Buffer.from('x')), 0)
})

t.test('a reset that comes with unread data is not taken for an end', async (t) => {
  const { stream, far, closes } = await pair(t)
  let got = 0
  stream.onReadable = () => {}
  await new Promise((resolve) => far.write(Buffer.alloc(150_000), resolve))
  far.resetAndDestroy()
  await new Promise((resolve) => setTimeout(resolve, 30))
  stream.onReadable = () => {
    got += stream.read()?.length ?? 0
  }
  stream.onReadable()
  await eventually(() => closes.length === 1)
  t.notOk(stream.ended)
  t.equal(closes[0]?.code, 'ERR_RESET')
  t.ok(got > 0)
})

t.test('dialling tells what failed', async (t) => {
  const dial = (host: string, port: number, options: object = {}) =>
    connectHost({ host, port }, { timeout: 5000, ...options })
  await t.rejects(dial('127.0.0.1', 1), { code: 'ERR_REFUSED' })
  await t.rejects(dial('localhost', 1), { code: 'ERR_REFUSED' })
  await t.rejects(dial('name.invalid', 80), { code: /^ERR_(NAME|RESOLVER)$/ })
  await t.rejects(dial('127.0.0.1', 1, { signal: AbortSignal.abort() }), { code: 'ERR_ABORTED' })
  // A full backlog drops SYNs: the port is there and never answers.
  const full = createServer()
  await new Promise<void>((resolve) =>
    full.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, resolve),
  )
  const address = full.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  t.ok(port)
  full.close()
  const late = new AbortController()
  const refused = dial('127.0.0.1', port, { signal: late.signal }).catch((e: PvpnError) => e.code)
  late.abort()
  t.match(await refused, /^ERR_(ABORTED|REFUSED)$/)
})

t.test('a reset before the user attends is told when he does, once', async (t) => {
  let accepted: Socket | undefined
  const { port } = await startServer(t, (socket) => {
    accepted = socket
  })
  const stream = await connectHost({ host: '127.0.0.1', port }, { timeout: 5000 })
  await eventually(() => accepted !== undefined)
  accepted?.resetAndDestroy()
  await eventually(() => stream.write(Buffer.from('x')) === 0, 'the reset')
  await new Promise((resolve) => setImmediate(resolve))
  const closes: (string | undefined)[] = []
  stream.onClose = (error) => closes.push(error?.code)
  t.same(closes, [], 'not from inside of the assignment')
  await eventually(() => closes.length > 0)
  stream.onClose = (error) => closes.push(`${error?.code} again`)
  await new Promise((resolve) => setImmediate(resolve))
  t.same(closes, ['ERR_RESET'])
})
