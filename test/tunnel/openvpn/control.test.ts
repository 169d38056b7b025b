/** The control channel's packets, their wraps and the reliability layer. */
import fc from 'fast-check'
import t from 'tap'
import { AuthWrap } from '../../../src/tunnel/openvpn/control-auth.js'
import { CryptWrap } from '../../../src/tunnel/openvpn/control-crypt.js'
import { decodeBody, encodeBody, MAX_ACKS } from '../../../src/tunnel/openvpn/control-packet.js'
import {
  type ControlWrap,
  LongPacketIds,
  PlainWrap,
} from '../../../src/tunnel/openvpn/control-wrap.js'
import {
  OVPN_PENDING_ACKS,
  OVPN_RECEIVE_WINDOW,
  OVPN_SEND_WINDOW,
} from '../../../src/tunnel/openvpn/limits.js'
import { P_ACK_V1, P_CONTROL_V1 } from '../../../src/tunnel/openvpn/opcode.js'
import { ReliableReceiver, ReliableSender } from '../../../src/tunnel/openvpn/reliable.js'
import { StreamSplitter } from '../../../src/tunnel/openvpn/stream-framing.js'
import { fuzzRun, pieces } from '../../support/fuzz.js'

const KEY = Uint8Array.from({ length: 256 }, (_, i) => (i * 37 + 11) & 0xff)
/** The two halves changed over: what the server has. */
const OTHER = Uint8Array.from([...KEY.subarray(128), ...KEY.subarray(0, 128)])
const HEADER = Uint8Array.of(P_CONTROL_V1 << 3, 1, 2, 3, 4, 5, 6, 7, 8)
const BODY = new TextEncoder().encode('\0hello control channel')

const ids = (time = 1_700_000_000) => new LongPacketIds(time)

const WRAPS: Record<string, (time?: number) => [ControlWrap, ControlWrap]> = {
  none: () => [new PlainWrap(), new PlainWrap()],
  'tls-auth with directions': (time) => [
    new AuthWrap({ key: KEY, digest: 'sha1', direction: 1, ids: ids(time) }),
    new AuthWrap({ key: KEY, digest: 'sha1', direction: 0, ids: ids(time) }),
  ],
  'tls-auth with one key': (time) => [
    new AuthWrap({ key: KEY, digest: 'sha512', direction: undefined, ids: ids(time) }),
    new AuthWrap({ key: KEY, digest: 'sha512', direction: undefined, ids: ids(time) }),
  ],
  'tls-crypt': (time) => [new CryptWrap(KEY, ids(time)), new CryptWrap(OTHER, ids(time))],
}

for (const [name, make] of Object.entries(WRAPS)) {
  t.test(`${name}: both ways`, (t) => {
    const [client, server] = make()
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      const datagram = from.wrap(HEADER, BODY)
      t.equal(datagram.length, HEADER.length + from.overhead + BODY.length)
      t.same(datagram.subarray(0, 9), HEADER, 'the header stays readable')
      t.same(to.unwrap(datagram), BODY)
    }
    t.equal(client.unwrap(HEADER.subarray(0, 8)), 'malformed')
    t.end()
  })

  if (name === 'none') continue

  t.test(`${name}: forgeries and replays`, (t) => {
    const [client, server] = make()
    const first = client.wrap(HEADER, BODY)
    const second = client.wrap(HEADER, BODY)
    for (let i = 0; i < first.length; i++) {
      const changed = Uint8Array.from(first)
      changed[i] = (changed[i] as number) ^ 0x10
      t.equal(server.unwrap(changed), 'forged', `byte ${i}`)
    }
    t.same(server.unwrap(second), BODY)
    t.same(server.unwrap(first), BODY, 'late is no replay')
    t.equal(server.unwrap(first), 'replay')
    t.equal(server.unwrap(second), 'replay')
    const [older] = make(1_600_000_000)
    t.equal(server.unwrap(older.wrap(HEADER, BODY)), 'replay', 'a time before')
    const [newer] = make(1_800_000_000)
    t.same(server.unwrap(newer.wrap(HEADER, BODY)), BODY, 'a new session')
    t.equal(server.unwrap(client.wrap(HEADER, BODY)), 'replay', 'of the old session')
    t.end()
  })
}

t.test('bodies', (t) => {
  const peerSessionId = Uint8Array.of(9, 8, 7, 6, 5, 4, 3, 2)
  const payload = Uint8Array.of(1, 2, 3)
  const full = { acks: [0, 7, 4_294_967_295], peerSessionId, messageId: 5, payload }
  t.same(decodeBody(P_CONTROL_V1, encodeBody(full)), full)
  const ack = { acks: [3], peerSessionId, messageId: undefined, payload: new Uint8Array(0) }
  t.same(decodeBody(P_ACK_V1, encodeBody(ack)), ack)
  const none = { acks: [], peerSessionId: undefined, messageId: 0, payload }
  t.same(decodeBody(P_CONTROL_V1, encodeBody(none)), none)
  t.equal(decodeBody(P_CONTROL_V1, encodeBody(ack)), undefined, 'no message id')
  const many = new Uint8Array(200)
  many[0] = MAX_ACKS + 1
  t.equal(decodeBody(P_CONTROL_V1, many), undefined)
  for (let cut = 0; cut < 1 + 12 + 8 + 4; cut++) {
    t.equal(decodeBody(P_CONTROL_V1, encodeBody(full).subarray(0, cut)), undefined)
  }
  t.end()
})

