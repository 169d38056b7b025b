import t from 'tap'
import { PIECE_MOST } from '../../src/core/allocator.js'
import { PvpnError } from '../../src/core/errors.js'
import { HostSocket } from '../../src/io/host-socket.js'
import type { LeanSocket } from '../../src/io/lean-socket.js'
import { rawMemory } from '../../src/io/raw-memory.js'
import { Relay, type RelayOptions } from '../../src/io/relay.js'
import { eventually, FakeStream } from '../support/fake-stream.js'
import { LEAN_IMPLEMENTATIONS, type LeanImplementation, leanPair } from '../support/lean-sockets.js'
import type { Cleaner, RawClient } from '../support/proxy.js'

interface Joined {
  readonly client: RawClient
  readonly socket: LeanSocket
  readonly stream: FakeStream
  readonly relay: Relay
  readonly done: (PvpnError | undefined)[]
}

async function joined(
  t: Cleaner,
  twin: LeanImplementation,
  options: RelayOptions = {},
  room?: number,
): Promise<Joined> {
  const { client, socket } = await leanPair(t, twin)
  const stream = new FakeStream()
  if (room !== undefined) stream.room = room
  const done: (PvpnError | undefined)[] = []
  const relay = new Relay(socket, stream, { ...options, onDone: (error) => done.push(error) })
  return { client, socket, stream, relay, done }
}

