import t from 'tap'
import { set16, u8, u16 } from '../../src/core/bytes.js'
import { PvpnError } from '../../src/core/errors.js'
import { parseIp } from '../../src/core/ip.js'
import { PacketBatch } from '../../src/core/packet-batch.js'
import type { ByteStream } from '../../src/core/stream.js'
import type { Bytes } from '../../src/core/types.js'
import type { Stack } from '../../src/stack/contract.js'
import { FLOW_HEAVY_TIME, FLOW_LIGHT_PACKETS, FLOW_MIX_TIME } from '../../src/stack/limits.js'
import { createStack } from '../../src/stack/stack.js'
import { checksum } from '../../src/wire/checksum.js'
import { seededRandom } from '../support/seeded.js'
import { fragment6 } from './fragments.js'

const A = { addresses: ['10.0.0.1/24', 'fd00::1/64'], dns: [], search: [], mtu: 1420 }
const B = {
  addresses: ['10.0.0.2/24', '10.0.1.2/24', 'fd00::2/64'],
  dns: [],
  search: [],
  mtu: 1420,
}

/** Two stacks on a wire; `tap` sees each packet and may change or (false) drop it. */
class Wire {
  readonly a = createStack({ random: seededRandom(1) })
  readonly b = createStack({ random: seededRandom(2) })
  readonly #batch = new PacketBatch({ capacity: 8, packetSize: 2000 })
  now = 0
  tap: (packet: Bytes) => boolean = () => true

  constructor() {
    this.a.configure(A, 0)
    this.b.configure(B, 0)
  }

  /** Carries packets to and fro until both are silent. */
  settle(): void {
    for (let n = 0; n < 500; n++) {
      const moved = this.#carry(this.a, this.b) + this.#carry(this.b, this.a)
      if (moved === 0) return
    }
    throw new Error('the stacks do not come to rest')
  }

  pass(milliseconds: number): void {
    this.now += milliseconds
    this.a.tick(this.now)
    this.b.tick(this.now)
    this.settle()
  }

  #carry(from: Stack, to: Stack): number {
    const batch = this.#batch
    batch.reset()
    const count = from.output(batch, this.now)
    for (let i = 0; i < count; i++) if (!this.tap(batch.view(i))) batch.length[i] = 0
    to.input(batch, this.now)
    to.notify()
    from.notify()
    return count
  }
}

t.test('datagrams arrive with their source, in both families', async (t) => {
  const wire = new Wire()
  const got: unknown[] = []
  const server = wire.b.bindUdp({ port: 53 })
  server.onMessage = (from, bytes, local) => {
    got.push([from.address, Buffer.from(bytes).toString(), local])
    server.send(from, bytes, local)
  }
  const client = wire.a.bindUdp()
  client.onMessage = (from, bytes) => got.push([from.address, from.port, bytes.length])
  t.ok(client.send({ address: '10.0.1.2', port: 53 }, Buffer.from('four')))
  t.ok(client.send({ address: 'fd00::2', port: 53 }, Buffer.from('six')))
  wire.settle()
  t.same(got, [
    ['10.0.0.1', 'four', '10.0.1.2'],
    ['fd00::1', 'six', 'fd00::2'],
    // The answer leaves by the address that was asked, not by the nearest.
    ['10.0.1.2', 53, 4],
    ['fd00::2', 53, 3],
  ])
})

t.test('large datagrams are cut and put together', async (t) => {
  for (const to of ['10.0.0.2', 'fd00::2']) {
    const wire = new Wire()
    let got: Bytes | undefined
    wire.b.bindUdp({ port: 9 }).onMessage = (_from, bytes) => {
      got = bytes.slice()
    }
    let packets = 0
    wire.tap = (packet) => {
      packets++
      return packet.length <= 1420
    }
    const sent = new Uint8Array(20_000).map((_, i) => i * 7)
    t.ok(wire.a.bindUdp().send({ address: to, port: 9 }, sent))
    wire.settle()
    t.ok(packets >= 15, `${packets} fragments`)
    t.same(Buffer.from(got ?? []).equals(Buffer.from(sent)), true, `arrived whole over ${to}`)
  }
})

