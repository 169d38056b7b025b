/** Both kinds of LeanSocket, driven the same way, must bring the same bytes, ends and failures; and the addon survives any argument. */
import fc from 'fast-check'
import t from 'tap'
import { accel } from '../../src/native/accel.js'
import { LEAN_IMPLEMENTATIONS, type LeanImplementation, leanPair } from '../support/lean-sockets.js'
import { RawClient } from '../support/proxy.js'

const FUZZ_MS = Number(process.env.FUZZ_SECONDS ?? 2) * 1000
const [plain, fast] = LEAN_IMPLEMENTATIONS
if (plain === undefined || fast === undefined) throw new Error('two implementations')

t.setTimeout(11 * FUZZ_MS + 120_000)

const size = fc.oneof(
  { weight: 6, arbitrary: fc.nat(5) },
  { weight: 1, arbitrary: fc.constantFrom(16_383, 65_536, 65_537, 200_000) },
)
const step = fc.oneof(
  fc.record({ who: fc.constantFrom('client', 'we'), does: fc.constant('write'), size }),
  fc.record({
    who: fc.constantFrom('client', 'we'),
    does: fc.constantFrom('pause', 'resume', 'end', 'wait'),
    size: fc.constant(0),
  }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
const last = fc.constantFrom('peace', 'client resets', 'we reset', 'we destroy', 'promoted')

/** What both ends have seen when it is over. */
async function outcome(twin: LeanImplementation, steps: readonly Step[], end: string) {
  const undo: (() => unknown)[] = []
  try {
    return await between(await leanPair({ teardown: (run) => undo.push(run) }, twin), steps, end)
  } finally {
    for (const run of undo) await run()
  }
}

async function between(
  { client, socket }: Awaited<ReturnType<typeof leanPair>>,
  steps: readonly Step[],
  end: string,
) {
  const sum = { up: 0, upLength: 0, down: 0, downLength: 0 }
  let [sentUp, sentDown, ends, closes] = [0, 0, 0, 0]
  let failed: boolean | undefined
  client.socket.removeAllListeners('data')
  client.socket.on('data', (chunk) => {
    sum.down = digest(sum.down, chunk)
    sum.downLength += chunk.length
  })
  const listen = (to: typeof socket) => {
    to.onData = (bytes) => {
      sum.up = digest(sum.up, bytes)
      sum.upLength += bytes.length
    }
    to.onEnd = () => ends++
    to.onClose = (how) => {
      failed = how
      closes++
    }
  }
  listen(socket)
  socket.resume()
  for (const { who, does, size } of steps) {
    const sent = who === 'client' ? sentUp : sentDown
    const bytes = Buffer.alloc(size, sent & 255)
    if (does === 'wait') await new Promise((resolve) => setImmediate(resolve))
    else if (who === 'client') {
      if (does === 'write' && client.socket.writable) {
        client.socket.write(bytes)
        sentUp += size
      } else if (does === 'end') client.socket.end()
      else if (does !== 'write') client.socket[does as 'pause' | 'resume']()
    } else if (does === 'write') {
      if (!socket.ending) sentDown += size
      socket.write(bytes)
    } else socket[does as 'pause' | 'resume' | 'end']()
  }
  let used = socket
  if (end === 'promoted' && !socket.ending && !socket.closed) {
    used = socket.promote().lean
    listen(used)
  }
  if (end === 'client resets') client.reset()
  if (end === 'we reset') used.reset()
  if (end === 'we destroy') used.destroy()
  client.socket.resume()
  client.socket.end()
  used.resume()
  used.end()
  await client.until(() => client.closed && closes > 0, 'the end of both')
  if (closes !== 1) throw new Error(`closed ${closes} times`)
  if (sum.upLength > sentUp || sum.downLength > sentDown) throw new Error('more than was sent')
  if (end !== 'peace' && end !== 'promoted') return { closed: used.closed }
  if (sum.upLength !== sentUp || sum.downLength !== sentDown) {
    throw new Error(`${sum.upLength} of ${sentUp} up, ${sum.downLength} of ${sentDown} down`)
  }
  return { ...sum, ends, failed, read: used.bytesRead, written: used.bytesWritten }
}

/** In order, and however it is cut. */
function digest(sum: number, bytes: Uint8Array): number {
  let value = sum
  for (const byte of bytes) value = (value * 31 + byte + 1) | 0
  return value
}

t.test('addon and node:net bring the same', { skip: fast.skip }, async (t) => {
  const result = await fc.check(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), last, async (steps, end) => {
      const [one, other] = [await outcome(plain, steps, end), await outcome(fast, steps, end)]
      if (JSON.stringify(one) !== JSON.stringify(other)) {
        throw new Error(`${JSON.stringify(one)} and ${JSON.stringify(other)}`)
      }
    }),
    // No limit of time: an interruption would hide the run that hangs.
    { numRuns: FUZZ_MS / 20 },
  )
  t.comment(`seed ${result.seed}, ${result.numRuns} runs`)
  t.equal(result.counterexample, null, fc.defaultReportMessage(result) ?? 'no counterexample')
})

