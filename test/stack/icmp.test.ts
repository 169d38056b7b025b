/** icmp-messages.ts and icmp-errors.ts, as a stack uses them: packets in, packets and callbacks out. */
import fc from 'fast-check'
import t from 'tap'
import { set8, set16, set32, u8, u16 } from '../../src/core/bytes.js'
import { PvpnError } from '../../src/core/errors.js'
import { parseIp } from '../../src/core/ip.js'
import { PacketBatch } from '../../src/core/packet-batch.js'
import type { Bytes } from '../../src/core/types.js'
import type { Stack } from '../../src/stack/contract.js'
import { ECHO_REPLIES, ICMP_ERRORS, PATH_MTU_FLOOR_4, PINGS } from '../../src/stack/limits.js'
import { createStack } from '../../src/stack/stack.js'
import { finishIcmp, finishIcmpv6, icmpValid, icmpv6Valid } from '../../src/wire/icmp.js'
import { ipv4Valid, writeIpv4 } from '../../src/wire/ipv4.js'
import { ipv6Valid, writeIpv6 } from '../../src/wire/ipv6.js'
import { writeUdp } from '../../src/wire/udp.js'
import { fuzzRun } from '../support/fuzz.js'
import { seededRandom } from '../support/seeded.js'

const ip = (text: string) => parseIp(text) as Bytes
const FAMILIES = [
  { v4: true, ours: '10.0.0.1', theirs: '10.0.0.2', router: '10.0.0.99', header: 20 },
  { v4: false, ours: 'fd00::1', theirs: 'fd00::2', router: 'fd00::99', header: 40 },
] as const
type Family = (typeof FAMILIES)[number]

class Net {
  readonly stack: Stack = createStack({ random: seededRandom(5) })
  now = 1000

  constructor() {
    this.stack.configure(
      { addresses: ['10.0.0.1/24', 'fd00::1/64'], dns: [], search: [], mtu: 1420 },
      0,
    )
  }

  feed(...packets: readonly Bytes[]): void {
    const batch = new PacketBatch({ capacity: packets.length, packetSize: 2000 })
    for (const packet of packets) batch.push(packet)
    this.stack.input(batch, this.now)
    this.stack.notify()
  }

  output(): Bytes[] {
    const all: Bytes[] = []
    const batch = new PacketBatch({ capacity: 64, packetSize: 1500 })
    for (;;) {
      batch.reset()
      if (this.stack.output(batch, this.now) === 0) return all
      for (let i = 0; i < batch.count; i++) all.push(batch.view(i).slice())
    }
  }

  dropped(reason: string): number {
    return this.stack.counters.drops[reason] ?? 0
  }
}

/** An ICMP message: header bytes 4 to 7 as one number, then data. */
function message(
  f: Family,
  from: string,
  type: number,
  code: number,
  rest: number,
  data: Bytes,
): Bytes {
  const length = 8 + data.length
  const b = new Uint8Array(f.header + length)
  if (f.v4) writeIpv4(b, 0, ip(from), ip(f.ours), 1, b.length, 1, 0)
  else writeIpv6(b, 0, ip(from), ip(f.ours), 58, length)
  set32(b, f.header + 4, rest)
  b.set(data, f.header + 8)
  if (f.v4) finishIcmp(b, f.header, length, type, code)
  else finishIcmpv6(b, f.header, length, type, code, 8, 24)
  return b
}

function valid(f: Family, b: Bytes): boolean {
  return f.v4
    ? ipv4Valid(b, 0, b.length) && icmpValid(b, 20, b.length - 20)
    : ipv6Valid(b, 0, b.length) && icmpv6Valid(b, 40, b.length - 40, 8, 24)
}