t.test('overlapping fragments end the datagram', async (t) => {
  const wire = new Wire()
  let got = 0
  wire.b.bindUdp({ port: 9 }).onMessage = () => got++
  let count = 0
  wire.tap = (packet) => {
    // The second fragment pretends to begin 8 bytes earlier.
    if (u8(packet, 9) === 17 && ++count === 2) {
      set16(packet, 6, u16(packet, 6) - 1)
      set16(packet, 10, 0)
      set16(packet, 10, checksum(packet, 0, 20))
    }
    return true
  }
  wire.a.bindUdp().send({ address: '10.0.0.2', port: 9 }, new Uint8Array(4000))
  wire.settle()
  t.equal(count, 3)
  t.equal(got, 0)
})

t.test('a missing fragment is given up after a while', async (t) => {
  const wire = new Wire()
  let got = 0
  wire.b.bindUdp({ port: 9 }).onMessage = () => got++
  let count = 0
  wire.tap = () => ++count !== 2
  wire.a.bindUdp().send({ address: '10.0.0.2', port: 9 }, new Uint8Array(4000))
  wire.settle()
  t.ok(Number.isFinite(wire.b.deadline()), 'the stack waits for the rest')
  wire.pass(30_001)
  t.equal(wire.b.deadline(), Number.POSITIVE_INFINITY)
  t.equal(got, 0)
})

t.test('a port that nobody has is told', async (t) => {
  for (const to of ['10.0.0.2', 'fd00::2']) {
    const wire = new Wire()
    const errors: string[] = []
    const port = wire.a.bindUdp()
    port.onError = (where, error) => errors.push(`${where.address} ${where.port} ${error.code}`)
    port.send({ address: to, port: 7 }, new Uint8Array(10))
    wire.settle()
    t.same(errors, [`${to} 7 ERR_REFUSED`])
  }
})

t.test('ping', async (t) => {
  const wire = new Wire()
  const results: unknown[] = []
  const ping = (text: string) => {
    const to = parseIp(text) as Bytes
    wire.a.ping(to, 1000, wire.now, (r) => results.push(r instanceof PvpnError ? r.code : r))
  }
  ping('10.0.0.2')
  ping('fd00::2')
  wire.settle()
  t.same(results, [0, 0])
  wire.tap = () => false
  ping('10.0.0.2')
  wire.settle()
  wire.pass(1001)
  t.same(results, [0, 0, 'ERR_TIMEOUT'])
})

t.test('a smaller link in the middle: TCP and UDP find the size that passes', async (t) => {
  for (const to of ['10.0.0.2', 'fd00::2']) {
    const wire = new Wire()
    const mtu = 1300
    let refused = 0
    let got = 0
    wire.b.listenTcp({ port: 80 }).onConnection = (stream) => {
      stream.onReadable = () => {
        for (let b = stream.read(); b !== undefined; b = stream.read()) got += b.length
      }
    }
    const socket = wire.a.connectTcp({ address: to, port: 80 }, 0)
    let connected = false
    socket.onConnect = () => {
      connected = true
    }
    wire.settle()
    t.ok(connected)
    const back: Bytes[] = []
    wire.tap = (packet) => {
      if (packet.length <= mtu) return true
      refused++
      back.push(tooBig(packet, mtu))
      return false
    }
    t.equal(socket.write(new Uint8Array(100_000)), 100_000)
    for (let n = 0; n < 60 && got < 100_000; n++) {
      wire.settle()
      const batch = new PacketBatch({ capacity: 64, packetSize: 2000 })
      for (const packet of back.splice(0)) batch.push(packet)
      wire.a.input(batch, wire.now)
      wire.a.notify()
      wire.settle()
      wire.pass(10)
    }
    t.ok(refused > 0)
    t.equal(got, 100_000, `all bytes passed over ${to}`)
  }
})

/** What a router with a smaller next link answers. */
function tooBig(packet: Bytes, mtu: number): Bytes {
  const v4 = u8(packet, 0) >>> 4 === 4
  const quote = packet.subarray(0, v4 ? 28 : 200)
  const out = new Uint8Array((v4 ? 28 : 48) + quote.length)
  const size = 8 + quote.length
  if (v4) {
    out.set([0x45, 0, 0, 20 + size, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 99, 10, 0, 0, 1])
    set16(out, 10, checksum(out, 0, 20))
    out.set([3, 4, 0, 0, 0, 0, mtu >> 8, mtu & 255], 20)
    out.set(quote, 28)
    set16(out, 22, checksum(out, 20, size))
    return out
  }
  out.set([0x60, 0, 0, 0, size >> 8, size & 255, 58, 64])
  out.set(parseIp('fd00::99') as Bytes, 8)
  out.set(parseIp('fd00::1') as Bytes, 24)
  out.set([2, 0, 0, 0, 0, 0, mtu >> 8, mtu & 255], 40)
  out.set(quote, 48)
  const pseudo = new Uint8Array(40 + size)
  pseudo.set(out.subarray(8, 40))
  pseudo.set([0, 0, size >> 8, size & 255, 0, 0, 0, 58], 32)
  pseudo.set(out.subarray(40), 40)
  set16(out, 42, checksum(pseudo, 0, pseudo.length))
  return out
}

