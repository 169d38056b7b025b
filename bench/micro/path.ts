/**
 * The packet half alone: program bytes → stack → WireGuard → UDP over loopback → WireGuard → stack, both
 * ends in one process, as fast as they go. CPU seconds per GB of both together, each end's part of it, and
 * datagrams per wake-up. Run: node build/bench/micro/path.js [MIB] [STREAMS] (default 1024 and 1;
 * PVPN_ACCEL=off for the twins, --cpu-prof to profile)
 */
import { generateKeyPairSync } from 'node:crypto'
import { systemStack } from '../../src/cli/compose-stack.js'
import type { PacketBatch } from '../../src/core/packet-batch.js'
import type { ByteStream } from '../../src/core/stream.js'
import { createPacketCipher } from '../../src/crypto/packet-cipher.js'
import { PacketDriver } from '../../src/environment/packet-driver.js'
import { systemClock } from '../../src/io/clock.js'
import { systemRandom } from '../../src/io/random.js'
import { openUdp } from '../../src/io/udp-socket.js'
import { createWireguard } from '../../src/tunnel/wireguard/tunnel.js'

const MTU = 1420
/** What a program's socket gives or takes at once, in bytes. */
const CHUNK = 65_536
const [mebibytes = '1024', streams = '1'] = process.argv.slice(2)
const total = Number(mebibytes) * 1_048_576

function keyPair(): { privateKey: Uint8Array; publicKey: Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync('x25519')
  const raw = (part: 'd' | 'x', jwk: { d?: string; x?: string }) =>
    new Uint8Array(Buffer.from(jwk[part] ?? '', 'base64url'))
  return {
    privateKey: raw('d', privateKey.export({ format: 'jwk' })),
    publicKey: raw('x', publicKey.export({ format: 'jwk' })),
  }
}

/** One end, and what its turns took. */
async function end(address: string) {
  const socket = await openUdp({ family: 4, address: '127.0.0.1', packetSize: MTU + 96 })
  return { address, socket, keys: keyPair(), stack: systemStack() }
}
type End = Awaited<ReturnType<typeof end>>

interface Spent {
  milliseconds: number
  wakeUps: number
  datagrams: number
}

async function drive(own: End, other: End, calls: boolean): Promise<Spent> {
  const spent: Spent = { milliseconds: 0, wakeUps: 0, datagrams: 0 }
  const timed = (run: () => void) => {
    const start = performance.now()
    run()
    spent.milliseconds += performance.now() - start
  }
  const endpoint = { host: '127.0.0.1', port: other.socket.localPort }
  const tunnel = createWireguard(
    {
      type: 'wireguard',
      privateKey: own.keys.privateKey,
      addresses: [`${own.address}/32`],
      dns: [],
      search: [],
      mtu: MTU,
      listenPort: 0,
      peers: [
        {
          publicKey: other.keys.publicKey,
          allowedIps: [`${other.address}/32`],
          persistentKeepalive: 0,
          ...(calls ? { endpoint } : {}),
        },
      ],
    },
    { random: systemRandom, wallClock: Date.now, packetCipher: createPacketCipher },
  )
  await new Promise<void>((resolve) => {
    const driver = new PacketDriver({
      tunnel,
      stack: own.stack,
      socket: own.socket,
      clock: { now: systemClock.now, at: (when, run) => systemClock.at(when, () => timed(run)) },
      soon: (run) => setImmediate(() => timed(run)),
      onEvent: (event) => event.kind === 'up' && resolve(),
    })
    const { onBatch } = own.socket
    own.socket.onBatch = (batch: PacketBatch) => {
      spent.wakeUps++
      spent.datagrams += batch.count
      timed(() => onBatch(batch))
    }
    driver.start()
    if (!calls) resolve()
  })
  return spent
}

const sender = await end('10.0.0.1')
const receiver = await end('10.0.0.2')
const received = await drive(receiver, sender, false)
const sent = await drive(sender, receiver, true)
const now = () => systemClock.now()
sender.stack.configure({ addresses: ['10.0.0.1/32'], dns: [], search: [], mtu: MTU }, now())
receiver.stack.configure({ addresses: ['10.0.0.2/32'], dns: [], search: [], mtu: MTU }, now())

let left = total
const done = new Promise<void>((resolve) => {
  receiver.stack.listenTcp({ port: 80 }).onConnection = (stream: ByteStream) => {
    stream.onReadable = () => {
      left -= stream.read()?.length ?? 0
      if (left <= 0) resolve()
    }
  }
})
const chunk = new Uint8Array(CHUNK)
for (let n = 0; n < Number(streams); n++) {
  const stream = sender.stack.connectTcp({ address: '10.0.0.2', port: 80 }, now())
  const pump = () => {
    while (stream.write(chunk) === CHUNK);
  }
  stream.onConnect = pump
  stream.onWritable = pump
}
const cpu = process.cpuUsage()
const start = performance.now()
await done
const seconds = (performance.now() - start) / 1000
const used = process.cpuUsage(cpu)
const gigabytes = (total - left) / 1e9
const share = (used.user + used.system) / 1e6 / gigabytes
const all = sent.milliseconds + received.milliseconds
const round = (x: number) => Math.round(x * 100) / 100
const counters = sender.stack.counters
console.log(
  JSON.stringify({
    gbitPerSecond: round((gigabytes * 8) / seconds),
    cpuSecondsPerGbBoth: round(share),
    sender: round((share * sent.milliseconds) / all),
    receiver: round((share * received.milliseconds) / all),
    datagramsPerWakeUp: round(received.datagrams / received.wakeUps),
    acksPerWakeUp: round(sent.datagrams / sent.wakeUps),
    wakeUpsPerMB: round((received.wakeUps + sent.wakeUps) / gigabytes / 1000),
    retransmits: counters.tcp.retransmits,
  }),
)
process.exit(0)
