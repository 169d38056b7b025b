import { once } from 'node:events'
import t from 'tap'
import { PvpnError } from '../../src/core/errors.js'
import { StreamDuplex } from '../../src/io/stream-duplex.js'
import { eventually, FakeStream } from '../support/fake-stream.js'

function make(room?: number): { stream: FakeStream; duplex: StreamDuplex } {
  const stream = new FakeStream()
  if (room !== undefined) stream.room = room
  return { stream, duplex: new StreamDuplex(stream) }
}

t.test('reads to the end, and writes to its own', async (t) => {
  const { stream, duplex } = make()
  let got = ''
  let ended = false
  duplex.on('data', (chunk) => {
    got += chunk
  })
  duplex.on('end', () => {
    ended = true
  })
  stream.receive('one ')
  await eventually(() => got === 'one ')
  stream.receive('two', true)
  await eventually(() => ended)
  t.equal(got, 'one two')
  t.notOk(stream.finished, 'half-open')
  duplex.end('bye')
  await once(duplex, 'finish')
  t.equal(stream.text, 'bye')
  t.ok(stream.finished)
})

t.test('short writes wait for room', async (t) => {
  const { stream, duplex } = make(3)
  let done = false
  duplex.write('abcdef', () => {
    done = true
  })
  t.equal(stream.text, 'abc')
  stream.drain(1)
  t.equal(stream.text, 'abcd')
  t.notOk(done)
  stream.drain(10)
  await eventually(() => done)
  t.equal(stream.text, 'abcdef')
  duplex.destroy()
})

t.test('is not read while nobody wants it', async (t) => {
  const { stream, duplex } = make()
  duplex.on('data', () => {})
  duplex.pause()
  for (let i = 0; i < 100; i++) {
    stream.receive(Buffer.alloc(65_536))
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.ok(duplex.readableLength <= 2 * 65_536)
  duplex.destroy()
})

t.test('a failure destroys, after what came before it', async (t) => {
  const { stream, duplex } = make()
  const error = new PvpnError('ERR_RESET', 'reset')
  duplex.on('data', () => {})
  stream.onClose(error)
  const [thrown] = await once(duplex, 'error')
  t.equal(thrown.code, 'ECONNRESET')
  t.equal(duplex.failure, error)
  t.notOk(stream.aborted, 'it is closed already')
})

t.test('destroying aborts the stream, and settles a write that waits', async (t) => {
  const { stream, duplex } = make(0)
  duplex.on('error', () => {})
  let settled = false
  duplex.write('x', () => {
    settled = true
  })
  duplex.destroy()
  await eventually(() => settled)
  t.ok(stream.aborted)
})

t.test(
  'both ends in peace: what was written is still delivered, not cut off by a reset',
  async (t) => {
    for (const first of ['read', 'write'] as const) {
      const { stream, duplex } = make()
      duplex.resume()
      if (first === 'write') {
        duplex.end('bye')
        await once(duplex, 'finish')
      }
      stream.receive('hello', true)
      await once(duplex, 'end')
      if (first === 'read') duplex.end('bye')
      if (!duplex.closed) await once(duplex, 'close')
      t.ok(stream.finished)
      t.notOk(stream.aborted, `${first} first`)
    }
  },
)

t.test('detaching gives the stream back with what was not used', async (t) => {
  const { stream, duplex } = make()
  stream.receive('unused')
  duplex.read(0)
  t.equal(Buffer.from(duplex.detach() ?? []).toString(), 'unused')
  await eventually(() => duplex.closed)
  t.notOk(stream.aborted)
  stream.receive('mine')
  t.equal(Buffer.from(stream.read() ?? []).toString(), 'mine')
})