t.test('what is not for us, or can not be true, is dropped and counted', async (t) => {
  const wire = new Wire()
  let heard = 0
  wire.b.bindUdp({ port: 9 }).onMessage = () => heard++
  const port = wire.a.bindUdp()
  const change = (edit: (packet: Bytes) => void) => {
    wire.tap = (packet) => {
      edit(packet)
      set16(packet, 10, 0)
      set16(packet, 10, checksum(packet, 0, 20))
      return true
    }
    port.send({ address: '10.0.0.2', port: 9 }, new Uint8Array(8))
    wire.settle()
  }
  change((p) => p.set([10, 0, 0, 77], 16))
  change((p) => p.set([224, 0, 0, 1], 16))
  change((p) => p.set([127, 0, 0, 1], 12))
  change((p) => p.set([10, 0, 0, 2], 12))
  change((p) => p.set([0, 99], 2))
  change((p) => p.fill(1, 28, 30))
  t.equal(heard, 0)
  const dropped = Object.entries(wire.b.counters.drops).filter(([, count]) => count > 0)
  t.same(Object.fromEntries(dropped), {
    'ip-not-ours': 1,
    'ip-group': 1,
    'ip-source': 2,
    'ip-malformed': 1,
    'udp-malformed': 1,
  })
})

t.test('unclaimed packets go to who asked for them', async (t) => {
  const wire = new Wire()
  const seen: number[] = []
  wire.b.onUnclaimed = (bytes, at, length) => {
    t.equal(u16(bytes, at + 2), length)
    seen.push(u8(bytes, at + 9))
  }
  wire.a.bindUdp().send({ address: '10.0.0.2', port: 7 }, new Uint8Array(8))
  wire.a.connectTcp({ address: '10.0.0.2', port: 7 }, 0)
  wire.settle()
  t.same(seen.sort(), [17, 6].sort())
})

t.test('bounds', async (t) => {
  const wire = new Wire()
  const port = wire.a.bindUdp({ port: 1000 })
  t.throws(() => wire.a.bindUdp({ port: 1000 }), { code: 'ERR_LIMIT' })
  let sent = 0
  while (sent < 100_000 && port.send({ address: '10.0.0.2', port: 9 }, new Uint8Array(1000))) sent++
  t.ok(sent > 100 && sent < 10_000, `back-pressure after ${sent} datagrams`)
  t.notOk(port.send({ address: '10.0.0.2', port: 9 }, new Uint8Array(65_508)))
  t.notOk(port.send({ address: 'name.example', port: 9 }, new Uint8Array(1)))
  port.close()
  t.notOk(port.send({ address: '10.0.0.2', port: 9 }, new Uint8Array(1)))
  t.ok(wire.a.bindUdp({ port: 1000 }))
})

t.test('a listener says where the others find it', async (t) => {
  const wire = new Wire()
  t.match(wire.b.listenTcp({ port: 21, family: 4 }).local, { address: '10.0.0.2', port: 21 })
  t.match(wire.b.listenTcp({ port: 21, family: 6 }).local, { address: 'fd00::2', port: 21 })
  t.match(wire.b.listenTcp({ port: 22 }).local, { address: '10.0.0.2', port: 22 })
})