for (const twin of LEAN_IMPLEMENTATIONS) {
  t.test(`over ${twin.name}`, { skip: twin.skip }, async (t) => {
    t.test('bytes pass both ways, and are counted', async (t) => {
      const { client, stream, relay } = await joined(t, twin, { head: Buffer.from('head ') })
      client.send('up')
      await eventually(() => stream.text === 'head up')
      stream.receive('down')
      t.equal(await client.takeUntil('down'), 'down')
      t.equal(relay.bytesUp, 7)
      t.equal(relay.bytesDown, 4)
    })

    t.test('the client ends first', async (t) => {
      const { client, stream, done } = await joined(t, twin)
      client.send('up')
      client.socket.end()
      await eventually(() => stream.finished)
      t.equal(stream.text, 'up')
      stream.receive('down', true)
      t.equal(await client.rest(), 'down')
      stream.onClose()
      await eventually(() => done.length === 1)
      t.equal(done[0], undefined)
      t.notOk(stream.aborted)
      t.notOk(client.failed)
    })

    t.test('the far side ends first', async (t) => {
      const { client, stream, done } = await joined(t, twin)
      stream.receive('down', true)
      t.equal(await client.rest(), 'down')
      client.send('up')
      await eventually(() => stream.text === 'up')
      t.notOk(stream.finished)
      client.socket.end()
      await eventually(() => stream.finished)
      stream.onClose()
      await eventually(() => done.length === 1)
      t.notOk(stream.aborted)
    })

    t.test('a client that had ended before is ended on', async (t) => {
      const { stream } = await joined(t, twin, { head: Buffer.from('all'), ended: true })
      t.ok(stream.finished)
      t.equal(stream.text, 'all')
    })

    t.test(
      'a far side that does not read holds the client back, and gets all in the end',
      async (t) => {
        const { client, socket, stream } = await joined(
          t,
          twin,
          { head: Buffer.from('0123456789') },
          4,
        )
        t.equal(stream.text, '0123')
        t.ok(socket.paused)
        client.send(Buffer.alloc(8 << 20, 'x'))
        client.socket.end()
        await new Promise((resolve) => setTimeout(resolve, 50))
        t.equal(stream.text, '0123', 'nothing more is taken')
        t.ok(socket.bytesRead < 1 << 20, 'nor read')
        stream.drain(3)
        t.equal(stream.text, '0123456')
        stream.drain(1 << 30)
        await eventually(() => stream.finished)
        t.equal(stream.text.length, 10 + (8 << 20))
      },
    )

    t.test('what is held back is delivered after the client has closed', async (t) => {
      const { client, stream, done } = await joined(t, twin, {}, 0)
      client.send('up')
      await new Promise((resolve) => setTimeout(resolve, 20))
      client.socket.end()
      stream.receive('', true)
      await client.rest()
      stream.drain(100)
      await eventually(() => stream.finished)
      t.equal(stream.text, 'up')
      stream.onClose()
      await eventually(() => done.length === 1)
      t.notOk(stream.aborted)
    })

    t.test('memory is used again once nobody refers to it', async (t) => {
      const { client, socket, stream } = await joined(t, twin)
      const down = PIECE_MOST
      const give = (byte: number) => {
        const piece = rawMemory.allocate(down).fill(byte)
        let left: Uint8Array | undefined = piece
        stream.read = () => {
          const bytes = left
          left = undefined
          return bytes
        }
        stream.onReadable()
      }
      rawMemory.forget()
      give(1)
      await client.take(down)
      await eventually(() => rawMemory.kept === down, 'what was sent is at hand')
      client.socket.pause()
      for (let i = 0; i < 100 && rawMemory.kept === down; i++) give(2)
      t.equal(rawMemory.kept, 0, 'not while it waits')
      client.socket.resume()
      await eventually(() => rawMemory.kept === down, 'what was waiting is at hand')

      rawMemory.forget()
      let taken = 0
      stream.write = (bytes) => {
        taken += bytes.length
        rawMemory.release(bytes)
        return bytes.length
      }
      client.send(Buffer.alloc(1 << 20, 'c'))
      await eventually(() => taken === 1 << 20)
      // Node reads into memory of its own.
      t.equal(rawMemory.kept > 0, !(socket instanceof HostSocket), 'what the stream has let go of')
    })

    t.test('a client that does not read holds the far side back', async (t) => {
      const { client, stream } = await joined(t, twin)
      client.socket.pause()
      stream.receive(Buffer.alloc(16 << 20, 'x'))
      const reads = stream.reads
      stream.receive('last', true)
      t.equal(stream.reads, reads, 'the stream is not read')
      client.socket.resume()
      await client.until(() => client.ended, 'end')
      t.equal(client.received.length, (16 << 20) + 4)
    })

    t.test('a stream that fails resets the client, after what came before', async (t) => {
      const { client, stream, done } = await joined(t, twin)
      stream.receive('before')
      await client.takeUntil('before')
      const error = new PvpnError('ERR_RESET', 'reset')
      stream.onClose(error)
      await client.until(() => client.closed, 'reset')
      t.equal(client.failed?.code, 'ECONNRESET')
      t.notOk(client.ended)
      t.same(done, [error])
    })

    t.test('a stream that fails resets a client that does not read', async (t) => {
      const { client, stream, socket } = await joined(t, twin)
      client.socket.pause()
      stream.receive(Buffer.alloc(16 << 20, 'x'))
      stream.onClose(new PvpnError('ERR_DOWN', 'down'))
      t.ok(socket.closed)
      client.socket.resume()
      await client.until(() => client.closed, 'reset')
      t.equal(client.failed?.code, 'ECONNRESET')
    })

    t.test('a client that resets aborts the stream', async (t) => {
      const { client, stream, done } = await joined(t, twin)
      client.reset()
      await eventually(() => stream.aborted)
      t.notOk(stream.finished)
      t.equal(done.length, 1)
    })

    t.test('a client that is gone when data comes aborts the stream', async (t) => {
      const { client, stream } = await joined(t, twin)
      client.close()
      await eventually(() => stream.finished)
      for (let i = 0; i < 50 && !stream.aborted; i++) {
        stream.receive('more')
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      t.ok(stream.aborted)
    })

    t.test('abort resets both sides', async (t) => {
      const { client, stream, relay, done } = await joined(t, twin)
      relay.abort()
      relay.abort()
      t.ok(stream.aborted)
      await client.until(() => client.closed, 'reset')
      t.equal(client.failed?.code, 'ECONNRESET')
      t.equal(done.length, 1)
    })
  })
}
