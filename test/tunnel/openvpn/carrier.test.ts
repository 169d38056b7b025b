/** Remotes over TCP: when the machine connects, waits, gives up and goes over to the next. */
import t from 'tap'
import { PvpnError } from '../../../src/core/errors.js'
import { PacketBatch } from '../../../src/core/packet-batch.js'
import { formatSocketAddress } from '../../../src/core/socket-address.js'
import type { StreamCarrier } from '../../../src/core/stream-carrier.js'
import { createOpenvpn } from '../../../src/tunnel/openvpn/tunnel.js'
import { toyTls } from './toy-tls.js'
import { options } from './world.js'

class FakeCarrier implements StreamCarrier {
  readonly calls: string[] = []
  onConnect: () => void = () => undefined
  onClose: (error: PvpnError) => void = () => undefined

  connect(to: Uint8Array): void {
    this.calls.push(formatSocketAddress(to))
  }

  disconnect(): void {
    this.calls.push('udp')
  }
}

function machine() {
  const carrier = new FakeCarrier()
  const remotes = [
    { host: '203.0.113.2', port: 443, transport: 'tcp' },
    { host: '203.0.113.3', port: 1194, transport: 'udp' },
  ] as const
  const tunnel = createOpenvpn(options({ remotes }), {
    random: (out) => out.fill(7),
    wallClock: () => 1_700_000_000_000,
    tls: () => toyTls(() => undefined),
    carrier,
  })
  let woken = 0
  tunnel.onReady = () => woken++
  const turn = (now: number): string[] => {
    if (tunnel.deadline() <= now) tunnel.tick(now)
    const batch = new PacketBatch({ capacity: 8, packetSize: 1600 })
    tunnel.poll(batch, now)
    return Array.from({ length: batch.count }, (_, i) => formatSocketAddress(batch.address, 24 * i))
  }
  const said = (): string | undefined => {
    const event = tunnel.takeEvent()
    return event !== undefined && 'error' in event
      ? `${event.kind}: ${event.error.message}`
      : event?.kind
  }
  return { carrier, tunnel, turn, said, woken: () => woken }
}

t.test('nothing is sent before the connection is open', (t) => {
  const { carrier, tunnel, turn, woken } = machine()
  tunnel.open(0)
  t.same(carrier.calls, ['203.0.113.2:443'])
  t.same(turn(0), [])
  carrier.onConnect()
  t.equal(woken(), 1)
  t.equal(tunnel.deadline(), 0, 'a turn is wanted')
  t.same(turn(1), ['203.0.113.2:443'])
  t.equal(tunnel.endpoint, '203.0.113.2:443')
  t.end()
})

t.test('no connection, in time or at all: the next remote', (t) => {
  const late = machine()
  late.tunnel.open(0)
  late.turn(9999)
  t.equal(late.said(), undefined)
  late.turn(10_000)
  t.equal(late.said(), 'trying: server unreachable: no answer from 203.0.113.2:443 (tcp) in 10 s')
  t.same(late.turn(11_000), ['203.0.113.3:1194'])
  t.same(late.carrier.calls, ['203.0.113.2:443', 'udp'])
  const refused = machine()
  refused.tunnel.open(0)
  refused.carrier.onClose(new PvpnError('ERR_DOWN', 'server unreachable: refused'))
  t.same(refused.turn(1), [])
  t.equal(refused.said(), 'trying: server unreachable: refused')
  t.same(refused.turn(1001), ['203.0.113.3:1194'])
  refused.carrier.onConnect()
  refused.carrier.onClose(new PvpnError('ERR_DOWN', 'of the old connection'))
  refused.turn(1002)
  t.equal(refused.said(), undefined, 'what comes late is not heard')
  t.end()
})

t.test('a connection that ends during the handshake', (t) => {
  const { carrier, tunnel, turn, said } = machine()
  tunnel.open(0)
  carrier.onConnect()
  turn(1)
  carrier.onClose(new PvpnError('ERR_DOWN', 'ECONNRESET'))
  turn(2)
  t.equal(said(), 'trying: 203.0.113.2:443 (tcp) has closed the connection: ECONNRESET')
  t.end()
})

t.test('closing lets go of the connection', (t) => {
  const { carrier, tunnel, turn } = machine()
  tunnel.open(0)
  tunnel.close(1)
  t.same(carrier.calls, ['203.0.113.2:443', 'udp'])
  carrier.onConnect()
  t.same(turn(2), [])
  t.equal(tunnel.deadline(), Number.POSITIVE_INFINITY)
  tunnel.open(3)
  carrier.onConnect()
  turn(4)
  tunnel.close(5)
  turn(5)
  t.equal(carrier.calls.at(-1), 'udp')
  t.end()
})