t.test('fuzz: no packet throws, and nothing grows', async (t) => {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() & 0xffff)
  t.comment(`seed ${seed}`)
  const random = seededRandom(seed)
  const number = (below: number) => {
    const draw = new Uint8Array(4)
    random(draw)
    return ((draw[0] as number) * 16_777_216 + u16(draw, 1) * 256 + u8(draw, 3)) % below
  }
  const end = Date.now() + 1000 * Number(process.env.FUZZ_SECONDS ?? 2)
  const wire = new Wire()
  wire.b.bindUdp({ port: 9 })
  wire.b.listenTcp({ port: 80 }).onConnection = () => undefined
  const samples: Bytes[] = []
  wire.tap = (packet) => {
    if (samples.length < 200) samples.push(packet.slice())
    return true
  }
  wire.a.bindUdp().send({ address: '10.0.0.2', port: 9 }, new Uint8Array(5000))
  wire.a.bindUdp().send({ address: 'fd00::2', port: 9 }, new Uint8Array(5000))
  wire.a.bindUdp().send({ address: '10.0.0.2', port: 7 }, new Uint8Array(50))
  wire.a.bindUdp().send({ address: 'fd00::2', port: 7 }, new Uint8Array(50))
  wire.a.ping(parseIp('10.0.0.2') as Bytes, 1000, 0, () => undefined)
  wire.a.connectTcp({ address: 'fd00::2', port: 80 }, 0)
  wire.settle()
  const batch = new PacketBatch({ capacity: 16, packetSize: 2000 })
  let rounds = 0
  for (; Date.now() < end; rounds++) {
    batch.reset()
    while (!batch.full) {
      const base = samples[number(samples.length)] as Bytes
      const packet = base.slice(0, number(4) === 0 ? number(base.length + 1) : base.length)
      for (let n = number(6); n > 0 && packet.length > 0; n--) {
        packet[number(packet.length)] = number(256)
      }
      // Half of them with a right header checksum, or little would get past it.
      if (packet.length >= 20 && number(2) === 0) {
        set16(packet, 10, 0)
        set16(packet, 10, checksum(packet, 0, 20))
      }
      batch.push(packet)
    }
    wire.b.input(batch, wire.now)
    wire.b.notify()
    for (let n = 0; n < 50; n++) {
      batch.reset()
      if (wire.b.output(batch, wire.now) === 0) break
    }
    wire.now += number(100)
    wire.b.tick(wire.now)
  }
  t.ok(rounds > 10, `${rounds} rounds`)
})

t.test('fragments inside of fragments are dropped, not followed', async (t) => {
  const wire = new Wire()
  // A datagram of 8191 fragment headers, each of which says that another follows.
  const chain = new Uint8Array(65_528)
  for (let at = 0; at < chain.length; at += 8) chain.set([44, 0, 0, 0, 0, 0, 0, 1], at)
  const batch = new PacketBatch({ capacity: 64, packetSize: 1500 })
  for (let from = 0; from < chain.length; from += 1360) {
    const data = chain.slice(from, from + 1360)
    const more = from + data.length < chain.length
    batch.push(fragment6({ id: 9, from, data, more, protocol: 44 }))
  }
  wire.b.input(batch, 0)
  t.equal(wire.b.counters.drops['ip-extension'], 1)
})

t.test('little beside much: connections and ports, in both directions', async (t) => {
  const wire = new Wire()
  const { a, b } = wire
  const streams: ByteStream[] = []
  b.listenTcp({ port: 80 }).onConnection = (stream) => {
    stream.onReadable = () => void stream.read()
    streams.push(stream)
  }
  const connection = a.connectTcp({ address: '10.0.0.2', port: 80 }, wire.now)
  const echo = b.bindUdp({ port: 7 })
  echo.onMessage = (from, bytes) => echo.send(from, bytes)
  b.bindUdp({ port: 9 })
  const [one, flood] = [a.bindUdp(), a.bindUdp()]
  const mixed = () => [a.mixed(wire.now), b.mixed(wire.now)]
  const rest = () => wire.pass(2 * FLOW_HEAVY_TIME)
  const much = () => void connection.write(new Uint8Array(60_000))
  const ask = () => void one.send({ address: '10.0.0.2', port: 7 }, Buffer.from('?'))
  wire.settle()
  much()
  wire.settle()
  much()
  wire.settle()
  wire.pass(FLOW_MIX_TIME)
  t.same(mixed(), [false, false], 'a transfer alone')
  much()
  ask()
  wire.settle()
  t.same(mixed(), [true, true], 'a question beside it')
  rest()
  ask()
  wire.settle()
  t.same(mixed(), [false, false], 'a question alone')
  rest()
  for (let n = 0; n <= FLOW_LIGHT_PACKETS; n++) {
    flood.send({ address: '10.0.0.2', port: 9 }, Buffer.from('x'))
  }
  wire.settle()
  wire.pass(FLOW_MIX_TIME)
  flood.send({ address: '10.0.0.2', port: 9 }, Buffer.from('x'))
  wire.settle()
  t.same(mixed(), [false, false], 'a flood of datagrams alone')
  for (let n = 0; n <= FLOW_LIGHT_PACKETS; n++) {
    flood.send({ address: '10.0.0.2', port: 9 }, Buffer.from('x'))
  }
  connection.write(Buffer.from('little'))
  wire.settle()
  t.same(mixed(), [true, true], 'a word beside it')
})
