/** Whatever a program writes to its device: nothing is thrown, only whole packets of the link's own leave, and the rest is answered well-formed or dropped. As long as FUZZ_SECONDS says. */
import fc from 'fast-check'
import t from 'tap'
import { set16, u8, u16 } from '../../src/core/bytes.js'
import { PvpnError } from '../../src/core/errors.js'
import { parseIp } from '../../src/core/ip.js'
import type { ManagedEnvironment, PacketGate } from '../../src/core/managed-environment.js'
import { PacketBatch } from '../../src/core/packet-batch.js'
import type { Bytes, Clock } from '../../src/core/types.js'
import type { TunDevice } from '../../src/io/tun.js'
import { ipv4Valid } from '../../src/wire/ipv4.js'
import { ipv6Valid } from '../../src/wire/ipv6.js'
import { CarriedLink } from '../../src/wrap/carried-link.js'
import { DnsService } from '../../src/wrap/dns-service.js'
import { MAX_OPENING } from '../../src/wrap/limits.js'
import { NamespaceLink } from '../../src/wrap/namespace-link.js'
import { fakeEnvironment } from '../support/fake-environment.js'
import { fuzzRun } from '../support/fuzz.js'

const MTU = 1420
const OWN = ['192.168.9.52', 'fd00:9::52'].map(address)
const ROUTED = ['192.168.11.10', 'fd00:11::10'].map(address)
const NOT_ROUTED = ['198.51.100.1', '2001:db8::1'].map(address)
const GROUPS = ['224.0.0.251', 'ff02::fb'].map(address)

function address(text: string): Bytes {
  return parseIp(text) ?? new Uint8Array(0)
}

/** A device that a test writes packets to, and keeps what comes back. */
class Device implements Pick<TunDevice, 'send' | 'close' | 'onBatch'> {
  onBatch: (batch: PacketBatch) => void = () => {}
  readonly answers: Bytes[] = []
  closed = false

  write(packets: readonly Bytes[]): void {
    const batch = new PacketBatch({ capacity: packets.length, packetSize: 2048 })
    for (const packet of packets) batch.push(packet)
    this.onBatch(batch)
  }

  send(batch: PacketBatch): number {
    for (let i = 0; i < batch.count; i++) this.answers.push(batch.view(i).slice())
    return batch.count
  }

  close(): void {
    this.closed = true
  }
}

/** Time that stands still; its timers are counted. */
class Timers implements Clock {
  pending = 0
  now(): number {
    return 0
  }
  at(): () => void {
    this.pending++
    return () => {
      this.pending--
    }
  }
}

class Gate implements PacketGate {
  onPacket: PacketGate['onPacket']
  readonly left: Bytes[] = []

  transmit(batch: PacketBatch): void {
    for (let i = 0; i < batch.count; i++) {
      if ((batch.length[i] as number) > 0) this.left.push(batch.view(i).slice())
    }
  }

  routes(to: Bytes): boolean {
    return ROUTED.some((routed) => Buffer.compare(routed, to) === 0)
  }
}

const random = (out: Uint8Array) => {
  out.fill(7)
}

interface Packet {
  readonly v6: boolean
  readonly source: Bytes
  readonly destination: Bytes
  readonly protocol: number
  readonly fragment: number
  readonly header: number
  /** What the length field says beyond the truth. */
  readonly more: number
  readonly payload: Uint8Array
}

function build(p: Packet): Bytes {
  const size = p.v6 ? 40 : 20
  const b = new Uint8Array(size + p.payload.length)
  b.set(p.payload, size)
  if (p.v6) {
    b[0] = 0x60 | (p.header & 15)
    set16(b, 4, p.payload.length + p.more)
    b[6] = p.protocol
    b[7] = 64
  } else {
    b[0] = 0x40 | p.header
    set16(b, 2, b.length + p.more)
    set16(b, 6, p.fragment)
    b[8] = 64
    b[9] = p.protocol
  }
  b.set(p.source, p.v6 ? 8 : 12)
  b.set(p.destination, p.v6 ? 24 : 16)
  return b
}

