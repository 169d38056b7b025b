/** Both UDP sockets, given the same batches, good and hostile, must put the same on the wire. */
import fc from 'fast-check'
import t from 'tap'
import { ADDRESS_SIZE, PacketBatch } from '../../src/core/packet-batch.js'
import { parseSocketAddress } from '../../src/core/socket-address.js'
import { accel } from '../../src/native/accel.js'
import { Inbox, sendAll, UDP_IMPLEMENTATIONS } from '../support/datagram-sockets.js'

const FUZZ_MS = Number(process.env.FUZZ_SECONDS ?? 2) * 1000
const LOOPBACK = '127.0.0.1'
const SLOTS = 80
const PACKET = 300
/** Length that only the last datagram of a batch has. */
const MARK = 299

const [plain, fast] = UDP_IMPLEMENTATIONS
if (plain === undefined || fast === undefined) throw new Error('two implementations')

const anyInt = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const slot = fc.record({
  offset: fc.oneof(
    { weight: 9, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: anyInt },
  ),
  // Few different lengths, so that runs of one length come up.
  length: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(40, 40, 40, 40, 41, 39, 300) },
    { weight: 1, arbitrary: fc.integer({ min: -1, max: MARK - 1 }) },
    { weight: 1, arbitrary: anyInt },
  ),
  family: fc.oneof(
    { weight: 20, arbitrary: fc.constant(4) },
    { weight: 1, arbitrary: fc.nat(255) },
  ),
  repeat: fc.integer({ min: 1, max: 30 }),
})

t.setTimeout(FUZZ_MS + 30_000)

t.test('addon and node:dgram send the same', { skip: fast.skip }, async (t) => {
  const receiver = await plain.open({ family: 4, address: LOOPBACK, packetSize: 4096 })
  const fastReceiver = await fast.open({ family: 4, address: LOOPBACK, packetSize: 4096 })
  const senders = [
    await plain.open({ family: 4, address: LOOPBACK, packetSize: 4096 }),
    await fast.open({ family: 4, address: LOOPBACK, packetSize: 4096 }),
  ]
  const targets = [receiver, fastReceiver].map((socket) => ({
    inbox: new Inbox(socket),
    record: parseSocketAddress({ address: LOOPBACK, port: socket.localPort }) ?? new Uint8Array(24),
  }))
  let mark = 0
  // The run that the time limit interrupts goes on for a moment.
  let over = false
  const result = await fc.check(
    fc.asyncProperty(fc.array(slot, { maxLength: 12 }), fc.nat(SLOTS), async (slots, from) => {
      const batch = new PacketBatch({ capacity: SLOTS, packetSize: PACKET })
      mark++
      for (let k = 0; k < batch.bytes.length; k++) batch.bytes[k] = (k * 13 + mark) & 255
      for (const s of slots) {
        for (let n = 0; n < s.repeat && !batch.full; n++) {
          const at = batch.place()
          batch.commit(s.length)
          if (s.offset !== undefined) batch.offset[batch.count - 1] = s.offset
          // Each datagram tells which it is.
          batch.bytes[at] = batch.count
        }
      }
      // The last is always sent, and tells that all before it have arrived.
      batch.offset[SLOTS - 1] = 64
      batch.length[SLOTS - 1] = MARK
      batch.count = SLOTS
      const seen: string[] = []
      for (const { inbox, record } of targets) {
        let i = 0
        for (const s of slots) {
          for (let n = 0; n < s.repeat && i < SLOTS; n++, i++) {
            batch.address.set(record, i * ADDRESS_SIZE)
            batch.address[i * ADDRESS_SIZE] = s.family
          }
        }
        batch.address.set(record, (SLOTS - 1) * ADDRESS_SIZE)
        for (const sender of senders) {
          if (over) return
          inbox.got.length = 0
          if (from > 0) sender.send(batch, Math.min(from, SLOTS - 1))
          else await sendAll(sender, batch)
          const isLast = (): boolean => inbox.got.at(-1)?.bytes.length === MARK
          for (let n = 1; !over && !isLast() && (await inbox.until(n, 2000)); )
            n = inbox.got.length + 1
          seen.push(inbox.got.map(({ bytes }) => Buffer.from(bytes).toString('latin1')).join('\n'))
        }
      }
      if (seen.some((s) => s !== seen[0]))
        throw new Error(`different: ${seen.map((s) => s.length)}`)
    }),
    { numRuns: Number.POSITIVE_INFINITY, interruptAfterTimeLimit: FUZZ_MS },
  )
  over = true
  t.comment(`seed ${result.seed}, ${result.numRuns} runs`)
  t.notOk(result.failed, fc.defaultReportMessage(result) ?? 'no counterexample')
  t.ok(result.numRuns > 0, 'has run')
  for (const s of [receiver, fastReceiver, ...senders]) s.close()
})