t.test('the addon survives any argument', { skip: fast.skip }, async (t) => {
  const native = accel()?.streams
  if (native === undefined) throw new Error('no addon')
  const hub = native.hubOpen(() => {})
  const record = new Uint8Array(24)
  record.set([4, 0, 0, 0, 0, 0, 0, 0, 127, 0, 0, 1])
  const listener = native.hubListen(hub, record, 16)
  native.hubName(hub, listener, record)
  const port = ((record[2] as number) << 8) | (record[3] as number)
  const clients: RawClient[] = []
  const anything = fc.oneof(
    fc.constantFrom(0, 1, 2, 3, 4, -1, 64, 1 << 20, 2 ** 31, 2 ** 53, Number.NaN),
    fc.double(),
    fc.nat(2000).map((n) => new Uint8Array(n)),
    fc.nat(2000).map((n) => new Int32Array(n)),
    fc.boolean(),
    fc.constantFrom(null, undefined, {}, hub, Symbol('x'), () => {}),
    fc.string(),
  )
  // Not those that open; nor the one that gives a descriptor away, which nobody would close.
  const calls = Object.entries(native)
    .filter(([name]) => /^hub(?!Open|Close|Listen|Take)/.test(name))
    .map(([, call]) => call as (...args: unknown[]) => unknown)
  let [threw, accepted] = [0, 0]
  const out = new Int32Array(32)
  const result = await fc.check(
    fc.asyncProperty(
      fc.array(anything, { maxLength: 4 }),
      fc.nat(),
      fc.nat(8),
      async (args, which, slot) => {
        if (which % 16 === 0) {
          // A call may have closed the listener.
          const client = await RawClient.open(port).catch(() => undefined)
          if (client !== undefined) clients.push(client.send('hello'))
          if (clients.length > 8) clients.shift()?.close()
        }
        try {
          const call = calls[which % calls.length]
          call?.(...(which % 3 === 0 ? args : [hub, ...(which % 3 === 1 ? [slot] : []), ...args]))
        } catch {
          threw++
        }
        const told = native.hubWait(hub, out)
        for (let i = 0; i < told; i++) if (out[2 * i] === listener) accepted++
        if (accepted > 0) {
          try {
            native.hubAccept(hub, listener, new Int32Array(2), new Uint8Array(48))
          } catch {
            // A call above has closed it.
          }
        }
      },
    ),
    { numRuns: Number.POSITIVE_INFINITY, interruptAfterTimeLimit: FUZZ_MS },
  )
  t.comment(`seed ${result.seed}, ${result.numRuns} runs, ${threw} threw`)
  t.notOk(result.failed, fc.defaultReportMessage(result) ?? 'no counterexample')
  t.ok(threw > 0, 'bad arguments were tried')
  for (const client of clients) client.close()
  native.hubClose(hub)
  native.hubClose(hub)
  t.throws(() => native.hubWait(hub, out), 'a closed hub is refused')
})
