import t from 'tap'
import { PacketBatch } from '../../src/core/packet-batch.js'
import { UDP_LIGHT_DATAGRAMS, UDP_LIGHT_PACKETS, UDP_SEND_PACKETS } from '../../src/stack/limits.js'
import { UdpQueue, UdpUse } from '../../src/stack/udp-queue.js'

/** Queues one datagram that says who sent it, and its number; false at a bound. */
function put(queue: UdpQueue, use: UdpUse, who: number, number: number): boolean {
  const place = queue.line(use).place(3)
  place?.set([who, number >> 8, number & 255])
  return place !== undefined
}

function take(queue: UdpQueue, most = 64): number[][] {
  const batch = new PacketBatch({ capacity: 64, packetSize: 100 })
  queue.drain(batch, most)
  return Array.from({ length: batch.count }, (_, i) => {
    const [who = 0, high = 0, low = 0] = batch.view(i)
    return [who, (high << 8) | low]
  })
}

t.test('a question overtakes a flood, and finds a place when the flood has none', async (t) => {
  const queue = new UdpQueue()
  const [flood, question] = [new UdpUse(), new UdpUse()]
  let sent = 0
  while (put(queue, flood, 1, sent)) sent++
  t.equal(sent, UDP_LIGHT_DATAGRAMS + UDP_SEND_PACKETS)
  t.ok(put(queue, question, 2, 0))
  take(queue, UDP_LIGHT_DATAGRAMS)
  t.same(take(queue)[0], [2, 0])
  t.ok(put(queue, question, 2, 1))
  t.same(take(queue)[0], [2, 1])
})

t.test('each port’s datagrams stay in order, whatever is drained when', async (t) => {
  const queue = new UdpQueue()
  const uses = Array.from({ length: 5 }, () => new UdpUse())
  const next = uses.map(() => 0)
  const seen = uses.map(() => 0)
  let wrong = 0
  let seed = 1
  const draw = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 1
    return seed % below
  }
  for (let step = 0; step < 20_000; step++) {
    // The first ones send most.
    const who = Math.min(draw(5), draw(5))
    const use = uses[who] as UdpUse
    if (draw(3) > 0) {
      if (put(queue, use, who, next[who] as number))
        next[who] = ((next[who] as number) + 1) & 0xffff
    } else {
      for (const [from = 0, number = 0] of take(queue, 1 + draw(8))) {
        if (number !== seen[from]) wrong++
        seen[from] = (number + 1) & 0xffff
      }
    }
  }
  t.equal(wrong, 0)
  t.ok(
    seen.every((count) => count > 100),
    seen.join(' '),
  )
})

t.test('many small senders have a bound', async (t) => {
  const queue = new UdpQueue()
  let sent = 0
  while (put(queue, new UdpUse(), 3, 0)) sent++
  t.equal(sent, UDP_LIGHT_PACKETS)
})
