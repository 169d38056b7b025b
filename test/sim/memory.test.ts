/** Many connections' buffers together stay within their bound, and all of them get on in the end. */
import t from 'tap'
import type { ByteStream } from '../../src/core/stream.js'
import type { TcpContext } from '../../src/stack/tcp/context.js'
import { Pair } from './pair.js'
import { SeededRandom } from './random.js'
import { patternByte } from './transfer.js'

const MEMORY = 1 << 20
const PATTERN = Uint8Array.from({ length: 1 << 17 }, (_, i) => patternByte(1, i))

for (const { connections, each, loss } of [
  { connections: 20, each: 100_000, loss: 0 },
  { connections: 20, each: 100_000, loss: 0.02 },
  { connections: 400, each: 20_000, loss: 0.01 },
]) {
  t.test(`${connections} connections of ${each} bytes, loss ${loss}`, async (t) => {
    const random = new SeededRandom(11)
    const pair = new Pair({ random, there: { delay: 5, loss }, memory: MEMORY })
    const [sender, receiver] = [pair.a.tcp, pair.b.tcp] as unknown as TcpContext[]
    const got: { stream: ByteStream; bytes: number; wrong: boolean }[] = []
    pair.b.tcp.listen({ port: 80 }).onConnection = (stream) => {
      got.push({ stream, bytes: 0, wrong: false })
    }
    let open = 0
    for (let i = 0; i < connections; i++) {
      const socket = pair.a.tcp.connect({ address: pair.b.address, port: 80 }, pair.now)
      let sent = 0
      const write = () => {
        while (sent < each) {
          const taken = socket.write(PATTERN.subarray(sent, each))
          sent += taken
          if (taken === 0) return
        }
        socket.end()
      }
      socket.onConnect = () => {
        open++
        write()
      }
      socket.onWritable = write
      socket.onClose = () => {}
    }
    let most = 0
    let reading = false
    const done = () => {
      most = Math.max(most, sender?.sendMemory.held ?? 0, receiver?.receiveMemory.held ?? 0)
      if (reading) for (const one of got) read(one)
      return got.length === connections && got.every((one) => one.bytes === each)
    }
    const read = (one: (typeof got)[number]) => {
      const bytes = one.stream.read()
      if (bytes === undefined) return
      for (let i = 0; i < bytes.length; i++) {
        if (bytes[i] !== PATTERN[one.bytes + i]) one.wrong = true
      }
      one.bytes += bytes.length
    }
    pair.run(done, 20_000)
    t.equal(open, connections)
    t.ok(most <= MEMORY, `${most} of ${MEMORY} bytes while nobody reads`)
    t.ok(most > MEMORY / 2, 'they are pressed for it')
    reading = true
    for (let i = 0; i < 1000 && !done(); i++) pair.run(done, 5000)
    t.ok(most <= MEMORY, `${most} of ${MEMORY} bytes while all read`)
    t.ok(done(), 'everything arrives')
    t.notOk(got.some((one) => one.wrong))
    pair.run(() => sender?.sendMemory.held === 0, 5000)
    t.equal(sender?.sendMemory.held, 0)
    t.equal(receiver?.receiveMemory.held, 0)
  })
}
