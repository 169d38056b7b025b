/**
 * Two TCP layers back to back, no IP or tunnel between: packets per second and CPU seconds per GB, one
 * side's cost being half. Run: node build/bench/micro/tcp.js [MIB] (default 1024; --cpu-prof to profile)
 */
import { PacketBatch } from '../../src/core/packet-batch.js'
import { createTcpLayer } from '../../src/stack/tcp/layer.js'
import type { IpLayer, TcpLayer } from '../../src/stack/tcp-contract.js'

const MTU = 1420
const total = Number(process.argv[2] ?? 1024) * 1048576

function ip(last: number): IpLayer {
  const address = new Uint8Array([10, 0, 0, last])
  let identification = 0
  return {
    sourceFor: () => address,
    isLocal: () => true,
    pathMtu: () => MTU,
    shrinkPath: () => undefined,
    identification: () => {
      identification = (identification + 1) & 0xffff
      return identification
    },
  }
}

let seed = 1
const random = (out: Uint8Array) => {
  for (let i = 0; i < out.length; i++) {
    seed = (Math.imul(seed, 1103515245) + 12345) | 0
    out[i] = seed >>> 16
  }
}
const options = { random, ephemeralPorts: [32768, 60999] } as const
const a = createTcpLayer(ip(1), options)
const b = createTcpLayer(ip(2), options)
const batch = new PacketBatch({ capacity: 128, packetSize: MTU })
let now = 1000
let packets = 0
/** CPU spent in a (sends data) and b (receives), in ms. */
const spent = { a: 0, b: 0 }

function clock(): number {
  return performance.now()
}

/** One turn of `from`; its packets arrive at `to` at once. False: nothing was sent. */
function turn(from: TcpLayer, to: TcpLayer, key: 'a' | 'b', other: 'a' | 'b'): boolean {
  const start = clock()
  if (from.deadline() <= now) from.tick(now)
  from.notify()
  batch.reset()
  const count = from.output(batch, now)
  const sent = clock()
  spent[key] += sent - start
  for (let i = 0; i < count; i++) {
    const at = batch.offset[i] as number
    to.input(batch.bytes, at, at + 20, (batch.length[i] as number) - 20, now)
  }
  spent[other] += clock() - sent
  packets += count
  return count > 0
}

let received = 0
b.listen({ port: 80 }).onConnection = (stream) => {
  stream.onReadable = () => {
    const bytes = stream.read()
    if (bytes !== undefined) received += bytes.length
  }
}
const socket = a.connect({ address: '10.0.0.2', port: 80 }, now)
let written = 0
const pump = () => {
  while (written < total) {
    const n = socket.write(new Uint8Array(65_536))
    written += n
    if (n < 65_536) return
  }
}
socket.onConnect = pump
socket.onWritable = pump

const cpu = process.cpuUsage()
const start = clock()
while (received < total) {
  now += 0.2
  const sent = turn(a, b, 'a', 'b')
  const answered = turn(b, a, 'b', 'a')
  if (!sent && !answered) now = Math.max(now, Math.min(a.deadline(), b.deadline()))
}
const seconds = (clock() - start) / 1000
const used = process.cpuUsage(cpu)
const gigabytes = received / 1e9
const round = (x: number) => Math.round(x * 1000) / 1000
console.log(
  JSON.stringify({
    gigabytes: round(gigabytes),
    packets,
    packetsPerSecond: Math.round(packets / seconds),
    gbitPerSecond: round((gigabytes * 8) / seconds),
    cpuSecondsPerGbBoth: round((used.user + used.system) / 1e6 / gigabytes),
    secondsPerGbSender: round(spent.a / 1000 / gigabytes),
    secondsPerGbReceiver: round(spent.b / 1000 / gigabytes),
    retransmits: a.counters.retransmits,
  }),
)
