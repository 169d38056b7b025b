import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import t from 'tap'
import { isSocket, socketDescriptor, socketIdentity } from '../../src/io/socket-owner.js'

/** Descriptor 400 of a process that has few others, so that no counting up from 0 meets it soon. */
const SPARSE = 400

t.test('the descriptor of a socket is found by its inode, wherever it stands', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  const [peer] = await once(server, 'connection')
  t.teardown(() => {
    socket.destroy()
    peer.destroy()
    server.close()
  })
  const identity = socketIdentity(
    { address: '127.0.0.1', port: socket.localPort ?? 0 },
    { address: '127.0.0.1', port },
  )
  const inode = identity?.inode ?? 0
  t.equal(identity?.uid, process.getuid?.())
  const own = socketDescriptor(process.pid, inode)
  t.ok(own !== undefined && isSocket(process.pid, own, inode))
  t.equal(socketDescriptor(process.pid, 1), undefined, 'no such socket')

  const stdio: ('ignore' | typeof socket)[] = new Array(SPARSE).fill('ignore')
  const child = spawn('sleep', ['60'], { stdio: [...stdio, socket] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'spawn')
  t.equal(socketDescriptor(child.pid ?? 0, inode), SPARSE)
  t.equal(socketDescriptor(child.pid ?? 0, 1), undefined)
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.equal(socketDescriptor(child.pid ?? 0, inode), undefined, 'ended')
})
