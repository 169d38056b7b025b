import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { LeanSocket } from '../../src/io/lean-socket.js'
import { startReading } from '../../src/io/socket-reading.js'
import { eventually } from '../support/fake-stream.js'
import {
  LEAN_IMPLEMENTATIONS,
  type LeanImplementation,
  LOOPBACK,
  leanPair,
} from '../support/lean-sockets.js'
import { RawClient } from '../support/proxy.js'

const MODULE = fileURLToPath(new URL('../../src/io/listen.js', import.meta.url))

/** What a connection has told, in its order. */
class Told {
  readonly events: string[] = []
  text = ''
  length = 0
  failed: boolean | undefined

  constructor(socket: LeanSocket) {
    socket.onData = (bytes) => {
      this.length += bytes.length
      if (this.text.length < 1000) this.text += Buffer.from(bytes).toString('latin1')
      if (this.events.at(-1) !== 'data') this.events.push('data')
    }
    socket.onEnd = () => this.events.push('end')
    socket.onDrain = () => this.events.push('drain')
    socket.onClose = (failed) => {
      this.failed = failed
      this.events.push('close')
    }
    socket.onGone = () => this.events.push('gone')
  }
}

/** Counts what a client gets, and keeps no more than is told apart. */
class Received {
  length = 0
  text = ''

  constructor({ socket }: RawClient) {
    socket.removeAllListeners('data')
    socket.on('data', (chunk) => {
      this.length += chunk.length
      this.text += chunk.toString('latin1').replaceAll('x', '')
    })
  }
}