t.test('the addon survives any argument', { skip: fast.skip }, async (t) => {
  const native = accel()
  const udp = native?.udp
  if (native === undefined || udp === undefined) throw new Error('no addon')
  const receiver = udp.udpOpen(
    parseSocketAddress({ address: LOOPBACK, port: 0 }) ?? new Uint8Array(0),
    false,
    1 << 20,
    1 << 20,
    () => {},
  )
  const info = new Float64Array(6)
  udp.udpInfo(receiver, info)
  const sender = await fast.open({ family: 4, address: LOOPBACK, packetSize: 4096 })
  const burst = new PacketBatch({ capacity: 70, packetSize: PACKET })
  const to = parseSocketAddress({ address: LOOPBACK, port: info[0] ?? 0 }) ?? new Uint8Array(24)
  for (let i = 0; i < burst.capacity; i++) {
    burst.address.set(to, i * ADDRESS_SIZE)
    burst.place()
    burst.commit(i % 20 === 19 ? 10 : 30)
  }
  const size = fc.oneof(fc.nat(70), fc.nat(5000), fc.constantFrom(65_536, 200_000))
  const anything = fc.oneof(
    size.map((n) => new Uint8Array(n)),
    size.map((n) => new Int32Array(n).fill(7)),
    size.map((n) => new Float64Array(n)),
    fc.integer({ min: -2, max: 3000 }),
    fc.double(),
    fc.boolean(),
    fc.constantFrom(null, undefined, {}, receiver, Symbol('x'), () => {}),
    fc.array(fc.nat(3)),
    fc.bigInt(),
    fc.string(),
  )
  const usual = fc.record({
    bytes: size,
    offsets: size,
    lengths: size,
    addresses: size,
    region: fc.oneof(fc.integer({ min: 64, max: 2000 }), fc.integer()),
    packetSize: fc.oneof(fc.nat(3000), fc.integer()),
    fresh: fc.boolean(),
  })
  // Not those that open and close, and none of those that take a descriptor's number: any number may be one of Node's own.
  const calls = Object.entries(native.cipher ?? udp)
    .filter(([name]) => /^(cipher|framed|udp|tun|checksum)/.test(name))
    .filter(([name]) => !/^(udp|tun)(Open|Close|Adopt|From)/.test(name))
    .map(([, call]) => call as (...args: unknown[]) => unknown)
  let threw = 0
  let received = 0
  const result = fc.check(
    fc.property(
      fc.array(anything, { maxLength: 10 }),
      fc.nat(),
      usual,
      fc.boolean(),
      (args, which, u, send) => {
        const call = calls[which % calls.length]
        try {
          call?.(...(which % 3 === 0 ? args : [receiver, ...args]))
        } catch {
          threw++
        }
        if (send) sender.send(burst, 0)
        const batch = [
          new Uint8Array(u.bytes),
          new Int32Array(u.offsets),
          new Int32Array(u.lengths),
          new Uint8Array(u.addresses),
        ] as const
        try {
          const count = udp.udpReceive(receiver, ...batch, u.region, u.packetSize, u.fresh)
          received += count
          for (let i = 0; i < count; i++) {
            const at = batch[1][i] as number
            const end = at + (batch[2][i] as number)
            if (at < 0 || end <= at || end > u.bytes || end - at > u.packetSize) {
              throw new Error(`slot ${i}: ${at} … ${end} of ${u.bytes}`)
            }
          }
        } catch (thrown) {
          if ((thrown as NodeJS.ErrnoException).code === undefined) throw thrown
        }
      },
    ),
    { numRuns: Number.POSITIVE_INFINITY, interruptAfterTimeLimit: FUZZ_MS },
  )
  t.comment(`seed ${result.seed}, ${result.numRuns} runs, ${threw} threw, ${received} received`)
  t.notOk(result.failed, fc.defaultReportMessage(result) ?? 'no counterexample')
  t.ok(threw > 0 && received > 0, 'both good and bad arguments were tried')
  udp.udpClose(receiver)
  t.throws(() => udp.udpInfo(receiver, info), 'a closed socket is refused')
  sender.close()
})
