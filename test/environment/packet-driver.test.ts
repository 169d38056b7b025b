import t from 'tap'
import type { DatagramSocket } from '../../src/core/datagram-socket.js'
import { PvpnError } from '../../src/core/errors.js'
import { PacketBatch } from '../../src/core/packet-batch.js'
import type { PacketTunnel, TunnelEvent } from '../../src/core/tunnel.js'
import type { LinkInfo, Millis } from '../../src/core/types.js'
import {
  BATCH_CAPACITY,
  BATCHES_PER_SHORT_TURN,
  BATCHES_PER_TURN,
  MINIMUM_PACKET_SIZE,
} from '../../src/environment/limits.js'
import { PacketDriver } from '../../src/environment/packet-driver.js'
import type { Stack } from '../../src/stack/contract.js'
import { VirtualClock } from './virtual-clock.js'

const LINK: LinkInfo = { addresses: ['10.0.0.1/24'], dns: [], search: [], mtu: 1420 }
const NEVER = Number.POSITIVE_INFINITY

/** A driver between a tunnel, a stack and a socket that only write down what is asked of them. */
class Bench {
  readonly clock = new VirtualClock()
  readonly log: string[] = []
  readonly events: TunnelEvent[] = []
  /** Packets that the stack and the tunnel itself still have to send. */
  packets = 0
  own = 0
  /** The tunnel needs further turns after its close. */
  leaving = false
  /** Little is carried beside much. */
  mixed = false
  /** A queue stands in the socket; how often it was asked about. */
  standing = false
  asked = 0
  /** Datagrams that the socket takes. */
  room = NEVER
  sent = 0
  tunnelDeadline: Millis = NEVER
  stackDeadline: Millis = NEVER
  onNotify = () => {}
  onEvent: (event: TunnelEvent) => void = () => {}
  onPoll = () => {}
  readonly driver: PacketDriver
  readonly stack: Stack
  readonly tunnel: PacketTunnel
  readonly socket: DatagramSocket

  constructor() {
    this.tunnel = this.#makeTunnel()
    this.stack = this.#makeStack()
    this.socket = this.#makeSocket()
    this.driver = new PacketDriver({
      tunnel: this.tunnel,
      stack: this.stack,
      socket: this.socket,
      clock: this.clock,
      soon: (run) => void this.clock.at(this.clock.now(), run),
      onEvent: (event) => {
        this.log.push(`event ${event.kind}`)
        this.onEvent(event)
      },
    })
  }

  /** What happened since the last call. */
  taken(): string[] {
    return this.log.splice(0)
  }

  received(...packets: string[]): void {
    const batch = new PacketBatch({ capacity: Math.max(1, packets.length), packetSize: 100 })
    for (const packet of packets) batch.push(Buffer.from(packet))
    this.socket.onBatch(batch)
  }

  #makeTunnel(): PacketTunnel {
    const bench = this
    return {
      get leaving() {
        return bench.leaving
      },
      link: LINK,
      open: () => this.log.push('open'),
      close: () => this.log.push('close tunnel'),
      receive: (batch) => this.log.push(`receive ${batch.count}`),
      transmit: (batch) => this.log.push(`transmit ${batch.count}`),
      poll: (batch) => {
        this.onPoll()
        for (; this.own > 0 && !batch.full; this.own--) batch.push(Buffer.from('own'))
      },
      deadline: () => this.tunnelDeadline,
      tick: (now) => {
        this.tunnelDeadline = NEVER
        this.log.push(`tunnel tick ${now}`)
      },
      takeEvent: () => this.events.shift(),
      resolved: () => undefined,
      routes: () => true,
      counters: { bytesIn: 0, bytesOut: 0, packetsIn: 0, packetsOut: 0, drops: {} },
      lastHandshake: undefined,
      endpoint: undefined,
    }
  }

  #makeStack(): Stack {
    const unused = () => {
      throw new Error('the driver has no use for it')
    }
    return {
      onUnclaimed: undefined,
      onReady: () => undefined,
      configure: (link) => this.log.push(`configure ${link.addresses}`),
      input: (batch) => this.log.push(`input ${batch.count}`),
      waiting: () => {
        this.asked++
        return this.standing
      },
      mixed: () => this.mixed,
      notify: () => {
        this.log.push('notify')
        this.onNotify()
      },
      output: (batch) => {
        const before = batch.count
        for (; this.packets > 0 && !batch.full; this.packets--) batch.push(Buffer.from('data'))
        return batch.count - before
      },
      deadline: () => this.stackDeadline,
      tick: (now) => {
        this.stackDeadline = NEVER
        this.log.push(`stack tick ${now}`)
      },
      connectTcp: unused,
      listenTcp: unused,
      bindUdp: unused,
      ping: unused,
      counters: {
        packetsIn: 0,
        packetsOut: 0,
        drops: {},
        tcp: {
          open: 0,
          retransmits: 0,
          timeouts: 0,
          cookies: { sent: 0, received: 0, failed: 0 },
          roundTrips: { bounds: [], counts: [0], sum: 0 },
        },
      },
    }
  }

  #makeSocket(): DatagramSocket {
    return {
      localPort: 1,
      waiting: 1_000_000,
      onBatch: () => undefined,
      onWritable: () => undefined,
      onError: () => undefined,
      send: (batch, from) => {
        const count = Math.min(batch.count - from, this.room)
        this.room -= count
        this.sent += count
        this.log.push(`send ${from} to ${from + count} of ${batch.count}`)
        return from + count
      },
      close: () => this.log.push('close socket'),
    }
  }
}