function udp(f: Family, port: number, data: Bytes): Bytes {
  const b = new Uint8Array(f.header + 8 + data.length)
  if (f.v4) writeIpv4(b, 0, ip(f.theirs), ip(f.ours), 17, b.length, 1, 0)
  else writeIpv6(b, 0, ip(f.theirs), ip(f.ours), 17, 8 + data.length)
  b.set(data, f.header + 8)
  const at = f.v4 ? 12 : 8
  writeUdp(b, f.header, 4000, port, 8 + data.length, at, at + (f.v4 ? 4 : 16), f.v4 ? 4 : 16)
  return b
}

for (const f of FAMILIES) {
  const name = f.v4 ? 'IPv4' : 'IPv6'
  const ECHO = f.v4 ? 8 : 128
  const UNREACHABLE = f.v4 ? 3 : 1

  t.test(`${name}: an echo request gets its own data back`, async (t) => {
    const net = new Net()
    const data = new Uint8Array(1300).map((_, i) => i)
    net.feed(message(f, f.theirs, ECHO, 0, 0x12345678, data))
    const [reply = new Uint8Array(0)] = net.output()
    t.ok(valid(f, reply))
    t.equal(u8(reply, f.header), f.v4 ? 0 : 129)
    t.same([u16(reply, f.header + 4), u16(reply, f.header + 6)], [0x1234, 0x5678])
    t.same(reply.subarray(f.header + 8), data)
    const broken = message(f, f.theirs, ECHO, 0, 0, data)
    set8(broken, f.header + 9, 99)
    net.feed(broken)
    t.equal(net.dropped('icmp-malformed'), 1)
    t.same(net.output(), [])
  })

  t.test(`${name}: answers and errors are limited by the second`, async (t) => {
    const net = new Net()
    let replies = 0
    for (let i = 0; i < ECHO_REPLIES + 10; i++) {
      net.feed(message(f, f.theirs, ECHO, 0, i, new Uint8Array(1)))
      replies += net.output().length
    }
    t.equal(replies, ECHO_REPLIES)
    let errors = 0
    for (let i = 0; i < ICMP_ERRORS + 10; i++) {
      net.feed(udp(f, 7, new Uint8Array(1)))
      errors += net.output().length
    }
    t.equal(errors, ICMP_ERRORS)
    t.equal(net.dropped('icmp-rate'), 20)
    net.now += 1000
    net.feed(udp(f, 7, new Uint8Array(1)))
    t.equal(net.output().length, 1)
  })

  t.test(`${name}: "port unreachable" quotes what may be quoted`, async (t) => {
    const net = new Net()
    for (const size of [0, 100, 1300]) {
      const packet = udp(f, 7, new Uint8Array(size).fill(7))
      net.feed(packet)
      const [error = new Uint8Array(0)] = net.output()
      t.ok(valid(f, error))
      t.same([u8(error, f.header), u8(error, f.header + 1)], f.v4 ? [3, 3] : [1, 4])
      t.equal(error.length, Math.min(f.header + 8 + packet.length, f.v4 ? 576 : 1280))
      t.same(error.subarray(f.header + 8), packet.subarray(0, error.length - f.header - 8))
    }
  })

  t.test(
    `${name}: errors are never answered with errors, and foreign ones are nobody's`,
    async (t) => {
      const net = new Net()
      const foreign = udp(f, 7, new Uint8Array(8))
      net.feed(message(f, f.router, UNREACHABLE, 1, 0, foreign))
      t.same(net.output(), [])
      t.equal(net.dropped('icmp-foreign'), 1, 'it quotes a packet that is not from us')
      net.feed(message(f, f.router, UNREACHABLE, 1, 0, new Uint8Array(3)))
      t.equal(net.dropped('icmp-foreign'), 2, 'or none at all')
    },
  )

  const meanings: readonly (readonly [number, number, string])[] = f.v4
    ? [
        [3, 0, 'ERR_NET_UNREACHABLE'],
        [3, 1, 'ERR_HOST_UNREACHABLE'],
        [3, 2, 'ERR_HOST_UNREACHABLE'],
        [3, 3, 'ERR_REFUSED'],
        [3, 6, 'ERR_NET_UNREACHABLE'],
        [3, 9, 'ERR_NET_UNREACHABLE'],
        [3, 10, 'ERR_HOST_UNREACHABLE'],
        [3, 13, 'ERR_HOST_UNREACHABLE'],
        [11, 0, 'ERR_HOST_UNREACHABLE'],
        [12, 0, 'ERR_HOST_UNREACHABLE'],
        [4, 0, 'nothing'],
        [5, 1, 'nothing'],
      ]
    : [
        [1, 0, 'ERR_NET_UNREACHABLE'],
        [1, 1, 'ERR_HOST_UNREACHABLE'],
        [1, 3, 'ERR_HOST_UNREACHABLE'],
        [1, 4, 'ERR_REFUSED'],
        [1, 5, 'ERR_NET_UNREACHABLE'],
        [3, 0, 'ERR_HOST_UNREACHABLE'],
        [4, 1, 'ERR_HOST_UNREACHABLE'],
        [100, 0, 'nothing'],
      ]
  t.test(`${name}: what an error means for a datagram of ours`, async (t) => {
    for (const [type, code, expected] of meanings) {
      const net = new Net()
      const port = net.stack.bindUdp()
      let told = 'nothing'
      port.onError = (to, error) => {
        told = `${to.address === f.theirs && to.port === 9 ? '' : 'wrong place '}${error.code}`
      }
      port.send({ address: f.theirs, port: 9 }, new Uint8Array(10))
      const [sent = new Uint8Array(0)] = net.output()
      net.feed(message(f, f.router, type, code, 0, sent))
      t.equal(told, expected, `type ${type} code ${code}`)
    }
  })

  t.test(
    `${name}: an error that quotes too little, or a later fragment, tells nothing`,
    async (t) => {
      const net = new Net()
      const port = net.stack.bindUdp()
      let told = 0
      port.onError = () => told++
      port.send({ address: f.theirs, port: 9 }, new Uint8Array(10))
      const [sent = new Uint8Array(0)] = net.output()
      const refused = (quote: Bytes) => message(f, f.router, UNREACHABLE, f.v4 ? 3 : 4, 0, quote)
      net.feed(refused(sent.subarray(0, f.header + 7)))
      t.equal(told, 0)
      if (f.v4) {
        const later = sent.slice()
        set16(later, 6, 5)
        net.feed(refused(later))
        const optionsBeyond = sent.slice()
        set8(optionsBeyond, 0, 0x4f)
        net.feed(refused(optionsBeyond))
      }
      t.equal(told, 0)
      net.feed(refused(sent.subarray(0, f.header + 8)))
      t.equal(told, 1)
      port.close()
      net.feed(refused(sent))
      t.equal(told, 1)
    },
  )

  t.test(
    `${name}: "too big" cuts what follows, for flows of ours only, and not below the floor`,
    async (t) => {
      const [type, code] = f.v4 ? [3, 4] : [2, 0]
      const net = new Net()
      const port = net.stack.bindUdp()
      const largest = () => {
        port.send({ address: f.theirs, port: 9 }, new Uint8Array(1300))
        return Math.max(...net.output().map((p) => p.length))
      }
      const whole = f.header + 8 + 1300
      t.equal(largest(), whole)
      port.send({ address: f.theirs, port: 9 }, new Uint8Array(1300))
      const [sent = new Uint8Array(0)] = net.output()
      const stranger = sent.slice()
      set16(stranger, f.header, port.local.port === 1 ? 2 : 1)
      net.feed(message(f, f.router, type ?? 0, code ?? 0, 1290, stranger))
      t.equal(largest(), whole, 'quotes a port that nobody has')
      net.feed(message(f, f.router, type ?? 0, code ?? 0, 1290, sent))
      t.ok(largest() <= 1290)
      net.feed(message(f, f.router, type ?? 0, code ?? 0, 1, sent))
      const floor = f.v4 ? PATH_MTU_FLOOR_4 : 1280
      t.ok(largest() <= floor && largest() > floor - 8)
      net.now += 600_000
      net.stack.tick(net.now)
      t.equal(largest(), whole, 'forgotten after ten minutes')
    },
  )

  t.test(
    `${name}: pings: answered, refused by a router, unanswered; and no one else's`,
    async (t) => {
      const net = new Net()
      const results: unknown[] = []
      const ping = () => {
        net.stack.ping(ip(f.theirs), 500, net.now, (r) => {
          results.push(r instanceof PvpnError ? r.code : r)
        })
        return net.output()[0] ?? new Uint8Array(0)
      }
      const echoed = (request: Bytes, from: string, change = 0) => {
        const rest = Buffer.from(request).readUInt32BE(f.header + 4) + change
        return message(f, from, f.v4 ? 0 : 129, 0, rest, request.slice(f.header + 8))
      }
      const first = ping()
      t.ok(valid(f, first))
      t.equal(net.stack.deadline(), net.now + 500)
      net.now += 30
      net.feed(echoed(first, f.router), echoed(first, f.theirs, 1), echoed(first, f.theirs, 65_536))
      t.same(results, [], 'from another, of another number, of another identifier')
      net.feed(echoed(first, f.theirs), echoed(first, f.theirs))
      t.same(results.splice(0), [30])
      const second = ping()
      net.feed(message(f, f.router, UNREACHABLE, 0, 0, second))
      t.same(results.splice(0), ['ERR_NET_UNREACHABLE'])
      const third = ping()
      net.now += 499
      net.stack.tick(net.now)
      net.stack.notify()
      t.same(results, [])
      net.now += 1
      net.stack.tick(net.now)
      net.stack.notify()
      t.same(results.splice(0), ['ERR_TIMEOUT'])
      net.feed(echoed(third, f.theirs))
      t.same(results, [], 'an answer too late')
      t.equal(net.stack.deadline(), Number.POSITIVE_INFINITY)
    },
  )

  t.test(`${name}: fuzz: errors about our packets, cut and changed anywhere`, async (t) => {
    const net = new Net()
    const port = net.stack.bindUdp({ port: 1234 })
    port.send({ address: f.theirs, port: 9 }, new Uint8Array(60))
    const [sent = new Uint8Array(0)] = net.output()
    let told = 0
    port.onError = () => told++
    const edits = fc.array(fc.tuple(fc.nat(sent.length - 1), fc.nat(255)), { maxLength: 4 })
    fc.assert(
      fc.property(
        edits,
        fc.nat(sent.length),
        fc.nat(15),
        fc.nat(15),
        fc.nat(2 ** 32 - 1),
        (e, cut, type, code, rest) => {
          const quote = sent.slice(0, cut % 3 === 0 ? cut : sent.length)
          for (const [at, value] of e) if (at < quote.length) quote[at] = value
          net.feed(message(f, f.router, type, code, rest, quote))
          return net.output().length <= 1
        },
      ),
      fuzzRun,
    )
    t.ok(told > 0, `${told} reached the port`)
  })
}

t.test('a bounded number of pings, each answer told once', async (t) => {
  const net = new Net()
  const results: string[] = []
  const done = (r: number | PvpnError) => results.push(r instanceof PvpnError ? r.code : 'answered')
  for (let i = 0; i < PINGS + 3; i++) {
    net.stack.ping(ip('10.0.0.2'), 1000, net.now, done)
    net.output()
  }
  t.same(results, [], 'not from inside of the call')
  net.stack.notify()
  t.same(results.splice(0), ['ERR_LIMIT', 'ERR_LIMIT', 'ERR_LIMIT'])
  net.now += 1000
  net.stack.tick(net.now)
  net.stack.notify()
  t.equal(results.length, PINGS)
  t.ok(results.every((r) => r === 'ERR_TIMEOUT'))
  net.stack.configure({ addresses: ['fd00::1/64'], dns: [], search: [], mtu: 1420 }, net.now)
  results.length = 0
  net.stack.ping(ip('10.0.0.2'), 1000, net.now, done)
  net.stack.notify()
  t.same(results, ['ERR_NET_UNREACHABLE'])
})
