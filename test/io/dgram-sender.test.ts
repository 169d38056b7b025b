import type { Socket } from 'node:dgram'
import t from 'tap'
import { socketAddress } from '../../src/core/socket-address.js'
import type { DgramHandle, SendRequest } from '../../src/io/dgram-handle.js'
import { DgramSender } from '../../src/io/dgram-sender.js'
import { SEND_QUEUE } from '../../src/io/limits.js'

interface Sent {
  readonly request: SendRequest
  readonly bytes: Uint8Array
  readonly to: string
}

class Request implements SendRequest {}

/** A socket whose kernel takes what it is told to, at once (1), later (0) or never (below). */
function fake(mapped = false) {
  const sent: Sent[] = []
  const kernel = { answer: 1 }
  const handle = {
    fd: 3,
    send: (
      request: SendRequest,
      list: readonly Uint8Array[],
      _count: number,
      port: number,
      address: string,
    ) => {
      sent.push({ request, bytes: list[0] ?? new Uint8Array(0), to: `${address} ${port}` })
      return kernel.answer
    },
  } as unknown as DgramHandle
  let byNode = 0
  const socket = {
    send: (bytes: Uint8Array, port: number, address: string) => {
      byNode++
      handle.send(new Request(), [bytes], 1, port, address, true)
    },
  } as unknown as Socket
  const sender = new DgramSender(socket, handle, mapped)
  return { sent, kernel, sender, byNode: () => byNode }
}

const HERE = socketAddress(Uint8Array.of(192, 0, 2, 1), 1000)

t.test('the first goes by node:dgram, all others by its handle with one request', (t) => {
  const { sent, sender, byNode } = fake()
  for (let n = 0; n < 5; n++) sender.send(new Uint8Array(10 + (n >> 2)).fill(n), HERE, 0)
  t.equal(byNode(), 1)
  t.same(
    sent.map(({ bytes }) => bytes.length),
    [10, 10, 10, 10, 11],
  )
  t.equal(new Set(sent.slice(1).map(({ request }) => request)).size, 1)
  t.ok(sent.every(({ to }) => to === '192.0.2.1 1000'))
  t.notOk(sender.full)
  t.end()
})

t.test('addresses, as the socket\u2019s family writes them', (t) => {
  const { sent, sender } = fake(true)
  const six = new Uint8Array(16)
  six.set([0xfe, 0x80])
  six[15] = 1
  const records = new Uint8Array(72)
  records.set(HERE)
  records.set(socketAddress(six, 5, 3), 24)
  records.set(socketAddress(six, 6), 48)
  for (const at of [0, 24, 48, 0]) sender.send(new Uint8Array(1), records, at)
  t.same(
    sent.map(({ to }) => to),
    ['::ffff:192.0.2.1 1000', 'fe80::1%3 5', 'fe80::1 6', '::ffff:192.0.2.1 1000'],
  )
  t.end()
})

t.test('what the kernel has no room for keeps its memory, and is counted', (t) => {
  const { sent, kernel, sender } = fake()
  const size = 1000
  let room = 0
  sender.onRoom = () => room++
  sender.send(new Uint8Array(size), HERE, 0)
  kernel.answer = 0
  let count = 0
  for (; !sender.full; count++) sender.send(new Uint8Array(size).fill(count), HERE, 0)
  t.equal(count, Math.floor(SEND_QUEUE / size) + 1)
  const waiting = sent.slice(1)
  t.ok(
    waiting.every(({ bytes }, i) => bytes.every((byte) => byte === (i & 255))),
    'each as it was',
  )
  t.equal(new Set(waiting.map(({ request }) => request)).size, count)
  t.ok(waiting.every(({ request, bytes }) => request.list?.[0] === bytes))
  for (const [i, { request }] of waiting.entries()) {
    const left = (count - i - 1) * size
    request.oncomplete?.(0, size)
    t.equal(room, left <= SEND_QUEUE / 2 ? 1 : 0)
    if (left > SEND_QUEUE / 2) t.ok(sender.full, 'until half of it has left')
  }
  t.notOk(sender.full)
  kernel.answer = -101
  sender.send(new Uint8Array(size), HERE, 0)
  t.notOk(sender.full, 'what cannot be sent is lost')
  t.end()
})

t.test('a Node that sends otherwise is left to it', (t) => {
  let byNode = 0
  let queued = 0
  const socket = {
    send: (_bytes: Uint8Array, _port: number, _address: string, done: () => void) => {
      byNode++
      queued += SEND_QUEUE
      setImmediate(() => {
        queued = 0
        done()
      })
    },
    getSendQueueSize: () => queued,
  } as unknown as Socket
  const handle = { fd: 3, send: () => t.fail('not used') } as unknown as DgramHandle
  const sender = new DgramSender(socket, handle, false)
  sender.send(new Uint8Array(1), HERE, 0)
  t.notOk(sender.full)
  sender.send(new Uint8Array(1), HERE, 0)
  t.ok(sender.full)
  t.equal(byNode, 2)
  sender.onRoom = () => t.end()
})