for (const twin of LEAN_IMPLEMENTATIONS) {
  t.test(`over ${twin.name}`, { skip: twin.skip }, async (t) => {
    t.test('knows its ends, and hands nothing on before it is resumed', async (t) => {
      const { client, socket } = await leanPair(t, twin)
      const told = new Told(socket)
      client.send('early')
      await new Promise((resolve) => setTimeout(resolve, 20))
      t.same(told.events, [])
      t.ok(socket.paused)
      socket.resume()
      await eventually(() => told.text === 'early')
      t.equal(socket.bytesRead, 5)
      t.equal(socket.remoteAddress, '127.0.0.1')
      t.equal(socket.remotePort, client.socket.localPort)
      t.equal(socket.localAddress, '127.0.0.1')
      t.equal(socket.localPort, client.socket.remotePort)
      t.ok(socket.descriptor > 2)
    })

    t.test('ends in peace, the far side first', async (t) => {
      const { client, socket } = await leanPair(t, twin)
      const told = new Told(socket)
      socket.resume()
      client.send('all').socket.end()
      await eventually(() => told.events.includes('end'))
      t.same(told.events, ['data', 'end'])
      t.notOk(socket.closed)
      t.equal(socket.write(Buffer.from('answer')), true)
      socket.end(Buffer.from(' and end'))
      t.equal(await client.rest(), 'answer and end')
      t.equal(socket.bytesWritten, 14)
      await eventually(() => told.events.includes('gone'))
      t.same(told.events, ['data', 'end', 'close', 'gone'])
      t.equal(told.failed, false)
      t.equal(socket.descriptor, -1)
    })

    t.test('ends in peace, we first', async (t) => {
      const { client, socket } = await leanPair(t, twin)
      const told = new Told(socket)
      socket.resume()
      socket.end()
      t.ok(socket.ending)
      t.equal(socket.write(Buffer.from('late')), false)
      t.equal(await client.rest(), '')
      client.send('still')
      await eventually(() => told.text === 'still')
      client.socket.end()
      await eventually(() => told.events.includes('gone'))
      t.same(told.events, ['data', 'end', 'close', 'gone'])
      t.equal(told.failed, false)
    })

    t.test('what the kernel does not take waits, and goes before the end', async (t) => {
      const { client, socket } = await leanPair(t, twin)
      const told = new Told(socket)
      socket.resume()
      const received = new Received(client)
      client.socket.pause()
      const big = Buffer.alloc(16 << 20, 'x')
      t.equal(socket.write(big), false)
      t.equal(socket.write(Buffer.from('more')), false)
      await new Promise((resolve) => setTimeout(resolve, 20))
      t.same(told.events, [])
      client.socket.resume()
      await eventually(() => told.events.includes('drain'))
      client.socket.pause()
      socket.write(big)
      socket.end(Buffer.from('last'))
      client.socket.resume()
      await client.until(() => client.ended, 'end')
      t.equal(received.length, 2 * big.length + 8)
      t.equal(received.text, 'morelast')
    })

    t.test('a paused connection holds its client back, and gets all', async (t) => {
      const { client, socket } = await leanPair(t, twin)
      const told = new Told(socket)
      socket.resume()
      client.send('begin')
      await eventually(() => told.length === 5)
      socket.pause()
      client.send(Buffer.alloc(16 << 20, 'x'))
      client.socket.end()
      await new Promise((resolve) => setTimeout(resolve, 50))
      t.ok(told.length < 1 << 20, `${told.length} bytes while paused`)
      t.ok(client.socket.writableLength > 0)
      // Now and then, as a far side does that takes some at a time.
      const data = socket.onData
      socket.onData = (bytes) => {
        data(bytes)
        socket.pause()
        setImmediate(() => socket.resume())
      }
      socket.resume()
      await eventually(() => socket.ended)
      t.equal(told.length, 5 + (16 << 20))
      t.equal(socket.bytesRead, told.length)
    })

    t.test('a reset is no end, and comes behind what was sent before', async (t) => {
      const { client, socket } = await leanPair(t, twin)
      const told = new Told(socket)
      client.send('before')
      await new Promise((resolve) => setTimeout(resolve, 20))
      client.reset()
      await new Promise((resolve) => setTimeout(resolve, 20))
      socket.resume()
      await eventually(() => told.events.includes('gone'))
      t.notOk(told.events.includes('end'))
      t.equal(told.failed, true)
      t.ok(socket.closed)
      socket.resume()
      socket.end()
      socket.reset()
      socket.destroy()
      t.equal(socket.write(Buffer.from('x')), false)
      t.equal(told.events.filter((event) => event === 'close').length, 1)
    })

    t.test('a write to a client that is gone closes it', async (t) => {
      const { client, socket } = await leanPair(t, twin)
      const told = new Told(socket)
      socket.resume()
      client.close()
      await eventually(() => socket.ended)
      for (let i = 0; i < 200 && !socket.closed; i++) {
        socket.write(Buffer.from('x'))
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      await eventually(() => told.events.includes('gone'))
      t.equal(told.failed, true)
    })

    t.test('a last word to a client that has just reset closes it', async (t) => {
      const { client, socket } = await leanPair(t, twin)
      const told = new Told(socket)
      // In one turn: nobody has been told of the reset when the last word is written.
      client.reset()
      socket.end(Buffer.from('no'))
      socket.resume()
      await eventually(() => told.events.includes('gone'))
      t.same(told.events.slice(-2), ['close', 'gone'], told.events.join())
    })

    t.test('reset is seen as a reset, also when something waits', async (t) => {
      const { client, socket } = await leanPair(t, twin)
      const told = new Told(socket)
      socket.resume()
      client.socket.pause()
      socket.write(Buffer.alloc(16 << 20))
      socket.reset()
      t.ok(socket.closed)
      t.same(told.events, [], 'not told within the call')
      await eventually(() => told.events.includes('gone'))
      client.socket.resume()
      await client.until(() => client.closed, 'reset')
      t.equal(client.failed?.code, 'ECONNRESET')
      t.notOk(client.ended)
    })

    t.test('what was sent and ended is not taken back by a reset', async (t) => {
      const { client, socket } = await leanPair(t, twin)
      socket.resume()
      socket.end(Buffer.from('answer'))
      await new Promise((resolve) => setTimeout(resolve, 20))
      socket.reset()
      t.equal(await client.rest(), 'answer')
      t.equal(client.failed, undefined)
    })

    t.test('is a socket of Node where that is wanted, and is itself again', async (t) => {
      const { client, socket } = await leanPair(t, twin)
      const first = new Told(socket)
      socket.resume()
      client.send('one')
      await eventually(() => first.text === 'one')
      socket.write(Buffer.from('1'))
      const { node, lean } = socket.promote()
      t.equal(node.remotePort, client.socket.localPort)
      let got = ''
      const read = (chunk: Buffer) => {
        got += chunk
      }
      node.on('data', read)
      node.resume()
      client.send('two')
      await eventually(() => got === 'two')
      node.write('2')
      node.removeListener('data', read)
      node.pause()
      const again = new Told(lean)
      lean.resume()
      client.send('three')
      await eventually(() => again.text === 'three')
      t.equal(first.text, 'one')
      t.equal(lean.bytesRead, 11)
      lean.write(Buffer.from('3'))
      t.equal(lean.bytesWritten, 3)
      t.equal(await client.takeUntil('3'), '123')
      client.socket.end()
      await eventually(() => lean.ended)
      lean.end()
      await eventually(() => again.events.includes('gone'))
      t.same(again.events, ['data', 'end', 'close', 'gone'])
    })

    t.test('an end that was told is not told again by the socket of Node', async (t) => {
      const { client, socket } = await leanPair(t, twin)
      const first = new Told(socket)
      socket.resume()
      client.socket.end()
      await eventually(() => socket.ended)
      const { lean } = socket.promote()
      const again = new Told(lean)
      t.ok(lean.ended)
      lean.resume()
      lean.end()
      await eventually(() => again.events.includes('gone'))
      t.same(first.events, ['end'])
      t.same(again.events, ['close', 'gone'])
    })

    t.test('what waits at a promotion is sent, and the drain told', async (t) => {
      const { client, socket } = await leanPair(t, twin)
      const received = new Received(client)
      client.socket.pause()
      const size = 1 << 16
      let wrote = 0
      for (let flows = true; flows; wrote += size) flows = socket.write(new Uint8Array(size))
      const { lean } = socket.promote()
      const told = new Told(lean)
      client.socket.resume()
      await eventually(() => told.events.includes('drain'))
      t.equal(lean.bytesWritten, wrote)
      await eventually(() => received.length === wrote)
    })

    t.test('is given away with what was not read', async (t) => {
      const { client, socket } = await leanPair(t, twin)
      const told = new Told(socket)
      socket.resume()
      client.send('head')
      await eventually(() => told.length === 4)
      const node = socket.give()
      client.send('rest')
      await new Promise((resolve) => setTimeout(resolve, 20))
      t.equal(told.text, 'head')
      let got = ''
      node.on('data', (chunk) => {
        got += chunk
      })
      startReading(node)
      node.resume()
      await eventually(() => got === 'rest')
      node.end('bye')
      t.equal(await client.rest(), 'bye')
    })

    t.test('a thousand at once are all accepted and served', async (t) => {
      const bound = await twin.listen(LOOPBACK, (socket) => {
        socket.onData = (bytes) => socket.write(bytes)
        socket.onEnd = () => socket.end()
        socket.resume()
      })
      t.teardown(() => bound.close())
      const port = bound.address.kind === 'tcp' ? bound.address.port : 0
      const one = async (i: number) => {
        const client = await RawClient.open(port)
        client.send(`I am ${i}`).socket.end()
        return (await client.rest()) === `I am ${i}`
      }
      const served = await Promise.all(Array.from({ length: 1000 }, (_, i) => one(i)))
      t.equal(served.filter(Boolean).length, 1000)
    })
  })
}

const [, addon] = LEAN_IMPLEMENTATIONS

t.test('a reset while nobody reads is told at once', { skip: addon?.skip ?? true }, async (t) => {
  const { client, socket } = await leanPair(t, addon as LeanImplementation)
  const told = new Told(socket)
  // More than anybody reads ahead, and an end: neither is a reason to close.
  client.send(Buffer.alloc(1 << 20))
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.same(told.events, [])
  client.reset()
  await eventually(() => told.events.includes('gone'))
  t.same(told.events, ['close', 'gone'])
  t.equal(told.failed, true)
})

t.test('an end while nobody reads waits', { skip: addon?.skip ?? true }, async (t) => {
  const { client, socket } = await leanPair(t, addon as LeanImplementation)
  const told = new Told(socket)
  client.send('before')
  client.socket.end()
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.same(told.events, [])
  socket.resume()
  await eventually(() => told.events.includes('end'))
  t.equal(socket.bytesRead, 6)
})

t.test('bytes around urgent data all come', { skip: addon?.skip ?? true }, async (t) => {
  const text = `use Socket; socket(S, PF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in($ARGV[0], INADDR_LOOPBACK));
    send(S, 'before', 0); send(S, '!', MSG_OOB); send(S, 'behind', 0); print 'sent'; close STDOUT; recv(S, $x, 1, 0)`
  if (spawnSync('perl', ['-e', '1']).status !== 0) {
    t.comment('perl is missing')
    return
  }
  for (const twin of LEAN_IMPLEMENTATIONS) {
    const accepted: LeanSocket[] = []
    const bound = await twin.listen(LOOPBACK, (socket) => accepted.push(socket))
    const port = bound.address.kind === 'tcp' ? bound.address.port : 0
    const client = spawn('perl', ['-e', text, String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(client.stdout, 'data')
    await eventually(() => accepted.length === 1)
    const [socket] = accepted
    if (socket === undefined) throw new Error('no client')
    const told = new Told(socket)
    socket.resume()
    await eventually(() => told.text === 'beforebehind', 'all of it')
    t.equal(told.text, 'beforebehind', twin.name)
    socket.destroy()
    bound.close()
  }
})

t.test('nothing is left that keeps a process alive', { skip: addon?.skip ?? true }, (t) => {
  const text = `import { listenLean } from ${JSON.stringify(MODULE)}
    import { connect } from 'node:net'
    const bound = await listenLean({ kind: 'tcp', address: '127.0.0.1', port: 0 }, (socket) => {
      socket.onEnd = () => socket.end()
      socket.resume()
      bound.close()
    })
    connect(bound.address.port, '127.0.0.1').resume().end('x')`
  const node = [process.execPath, '--input-type=module', '-e', text] as const
  const { status, stderr } = spawnSync(node[0], node.slice(1), { timeout: 20_000 })
  t.equal(status, 0, String(stderr))
  t.end()
})

t.test(
  'without descriptors clients are closed, and later ones served',
  {
    skip: addon?.skip ?? true,
  },
  async (t) => {
    const text = `import { listenLean } from ${JSON.stringify(MODULE)}
    let open = 0
    const bound = await listenLean({ kind: 'tcp', address: '127.0.0.1', port: 0 }, (socket) => {
      open++
      socket.onGone = () => open--
      socket.onData = (bytes) => socket.write(bytes)
      socket.onEnd = () => socket.end()
      socket.resume()
    })
    console.log(bound.address.port)
    process.stdin.on('data', () => {
      console.log(JSON.stringify([open, process.cpuUsage()]))
    })
    process.stdin.on('end', () => process.exit(0))`
    const child = spawn('sh', [
      ...['-c', 'ulimit -n 64; exec "$0" --input-type=module -e "$1"'],
      ...[process.execPath, text],
    ])
    t.teardown(() => child.kill('SIGKILL'))
    const lines: string[] = []
    child.stdout.on('data', (chunk) => lines.push(...String(chunk).trim().split('\n')))
    await eventually(() => lines.length === 1, 'a port', 10_000)
    const port = Number(lines[0])
    const clients = Array.from({ length: 100 }, () => new RawClient(connect(port, '127.0.0.1')))
    t.teardown(() => {
      for (const client of clients) client.close()
    })
    const shut = () => clients.filter(({ closed, ended }) => closed || ended).length
    await eventually(() => shut() > 30, 'closed clients', 10_000)
    const ask = async () => {
      const before = lines.length
      child.stdin.write('?')
      await eventually(() => lines.length > before)
      return JSON.parse(lines.at(-1) as string) as [number, NodeJS.CpuUsage]
    }
    const [open, first] = await ask()
    t.ok(open > 10 && open < 64, `${open} open`)
    await new Promise((resolve) => setTimeout(resolve, 300))
    const [, then] = await ask()
    const used = (then.user + then.system - first.user - first.system) / 1000
    t.ok(used < 100, `${used} ms of CPU in 300 ms of nothing`)
    for (const client of clients) client.close()
    let left = open
    for (let i = 0; i < 200 && left > 0; i++) [left] = await ask()
    t.equal(left, 0)
    const late = await RawClient.open(port)
    late.send('late').socket.end()
    t.equal(await late.rest(), 'late')
  },
)