t.test('any bytes are a body, or none', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(31), (bytes, opcode) => {
      const body = decodeBody(opcode, bytes)
      if (body === undefined) return
      const again = decodeBody(opcode, encodeBody(body))
      t.same(again?.acks, body.acks)
      for (const make of Object.values(WRAPS)) make()[0].unwrap(bytes)
    }),
    fuzzRun as fc.Parameters<[Uint8Array, number]>,
  )
  t.end()
})

t.test('the sender: window, retransmission, overtaking', (t) => {
  const sender = new ReliableSender()
  for (let i = 0; i < OVPN_SEND_WINDOW; i++) {
    t.ok(sender.open)
    sender.push(P_CONTROL_V1, Uint8Array.of(i), 0)
  }
  t.notOk(sender.open)
  const taken = (now: number) => {
    const out: number[] = []
    for (let m = sender.take(now); m !== undefined; m = sender.take(now)) out.push(m.id)
    return out
  }
  t.same(taken(0), [0, 1, 2, 3, 4, 5])
  t.same(taken(1999), [])
  t.equal(sender.deadline(), 2000)
  t.same(taken(2000), [0, 1, 2, 3, 4, 5], 'again after 2 s')
  t.equal(sender.deadline(), 6000, 'then after 4 s')
  sender.acknowledged(1, 2100)
  sender.acknowledged(2, 2100)
  t.same(taken(2100), [])
  sender.acknowledged(3, 2100)
  t.same(taken(2100), [0], 'overtaken three times: at once')
  sender.acknowledged(3, 2100)
  sender.acknowledged(99, 2100)
  for (const id of [0, 4, 5]) sender.acknowledged(id, 2200)
  t.ok(sender.idle)
  t.equal(sender.deadline(), Number.POSITIVE_INFINITY)
  t.end()
})

t.test('the receiver: order, window, acknowledgements', (t) => {
  const receiver = new ReliableReceiver()
  const payload = Uint8Array.of(1)
  t.ok(receiver.accept(1, P_CONTROL_V1, payload))
  t.equal(receiver.take(), undefined, '0 is missing')
  t.notOk(receiver.accept(1, P_CONTROL_V1, payload), 'again')
  t.notOk(receiver.accept(OVPN_RECEIVE_WINDOW, P_CONTROL_V1, payload), 'beyond the window')
  t.notOk(receiver.accept(0xffffffff, P_CONTROL_V1, payload))
  t.ok(receiver.accept(0, P_CONTROL_V1, payload))
  payload[0] = 9
  t.match(receiver.take(), { id: 0, payload: Uint8Array.of(1) }, 'copied')
  t.match(receiver.take(), { id: 1 })
  t.same(receiver.takeAcks(), [1, 0])
  t.notOk(receiver.accept(0, P_CONTROL_V1, payload))
  t.same(receiver.takeAcks(), [0, 1], 'what comes again is acknowledged again, with the last ones')
  for (let id = 2; id < 100; id++) receiver.accept(id, P_CONTROL_V1, payload)
  t.equal(receiver.takeAcks(100).length, OVPN_RECEIVE_WINDOW)
  t.same(receiver.takeAcks(), [6, 7, 8, 9], 'four are repeated')
  for (let id = 2; id < 100; id++) {
    receiver.accept(id, P_CONTROL_V1, payload)
    receiver.take()
  }
  t.equal(receiver.takeAcks(100).length, OVPN_PENDING_ACKS, 'bounded')
  t.end()
})

t.test('TCP framing, whole and in any pieces', (t) => {
  const packets = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 10 })
  fc.assert(
    fc.property(packets, fc.array(fc.nat(3000), { maxLength: 20 }), (sent, cuts) => {
      const stream = Uint8Array.from(sent.flatMap((p) => [p.length >> 8, p.length & 0xff, ...p]))
      for (const chunks of [pieces(stream, cuts), Array.from(stream, (b) => Uint8Array.of(b))]) {
        const got: Uint8Array[] = []
        const splitter = new StreamSplitter()
        for (const chunk of chunks) {
          t.ok(splitter.push(chunk, (packet) => got.push(Uint8Array.from(packet))))
        }
        t.strictSame(got, sent)
      }
    }),
    { ...(fuzzRun as fc.Parameters<[Uint8Array[], number[]]>), numRuns: 200 },
  )
  for (const bad of [
    [0, 0],
    [8, 1],
    [0xff, 0xff],
  ]) {
    t.notOk(
      new StreamSplitter().push(Uint8Array.from(bad), () => t.fail()),
      `length ${bad}`,
    )
    const splitter = new StreamSplitter()
    t.ok(splitter.push(Uint8Array.of(bad[0] as number), () => t.fail()))
    t.notOk(
      splitter.push(Uint8Array.of(bad[1] as number), () => t.fail()),
      'byte by byte',
    )
  }
  t.end()
})