t.test(
  'a turn: events, callbacks, then what they have to send, with the tunnel’s own',
  async (t) => {
    const bench = new Bench()
    bench.own = 1
    bench.driver.start()
    t.same(bench.taken(), ['open', 'notify', 'send 0 to 1 of 1'])
    bench.events.push({ kind: 'up', link: LINK })
    bench.onNotify = () => {
      bench.packets = 2
      bench.own = 1
    }
    bench.received('one', 'two')
    t.same(bench.taken().slice(0, 7), [
      'receive 2',
      'input 2',
      'configure 10.0.0.1/24',
      'event up',
      'notify',
      'transmit 2',
      'send 0 to 3 of 3',
    ])
  },
)

t.test('nothing to send: the socket is left alone', async (t) => {
  const bench = new Bench()
  bench.driver.start()
  t.same(bench.taken(), ['open', 'notify'])
})

t.test('a full socket: what it has not taken goes first, once it has room', async (t) => {
  const bench = new Bench()
  bench.driver.start()
  bench.packets = 10
  bench.room = 4
  bench.taken()
  bench.received('one')
  t.same(bench.taken().slice(2), ['notify', 'transmit 10', 'send 0 to 4 of 10'])
  bench.packets = 5
  bench.received('two')
  t.same(bench.taken().slice(2), ['notify'], 'what is received meanwhile is handled')
  t.equal(bench.packets, 5, 'but nothing more is cut: back-pressure is the stack’s')
  bench.room = 2
  bench.socket.onWritable()
  t.same(bench.taken(), ['notify', 'send 4 to 6 of 10'])
  bench.room = NEVER
  bench.socket.onWritable()
  t.same(bench.taken(), ['notify', 'send 6 to 10 of 10', 'transmit 5', 'send 0 to 5 of 5'])
  t.equal(bench.sent, 15)
})

t.test('a turn sends so much; the rest waits for the next turn of the event loop', async (t) => {
  const bench = new Bench()
  bench.driver.start()
  const all = BATCH_CAPACITY * BATCHES_PER_TURN
  bench.packets = 2 * all + 1
  bench.received('one')
  t.equal(bench.sent, all)
  t.equal(bench.clock.pending, 1)
  await bench.clock.advance(0)
  t.equal(bench.sent, 2 * all + 1, 'and so on until nothing is left')
  t.equal(bench.clock.pending, 0)
})

t.test(
  'little beside much: turns are short, at both ends, and only as long as there is both',
  async (t) => {
    const bench = new Bench()
    bench.driver.start()
    const long = BATCH_CAPACITY * BATCHES_PER_TURN
    const short = BATCH_CAPACITY * BATCHES_PER_SHORT_TURN
    t.ok(short < long)
    t.equal(bench.socket.short, false)
    bench.packets = 2 * short + long + 1
    bench.mixed = true
    bench.received('one')
    t.equal(bench.sent, short)
    t.equal(bench.socket.short, true, 'the socket hands over less')
    bench.socket.onArrival?.()
    t.equal(bench.sent, short, 'the rest waits for its turn')
    await bench.clock.advance(0)
    t.equal(bench.packets, 0, 'turn by turn')
    bench.packets = long + 1
    bench.mixed = false
    bench.received('one')
    t.equal(bench.packets, 1)
    t.equal(bench.socket.short, false)
  },
)

