/** What node:dgram has below its sockets is not public: this Node has it as src/io uses it, and one that has not is found out. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { readSync } from 'node:fs'
import t from 'tap'
import { type DgramHandle, dgramHandle, requestClass } from '../../src/io/dgram-handle.js'

const LOOPBACK = '127.0.0.1'

async function bound(): Promise<Socket> {
  const socket = createSocket({
    type: 'udp4',
    lookup: (host, _options, done) => done(null, host, 4),
  })
  const listening = once(socket, 'listening')
  socket.bind(0, LOOPBACK)
  await listening
  return socket
}

function handleOf(socket: Socket): DgramHandle {
  const handle = dgramHandle(socket)
  if (handle === undefined) throw new Error('no handle')
  return handle
}

t.test('this Node: descriptor, sending, stopping', async (t) => {
  const [a, b] = [await bound(), await bound()]
  const [from, to] = [handleOf(a), handleOf(b)]
  const { port } = b.address()
  const heard = once(b, 'message')
  const Request = requestClass(from, () => a.send('first', port, LOOPBACK))
  if (Request === undefined) throw new Error('no class')
  t.equal(String(((await heard) as [Buffer])[0]), 'first')
  const second = once(b, 'message')
  const request = new Request()
  t.ok(from.send(request, [Buffer.from('second')], 1, port, LOOPBACK, true) > 0, 'at once')
  t.equal(String(((await second) as [Buffer])[0]), 'second')
  t.equal(to.recvStop(), 0)
  t.ok(from.send(request, [Buffer.from('third')], 1, port, LOOPBACK, true) > 0, 'used again')
  await new Promise((resolve) => setTimeout(resolve, 5))
  const bytes = new Uint8Array(10)
  t.equal(readSync(to.fd, bytes, 0, 10, null), 5)
  t.equal(String(Buffer.from(bytes.subarray(0, 5))), 'third')
  t.throws(() => readSync(to.fd, bytes, 0, 10, null), { code: 'EAGAIN' })
  t.equal(to.recvStart(), 0)
  const fourth = once(b, 'message')
  a.send('fourth', port, LOOPBACK)
  t.equal(String(((await fourth) as [Buffer])[0]), 'fourth', 'and node:dgram goes on')
  a.close()
  b.close()
  t.ok(to.fd < 0, 'closed')
  t.equal(dgramHandle(a), undefined)
})

t.test('other Nodes', async (t) => {
  t.equal(dgramHandle({} as Socket), undefined)
  const state = Symbol('state symbol')
  const methods = { send() {}, recvStart() {}, recvStop() {} }
  const socket = (handle: unknown) => ({ [state]: { handle } }) as unknown as Socket
  t.ok(dgramHandle(socket({ ...methods, fd: 3 })))
  t.equal(dgramHandle(socket(null)), undefined)
  t.equal(dgramHandle(socket({ ...methods, fd: undefined })), undefined, 'Windows')
  t.equal(dgramHandle(socket({ ...methods, fd: -9 })), undefined)
  t.equal(dgramHandle(socket({ ...methods, fd: 3, send: undefined })), undefined)
  const handle = { ...methods, fd: 3, send: (..._: unknown[]) => 1 } as unknown as DgramHandle
  const { send } = handle
  const list = [new Uint8Array(1)]
  const call = (...args: unknown[]) => (handle.send as (...args: unknown[]) => void)(...args)
  class Wrap {}
  t.equal(
    requestClass(handle, () => call(new Wrap(), list, 1, 5, LOOPBACK, true)),
    Wrap,
  )
  for (const args of [
    [new Wrap(), list, 1, true],
    [new Wrap(), list, 1, 5, LOOPBACK, true, 0],
    [new Wrap(), list, 1, LOOPBACK, 5, true],
    [new Wrap(), list[0], 1, 5, LOOPBACK, true],
  ]) {
    t.equal(
      requestClass(handle, () => call(...args)),
      undefined,
    )
  }
  t.equal(
    requestClass(handle, () => undefined),
    undefined,
  )
  t.equal(handle.send, send, 'left as it was')
})
