/**
 * The far side of far-network.ts, a process: WireGuard for many peers on one loopback port, our stack
 * behind it, and on 10.99.0.1 what loads and probes need. TCP: 7 echo, 9 discard, 19 bytes without end.
 * UDP: 7 echo, 9 discard, 19 answers `MILLISECONDS PER_TURN` with datagrams, as fast, for that long;
 * 53 DNS: every name below `inside.example` is 10.99.0.1.
 */
import { decode, encode } from 'dns-packet'
import { openFarEnd } from '../../src/cli/demo/far-end.js'
import type { ByteStream } from '../../src/core/stream.js'
import type { Bytes } from '../../src/core/types.js'
import type { Stack } from '../../src/stack/contract.js'
import { clientAddress, FAR_ADDRESS, type FarPlan } from './far-network.js'

const BLOCK = new Uint8Array(65_536).fill(0x55)
const DATAGRAM = new Uint8Array(1000).fill(0x44)

async function serve({ privateKey, peers }: FarPlan): Promise<number> {
  const { stack, start } = await openFarEnd({
    privateKey,
    addresses: [`${FAR_ADDRESS}/32`],
    peers: peers.map((publicKey, i) => ({ publicKey, allowedIps: [`${clientAddress(i)}/32`] })),
  })
  serveStreams(stack)
  serveDatagrams(stack)
  return start()
}

function serveStreams(stack: Stack): void {
  const listen = (port: number, run: (stream: ByteStream) => void) => {
    stack.listenTcp({ port, backlog: 1024 }).onConnection = (stream) => {
      stream.onClose = () => undefined
      run(stream)
    }
  }
  listen(7, (stream) => {
    stream.onReadable = () => {
      const bytes = stream.read()
      if (bytes !== undefined) stream.write(bytes)
      if (stream.ended) stream.end()
    }
  })
  listen(9, (stream) => {
    stream.onReadable = () => {
      stream.read()
      if (stream.ended) stream.end()
    }
  })
  listen(19, (stream) => {
    const fill = () => {
      while (stream.write(BLOCK) === BLOCK.length) {
        // Until its buffer is full.
      }
    }
    stream.onWritable = fill
    stream.onReadable = () => {
      stream.read()
      if (stream.ended) stream.abort()
    }
    fill()
  })
}

function serveDatagrams(stack: Stack): void {
  const echo = stack.bindUdp({ port: 7 })
  echo.onMessage = (from, bytes) => echo.send(from, bytes)
  stack.bindUdp({ port: 9 }).onMessage = () => undefined
  const source = stack.bindUdp({ port: 19 })
  source.onMessage = (from, bytes) => {
    const [time = 0, turn = 0] = Buffer.from(bytes).toString().split(' ').map(Number)
    const end = performance.now() + Math.min(time, 10_000)
    const send = () => {
      for (let i = 0; i < turn && source.send(from, DATAGRAM); i++);
      if (performance.now() < end) setImmediate(send)
    }
    send()
  }
  const dns = stack.bindUdp({ port: 53 })
  dns.onMessage = (from, bytes) => dns.send(from, answer(bytes))
}

function answer(bytes: Bytes): Bytes {
  const question = decode(Buffer.from(bytes))
  const [asked] = question.questions ?? []
  const known = asked?.type === 'A' && asked.name.endsWith('inside.example')
  return encode({
    type: 'response',
    id: question.id ?? 0,
    flags: (1 << 10) | (1 << 7) | (asked?.name.endsWith('inside.example') ? 0 : 3),
    questions: question.questions ?? [],
    answers: known ? [{ type: 'A', name: asked.name, ttl: 0, data: FAR_ADDRESS }] : [],
  })
}

process.once('message', (plan: FarPlan) => {
  serve(plan).then(
    (port) => process.send?.(port),
    (thrown: unknown) => {
      process.stderr.write(`far network: ${String(thrown)}\n`)
      process.exit(1)
    },
  )
})
process.once('disconnect', () => process.exit(0))
