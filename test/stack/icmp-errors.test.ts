import fc from 'fast-check'
import t from 'tap'
import { u8 } from '../../src/core/bytes.js'
import { PvpnError } from '../../src/core/errors.js'
import { PacketBatch } from '../../src/core/packet-batch.js'
import type { Bytes, Random } from '../../src/core/types.js'
import type { Stack } from '../../src/stack/contract.js'
import { createStack } from '../../src/stack/stack.js'
import { fuzzRun } from '../support/fuzz.js'
import { address, icmpError, tooBig } from './router.js'

const US = { addresses: ['10.0.0.1/24', 'fd00::1/64'], dns: [], search: [], mtu: 1420 }
const THEM = { addresses: ['10.0.0.2/24', 'fd00::2/64'], dns: [], search: [], mtu: 1420 }
const FAMILIES = [
  { name: 'IPv4', v4: true, them: '10.0.0.2', header: 20 },
  { name: 'IPv6', v4: false, them: 'fd00::2', header: 40 },
] as const

function counting(): Random {
  let next = 1
  return (out) => {
    for (let i = 0; i < out.length; i++) out[i] = next++ * 37
  }
}

function machine(): Stack {
  const stack = createStack({ random: counting() })
  stack.configure(US, 0)
  return stack
}

/** Everything that the stack sends now. */
function sent(stack: Stack, now = 0): Bytes[] {
  const batch = new PacketBatch({ capacity: 64, packetSize: 1600 })
  const packets: Bytes[] = []
  for (;;) {
    batch.reset()
    if (stack.output(batch, now) === 0) return packets
    for (let i = 0; i < batch.count; i++) packets.push(batch.view(i).slice())
  }
}

function receive(stack: Stack, packets: readonly Bytes[], now = 0): void {
  const batch = new PacketBatch({ capacity: Math.max(1, packets.length), packetSize: 2000 })
  for (const packet of packets) batch.push(packet)
  stack.input(batch, now)
  stack.notify()
}

/** What the owner of a flow hears of an ICMP error: its code, or nothing. */
type Flow = (stack: Stack, to: string, told: (code: string) => void) => void

const udpFlow: Flow = (stack, to, told) => {
  const port = stack.bindUdp({ port: 1000 })
  port.onError = (where, error) => told(`${where.address} ${where.port} ${error.code}`)
  port.send({ address: to, port: 7 }, new Uint8Array(20))
}
const tcpFlow: Flow = (stack, to, told) => {
  const socket = stack.connectTcp({ address: to, port: 7 }, 0)
  socket.onClose = (error) => told(`${to} 7 ${error?.code}`)
}
const pingFlow: Flow = (stack, to, told) => {
  const result = (r: number | PvpnError) => told(`${to} 7 ${r instanceof PvpnError ? r.code : r}`)
  stack.ping(address(to), 1000, 0, result)
}

/** RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1; RFC 4443 sections 3.1, 3.3, 3.4. */
const MEANINGS: readonly [v4: boolean, type: number, code: number, meaning: string][] = [
  [true, 3, 0, 'ERR_NET_UNREACHABLE'],
  [true, 3, 1, 'ERR_HOST_UNREACHABLE'],
  [true, 3, 2, 'ERR_HOST_UNREACHABLE'],
  [true, 3, 3, 'ERR_REFUSED'],
  [true, 3, 5, 'ERR_HOST_UNREACHABLE'],
  [true, 3, 6, 'ERR_NET_UNREACHABLE'],
  [true, 3, 7, 'ERR_HOST_UNREACHABLE'],
  [true, 3, 9, 'ERR_NET_UNREACHABLE'],
  [true, 3, 10, 'ERR_HOST_UNREACHABLE'],
  [true, 3, 11, 'ERR_NET_UNREACHABLE'],
  [true, 3, 13, 'ERR_HOST_UNREACHABLE'],
  [true, 11, 0, 'ERR_HOST_UNREACHABLE'],
  [true, 12, 0, 'ERR_HOST_UNREACHABLE'],
  [false, 1, 0, 'ERR_NET_UNREACHABLE'],
  [false, 1, 1, 'ERR_HOST_UNREACHABLE'],
  [false, 1, 3, 'ERR_HOST_UNREACHABLE'],
  [false, 1, 4, 'ERR_REFUSED'],
  [false, 1, 5, 'ERR_NET_UNREACHABLE'],
  [false, 1, 6, 'ERR_NET_UNREACHABLE'],
  [false, 3, 0, 'ERR_HOST_UNREACHABLE'],
  [false, 4, 1, 'ERR_HOST_UNREACHABLE'],
]