t.test(
  'a queue that stands in the socket is worked off by large batches, whatever waits',
  async (t) => {
    const bench = new Bench()
    bench.driver.start()
    const many = new Array<string>(BATCH_CAPACITY).fill('one')
    bench.mixed = true
    bench.received('one')
    t.equal(bench.asked, 0, 'behind a few none does')
    bench.received(...many)
    t.same([bench.asked, bench.socket.short], [1, true])
    bench.standing = true
    bench.received(...many)
    t.equal(bench.socket.short, false)
    bench.received('one')
    t.same([bench.asked, bench.socket.short], [3, false], 'asked about until it is gone')
    bench.standing = false
    bench.received('one')
    t.same([bench.asked, bench.socket.short], [4, true])
    bench.received('one')
    t.equal(bench.asked, 4)
  },
)

t.test('who wakes it many times gets one turn', async (t) => {
  const bench = new Bench()
  bench.driver.start()
  bench.taken()
  bench.packets = 1
  for (let n = 0; n < 5; n++) bench.stack.onReady()
  bench.tunnel.onReady?.()
  t.same(bench.taken(), [], 'not from inside of the call')
  await bench.clock.advance(0)
  t.same(bench.taken(), ['notify', 'transmit 1', 'send 0 to 1 of 1'])
})

t.test('what a program has written leaves before what arrives is worked off', async (t) => {
  const bench = new Bench()
  bench.driver.start()
  bench.taken()
  bench.packets = 1
  bench.stack.onReady()
  bench.socket.onArrival?.()
  bench.received('one')
  const first = ['notify', 'transmit 1', 'send 0 to 1 of 1']
  t.same(bench.taken(), [...first, 'receive 1', 'input 1', 'notify'])
  await bench.clock.advance(0)
  t.same(bench.taken(), [], 'the turn that was due has been')
  bench.socket.onArrival?.()
  t.same(bench.taken(), [], 'none is made where none was due')
  bench.packets = BATCH_CAPACITY * BATCHES_PER_TURN + 1
  bench.received('one')
  bench.taken()
  bench.socket.onArrival?.()
  t.same(bench.taken(), [], 'nor for the rest of an earlier turn')
  await bench.clock.advance(0)
  t.equal(bench.packets, 0)
})

t.test('what the answer to an event has to send goes out, whenever the event came', async (t) => {
  for (const when of ['receiving', 'sending'] as const) {
    const bench = new Bench()
    bench.driver.start()
    bench.onEvent = () => {
      bench.packets = 3
      bench.stack.onReady()
    }
    if (when === 'receiving') bench.events.push({ kind: 'up', link: LINK })
    else bench.onPoll = () => bench.events.push({ kind: 'up', link: LINK })
    bench.own = 1
    bench.received('one')
    bench.onPoll = () => undefined
    await bench.clock.advance(0)
    t.equal(bench.sent, 4, `an event that came while ${when}`)
  }
})

t.test('packets of others go out at once, behind nothing and in front of nobody', async (t) => {
  const bench = new Bench()
  bench.driver.start()
  bench.taken()
  const foreign = new PacketBatch({ capacity: 2, packetSize: 100 })
  foreign.push(Buffer.from('foreign'))
  bench.own = 1
  bench.driver.transmit(foreign)
  t.same(bench.taken(), ['transmit 1', 'send 0 to 1 of 1'])
  await bench.clock.advance(0)
  t.same(
    bench.taken(),
    ['notify', 'send 0 to 1 of 1'],
    'what the tunnel has to say to that follows',
  )
  bench.packets = 2
  bench.room = 1
  bench.received('one')
  bench.taken()
  bench.driver.transmit(foreign)
  t.same(bench.taken(), [], 'the link is full: lost')
  bench.room = NEVER
  bench.socket.onWritable()
  t.same(bench.taken(), ['notify', 'send 1 to 2 of 2'])
  bench.driver.close()
  bench.taken()
  bench.driver.transmit(foreign)
  t.same(bench.taken(), [], 'closed')
})

