import t from 'tap'
import { parseSocketAddress } from '../../src/core/socket-address.js'
import { ReceiveRest } from '../../src/io/receive-rest.js'
import { openUdp } from '../../src/io/udp-socket.js'
import { accel } from '../../src/native/accel.js'
import { type AccelUdp, READABLE, UDP_INFO } from '../../src/native/contract.js'
import { batchOf, Inbox, sendAll, UDP_IMPLEMENTATIONS } from '../support/datagram-sockets.js'

const LOOPBACK = '127.0.0.1'
const skip = UDP_IMPLEMENTATIONS.find(({ name }) => name === 'addon')?.skip ?? 'no addon'

const FULL = 1452
const ACK = 96

/** What follows each of these looks: `[datagrams, milliseconds since the one before]`. */
function rests(
  looks: readonly (readonly [number, number])[],
  size = FULL,
  prompt = false,
): number[] {
  let now = 1000
  const rest = new ReceiveRest(now)
  return looks.map(([datagrams, after]) => {
    now += after
    return rest.after(datagrams, datagrams * size, now, prompt)
  })
}

/** The last of many equal ones. */
function steady(datagrams: number, ms: number, size = FULL, prompt = false): number {
  const looks = Array.from({ length: 50 }, () => [datagrams, ms] as const)
  return rests(looks, size, prompt).at(-1) ?? -1
}

t.test('few datagrams never wait', (t) => {
  const few = Array.from({ length: 50 }, () => [1, 0.2] as const)
  t.ok(rests(few).every((us) => us === 0))
  t.ok(
    rests([[64, 500]]).every((us) => us === 0),
    'a burst after a silence',
  )
  t.end()
})

t.test('many are gathered, 1 ms at most, and less the more there are', (t) => {
  t.equal(steady(3, 0.09), 1000)
  t.equal(steady(60, 0.3), 480)
  t.ok(steady(200, 0.3) < 150)
  t.ok(steady(3, 0) > 0, 'a clock that stands still')
  t.end()
})

t.test('acknowledgements and what is awaited by others are gathered for 300 µs at most', (t) => {
  for (const [size, prompt] of [
    [ACK, false],
    [ACK, true],
    [FULL, true],
    [(FULL + ACK) / 2, false],
  ] as const) {
    t.equal(steady(3, 0.09, size, prompt), 300)
    t.equal(steady(30, 0.3, size, prompt), 240)
    t.ok(steady(200, 0.3, size, prompt) < 50)
  }
  t.end()
})

t.test('rests end soon after the datagrams', (t) => {
  const flood = Array.from({ length: 50 }, () => [10, 0.3] as const)
  const after = Array.from({ length: 8 }, () => [0, 0.3] as const)
  const [inFlood, ...then] = rests([...flood, ...after]).slice(49)
  t.ok((inFlood ?? 0) > 0)
  t.equal(then.at(-1), 0)
  t.end()
})

t.test(
  'a resting socket tells nothing before, then in any case, then as ever',
  { skip },
  async (t) => {
    const udp = accel()?.udp
    if (udp?.udpRest === undefined) throw new Error('no addon')
    let told = 0
    let wake = () => {}
    const address = parseSocketAddress({ address: LOOPBACK, port: 0 }) ?? new Uint8Array(0)
    const receiver = udp.udpOpen(address, false, 1 << 16, 1 << 16, (events) => {
      if ((events & READABLE) === 0) return
      told++
      udp.udpRest?.(receiver, 0)
      wake()
    })
    const next = () =>
      new Promise<void>((resolve) => {
        wake = resolve
      })
    const info = new Float64Array(Object.keys(UDP_INFO).length)
    udp.udpInfo(receiver, info)
    const sender = await openUdp({ family: 4, address: LOOPBACK, packetSize: 100 })
    const one = batchOf([
      { to: LOOPBACK, port: info[UDP_INFO.port] as number, bytes: Uint8Array.of(1) },
    ])

    const begun = performance.now()
    t.equal(udp.udpRest(receiver, 200_000), true)
    await next()
    t.ok(performance.now() - begun >= 200, 'nothing has come')
    t.equal(told, 1)

    const again = performance.now()
    udp.udpRest(receiver, 200_000)
    sender.send(one, 0)
    await next()
    t.ok(performance.now() - again >= 200, 'what comes meanwhile waits')

    // Nobody has read it: it is told at once, and no alarm is left.
    await next()
    udp.udpRest(receiver, 1_000_000)
    udp.udpClose(receiver)
    t.throws(() => udp.udpRest?.(receiver, 1))
    sender.close()
  },
)

t.test(
  'under a flood nothing is lost or out of order, and afterwards nothing rests',
  { skip },
  async (t) => {
    const native = accel()?.udp
    if (native === undefined) throw new Error('no addon')
    const asked: number[] = []
    const watched: AccelUdp = {
      ...native,
      udpRest: (socket, microseconds) => {
        asked.push(microseconds)
        return native.udpRest?.(socket, microseconds) ?? false
      },
    }
    const a = await openUdp({ family: 4, address: LOOPBACK, packetSize: 100 })
    const b = await openUdp({ family: 4, address: LOOPBACK, packetSize: 100 }, watched)
    const inbox = new Inbox(b)
    const port = b.localPort
    let sent = 0
    // As many rounds as it takes on this machine; each is small enough for the kernel's buffer.
    for (let round = 0; round < 5000 && (round < 50 || asked.length === 0); round++) {
      const datagrams = Array.from({ length: 40 }, () => {
        sent++
        return { to: LOOPBACK, port, bytes: Uint8Array.of(sent >> 16, sent >> 8, sent) }
      })
      await sendAll(a, batchOf(datagrams, 100))
      if (!(await inbox.until(sent, 20_000))) break
    }
    t.ok(asked.some((us) => us > 0))
    t.equal(inbox.got.length, sent)
    t.ok(
      inbox.got.every(({ bytes: [x = 0, y = 0, z = 0] }, i) => (x << 16) + (y << 8) + z === i + 1),
    )
    for (let n = 0; n < 1000 && asked.at(-1) !== 0; n++) await new Promise((r) => setTimeout(r, 10))
    t.equal(asked.at(-1), 0)
    a.send(batchOf([{ to: LOOPBACK, port, bytes: Uint8Array.of(9) }]), 0)
    t.ok(await inbox.until(sent + 1, 20_000))
    a.close()
    b.close()
  },
)