t.test('each error means the same to a datagram, an opening connection and a ping', async (t) => {
  for (const [v4, type, code, meaning] of MEANINGS) {
    const to = v4 ? '10.0.0.2' : 'fd00::2'
    for (const flow of [udpFlow, tcpFlow, pingFlow]) {
      const stack = machine()
      const heard: string[] = []
      flow(stack, to, (what) => heard.push(what))
      const [packet] = sent(stack)
      t.ok(packet)
      if (packet !== undefined) receive(stack, [icmpError(packet, { type, code })])
      const what = `${v4 ? 'ICMP' : 'ICMPv6'} ${type}/${code} for ${flow.name}`
      t.same(heard, [`${to} 7 ${meaning}`], what)
    }
  }
})

t.test('errors that end nothing: quench, redirect, and types that nobody knows', async (t) => {
  for (const { v4, them } of FAMILIES) {
    for (const type of v4 ? [4, 5] : [0, 5, 127]) {
      const stack = machine()
      const heard: string[] = []
      udpFlow(stack, them, (what) => heard.push(what))
      const [packet] = sent(stack)
      if (packet !== undefined) receive(stack, [icmpError(packet, { type })])
      t.same(heard, [], `type ${type}`)
      t.notOk(stack.counters.drops['icmp-foreign'], 'it was about a packet of ours')
    }
  }
})

t.test('a quote that is not of ours is nobody’s affair', async (t) => {
  const edits: readonly [what: string, edit: (quoted: Bytes, header: number) => Bytes][] = [
    ['another source', (q, h) => changed(q, h === 20 ? 15 : 23, 77)],
    ['another protocol', (q, h) => changed(q, h === 20 ? 9 : 6, 132)],
    ['another version', (q) => changed(q, 0, 0x55)],
    ['cut behind the IP header', (q, h) => q.subarray(0, h + 7)],
    ['cut in the IP header', (q, h) => q.subarray(0, h - 1)],
    ['empty', (q) => q.subarray(0, 0)],
  ]
  for (const { name, them, header } of FAMILIES) {
    for (const [what, edit] of edits) {
      const stack = machine()
      const heard: string[] = []
      udpFlow(stack, them, (said) => heard.push(said))
      const [packet] = sent(stack)
      if (packet === undefined) throw new Error('nothing was sent')
      receive(stack, [misquoted(packet, edit(packet, header))])
      t.same(heard, [], `${name}: ${what}`)
      t.equal(stack.counters.drops['icmp-foreign'], 1, `${name}: ${what} is counted`)
    }
  }
  const stack = machine()
  const heard: string[] = []
  udpFlow(stack, '10.0.0.2', (said) => heard.push(said))
  const [packet] = sent(stack)
  if (packet === undefined) throw new Error('nothing was sent')
  receive(stack, [misquoted(packet, changed(packet, 7, 1))])
  t.same(heard, [], 'a later fragment has no ports')
  receive(stack, [misquoted(packet, changed(packet, 0, 0x4f))])
  t.same(heard, [], 'a header longer than what is quoted')
  receive(stack, [misquoted(packet, changed(packet, 0, 0x44))])
  t.same(heard, [], 'a header that is too short')
})

