/** Channels against a far side that is the test: windows, ends, resets, and what a server must not do. */
import fc from 'fast-check'
import t from 'tap'
import { PvpnError } from '../../../src/core/errors.js'
import type { ByteStream } from '../../../src/core/stream.js'
import type { SshChannel } from '../../../src/tunnel/ssh/channel.js'
import { Channels, SSH_PACKET } from '../../../src/tunnel/ssh/channels.js'
import {
  MAX_SSH_CHANNELS,
  SSH_WINDOW_FIRST,
  SSH_WINDOW_MOST,
  SSH_WINDOWS_TOTAL,
} from '../../../src/tunnel/ssh/limits.js'
import { openFailure } from '../../../src/tunnel/ssh/open-failure.js'
import { fuzzRun } from '../../support/fuzz.js'

const TARGET = { host: 'db.example', port: 5432 }

class World {
  readonly said: string[] = []
  readonly sent: number[] = []
  full = false
  readonly channels: Channels

  constructor() {
    const world = this
    const say = (what: string) => void this.said.push(what)
    this.channels = new Channels(
      {
        get full() {
          return world.full
        },
        open: (local, window, packet) => say(`open ${local} ${window} ${packet}`),
        confirm: (remote, local) => say(`confirm ${remote} ${local}`),
        refuse: (remote, reason) => say(`refuse ${remote} ${reason}`),
        data: (_remote, bytes) => void this.sent.push(bytes.length),
        eof: (remote) => say(`eof ${remote}`),
        close: (remote) => say(`close ${remote}`),
        adjust: (remote, bytes) => say(`adjust ${remote} ${bytes}`),
      },
      'gate:22',
    )
  }

  open(window = 1000, packet = 100): SshChannel {
    let opened: SshChannel | PvpnError | undefined
    this.channels.open(TARGET, (result) => {
      opened = result
    })
    const local = Number(this.said.at(-1)?.split(' ')[1])
    this.channels.confirmed(local, 7, window, packet)
    if (opened === undefined || opened instanceof PvpnError) throw new Error('not open')
    this.said.length = 0
    return opened
  }
}

function watch(stream: ByteStream) {
  const seen: string[] = []
  stream.onReadable = () => seen.push(stream.ended ? 'ended' : 'readable')
  stream.onWritable = () => seen.push('writable')
  stream.onClose = (error) => seen.push(`close ${error?.code ?? 'end'}`)
  return seen
}

t.test('writing waits for the window and for the wire', async (t) => {
  const world = new World()
  const channel = world.open(250, 100)
  const seen = watch(channel)
  t.equal(channel.write(new Uint8Array(1000)), 250)
  t.same(world.sent, [100, 100, 50])
  world.channels.adjusted(1, 10)
  t.same(seen, [], 'not before the input is done')
  world.channels.flush()
  t.same(seen, ['writable'])
  world.full = true
  t.equal(channel.write(new Uint8Array(5)), 0)
  world.channels.writable()
  t.same(seen, ['writable'])
  world.full = false
  world.channels.writable()
  t.same(seen, ['writable', 'writable'])
  t.notOk(world.channels.adjusted(1, 0xffff_ffff), 'a window beyond what there is')
})

t.test('what comes is credited as it is read', async (t) => {
  const world = new World()
  const channel = world.open()
  const seen = watch(channel)
  t.ok(world.channels.received(1, new Uint8Array(SSH_WINDOW_FIRST - 1)))
  t.ok(world.channels.received(1, new Uint8Array([9])))
  t.notOk(world.channels.received(1, new Uint8Array(1)), 'more than the window')
  world.channels.flush()
  t.same(seen, ['readable'], 'told once')
  t.same(world.said, [])
  const bytes = channel.read()
  t.equal(bytes?.length, SSH_WINDOW_FIRST)
  t.equal(bytes?.at(-1), 9)
  t.same(world.said, [`adjust 7 ${SSH_WINDOW_MOST}`])
  t.equal(channel.read(), undefined)
})

t.test('many channels share the whole', async (t) => {
  const world = new World()
  const channel = world.open()
  const many = Math.ceil(SSH_WINDOWS_TOTAL / SSH_WINDOW_FIRST)
  for (let i = 0; i < many; i++) world.open()
  world.channels.received(1, new Uint8Array(SSH_WINDOW_FIRST))
  channel.read()
  t.same(world.said, [`adjust 7 ${SSH_WINDOW_FIRST}`])
})

t.test('ends, each direction for itself', async (t) => {
  const world = new World()
  const channel = world.open()
  const seen = watch(channel)
  channel.end()
  channel.end()
  t.same(world.said, ['eof 7'])
  t.equal(channel.write(new Uint8Array(1)), 0)
  world.channels.received(1, new Uint8Array(3))
  world.channels.ended(1)
  t.notOk(channel.ended, 'not before it is read')
  world.channels.flush()
  channel.read()
  t.ok(channel.ended)
  t.same(world.said, ['eof 7', 'close 7'])
  t.ok(world.channels.closed(1))
  t.equal(seen.at(-1), 'close end')
  t.equal(world.channels.size, 0)
  t.notOk(world.channels.closed(1))
})