t.test('timers: the sooner of both deadlines, moved forwards, never backwards', async (t) => {
  const bench = new Bench()
  bench.tunnelDeadline = 500
  bench.stackDeadline = 300
  bench.driver.start()
  t.equal(bench.clock.pending, 1)
  await bench.clock.advance(299)
  bench.taken()
  await bench.clock.advance(1)
  t.same(bench.taken(), ['stack tick 300', 'notify'])
  await bench.clock.advance(100)
  bench.tunnelDeadline = 450
  bench.received('sooner')
  t.equal(bench.clock.pending, 1, 'one timer, however often it is set')
  bench.taken()
  await bench.clock.advance(50)
  t.same(bench.taken(), ['tunnel tick 450', 'notify'])
  bench.stackDeadline = 600
  bench.received('one')
  bench.stackDeadline = 900
  bench.received('later')
  bench.taken()
  await bench.clock.advance(150)
  t.same(bench.taken(), ['notify'], 'fires for nothing where the deadline has moved on')
  await bench.clock.advance(300)
  t.same(bench.taken(), ['stack tick 900', 'notify'])
  t.equal(bench.clock.pending, 0)
})

t.test('closing: the tunnel’s last words, then nothing any more', async (t) => {
  const bench = new Bench()
  bench.tunnelDeadline = 500
  bench.driver.start()
  bench.taken()
  bench.own = 1
  bench.driver.close()
  t.same(bench.taken(), ['close tunnel', 'notify', 'send 0 to 1 of 1', 'close socket'])
  bench.driver.close()
  bench.received('late')
  bench.packets = 1
  bench.stack.onReady()
  bench.driver.wake()
  await bench.clock.advance(1000)
  t.same(bench.taken(), [])
  t.equal(bench.clock.pending, 0, 'no timer is left')
})

t.test('closing with a turn already asked for, or with a socket that is full', async (t) => {
  const bench = new Bench()
  bench.driver.start()
  bench.packets = 2
  bench.room = 1
  bench.received('one')
  bench.stack.onReady()
  bench.taken()
  bench.driver.close()
  t.same(bench.taken(), ['close tunnel', 'notify', 'close socket'])
  await bench.clock.advance(0)
  t.same(bench.taken(), [])
})

t.test('closing from a callback is done when the turn ends, once', async (t) => {
  const bench = new Bench()
  bench.driver.start()
  bench.taken()
  bench.onNotify = () => {
    bench.driver.close()
    bench.packets = 1
  }
  bench.received('one')
  const said = bench.taken()
  t.same(said.slice(0, 5), ['receive 1', 'input 1', 'notify', 'transmit 1', 'send 0 to 1 of 1'])
  t.equal(said.filter((what) => what === 'close socket').length, 1)
  t.equal(said.at(-1), 'close socket')
})

t.test('a callback that throws leaves a driver that goes on', async (t) => {
  const bench = new Bench()
  bench.driver.start()
  bench.onNotify = () => {
    throw new PvpnError('ERR_INTERNAL', 'a defect')
  }
  t.throws(() => bench.received('one'), { code: 'ERR_INTERNAL' })
  bench.onNotify = () => undefined
  bench.packets = 1
  bench.received('two')
  t.equal(bench.sent, 1)
})

t.test('a batch has room for the link’s packets, and for those of an Ethernet', async (t) => {
  for (const mtu of [1280, 9000]) {
    const bench = new Bench()
    const sizes: number[] = []
    Object.assign(bench.tunnel, { link: { ...LINK, mtu } })
    const stack: Stack = Object.assign(bench.stack, {
      output: (batch: PacketBatch) => {
        sizes.push(batch.packetSize)
        return 0
      },
    })
    const { tunnel, socket, clock } = bench
    const soon = () => undefined
    new PacketDriver({ tunnel, stack, socket, clock, soon, onEvent: () => undefined }).start()
    t.same(sizes, [Math.max(MINIMUM_PACKET_SIZE, mtu)])
  }
})

t.test(
  'a tunnel that takes leave has turns until it is gone; then the socket is closed',
  async (t) => {
    const bench = new Bench()
    bench.driver.start()
    bench.taken()
    let over = false
    void bench.driver.closed.then(() => {
      over = true
    })
    bench.leaving = true
    bench.tunnelDeadline = 50
    bench.driver.close()
    t.same(bench.taken(), ['close tunnel', 'notify'])
    bench.received('answer')
    t.match(bench.taken(), ['receive 1'])
    const batch = new PacketBatch({ capacity: 1, packetSize: 100 })
    batch.push(Buffer.from('late'))
    bench.driver.transmit(batch)
    bench.driver.close()
    t.same(bench.taken(), [], 'nothing more goes in, and it is told once')
    await bench.clock.advance(49)
    t.notOk(over)
    bench.leaving = false
    await bench.clock.advance(1)
    t.same(bench.taken(), ['tunnel tick 50', 'notify', 'close socket'])
    t.ok(over)
    bench.received('late')
    t.same(bench.taken(), [])
  },
)