t.test('errors for ports, pings and connections that are gone change nothing', async (t) => {
  for (const { v4, them } of FAMILIES) {
    const stack = machine()
    const port = stack.bindUdp({ port: 1000 })
    port.onError = () => t.fail('a closed port hears nothing')
    port.send({ address: them, port: 7 }, new Uint8Array(1400))
    const [packet] = sent(stack)
    if (packet === undefined) throw new Error('nothing was sent')
    port.close()
    const unreachable = v4 ? { type: 3, code: 1 } : { type: 1, code: 3 }
    receive(stack, [icmpError(packet, unreachable), tooBig(packet, 1300)])
    const other = stack.bindUdp()
    other.send({ address: them, port: 7 }, new Uint8Array(1350))
    t.equal(sent(stack).length, 1, 'the path has not shrunk for flows that are not ours')
  }
})

/** Two stacks; packets from `a` that are larger than `mtu` come back as ICMP errors. */
class NarrowPath {
  readonly a = machine()
  readonly b = createStack({ random: counting() })
  mtu = 1420
  now = 0
  refused = 0

  constructor() {
    this.b.configure(THEM, 0)
  }

  settle(): void {
    for (let n = 0; n < 2000; n++) {
      const there = sent(this.a, this.now)
      const back: Bytes[] = []
      const passed = there.filter((packet) => {
        // IPv4 without "don't fragment" is cut on the way and put together by the receiver: as if it fitted.
        if (packet.length <= this.mtu || mayBeCut(packet)) return true
        back.push(tooBig(packet, this.mtu))
        return false
      })
      this.refused += back.length
      receive(this.b, passed, this.now)
      const answers = sent(this.b, this.now)
      receive(this.a, [...back, ...answers], this.now)
      if (there.length === 0 && answers.length === 0) return
    }
    throw new Error('the stacks do not come to rest')
  }

  pass(milliseconds: number): void {
    this.now += milliseconds
    this.a.tick(this.now)
    this.b.tick(this.now)
    this.settle()
  }
}

function mayBeCut(packet: Bytes): boolean {
  return u8(packet, 0) >>> 4 === 4 && (u8(packet, 6) & 0x40) === 0
}

t.test('every connection over a path that has shrunk learns of it', async (t) => {
  for (const { name, them } of FAMILIES) {
    const path = new NarrowPath()
    const got: number[] = []
    path.b.listenTcp({ port: 80 }).onConnection = (stream) => {
      const index = got.push(0) - 1
      stream.onReadable = () => {
        for (let b = stream.read(); b !== undefined; b = stream.read()) {
          got[index] = (got[index] ?? 0) + b.length
        }
      }
    }
    const sockets = [0, 1, 2].map(() => path.a.connectTcp({ address: them, port: 80 }, 0))
    path.settle()
    t.equal(got.length, 3)
    path.mtu = 1300
    for (const [i, socket] of sockets.entries()) {
      t.equal(socket.write(new Uint8Array(20_000)), 20_000)
      path.settle()
      for (let n = 0; n < 20 && (got[i] ?? 0) < 20_000; n++) path.pass(100)
      t.equal(got[i], 20_000, `${name}: connection ${i + 1} sends what fits`)
    }
  }
})

t.test(
  'a path does not shrink by guesses: a segment that is not in flight, a port that listens',
  async (t) => {
    for (const { them, header } of FAMILIES) {
      const path = new NarrowPath()
      path.a.listenTcp({ port: 22 })
      path.b.listenTcp({ port: 80 }).onConnection = () => undefined
      const socket = path.a.connectTcp({ address: them, port: 80 }, 0)
      const [syn] = sent(path.a)
      if (syn === undefined) throw new Error('nothing was sent')
      receive(path.b, [syn])
      path.settle()
      t.equal(socket.state, 'ESTABLISHED')
      const far = changed(syn, header + 4, u8(syn, header + 4) ^ 0x40)
      const listening = changed(changed(syn, header, 0), header + 1, 22)
      receive(path.a, [tooBig(syn, 1300), tooBig(far, 1300), tooBig(listening, 1300)])
      const port = path.a.bindUdp()
      port.send({ address: them, port: 7 }, new Uint8Array(1350))
      t.equal(sent(path.a).length, 1, `the path to ${them} is what it was`)
    }
  },
)