const formed = fc.boolean().chain((v6) => {
  const one = (all: readonly Bytes[]) => all[v6 ? 1 : 0] as Bytes
  const somewhere = [ROUTED, NOT_ROUTED, GROUPS, OWN].map(one)
  return fc.record({
    v6: fc.constant(v6),
    source: fc.oneof(
      { weight: 4, arbitrary: fc.constant(one(OWN)) },
      fc.constantFrom(...somewhere),
    ),
    destination: fc.constantFrom(...somewhere),
    protocol: fc.oneof(
      fc.constantFrom(1, 6, 17, 58, 44, 0, 43, 60),
      fc.integer({ min: 0, max: 255 }),
    ),
    fragment: fc.oneof(
      fc.constantFrom(0, 0x4000, 0x2000, 1, 0x3fff),
      fc.integer({ min: 0, max: 0xffff }),
    ),
    header: fc.oneof({ weight: 4, arbitrary: fc.constant(5) }, fc.integer({ min: 0, max: 15 })),
    more: fc.oneof(
      { weight: 4, arbitrary: fc.constant(0) },
      fc.integer({ min: -60, max: 60 }).map((n) => Math.max(n, -20)),
    ),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.uint8Array({ minLength: 20, maxLength: 1380 }),
      // Port 53, and SYNs: what the links look for.
      fc.uint8Array({ minLength: 20, maxLength: 80 }).map((bytes) => {
        set16(bytes, 2, u8(bytes, 0) < 128 ? 53 : u8(bytes, 1))
        bytes[12] = 0x50
        bytes[13] = 0x02
        return bytes
      }),
    ),
  })
})
const packets = fc.array(
  fc.oneof({ weight: 6, arbitrary: formed.map(build) }, fc.uint8Array({ maxLength: 1600 })),
  { minLength: 1, maxLength: 40 },
)

/** Once what was put off to the end of this turn is done. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

function wellFormed(bytes: Bytes): boolean {
  const version = u8(bytes, 0) >>> 4
  return version === 4 ? ipv4Valid(bytes, 0, bytes.length) : ipv6Valid(bytes, 0, bytes.length)
}

t.test('a link with a tunnel of packets', async (t) => {
  const dns = new DnsService(fakeEnvironment({}))
  const link = { addresses: ['192.168.9.52/24', 'fd00:9::52/64'], mtu: MTU, dns: [], search: [] }
  const environment = { ...fakeEnvironment({}), link } as unknown as ManagedEnvironment
  const property = fc.asyncProperty(packets, async (written) => {
    const device = new Device()
    const gate = new Gate()
    const clock = new Timers()
    const under = new NamespaceLink({ environment, gate, device, dns, clock, random, mtu: MTU })
    device.write(written)
    await settled()
    for (const packet of gate.left) {
      const v6 = u8(packet, 0) >>> 4 === 6
      const [at, size] = v6 ? [8, 16] : [12, 4]
      const source = packet.subarray(at, at + size)
      const destination = packet.subarray(at + size, at + 2 * size)
      if (Buffer.compare(source, OWN[v6 ? 1 : 0] as Bytes) !== 0) throw new Error('not our source')
      if (!gate.routes(destination)) throw new Error('no route')
      const says = v6 ? 40 + u16(packet, 4) : u16(packet, 2)
      if (says > packet.length) throw new Error('less than it says')
    }
    for (const answer of device.answers) {
      if (!wellFormed(answer)) throw new Error(`answered ${Buffer.from(answer).toString('hex')}`)
    }
    // What comes from the far side is as hostile, and goes in as it is.
    for (const packet of written) gate.onPacket?.(packet, 0, packet.length)
    under.close()
    await settled()
    if (!device.closed || gate.onPacket !== undefined) throw new Error('not closed')
  })
  await fc.assert(property, fuzzRun)
  t.pass('no packet broke it')
})

t.test('a link without', async (t) => {
  const dns = new DnsService(fakeEnvironment({}))
  const dial = () => Promise.reject(new PvpnError('ERR_REFUSED', 'nobody is there'))
  const environment = fakeEnvironment({ dial }) as unknown as ManagedEnvironment
  const property = fc.asyncProperty(packets, async (written) => {
    const device = new Device()
    const clock = new Timers()
    const under = new CarriedLink({ environment, device, dns, clock, random, mtu: MTU })
    device.write(written)
    await settled()
    for (const answer of device.answers) {
      if (!wellFormed(answer)) throw new Error(`answered ${Buffer.from(answer).toString('hex')}`)
    }
    under.close()
    await settled()
    if (clock.pending > 4) throw new Error(`${clock.pending} timers are left`)
  })
  await fc.assert(property, fuzzRun)
  t.pass('no packet broke it')
})

t.test('connections that are being opened have a bound', async (t) => {
  let dialled = 0
  const dial = () => {
    dialled++
    return new Promise<never>(() => {})
  }
  const dns = new DnsService(fakeEnvironment({}))
  const environment = fakeEnvironment({ dial }) as unknown as ManagedEnvironment
  const device = new Device()
  const clock = new Timers()
  const link = new CarriedLink({ environment, device, dns, clock, random, mtu: MTU })
  for (let port = 1; port <= 3 * MAX_OPENING; port++) {
    const payload = new Uint8Array(20)
    set16(payload, 0, port)
    set16(payload, 2, 80)
    payload[12] = 0x50
    payload[13] = 0x02
    const [source, destination] = [OWN[0] as Bytes, ROUTED[0] as Bytes]
    const syn = { v6: false, source, destination, protocol: 6, fragment: 0, header: 5, more: 0 }
    device.write([build({ ...syn, payload })])
  }
  t.equal(dialled, MAX_OPENING)
  link.close()
})