t.test('a close without an end is a reset', async (t) => {
  const world = new World()
  const channel = world.open()
  world.channels.closed(1)
  t.same(world.said, ['close 7'])
  const seen = watch(channel)
  await Promise.resolve()
  t.same(seen, ['close ERR_RESET'], 'also told to whoever comes later')
})

t.test('abort: closed at once, what comes then is nobody’s', async (t) => {
  const world = new World()
  const channel = world.open()
  const seen = watch(channel)
  channel.abort()
  t.same(world.said, ['close 7'])
  t.ok(world.channels.received(1, new Uint8Array(10)))
  world.channels.flush()
  world.channels.closed(1)
  t.same(seen, [])
  t.equal(world.channels.size, 0)
})

t.test('opening: refused, given up, too many, and the connection lost', async (t) => {
  const world = new World()
  const results: string[] = []
  const note = (result: SshChannel | PvpnError) =>
    void results.push(result instanceof PvpnError ? result.code : 'open')
  world.channels.open(TARGET, note)
  t.ok(world.channels.failed(1, 2, 'Connection refused'))
  t.notOk(world.channels.failed(1, 2, ''))
  const cancel = world.channels.open(TARGET, note)
  cancel()
  world.channels.confirmed(2, 9, 1, 1)
  t.equal(world.said.at(-1), 'close 9')
  t.same(results, ['ERR_REFUSED'])
  while (world.channels.size < MAX_SSH_CHANNELS) world.channels.open(TARGET, () => {})
  world.channels.open(TARGET, note)
  await Promise.resolve()
  t.same(results, ['ERR_REFUSED', 'ERR_LIMIT'])
  world.channels.opened({
    type: 'forwarded-tcpip',
    sender: 1,
    window: 1,
    packet: 1,
    port: 80,
    origin: undefined,
  })
  t.equal(world.said.at(-1), 'refuse 1 4')
  world.channels.end(new PvpnError('ERR_DOWN', 'gone'))
  t.equal(world.channels.size, 0)
  world.channels.open(TARGET, note)
  await Promise.resolve()
  t.equal(results.at(-1), 'ERR_DOWN')
})

t.test('why a channel was not opened', async (t) => {
  const code = (reason: number, text: string) => openFailure(reason, text, 'db:1').code
  t.equal(code(1, 'open failed'), 'ERR_DENIED')
  t.equal(code(2, 'Connection refused'), 'ERR_REFUSED')
  t.equal(code(2, 'Connection timed out'), 'ERR_TIMEOUT')
  t.equal(code(2, 'Operation timed out'), 'ERR_TIMEOUT')
  t.equal(code(2, 'Name or service not known'), 'ERR_NAME')
  t.equal(code(2, 'nodename nor servname provided, or not known'), 'ERR_NAME')
  t.equal(code(2, 'Name does not resolve'), 'ERR_NAME')
  t.equal(code(2, 'Temporary failure in name resolution'), 'ERR_RESOLVER')
  t.equal(code(2, 'Network is unreachable'), 'ERR_NET_UNREACHABLE')
  t.equal(code(2, 'No route to host'), 'ERR_HOST_UNREACHABLE')
  t.equal(code(2, 'who knows'), 'ERR_HOST_UNREACHABLE')
  t.equal(code(4, ''), 'ERR_LIMIT')
  t.notOk(openFailure(2, '\u001b[31mred', 'db:1').message.includes('\u001b'))
})

t.test('a server that says anything in any order', async () => {
  const number = fc.integer({ min: 0, max: 4 })
  const step = fc.record({
    kind: fc.nat(10),
    local: number,
    size: fc.integer({ min: 0, max: 300_000 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new World()
      const { channels } = world
      channels.onForwarded = () => () => {}
      const open: SshChannel[] = []
      let unread = 0
      for (const { kind, local, size } of steps) {
        const stream = open[local]
        if (kind === 0) {
          channels.open(TARGET, (result) => {
            if (!(result instanceof PvpnError)) open.push(result)
          })
        } else if (kind === 1) channels.confirmed(local, local, size, SSH_PACKET)
        else if (kind === 2) channels.failed(local, 2, 'x')
        else if (kind === 3 && channels.received(local, new Uint8Array(size))) unread += size
        else if (kind === 4) channels.adjusted(local, size)
        else if (kind === 5) channels.ended(local)
        else if (kind === 6) channels.closed(local)
        else if (kind === 7) stream?.write(new Uint8Array(size))
        else if (kind === 8) stream?.end()
        else if (kind === 9) stream?.abort()
        else
          channels.opened({
            type: 'forwarded-tcpip',
            sender: local,
            window: size,
            packet: size,
            port: 80,
            origin: undefined,
          })
        channels.flush()
      }
      // Nobody has read: nothing came beyond the first windows.
      return unread <= SSH_WINDOW_FIRST * steps.length
    }),
    fuzzRun,
  )
})