t.test('large datagrams find a smaller path too', async (t) => {
  for (const { name, them } of FAMILIES) {
    const path = new NarrowPath()
    let got = 0
    path.b.bindUdp({ port: 9 }).onMessage = () => got++
    const port = path.a.bindUdp()
    path.mtu = 1300
    for (let n = 0; n < 4; n++) {
      t.ok(port.send({ address: them, port: 9 }, new Uint8Array(5000)))
      path.settle()
    }
    t.equal(got, name === 'IPv4' ? 4 : 3, `${name}: all but what told us of the smaller path`)
  }
})

t.test('what a router tells of its link is believed when it makes the path smaller', async (t) => {
  const stack = createStack({ random: counting() })
  stack.configure({ ...US, mtu: 65_535 }, 0)
  const port = stack.bindUdp()
  const to = { address: 'fd00::2', port: 9 }
  const wide = new PacketBatch({ capacity: 4, packetSize: 10_000 })
  const lengths = () => {
    t.ok(port.send(to, new Uint8Array(8000)))
    wide.reset()
    stack.output(wide, 0)
    return Array.from(wide.length.subarray(0, wide.count))
  }
  t.same(lengths(), [8048])
  const packet = wide.view(0).slice()
  receive(stack, [tooBig(packet, 9000)])
  t.same(lengths(), [8048], 'an MTU that it fits is no news')
  receive(stack, [tooBig(packet, 4000)])
  t.same(lengths(), [4000, 4000, 152])
  receive(stack, [tooBig(packet, 6000)])
  t.equal(lengths()[0], 4000, 'a larger one is not believed')
  receive(stack, [tooBig(packet, 0xffff_ffff)])
  t.equal(lengths()[0], 4000)
})

t.test('fuzz: whatever is quoted, nothing throws and nothing is invented', async (t) => {
  const stack = machine()
  const heard: string[] = []
  let believed = 0
  const port = stack.bindUdp({ port: 1000 })
  port.onError = (where) => heard.push(where.address)
  for (const { them } of FAMILIES) port.send({ address: them, port: 7 }, new Uint8Array(50))
  const packets = sent(stack)
  fc.assert(
    fc.property(
      fc.constantFrom(...packets),
      fc.nat(255),
      fc.nat(255),
      fc.nat(0xffff_ffff),
      fc.nat(100),
      fc.array(fc.tuple(fc.nat(99), fc.nat(255)), { maxLength: 6 }),
      (packet, type, code, rest, quote, edits) => {
        const bad = packet.slice(0, quote)
        for (const [at, value] of edits) if (at < bad.length) bad[at] = value
        receive(stack, [icmpError(packet, { type, code, rest, quote: bad })])
        sent(stack)
        const [from, to] = u8(packet, 0) >>> 4 === 4 ? [12, 16] : [8, 24]
        const ours = Buffer.from(packet.subarray(from, to)).equals(bad.subarray(from, to))
        return heard.splice(0).length === 0 || (++believed > 0 && ours)
      },
    ),
    fuzzRun,
  )
  t.ok(believed > 0, `${believed} errors were believed`)
  t.ok(stack.counters.packetsIn > 100)
  port.onError = () => t.pass('and the port still hears')
  const [packet] = packets
  if (packet !== undefined) receive(stack, [icmpError(packet, { type: 3, code: 3 })])
})

function changed(packet: Bytes, at: number, value: number): Bytes {
  const out = packet.slice()
  out[at] = value
  return out
}

/** "Port unreachable" to the sender of `packet`, about something else. */
function misquoted(packet: Bytes, quote: Bytes): Bytes {
  const v4 = u8(packet, 0) >>> 4 === 4
  return icmpError(packet, { type: v4 ? 3 : 1, code: v4 ? 3 : 4, quote })
}
